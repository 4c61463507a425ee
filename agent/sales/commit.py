"""The end of a held sale: its coupons are redeemed, or said to be unused and why.

In time, what was held is honoured at the price of the hold's moment. Where the sale was closed otherwise than held
(another total, other lines, a means of payment that a coupon does not take, an article out of stock) it is priced anew;
a coupon that does not count any more stays unused. After the hold's end a coupon counts only if the rules of this
moment and the ledger still let it; else the commit stands and the coupon is kept as evidence of a late conflict.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

from agent import points
from agent.domain import record
from agent.domain.basket import basket_of
from agent.domain.decide import Decision
from agent.domain.eligibility import Member
from agent.domain.hold import Call, Hold, HoldState, Step
from agent.domain.online import UNASKED, Checked
from agent.domain.outcome import Outcome
from agent.domain.parts import PromoCode
from agent.domain.pricing import Quote
from agent.domain.promo import Choice
from agent.domain.risk import RISKS
from agent.domain.sale import Sale
from agent.domain.settlement import settled
from agent.domain.token import Coupon
from agent.domain.verdict import Verdict, make_verdict
from agent.guard import checked_facts, count_member, supervisor_facts
from agent.members import Customer, as_now
from agent.ports import Transaction
from agent.promos.choice import Issuing, contents_for, hand_out
from agent.records import (
    ENCODE,
    Moment,
    Veil,
    base_facts,
    choice_facts,
    coupon_facts,
    member_facts,
    seal_into,
    subject_of,
)
from agent.sales.basket_price import (
    Counted,
    Offered,
    Scanned,
    Turned,
    admitted,
    applied_json,
    facts_at,
    price,
    quote_json,
    turned_by,
    turned_json,
    with_day,
)
from agent.sales.desk import (
    Answered,
    Ask,
    Desk,
    Final,
    HeldCoupon,
    HeldSale,
    SaleFault,
    final_sale,
    held_of,
    met,
    note_evidence,
    note_refusals,
    views_of,
)

LATE_CONFLICT = "late_conflict"
"""The outcome of evidence: a sale was closed with a coupon that something else had taken after its hold's end."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """quote: of the closed sale. unused: does not count any more. conflicts: taken or limited meanwhile."""

    quote: Quote
    counted: tuple[Counted, ...]
    unused: tuple[Turned, ...]
    conflicts: tuple[Turned, ...]


def commit(desk: Desk, tx: Transaction, at: Moment, hold_id: str, final: Final) -> Answered:
    """One transaction's work; SaleFault."""
    hold, step = met(tx, at.now, hold_id, Call.COMMIT)
    if step is Step.REPEAT:
        said = json.loads(hold.answer)
        if said["total_minor"] != final.total_minor:
            raise SaleFault("hold_committed")
        return Answered(200, said)
    held, late = held_of(hold), step is Step.COMMIT_LATE
    try:
        sale = final_sale(held.sale, final)
    except ValueError as error:
        raise SaleFault("bad_body", f"sale: {error}") from None
    tx.settle_hold(hold_id, HoldState.COMMITTED, hold.answer)  # what it kept is free for itself
    settled = _settle(tx, at, held, sale, late=late)
    unpaid = final.tenders is not None and not final.tenders and settled.quote.due_minor > 0
    if unpaid and any(one.applied.if_tenders for one in settled.counted):
        raise SaleFault(
            "bad_body", "tenders: empty, though something is left to pay and a coupon asks how it is paid"
        )
    promised = {one.coupon.identity: one.applied.amount_minor for one in held.coupons}
    applied: list[dict[str, Any]] = []
    off = settled.quote.discount_minor + settled.quote.paid_minor
    closing = _Closing(hold, held, sale, late, max(settled.quote.due_minor, 0), off)
    for one in settled.counted:
        number = _redeem(desk, tx, at, closing, one, first=not applied)
        shown = applied_json(one)
        printed = None if desk.make_receipt is None else number
        more = {"redemption_id": number, "print_job": printed, "held_minor": promised[one.applied.key]}
        applied.append(shown | more)
    note_refusals(desk, tx, at, Ask(sale, (), Customer(member=held.member)), settled.unused, hold_id)
    for conflict in settled.conflicts:
        _note_conflict(desk, tx, at, sale, hold, held, conflict)
    body = {
        "hold_id": hold_id,
        "state": HoldState.COMMITTED.value,
        "expires_at": json.loads(hold.answer)["expires_at"],
        "late": late,
        "changed": bool(settled.unused or settled.conflicts)
        or any(one["amount_minor"] != one["held_minor"] for one in applied),
        **quote_json(sale, settled.quote),
        "applied": applied,
        "refused": [turned_json(one) for one in settled.unused],
        "conflicts": [turned_json(one) for one in settled.conflicts],
    }
    tx.settle_hold(hold_id, HoldState.COMMITTED, ENCODE(body).decode())
    return Answered(200, body)


