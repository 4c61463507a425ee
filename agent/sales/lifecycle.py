"""A sale with coupons: quote, hold, commit or void, and what a return gives back.

A quote changes nothing. A hold reserves coupons, budgets and balances until it expires; the reservation is rows that
name their own end, so nothing need run for it to be released. A commit records every redemption of the sale, its print
jobs and the answer in one transaction. Each call that changes something is answered once for each idempotency key.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from agent.domain import time
from agent.domain.campaign import Campaign
from agent.domain.decide import Refusal, verify_scan
from agent.domain.hold import Call, Hold, HoldState, Reserved, Step
from agent.domain.online import UNASKED
from agent.domain.outcome import Outcome
from agent.domain.reasons import Stop
from agent.domain.token import Coupon
from agent.guard import Stand, stand_by
from agent.members import as_now, kept_of
from agent.ports import LedgerUnavailable, Transaction
from agent.promos.choice import read_typed_promo
from agent.records import (
    ENCODE,
    Moment,
    moment_of,
    raise_mark,
    token_hash,
)
from agent.request import KeyReused
from agent.sales.basket_price import (
    Priced,
    Scanned,
    Turned,
    admitted,
    facts_at,
    price,
    priced_json,
    with_fault,
)
from agent.sales.commit import commit
from agent.sales.desk import (
    Answered,
    Ask,
    Desk,
    Final,
    HeldCoupon,
    HeldSale,
    SaleFault,
    met,
    note_refusals,
    views_of,
)
from agent.sales.returns import Return, give_back
from agent.secret import derived
from agent.state import Trust

HOLD_S, HOLD_LEAST_S, HOLD_MOST_S = 900, 1, 86_400
"""How long a hold lasts, in seconds: unless the POS says otherwise, at least, at most."""


class StillRunning(Exception):
    """The same idempotency key is being answered right now."""


Work = Callable[[Transaction, Moment], Answered]


class Sales:
    """The use cases of a POS's sale. committed: called after every record."""

    def __init__(self, desk: Desk, committed: Callable[[], None]) -> None:
        self._desk = desk
        self._committed = committed
        self._secret = derived(desk.secret, "request")
        self._running: set[str] = set()

    async def quote(self, ask: Ask) -> dict[str, Any]:
        """What the sale would cost with these coupons. Nothing is kept. SaleFault, LedgerUnavailable."""
        trust = self._trust()
        scanned = await self._heard(await self._read(ask.texts, trust), trust, "", 0)

        def work(tx: Transaction) -> dict[str, Any]:
            at = moment_of(self._desk.state, trust, self._desk.clock)
            priced, turned, _ = _price(tx, at, ask, scanned)
            return priced_json(ask.sale, priced, turned)

        return await self._desk.ledger.write(work, lambda _tx: None)

    async def hold(self, ask: Ask, lasts_s: int, key: str) -> Answered:
        """Reserve what counts for `lasts_s` seconds."""
        trust = self._desk.state.trust
        scanned: list[Scanned] = []
        if trust is not None:
            scanned = await self._heard(await self._read(ask.texts, trust), trust, key, lasts_s)

        def work(tx: Transaction, at: Moment) -> Answered:
            return _hold(self._desk, tx, at, ask, scanned, timedelta(seconds=lasts_s))

        return await self._once("hold", (ask.sale, ask.texts, ask.customer.told, lasts_s), key, work)

    async def show(self, hold_id: str) -> dict[str, Any]:
        """What was last said of a hold, with its state now. SaleFault, LedgerUnavailable."""
        found = await self._desk.ledger.write(lambda tx: tx.hold(hold_id), lambda _tx: None)
        if found is None:
            raise SaleFault("unknown_hold")
        state = found.state_at(self._desk.state.now(self._desk.clock).now)
        return {**json.loads(found.answer), "state": state.value}

    async def commit(self, hold_id: str, final: Final, key: str) -> Answered:
        """The sale is closed: its coupons are redeemed."""
        return await self._once(
            f"commit {hold_id}", final, key, lambda tx, at: commit(self._desk, tx, at, hold_id, final)
        )

    async def void(self, hold_id: str, key: str) -> Answered:
        """The sale did not come about: nothing is used. Works on a till that takes no coupons, too."""
        return await self._once(
            f"void {hold_id}", None, key, lambda tx, at: _void(tx, at.now, hold_id), stopped_too=True
        )

    async def expire(self) -> int:
        """Note which holds are over; how many. Their reservations have ended already."""
        now = self._desk.state.now(self._desk.clock).now
        return await self._desk.ledger.write(lambda tx: tx.expire_holds(now), lambda _tx: 0)

    async def reverse(self, asked: Return, key: str) -> Answered:
        """Goods come back: what was taken off for them goes back."""
        return await self._once("reversal", asked, key, lambda tx, at: give_back(self._desk, tx, at, asked))

    async def _once(
        self, what: str, asked: Any, key: str, work: Work, *, stopped_too: bool = False
    ) -> Answered:
        """`work` once for each key: the same request again gets the first answer. Raises KeyReused, StillRunning,
        SaleFault, LedgerUnavailable and CommitUnknown."""
        asked_for = what.encode() + b"\0" + ENCODE(asked)
        fingerprint = hmac.digest(self._secret, asked_for, "sha256").hex()
        desk, marks = self._desk, list[time.Anchor]()

        def answered(tx: Transaction) -> Answered | None:
            known = tx.recall(key)
            if known is None:
                return None
            if known.fingerprint != fingerprint:
                raise KeyReused(key)
            first = json.loads(known.answer)
            return Answered(first["status"], {**first["body"], "replayed": True})

        def run(tx: Transaction) -> Answered:
            if (before := answered(tx)) is not None:
                return before
            at = moment_of(desk.state, self._trust(stopped_too=stopped_too), desk.clock)
            made = work(tx, at)
            made = Answered(made.status, {**made.body, "replayed": False})
            kept = ENCODE({"status": made.status, "body": made.body}).decode()
            tx.remember(key, fingerprint, kept, at.now.now)
            if (mark := raise_mark(tx, desk.state, desk.clock, at)) is not None:
                marks.append(mark)
            return made

        if key in self._running:
            raise StillRunning(key)
        self._running.add(key)
        try:
            made = await desk.ledger.write(run, answered)
        finally:
            self._running.discard(key)
        for mark in marks:
            desk.state.set_mark(mark)
        self._committed()
        return made

    def _trust(self, *, stopped_too: bool = False) -> Trust:
        state = self._desk.state
        if state.trust is None or (state.stopped and not stopped_too):
            raise SaleFault("till_stopped", state.stopped or Stop.NO_BUNDLE)
        return state.trust

    async def _read(self, texts: Sequence[str], trust: Trust) -> list[Scanned]:
        """Signature and form of each text, before the transaction."""

        def read(text: str) -> Coupon | Refusal:
            try:
                return verify_scan(text, trust.contents)
            except LedgerUnavailable:
                return Refusal(Outcome.TILL_STOPPED, Stop.CODES_UNREADABLE)

        scanned = []
        for place, text in enumerate(texts):
            found = read(text)
            if isinstance(found, Refusal):
                found = await read_typed_promo(self._desk.ledger, text, read, self._desk.ask_typed) or found
            scanned.append(Scanned(place, found, token_hash(text)))
        return scanned

    async def _heard(self, scanned: list[Scanned], trust: Trust, key: str, lasts_s: int) -> list[Scanned]:
        """With what the cloud says of those that are to be asked about. key: of the hold; a quote has none and has
        nothing reserved."""
        checks = self._desk.checks
        if checks is None:
            return scanned
        wanted: list[tuple[Coupon, Campaign]] = []
        for one in scanned:
            if isinstance(one.found, Coupon):
                campaign = trust.contents.campaigns.get(one.found.identity[:2])
                if campaign is not None and checks.wants(campaign, one.found.identity):
                    wanted.append((one.found, campaign))
        if not wanted:
            return scanned
        unique = {coupon.identity: (coupon, campaign) for coupon, campaign in wanted}
        heard = await checks.ask([*unique.values()], key, lasts_s, reserve=bool(key))
        return [
            replace(one, checked=heard.get(one.found.identity, UNASKED))
            if isinstance(one.found, Coupon)
            else one
            for one in scanned
        ]


