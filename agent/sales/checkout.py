"""The sale of a shop without a POS: coupons and a total, in either order. It closes once both are there.

Coupons that are scanned first are noted, nothing of them is used, and they are forgotten visibly after WAIT_S. With
the total the best allowed combination of them is held and committed in one go (`lifecycle`). Where none of them
counts the sale stays open: another total may do. What no total can decide, for it needs the lines of the sale, is
judged at once and checked by the cashier, as on a till without a total. The last sale can be taken back, as its
campaigns' rules say.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from agent.domain import time
from agent.domain.campaign import Campaign
from agent.domain.decide import Decision, Refusal, verify_scan
from agent.domain.outcome import SOMETHING_ELSE, Outcome
from agent.domain.pricing import PRESENTED_MAX
from agent.domain.reasons import Stop
from agent.domain.sale import Sale
from agent.domain.token import Coupon
from agent.domain.verdict import Verdict, make_verdict
from agent.members import Customer
from agent.ports import Clock, CommitUnknown, LedgerUnavailable
from agent.redeem import Redeemer
from agent.request import Request
from agent.sales.desk import Ask, Final, SaleFault
from agent.sales.lifecycle import Sales
from agent.sales.returns import Return
from agent.state import TillState

log = logging.getLogger(__name__)

WAIT_S = 120.0
"""How long coupons wait for the total, and a total for a coupon: then it is the next customer."""
UNDO_S = 600.0
"""How long the last sale can be taken back here; later it is a return (`POST /v1/reversals`)."""
HOLD_S = 60
"""The hold ends in the same breath; it lasts longer only if that is cut off."""
NOTED = "noted"
"""The detail of `total_needed` where the coupon is kept for the total."""
OPEN = {
    "sale_too_small",
    "pieces_missing",
    "total_needed",
    "nothing_cheaper",
    "too_little_left",
    "better_without",
    "not_together",
}
"""Reasons that another total can take away."""
BY_EYE = "lines_needed"
"""The reason that only the lines of the sale could take away; with a total alone no other is about articles."""
OF_A_SUM = {"points_missing", "points_limit", "balance_empty"}
"""Reasons that are none without a sale: stored value and points pay a part of a sum."""
NOTED_WORDS = ("已记下，请输入金额", "Noted: key in the total")


class NothingToUndo(Exception):
    """No sale was closed here lately, or it was taken back already."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The last sale: when (`Clock.monotonic`), what it came to (Priced), and whether it was taken back since."""

    sale_id: str
    hold_id: str
    at: float
    priced: dict[str, Any]
    undone: bool = False