def _settle(tx: Transaction, at: Moment, held: HeldSale, sale: Sale, *, late: bool) -> _Settled:
    """Which of the held coupons count in the closed sale."""
    views = views_of(tx, [one.coupon for one in held.coupons], at, held.member, sale.sale_id)
    contents = at.trust.contents
    known = [one for one in held.coupons if one.coupon.identity[:2] in contents.campaigns]
    gone = [one for one in held.coupons if one not in known]
    why = Decision(Outcome.UNKNOWN_CAMPAIGN)
    conflicts = [turned_by(one.place, one.coupon, one.text_hash, why, at) for one in gone]
    if late:
        scanned = [Scanned(one.place, one.coupon, one.text_hash, _still(one, at)) for one in known]
        offered, turned = admitted(scanned, views, at, sale.currency)
        conflicts += turned
    else:
        offered = [
            Offered(
                one.place,
                one.coupon,
                contents.campaigns[one.coupon.identity[:2]],
                views[one.coupon.identity],
                one.text_hash,
            )
            for one in known
        ]
    if not late and not conflicts and _as_held(held, sale):
        counted = [_held_counted(one, other) for one, other in zip(offered, held.coupons, strict=True)]
        return _Settled(_quote_of(sale, counted), tuple(counted), (), ())
    member = as_now(tx, held.member, (one.campaign for one in offered), at)
    facts = with_day(facts_at(at, sale, member), held.day, held.minute)
    reserved = {} if late else {one.coupon.identity: one.charge_minor for one in held.coupons}
    granted = {one.coupon.identity: one.asked for one in held.coupons if one.asked}
    priced = price(offered, sale, facts, at, reserved, granted=granted)
    limits = [one for one in priced.turned if late and one.reason in RISKS]
    unused = [one for one in priced.turned if one not in limits]
    return _Settled(priced.quote, priced.counted, tuple(unused), (*conflicts, *limits))


def _still(one: HeldCoupon, at: Moment) -> Checked:
    """A yes of the hold's time holds while the cloud still keeps the coupon for this till."""
    checked = one.checked
    lasts = checked is not None and checked.until is not None and at.now.now < checked.until
    return checked if checked is not None and lasts else UNASKED


def _as_held(held: HeldSale, sale: Sale) -> bool:
    """Nothing that a price depends on has changed."""
    tenders = sale.tenders or frozenset()
    pays = all(tenders <= one.applied.if_tenders for one in held.coupons if one.applied.if_tenders)
    return pays and replace(sale, tenders=held.sale.tenders) == held.sale


def _held_counted(offered: Offered, held: HeldCoupon) -> Counted:
    return Counted(offered, held.applied, held.charge_minor, held.asked)


def _quote_of(sale: Sale, counted: list[Counted]) -> Quote:
    total = basket_of(sale).total_minor
    discount = sum(one.applied.amount_minor for one in counted if not one.applied.payment)
    paid = sum(one.applied.amount_minor for one in counted if one.applied.payment)
    applied = tuple(one.applied for one in counted)
    return Quote(sale.currency, total, discount, paid, total - discount - paid, applied, ())


@dataclass(frozen=True, slots=True)
class _Closing:
    """A sale that is closed. due_minor: what is paid for it. off_minor: what all its coupons take off."""

    hold: Hold
    held: HeldSale
    sale: Sale
    late: bool
    due_minor: int
    off_minor: int