def _price(
    tx: Transaction, at: Moment, ask: Ask, scanned: Sequence[Scanned]
) -> tuple[Priced, list[Turned], Stand]:
    if ask.customer.fault:
        raise SaleFault("card_refused", ask.customer.fault)
    coupons = [one.found for one in scanned if isinstance(one.found, Coupon)]
    stand = stand_by(tx, at.trust.contents, ask.supervisor, at.day)
    views = views_of(tx, coupons, at, ask.member, ask.sale.sale_id)
    offered, turned = admitted(scanned, views, at, ask.sale.currency)
    member = as_now(tx, ask.member, (one.campaign for one in offered), at)
    priced = price(offered, ask.sale, facts_at(at, ask.sale, member), at, grants=stand.left)
    fault = stand.shown.fault
    if fault is not None:
        priced = replace(priced, turned=tuple(with_fault(one, fault) for one in priced.turned))
    return priced, turned, stand


def _hold(
    desk: Desk,
    tx: Transaction,
    at: Moment,
    ask: Ask,
    scanned: Sequence[Scanned],
    lasts: timedelta,
) -> Answered:
    now = at.now.now
    tx.expire_holds(now)
    priced, turned, stand = _price(tx, at, ask, scanned)
    hold_id, expires_at = secrets.token_hex(16), now + lasts
    local = now.astimezone(at.trust.zone)
    kept = HeldSale(
        ask.sale,
        kept_of(ask.member, (one.offered.coupon for one in priced.counted)),
        at.day,
        local.hour * 60 + local.minute,
        tuple(
            HeldCoupon(
                one.offered.place,
                one.offered.coupon,
                one.offered.text_hash,
                one.applied,
                one.charge_minor,
                one.asked,
                stand.shown.badge if one.asked else "",
                one.offered.checked,
            )
            for one in priced.counted
        ),
    )
    body = {
        "hold_id": hold_id,
        "state": HoldState.OPEN.value,
        "expires_at": time.timestamp(expires_at),
        **priced_json(ask.sale, priced, turned),
    }
    reserved = [
        Reserved(
            one.coupon.identity,
            one.charge_minor,
            one.applied.amount_minor if one.applied.payment else 0,
            None if ask.member is None else ask.member.digest,
            one.applied.points_spent,
        )
        for one in kept.coupons
    ]
    texts = ENCODE(kept).decode(), ENCODE(body).decode()
    for one in priced.counted:
        if one.asked:
            tx.use_badge(stand.shown.badge, at.day)
    tx.put_hold(Hold(hold_id, ask.sale.sale_id, HoldState.OPEN, now, expires_at, *texts), reserved)
    note_refusals(desk, tx, at, ask, (*turned, *priced.turned), hold_id)
    return Answered(201, body)


def _void(tx: Transaction, now: time.EffectiveTime, hold_id: str) -> Answered:
    found, step = met(tx, now, hold_id, Call.VOID)
    body = {**json.loads(found.answer), "state": HoldState.VOIDED.value}
    if step is Step.VOID:
        tx.settle_hold(hold_id, HoldState.VOIDED, ENCODE(body).decode())
    return Answered(200, body)