class Checkout:
    """One customer's sale after the other. Its calls wait for one another. changed: `said` is new since it was told."""

    def __init__(
        self,
        sales: Sales,
        redeemer: Redeemer,
        state: TillState,
        clock: Clock,
        wait_s: float | None = None,
    ) -> None:
        self._sales, self._redeemer, self._state, self._clock = sales, redeemer, state, clock
        self._wait_s = WAIT_S if wait_s is None else wait_s
        self.changed = False
        self._lock = asyncio.Lock()
        self._texts: list[str] = []
        self._until: float | None = None
        self._key = ""
        self._last: Closed | None = None
        self._said: dict[str, Any] = self._json("idle")

    @property
    def said(self) -> dict[str, Any]:
        """The CheckoutNow object of docs/openapi.yaml."""
        return {**self._said, "undoable": self._undoable()}

    # what a cashier does

    async def scan(self, request: Request) -> Verdict:
        """A scan; `request.sale` is not looked at. Never raises."""
        async with self._lock:
            try:
                return await self._scan(request)
            except (SaleFault, LedgerUnavailable, CommitUnknown) as error:
                return self._failed(request, error)

    async def total(self, sale: Sale, customer: Customer) -> list[Verdict]:
        """The total is `sale`'s: closes with what was noted, a verdict on each. SaleFault, LedgerUnavailable,
        CommitUnknown."""
        async with self._lock:
            before = self._state.sale
            if self._key and before is not None and replace(sale, sale_id=before.sale_id) == before:
                sale = before  # cut off after it was begun: the same again
            self._state.sale = sale
            if self._texts:
                return await self._close(sale, customer)
            self._wait("total")
            return []

    async def clear(self) -> None:
        """The next customer."""
        async with self._lock:
            self._forget("idle")

    async def undo(self) -> dict[str, Any]:
        """Take the last sale back: the Reversed object. NothingToUndo, SaleFault, LedgerUnavailable, CommitUnknown."""
        async with self._lock:
            last = self._last
            if last is None or not self._undoable():
                raise NothingToUndo
            made = await self._sales.reverse(Return(None, last.sale_id, None), f"undo {last.hold_id}")
            self._last = replace(last, undone=True)
            self._forget("undone", priced=last.priced, reversed=made.body)
            return made.body

    async def tick(self) -> None:
        """Forget what waits too long. Called twice a second."""
        if self._until is None or self._clock.monotonic() < self._until or self._lock.locked():
            return
        async with self._lock:
            self._forget("timed_out")

    # how

    def _asks_supervisor(self) -> bool:
        """A coupon of this sale counts only if a supervisor says so: a badge that is scanned now is for it."""
        refused = (self._said["priced"] or {"refused": ()})["refused"]
        return self._said["state"] == "refused" and any(
            one["reason"] == Outcome.SUPERVISOR_NEEDED for one in refused
        )

    def _undoable(self) -> bool:
        """The last sale may be taken back: nothing of the next one is there yet."""
        last, begun = self._last, bool(self._texts) or self._state.sale is not None
        return (
            last is not None and not last.undone and not begun and self._clock.monotonic() - last.at <= UNDO_S
        )

    async def _scan(self, request: Request) -> Verdict:
        state, text = self._state, request.text
        trust = state.trust
        if trust is None or state.stopped:
            return await self._redeemer.redeem(request)
        found = verify_scan(text, trust.contents)
        if isinstance(found, Refusal) and found.outcome in SOMETHING_ELSE:
            if found.outcome is Outcome.STAFF_BADGE and state.sale is not None and self._asks_supervisor():
                self._key = ""
                return (await self._close(state.sale, request.customer, text))[0]
            return await self._redeemer.redeem(request)
        texts = self._texts if text in self._texts else [*self._texts, text]
        if len(texts) > PRESENTED_MAX:
            return self._noted(request)
        sale = state.sale or Sale("checkout", state.currency(), 0)
        quoted = await self._sales.quote(Ask(sale, tuple(texts), request.customer))
        reason = next((one["reason"] for one in quoted["refused"] if one["place"] == texts.index(text)), "")
        if reason == BY_EYE:
            return await self._redeemer.redeem(replace(request, sale=None))
        if reason and reason not in OPEN:
            # Of a total that nobody keyed in nothing is too little.
            against = sale if reason in OF_A_SUM else state.sale
            return await self._redeemer.redeem(replace(request, sale=against))
        if texts is not self._texts:
            self._texts, self._key = texts, ""
        if state.sale is None:
            self._wait("noted")
            return self._noted(request)
        verdicts = await self._close(state.sale, request.customer)
        return replace(verdicts[texts.index(text)], scan_id=request.scan_id, source=request.source)

    async def _close(self, sale: Sale, customer: Customer, supervisor: str = "") -> list[Verdict]:
        """Hold and commit in one go; a verdict for each text. Cut off, the same again does it once."""
        texts = tuple(self._texts)
        self._key = self._key or secrets.token_hex(12)
        asked = Ask(sale, texts, customer, supervisor)
        held = await self._sales.hold(asked, HOLD_S, f"{self._key} {sale.sale_id}")
        hold_id, body = str(held.body["hold_id"]), held.body
        final = Final(sale.total_minor, None)
        if body["applied"]:
            done = (await self._sales.commit(hold_id, final, f"commit {hold_id}")).body
            body = done | {"refused": [*body["refused"], *done["refused"], *done["conflicts"]]}
            priced = _priced(body)
            self._last = Closed(sale.sale_id, hold_id, self._clock.monotonic(), priced)
            verdicts = self._verdicts(body, texts)
            self._forget("closed", priced=priced)
        else:
            await self._sales.void(hold_id, f"void {hold_id}")
            verdicts = self._verdicts(body, texts)
            self._key = ""
            self._wait("refused", priced=_priced(body))
        return verdicts

    def _wait(self, kind: str, **more: Any) -> None:
        self._until = self._clock.monotonic() + self._wait_s
        self._tell(kind, **more)

    def _forget(self, kind: str, **more: Any) -> None:
        self._texts, self._until, self._key = [], None, ""
        self._state.sale = self._state.member = None
        self._tell(kind, **more)

    def _tell(self, kind: str, **more: Any) -> None:
        self._said = self._json(kind, **more)
        self.changed = True

    def _json(self, kind: str, **more: Any) -> dict[str, Any]:
        now = self._state.now(self._clock).now
        until = None if self._until is None else now + timedelta(seconds=self._wait_s)
        return {
            "state": kind,
            "at": time.timestamp(now),
            "until": None if until is None else time.timestamp(until),
            "wait_s": self._wait_s,
            "coupons": [self._named(text) for text in self._texts],
            "priced": more.get("priced"),
            "reversed": more.get("reversed"),
        }

    def _named(self, text: str) -> dict[str, str]:
        campaign = self._known(text)[1]
        title = None if campaign is None else campaign.title
        return {"title_zh": "" if title is None else title.zh, "title_en": "" if title is None else title.en}

    def _known(self, text: str) -> tuple[Coupon | None, Campaign | None]:
        trust = self._state.trust
        found = None if trust is None else verify_scan(text, trust.contents)
        if trust is None or not isinstance(found, Coupon):
            return None, None
        return found, trust.contents.campaigns.get(found.identity[:2])

    # words

    def _verdicts(self, body: dict[str, Any], texts: tuple[str, ...]) -> list[Verdict]:
        by_place = {one["place"]: one for name in ("refused", "applied") for one in body[name]}
        return [self._verdict(by_place[place], text) for place, text in enumerate(texts)]

    def _verdict(self, said: dict[str, Any], text: str) -> Verdict:
        """The verdict on one coupon of a priced sale."""
        if "amount_minor" in said:
            decision = Decision(Outcome.ACCEPTED, said["amount_minor"], left_minor=said["left_minor"])
            made = self._made(decision, text)
            number = said.get("redemption_id")
            return replace(
                made,
                next_zh=said["prompt_zh"],
                next_en=said["prompt_en"],
                redemption_id=number,
                print_job=said.get("print_job"),
            )
        known = said["reason"] in set(Outcome)
        outcome = Outcome(said["reason"]) if known else Outcome.NOTHING_CHEAPER
        words = (said["zh"], said["en"], said["next_zh"], said["next_en"])
        detail = said["detail"] or (None if known else said["reason"])
        state, (coupon, campaign) = self._state, self._known(text)
        return Verdict(
            secrets.token_hex(16),
            state.now(self._clock).now,
            "screen",
            outcome,
            *words,
            detail=detail,
            coupon=coupon,
            campaign=campaign,
            currency=state.currency(),
            offline=not state.online,
        )

    def _noted(self, request: Request) -> Verdict:
        made = self._made(Decision(Outcome.TOTAL_NEEDED, detail=NOTED), request.text)
        zh, en = NOTED_WORDS
        return replace(
            made, zh=zh, en=en, next_zh="", next_en="", scan_id=request.scan_id, source=request.source
        )

    def _failed(self, request: Request, error: Exception) -> Verdict:
        log.error("checkout: %s", error)
        detail = error.reason if isinstance(error, SaleFault) else Stop.LEDGER_UNAVAILABLE
        decision = Decision(Outcome.TILL_STOPPED, detail=detail or None)
        if isinstance(error, CommitUnknown):
            decision = Decision(Outcome.UNKNOWN_RESULT, detail="commit_unknown")
        made = self._made(decision, request.text)
        return replace(made, scan_id=request.scan_id, source=request.source)

    def _made(self, decision: Decision, text: str) -> Verdict:
        state, (coupon, campaign) = self._state, self._known(text)
        return make_verdict(
            decision,
            scan_id=secrets.token_hex(16),
            at=state.now(self._clock).now,
            source="screen",
            zone=state.zone(),
            currency=state.currency(),
            coupon=coupon,
            campaign=campaign,
            offline=not state.online,
        )


_PRICED = ("sale_id", "currency", "total_minor", "discount_minor", "paid_minor", "due_minor", "refused")
_OF_RECORD = ("redemption_id", "print_job", "held_minor")


def _priced(body: dict[str, Any]) -> dict[str, Any]:
    """The Priced object of a held or committed sale."""
    applied = [{name: one[name] for name in one if name not in _OF_RECORD} for one in body["applied"]]
    return {name: body[name] for name in _PRICED} | {"applied": applied}