def _redeem(desk: Desk, tx: Transaction, at: Moment, closing: _Closing, one: Counted, *, first: bool) -> str:
    """Use, budget, record and print job of one coupon; returns the redemption's number."""
    held, sale = closing.held, closing.sale
    coupon, campaign, applied = one.offered.coupon, one.offered.campaign, one.applied
    till = desk.state.till
    number = record.record_id(till, record.REDEMPTION_LANE, tx.head(record.REDEMPTION_LANE).sequence + 1)
    offline = not desk.state.online
    verdict = make_verdict(
        Decision(
            Outcome.ACCEPTED,
            applied.amount_minor,
            one.charge_minor,
            applied=applied,
            left_minor=one.left_minor,
        ),
        scan_id=secrets.token_hex(16),
        at=at.now.now,
        source="api",
        zone=at.trust.zone,
        currency=at.trust.contents.place.currency,
        coupon=coupon,
        campaign=campaign,
        redemption_id=number,
        print_job=None if desk.make_receipt is None else number,
        offline=offline,
        others_minor=closing.off_minor - applied.amount_minor,
    )
    _use(tx, at, one, held, number)
    earning = points.note(tx, at, held.member, sale, closing.due_minor, applied)
    verdict.points_earned = earning.get("points_earned", 0)
    choice, promo = _print(desk, tx, at, sale, verdict, held.member, first=first)
    veil = Veil(at.trust.contents.erased)
    data = {
        **base_facts(at, offline=offline, sale=sale),
        **_facts(one, sale, held.member, veil),
        **earning,
        **supervisor_facts(_held_of(held, coupon).badge, one.asked),
        **checked_facts(_held_of(held, coupon).checked),
        "scan_id": verdict.scan_id,
        "redemption_id": number,
        "hold_id": closing.hold.hold_id,
        "late": closing.late,
        "currency": verdict.currency,
        "promo": None if promo is None else promo.short,
        "promotion": choice_facts(choice, veil),
    }
    seal_into(
        tx,
        desk.key,
        till,
        at.now.now,
        lane=record.REDEMPTION_LANE,
        kind=record.REDEMPTION_LANE,
        subject=subject_of(coupon),
        data=data,
        veil=veil,
    )
    return number


def _use(tx: Transaction, at: Moment, one: Counted, held: HeldSale, redemption_id: str) -> None:
    """What is used up: of the coupon, of its campaign's budget, of what the member may."""
    coupon, campaign, member = one.offered.coupon, one.offered.campaign, held.member
    uses = 0 if one.offered.view.prior is None else one.offered.view.prior.uses
    forget_after = coupon.claims.expires + campaign.grace_days
    tx.consume(coupon.identity, redemption_id, at.now.now, forget_after, uses, one.applied.amount_minor)
    if campaign.budget is not None:
        tx.charge(*coupon.identity[:2], at.day, one.charge_minor)
    if member is not None:
        count_member(tx, campaign, member, held.sale.sale_id, at.day, at.now.now)


def _held_of(held: HeldSale, coupon: Coupon) -> HeldCoupon:
    return next(one for one in held.coupons if one.coupon.identity == coupon.identity)


def _print(
    desk: Desk,
    tx: Transaction,
    at: Moment,
    sale: Sale,
    verdict: Verdict,
    member: Member | None,
    *,
    first: bool,
) -> tuple[Choice | None, PromoCode | None]:
    """Queue the redemption's receipt, where there is a printer; what was decided on its promotion."""
    choice, promo = None, None
    number = verdict.redemption_id
    assert verdict.coupon is not None, "only a coupon is redeemed"
    assert number is not None, "what is redeemed has a number"
    if desk.make_receipt is not None:
        if desk.promos and first:  # one sale, one promotion
            issuing = Issuing(at.trust.contents, desk.key, desk.state.till)
            choice, promo = hand_out(tx, issuing, verdict.coupon, sale, at.day, number, member)
        receipt = desk.make_receipt(
            verdict, contents_for(at.trust.contents, member), at.trust.zone, sale, promo
        )
        tx.queue_print(number, number, receipt, at.now.now)
    return choice, promo


def _facts(one: Counted, sale: Sale, member: Member | None, veil: Veil) -> dict[str, Any]:
    """What a redemption's record says of its coupon, line by line, and of the member."""
    applied, campaign, coupon = one.applied, one.offered.campaign, one.offered.coupon
    return {
        "outcome": Outcome.ACCEPTED.value,
        "token_sha256": one.offered.text_hash,
        "source": "api",
        "detail": None,
        "member": member_facts(member, veil),
        "coupon": coupon_facts(coupon, veil),
        "campaign_version": campaign.version,
        "offline_class": campaign.offline_class.value,
        "discount_minor": applied.amount_minor,
        "charge_minor": one.charge_minor,
        **settled(campaign, coupon, sale, applied, veil.hide),
    }


def _note_conflict(
    desk: Desk, tx: Transaction, at: Moment, sale: Sale, hold: Hold, held: HeldSale, conflict: Turned
) -> None:
    """Kept whatever the disk's level is: money may have been given for it."""
    amounts = {one.coupon.identity: one.applied.amount_minor for one in held.coupons}
    assert conflict.coupon is not None, "only a coupon was held"
    identity = conflict.coupon.identity
    prior = tx.view(identity, at.day, at.now.now).prior
    told = replace(conflict, said={**conflict.said, "reason": LATE_CONFLICT, "detail": conflict.reason})
    more = {
        "hold_id": hold.hold_id,
        "held_minor": amounts[identity],
        "taken_by": None if prior is None else prior.redemption_id,
    }
    note_evidence(desk, tx, at, Ask(sale, (), Customer(member=held.member)), told, more)
