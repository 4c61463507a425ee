"""Redeem: one scan or request becomes one durable answer.

Signature and form are judged before the transaction; what the ledger must answer, the decision and everything that
follows from it (use, budget, record, promo code, print job) happen within one. The cashier sees green only after it
is on disk.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from agent import guard, points
from agent.disk import DiskLevel
from agent.domain import record, time
from agent.domain.decide import Decision, LedgerView, PriorUse, Refusal, verify_scan
from agent.domain.eligibility import Member
from agent.domain.keys import SigningKey
from agent.domain.member_card import CardRefused
from agent.domain.online import UNASKED
from agent.domain.outcome import SOMETHING_ELSE, Outcome
from agent.domain.parts import Contents, PromoCode
from agent.domain.promo import Choice
from agent.domain.reasons import Stop
from agent.domain.sale import Sale
from agent.domain.settlement import settled
from agent.domain.token import Coupon
from agent.domain.verdict import Verdict, make_verdict
from agent.judging import heard, judge
from agent.line.online import Checks
from agent.members import NOBODY, Customer, as_now
from agent.ports import AnsweredBefore, Clock, CommitUnknown, Ledger, LedgerUnavailable, Transaction
from agent.promos.choice import AskTyped, Issuing, contents_for, hand_out, nobody, read_typed_promo
from agent.records import (
    ENCODE,
    Moment,
    Veil,
    base_facts,
    choice_facts,
    coupon_facts,
    member_facts,
    raise_mark,
    seal_into,
    subject_of,
    token_hash,
)
from agent.request import KeyReused, Request
from agent.secret import derived
from agent.state import TillState, Trust

log = logging.getLogger(__name__)


ReceiptMaker = Callable[[Verdict, Contents, tzinfo, Sale | None, PromoCode | None], str]
"""Makes the facts of a receipt (JSON text) from an accepted verdict."""


class Redeemer:
    """The use case over its ports. One instance per till."""

    def __init__(
        self,
        state: TillState,
        ledger: Ledger,
        clock: Clock,
        key: SigningKey,
        secret: bytes,
        make_receipt: ReceiptMaker | None,
        promos: bool = True,
        ask_typed: AskTyped = nobody,
        checks: Checks | None = None,
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._clock = clock
        self._key = key
        self._secret = derived(secret, "request")
        self._make_receipt = make_receipt
        self._promos = promos
        self._ask_typed = ask_typed
        self._checks = checks

    async def redeem(self, request: Request) -> Verdict:
        """Judge, record and answer. Raises KeyReused, CardRefused; everything else is a verdict."""
        if request.customer.fault:
            if (answered := await self._answered_before(request)) is not None:
                return answered
            raise CardRefused(request.customer.fault)
        trust = self._state.trust
        if trust is None or self._state.stopped:
            if (answered := await self._answered_before(request)) is not None:
                return answered
            reason = self._state.stopped or Stop.NO_BUNDLE
            return self._bare(request, Decision(Outcome.TILL_STOPPED, detail=reason))
        found = _read(request.text, trust)
        if isinstance(found, Refusal):
            text, ask = request.text, self._ask_typed
            found = await read_typed_promo(self._ledger, text, lambda one: _read(one, trust), ask) or found
        if isinstance(found, Refusal) and found.outcome in SOMETHING_ELSE:
            # Nothing was refused and nothing is kept: the number of somebody's card least of all.
            answered = await self._answered_before(request)
            return answered or self._bare(request, Decision(found.outcome, detail=found.detail or None))
        if self._checks is not None and isinstance(found, Coupon):
            request = await heard(self._checks, request, trust, found, self._state.now(self._clock))
        work = _Work(self, request, trust, found)
        try:
            verdict = await self._ledger.write(work.run, work.read_back)
        except (AnsweredBefore, LedgerUnavailable) as error:
            # A disk that takes no more still gives back what it holds.
            if (answered := await self._answered_before(request)) is not None:
                return answered
            log.error("ledger unavailable: %s", error)
            self._state.ledger_fault = Stop.LEDGER_UNAVAILABLE
            return self._bare(request, Decision(Outcome.TILL_STOPPED, detail=Stop.LEDGER_UNAVAILABLE))
        except CommitUnknown as error:
            log.critical("commit unknown: %s", error)
            self._state.ledger_fault = "commit_unknown"
            return self._bare(request, Decision(Outcome.UNKNOWN_RESULT, detail="commit_unknown"))
        self._state.ledger_fault = ""
        self._state.unrecorded += work.unrecorded
        if work.mark is not None:
            self._state.set_mark(work.mark)
        return verdict

    async def _answered_before(self, request: Request) -> Verdict | None:
        """A stopped till still repeats what it said: the coupon is used, whatever happened since."""
        if request.request_id is None:
            return None
        try:
            return await self._ledger.write(lambda tx: _answered(tx, request, self._secret), lambda _tx: None)
        except (LedgerUnavailable, CommitUnknown):
            return None

    def explain(self, text: str, sale: Sale | None, customer: Customer = NOBODY) -> Verdict:
        """What would be said of `text` now, from trust and rules alone: reads no ledger and records nothing."""
        trust = self._state.trust
        request = Request(text, "verify", sale, customer=customer)
        if trust is None:
            return self._bare(request, Decision(Outcome.TILL_STOPPED, detail=Stop.NO_BUNDLE))
        found = _read(text, trust)
        now = self._state.now(self._clock)
        asks = None if self._checks is None else UNASKED
        decision = judge(found, trust, sale, LedgerView(), now, customer.member, checked=asks)
        decision = decision._replace(left_minor=None)  # the ledger knows what was taken, and is not asked
        return self._verdict(request, trust, found, decision, None, now)

    def _bare(self, request: Request, decision: Decision) -> Verdict:
        now = self._state.now(self._clock).now
        return make_verdict(
            decision,
            scan_id=request.scan_id,
            at=now,
            source=request.source,
            zone=self._state.zone(),
            currency=self._state.currency(),
            offline=not self._state.online,
        )

    def _verdict(
        self,
        request: Request,
        trust: Trust,
        found: Coupon | Refusal,
        decision: Decision,
        prior: PriorUse | None,
        now: time.EffectiveTime,
        redemption_id: str | None = None,
    ) -> Verdict:
        coupon = found if isinstance(found, Coupon) else None
        return make_verdict(
            decision,
            scan_id=request.scan_id,
            at=now.now,
            source=request.source,
            zone=trust.zone,
            currency=trust.contents.place.currency,
            coupon=coupon,
            campaign=None if coupon is None else trust.contents.campaigns.get(coupon.identity[:2]),
            prior=prior,
            redemption_id=redemption_id,
            print_job=None if self._make_receipt is None else redemption_id,
            offline=not self._state.online,
        )


def _read(text: str, trust: Trust) -> Coupon | Refusal:
    """`verify_scan`; a table of codes that the disk does not give back is a refusal too."""
    try:
        return verify_scan(text, trust.contents)
    except LedgerUnavailable as error:
        log.error("codes cannot be looked up: %s", error)
        return Refusal(Outcome.TILL_STOPPED, Stop.CODES_UNREADABLE)


class _Work:
    """One request's transaction. `run` and `read_back` are called in the ledger's thread.

    Whether the request was answered before is found out last, when its answer is kept: it hardly ever was, and then
    nothing of this stays.
    """

    def __init__(self, owner: Redeemer, request: Request, trust: Trust, found: Coupon | Refusal) -> None:
        self._owner = owner
        self._request = request
        self._trust = trust
        self._found = found
        self._sealed: tuple[str, record.ChainHead, Verdict] | None = None
        self._promo: PromoCode | None = None
        self._choice: Choice | None = None
        self._stand = guard.ALONE
        self._points: dict[str, Any] = {}
        self.mark: time.Anchor | None = None
        self.unrecorded = 0

    def run(self, tx: Transaction) -> Verdict:
        request = self._request
        state, trust = self._owner._state, self._trust
        now = state.now(self._owner._clock)
        day = time.day_number(now.now, trust.zone)
        at = Moment(trust, now, day)
        view = self._view(tx, at)
        self._stand = guard.stand_by(tx, trust.contents, request.supervisor, day)
        member = self._member(tx, at)
        decision = judge(self._found, trust, request.sale, view, now, member, self._stand, request.checked)
        accepted = decision.outcome is Outcome.ACCEPTED
        lane = record.REDEMPTION_LANE if accepted else record.EVIDENCE_LANE
        previous = tx.head(lane)
        redemption_id = record.record_id(state.till, lane, previous.sequence + 1) if accepted else None
        verdict = self._owner._verdict(request, trust, self._found, decision, view.prior, now, redemption_id)
        if accepted:
            self._accept(tx, verdict, decision, at, view.prior)
        if accepted or state.disk < DiskLevel.SCARCE:
            veil = Veil(trust.contents.erased)
            data = self._data(verdict, decision, at, veil)
            if not accepted and state.unrecorded:
                data["unrecorded"] = state.unrecorded  # the cloud learns how many it will never see
                self.unrecorded = -state.unrecorded
            self._append(tx, lane, verdict, data, veil)
        else:
            self.unrecorded = 1
        if request.request_id is not None:
            verdict.written = ENCODE(verdict.to_json())
            answer = verdict.written.decode()
            tx.remember(request.request_id, request.fingerprint(self._owner._secret), answer, now.now)
        self.mark = raise_mark(tx, state, self._owner._clock, at)
        return verdict

    def read_back(self, tx: Transaction) -> Verdict | None:
        """After a failed commit: the verdict if its record is the chain's head on disk."""
        if self._sealed is None:
            return None
        lane, head, verdict = self._sealed
        return verdict if tx.head(lane) == head else None

    def _view(self, tx: Transaction, at: Moment) -> LedgerView:
        if isinstance(self._found, Refusal):
            return LedgerView()
        view, request = tx.view(self._found.identity, at.day, at.now.now), self._request
        if (member := request.member) is None:
            return view
        campaign = self._trust.contents.campaigns.get(self._found.identity[:2])
        return guard.view_of(tx, view, campaign, member, request.sale_id, at)

    def _member(self, tx: Transaction, at: Moment) -> Member | None:
        if self._request.member is None or isinstance(self._found, Refusal):
            return self._request.member
        campaign = self._trust.contents.campaigns.get(self._found.identity[:2])
        return as_now(tx, self._request.member, (campaign,), at)

    def _accept(
        self, tx: Transaction, verdict: Verdict, decision: Decision, at: Moment, prior: PriorUse | None
    ) -> None:
        coupon, campaign, redemption_id = verdict.coupon, verdict.campaign, verdict.redemption_id
        assert coupon is not None, "only a coupon is accepted"
        assert campaign is not None, "only a known campaign is accepted"
        assert redemption_id is not None, "what is accepted has a number"
        day = at.day
        forget_after = coupon.claims.expires + campaign.grace_days
        uses = 0 if prior is None else prior.uses
        spent = decision.discount_minor or 0
        tx.consume(coupon.identity, redemption_id, verdict.at, forget_after, uses, spent)
        if campaign.budget is not None:
            tx.charge(coupon.issuer, coupon.claims.campaign, day, decision.charge_minor)
        if decision.asked:
            tx.use_badge(self._stand.shown.badge, day)
        if (member := self._request.member) is not None:
            guard.count_member(tx, campaign, member, self._request.sale_id, day, verdict.at)
            sale, off = self._request.sale, decision.discount_minor or 0
            due = 0 if sale is None else max(sale.total_minor - off, 0)
            self._points = points.note(tx, at, member, sale, due, decision.applied)
            verdict.points_earned = self._points.get("points_earned", 0)
        if verdict.print_job is not None:
            assert self._owner._make_receipt is not None, "a print job has a receipt"
            trust = self._trust
            if self._owner._promos:
                where = Issuing(trust.contents, self._owner._key, self._owner._state.till)
                self._choice, self._promo = hand_out(
                    tx, where, coupon, self._request.sale, day, redemption_id, self._request.member
                )
            contents = contents_for(trust.contents, self._request.member)
            receipt = self._owner._make_receipt(
                verdict, contents, trust.zone, self._request.sale, self._promo
            )
            tx.queue_print(verdict.print_job, redemption_id, receipt, verdict.at)

    def _append(
        self,
        tx: Transaction,
        lane: str,
        verdict: Verdict,
        data: dict[str, Any],
        veil: Veil,
    ) -> None:
        owner = self._owner
        head = seal_into(
            tx,
            owner._key,
            owner._state.till,
            verdict.at,
            lane=lane,
            kind=lane,
            subject=subject_of(verdict.coupon),
            data=data,
            veil=veil,
        )
        self._sealed = lane, head, verdict

    def _data(self, verdict: Verdict, decision: Decision, at: Moment, veil: Veil) -> dict[str, Any]:
        """What the record says: facts the cloud can settle by; never the coupon's text, never a person."""
        data: dict[str, Any] = {
            "outcome": verdict.outcome.value,
            "scan_id": verdict.scan_id,
            "token_sha256": token_hash(self._request.text),
            "source": verdict.source,
            "detail": verdict.detail,
            **base_facts(at, offline=verdict.offline, sale=self._request.sale),
            "member": member_facts(self._request.member, veil),
        }
        data |= guard.checked_facts(self._request.checked)
        if verdict.coupon is not None:
            data["coupon"] = coupon_facts(verdict.coupon, veil)
        if verdict.redemption_id is not None and verdict.campaign is not None:
            data |= {
                "redemption_id": verdict.redemption_id,
                "campaign_version": verdict.campaign.version,
                "offline_class": verdict.campaign.offline_class.value,
                "discount_minor": decision.discount_minor,
                "charge_minor": decision.charge_minor,
                "currency": verdict.currency,
                "promo": None if self._promo is None else self._promo.short,
                "promotion": choice_facts(self._choice, veil),
            }
            data |= guard.supervisor_facts(self._stand.shown.badge, decision.asked)
            assert verdict.coupon is not None, "only a coupon is accepted"
            data |= settled(verdict.campaign, verdict.coupon, self._request.sale, decision.applied, veil.hide)
            data |= self._points
        return data


def _answered(tx: Transaction, request: Request, key: bytes) -> Verdict | None:
    """The first answer to the same request again, word for word; None if it is new. KeyReused."""
    known = None if request.request_id is None else tx.recall(request.request_id)
    if known is None:
        return None
    if known.fingerprint != request.fingerprint(key):
        raise KeyReused(request.request_id)
    stored = json.loads(known.answer)
    return Verdict(
        scan_id=stored["scan_id"],
        at=time.from_timestamp(stored["at"]),
        source=stored["source"],
        outcome=Outcome(stored["outcome"]),
        **{name: stored[name] for name in ("zh", "en", "next_zh", "next_en", "redemption_id")},
        stored=stored,
    )
