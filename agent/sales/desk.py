"""What the calls of a held sale share: their words, what a hold keeps, and the evidence of what was refused."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from agent.disk import DiskLevel
from agent.domain import hold as holds
from agent.domain import record, time
from agent.domain.decide import LedgerView
from agent.domain.eligibility import Member
from agent.domain.hold import Call, Hold, Step
from agent.domain.keys import SigningKey
from agent.domain.online import Checked
from agent.domain.outcome import SOMETHING_ELSE
from agent.domain.pricing import Applied
from agent.domain.risk import Asked
from agent.domain.sale import Line, Sale
from agent.domain.token import Coupon
from agent.guard import view_of
from agent.line.online import Checks
from agent.members import NOBODY, Customer
from agent.ports import Clock, Ledger, Transaction
from agent.promos.choice import AskTyped, nobody
from agent.records import (
    Moment,
    Veil,
    base_facts,
    coupon_facts,
    member_facts,
    seal_into,
    subject_of,
)
from agent.redeem import ReceiptMaker
from agent.sales.basket_price import (
    Turned,
)
from agent.state import TillState


class SaleFault(Exception):
    """The call cannot be done and nothing was recorded of it. code: a stable code of the API. reason_zh: where the
    reason is for a cashier too."""

    def __init__(self, code: str, reason: str = "", reason_zh: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.reason_zh = reason_zh


@dataclass(frozen=True, slots=True)
class Ask:
    """A sale and the coupons presented with it. supervisor: the text of a badge that is shown with them."""

    sale: Sale
    texts: tuple[str, ...]
    customer: Customer = NOBODY
    supervisor: str = ""

    @property
    def member(self) -> Member | None:
        return self.customer.member


@dataclass(frozen=True, slots=True)
class Final:
    """How the sale was closed. tenders: empty where nothing was left to pay, None where nobody
    knows. lines: None where they are as held."""

    total_minor: int
    tenders: frozenset[str] | None
    lines: tuple[Line, ...] | None = None
    out_of_stock: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answered:
    """status: of HTTP. body: as the API says it."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HeldCoupon:
    """badge: the digest of the badge that let it through, where one was asked for. checked: what the cloud said."""

    place: int
    coupon: Coupon
    text_hash: str | None
    applied: Applied
    charge_minor: int
    asked: Asked = Asked.NOTHING
    badge: str = ""
    checked: Checked | None = None


@dataclass(frozen=True, slots=True)
class HeldSale:
    """What a hold keeps: day and minute are those of its promise, in the store's calendar."""

    sale: Sale
    member: Member | None
    day: int
    minute: int
    coupons: tuple[HeldCoupon, ...]


class Desk(NamedTuple):
    """By what a till sells: the parts that every call needs."""

    state: TillState
    ledger: Ledger
    clock: Clock
    key: SigningKey
    secret: bytes
    make_receipt: ReceiptMaker | None
    promos: bool
    ask_typed: AskTyped = nobody
    checks: Checks | None = None


def views_of(
    tx: Transaction, coupons: Sequence[Coupon], at: Moment, member: Member | None, sale_id: str
) -> dict[tuple[str, int, int], LedgerView]:
    views = {one.identity: tx.view(one.identity, at.day, at.now.now) for one in coupons}
    if member is None:
        return views
    for name, view in views.items():
        campaign = at.trust.contents.campaigns.get(name[:2])
        views[name] = view_of(tx, view, campaign, member, sale_id, at)
    return views


def note_refusals(
    desk: Desk, tx: Transaction, at: Moment, ask: Ask, turned: Sequence[Turned], hold_id: str
) -> None:
    """Refused coupons are evidence; what is no coupon (somebody's card) is kept nowhere."""
    for one in sorted(turned, key=lambda found: found.place):
        if one.reason not in SOMETHING_ELSE and desk.state.disk < DiskLevel.SCARCE:
            note_evidence(desk, tx, at, ask, one, {"hold_id": hold_id})


def note_evidence(
    desk: Desk, tx: Transaction, at: Moment, ask: Ask, one: Turned, more: dict[str, Any]
) -> None:
    veil = Veil(at.trust.contents.erased)
    data = {
        **base_facts(at, offline=not desk.state.online, sale=ask.sale),
        "member": member_facts(ask.member, veil),
        "outcome": one.reason,
        "scan_id": secrets.token_hex(16),
        "token_sha256": one.text_hash,
        "source": "api",
        "detail": one.said["detail"],
        **more,
    }
    if one.coupon is not None:
        data["coupon"] = coupon_facts(one.coupon, veil)
    seal_into(
        tx,
        desk.key,
        desk.state.till,
        at.now.now,
        lane=record.EVIDENCE_LANE,
        kind=record.EVIDENCE_LANE,
        subject=subject_of(one.coupon),
        data=data,
        veil=veil,
    )


def met(tx: Transaction, now: time.EffectiveTime, hold_id: str, call: Call) -> tuple[Hold, Step]:
    """The hold and what the call does to it; SaleFault where it may not."""
    found = tx.hold(hold_id)
    if found is None:
        raise SaleFault("unknown_hold")
    step = holds.STEPS[found.state_at(now.now), call]
    if step is Step.TOO_LATE:
        raise SaleFault(f"hold_{found.state.value}")
    return found, step


def held_of(hold: Hold) -> HeldSale:
    return msgspec.json.decode(hold.held, type=HeldSale)


def final_sale(held: Sale, final: Final) -> Sale:
    """The sale as it was closed; ValueError where its lines cannot be."""
    lines = held.lines if final.lines is None else final.lines
    return replace(
        held,
        total_minor=final.total_minor,
        lines=lines,
        tenders=final.tenders,
        out_of_stock=held.out_of_stock | final.out_of_stock,
    )
