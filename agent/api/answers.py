"""What the API answers about coupons and sales: one type for each object.

The document is made from these types, and the tests hold every real answer against it. A docstring's lines
`field: text` are the fields' descriptions there.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from agent.api.errors import PROBLEMS
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.outcome import Outcome, Tone

Minor = Annotated[int, Meta(ge=0, le=AMOUNT_MAX_MINOR)]
Count = Annotated[int, Meta(ge=0)]
Said = Annotated[str, Meta(min_length=1)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Currency = Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
StoreCurrency = Annotated[str, Meta(pattern=r"\A([A-Z]{3})?\Z")]


class Shape(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An object with these fields and no other."""


class Problem(Shape):
    """RFC 9457, with the members `code`, `zh` and `en`. Match `code`; the sentences are for people and may change.

    type: A name made from the code; there is nothing to fetch.
    title: What every problem of this code is called.
    status: The answer's status again.
    detail: What is wrong this time, in English.
    code: Stable. not_found and method_not_allowed belong to addresses that are not in this document.
    zh: What is wrong this time.
    en: As `detail`.
    """

    type: Annotated[str, Meta(pattern=r"\Aurn:redeemd:problem:[a-z_]+\Z")]
    title: Said
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Said
    code: Annotated[str, Meta(extra_json_schema={"enum": sorted(PROBLEMS)})]
    zh: Said
    en: Said


class CouponKey(Shape):
    issuer: str
    campaign: Count
    index: Count


class CouponSeen(CouponKey):
    expires: Day


class CampaignSeen(Shape):
    title_zh: str
    title_en: str
    benefit_zh: str
    benefit_en: str
    prompt_zh: str
    prompt_en: str


class FirstUse(Shape):
    at: Time
    till: str
    redemption_id: str


class VerdictAnswer(Shape):
    """scan_id: Another one for each scan.
    source: A device's name; `screen` for /v1/scan, `api` for /v1/redeem, `verify` for /v1/verify.
    accepted: Give the discount. True with `accepted` only.
    tone: How to show it; warn can be mended at the till.
    transient: The same coupon may be accepted later.
    zh: One sentence for the cashier.
    next_zh: What to do next; may be empty.
    works_from: From when a coupon that is refused now will count.
    detail: For support.
    coupon: What is signed; null where no coupon was verified.
    campaign: The offer, where it is known here.
    discount_minor: What to take off this sale; null where the sale is not known, or the coupon is refused.
    left_minor: Of a stored value, what is left on it now, as this till knows it: its value less what this till took of
        it or holds. Another till may have taken more. Null of any other coupon, where it is refused otherwise than
        for want of a total, and in /v1/verify.
    currency: The store's; empty before the first bundle.
    redemption_id: The record of this redemption. Print it on the POS's receipt.
    print_job: The receipt; null where no printer is configured.
    offline: Decided without the cloud's answer to a recent request.
    first_use: With `already_redeemed` at this till, when.
    replayed: The answer given before to the same key; nothing new happened.
    ms: From the request's arrival to the answer on disk; 0 when replayed or not measured.
    """

    scan_id: str
    at: Time
    source: str
    outcome: Outcome
    accepted: bool
    tone: Tone
    transient: bool
    zh: Said
    en: Said
    next_zh: str
    next_en: str
    works_from: Time | None
    detail: str | None
    coupon: CouponSeen | None
    campaign: CampaignSeen | None
    discount_minor: Minor | None
    left_minor: Minor | None
    currency: StoreCurrency
    redemption_id: str | None
    print_job: str | None
    offline: bool
    first_use: FirstUse | None
    replayed: bool
    ms: Annotated[float, Meta(ge=0)]


class Verdicts(Shape):
    verdicts: Annotated[list[VerdictAnswer], Meta(max_length=50)]


class LineShare(Shape):
    line: str
    amount_minor: Minor


class HandOver(Shape):
    """Pieces of one of these articles go to the customer; they are not in the basket."""

    skus: list[str]
    pieces: Annotated[int, Meta(ge=1)]


class Hint(Shape):
    """With so much more the coupon gives then_minor or then_percent instead."""

    missing_minor: Count
    missing_pieces: Count
    then_minor: Count
    then_percent: Count


class Applied(Shape):
    """A coupon that counts.

    place: The coupon's place in the request's list; 0 first.
    prompt_zh: For the cashier.
    amount_minor: What comes off; the sum of its lines.
    payment: Points or stored value; they pay and are no discount.
    left_minor: Of a stored value, what is left on it after this sale, as this till knows it: its value less what this
        till took of it or holds. Another till may have taken more. What it held before is amount_minor more. Null of
        any other coupon.
    points_percent: Points earned; 100 for usual.
    if_tenders: It counts only if paid with these alone, in the POS's words; empty for any.
    if_tenders_zh: The same for the cashier, by their usual names.
    """

    place: Count
    coupon: CouponKey
    title_zh: str
    title_en: str
    prompt_zh: str
    prompt_en: str
    amount_minor: Minor
    payment: bool
    left_minor: Minor | None
    lines: list[LineShare]
    hand_over: HandOver | None
    points_spent: Count
    points_percent: Count
    if_tenders: list[str]
    if_tenders_zh: str
    if_tenders_en: str
    hint: Hint | None


class Redeemed(Applied):
    """A coupon that was redeemed.

    held_minor: What was promised; amount_minor is what counts.
    """

    redemption_id: str
    print_job: str | None
    held_minor: Minor


class RefusedCoupon(Shape):
    """A coupon that does not count and stays unused.

    reason: An Outcome, or among several coupons: presented_twice, lines_needed, too_many, not_together,
        too_little_left, better_without. Take one that you do not know for a refusal.
    title_zh, title_en: The campaign's; empty where it is not known here.
    missing_minor: With so much more it would count; 0 where that is not the reason.
    """

    place: Count
    coupon: CouponKey | None
    title_zh: str
    title_en: str
    reason: str
    zh: str
    en: str
    next_zh: str
    next_en: str
    works_from: Time | None
    detail: str | None
    missing_minor: Count
    missing_pieces: Count
    missing_points: Count


class Priced(Shape):
    """paid_minor: What points and stored value pay.
    due_minor: total_minor less discount_minor and paid_minor.
    """

    sale_id: str
    currency: Currency
    total_minor: Minor
    discount_minor: Minor
    paid_minor: Minor
    due_minor: Minor
    applied: list[Applied]
    refused: list[RefusedCoupon]


class Hold(Priced):
    """A hold that is open, voided or expired."""

    hold_id: str
    state: Literal["open", "voided", "expired"]
    expires_at: Time


class Held(Hold):
    """replayed: The first answer to this key, told again; nothing new happened."""

    replayed: bool


class Closed(Priced):
    """A hold that is committed.

    late: It came after expires_at.
    changed: Something is not as it was held.
    conflicts: Kept as evidence and not redeemed: something else took them after expires_at.
    """

    hold_id: str
    state: Literal["committed"]
    expires_at: Time
    late: bool
    changed: bool
    conflicts: list[RefusedCoupon]
    applied: list[Redeemed]  # type: ignore[assignment]  # each is an Applied, and the list is only read


class Committed(Closed):
    """replayed: The first answer to this key, told again; nothing new happened."""

    replayed: bool


class LineBack(LineShare):
    quantity: Annotated[int, Meta(ge=1)]


class Reversal(Shape):
    """whole: All of it has gone back now.
    coupon_returns: The coupon may be used again.
    points_earned: Below 0: so many of the member's points are taken back.
    points_spent: Below 0: so many of the member's points are given back.
    """

    reversal_id: str
    redemption_id: str
    coupon: CouponKey
    amount_minor: Minor
    currency: Currency
    whole: bool
    coupon_returns: bool
    points_earned: Annotated[int, Meta(le=0)]
    points_spent: Annotated[int, Meta(le=0)]
    lines: list[LineBack]


class Reversed(Shape):
    """replayed: The first answer to this key, told again; nothing new happened."""

    amount_minor: Minor
    currency: Currency
    replayed: bool
    reversals: list[Reversal]


class SaleNow(Shape):
    sale_id: str
    total_minor: Minor
    currency: Currency


class MemberNow(Shape):
    """Whose sale it is; nothing that says who that is.

    as_of: Of when level and points are; null where the caller said them.
    """

    level: Count
    points: Count
    as_of: Time | None


class CouponNoted(Shape):
    title_zh: str
    title_en: str


class CheckoutNow(Shape):
    """The sale of a shop without a POS.

    state: idle: nothing yet. noted: coupons wait for the total. total: it waits for a coupon. refused: no coupon counts
        with this total; another may do. closed: done, pay `priced.due_minor`. undone: the last sale was taken back.
        timed_out: nothing came; nothing was used, the next customer.
    until: When what waits is forgotten; wait_s seconds after it came.
    coupons: Those that wait.
    priced: With closed, refused and undone, what the sale comes to.
    reversed: With undone, what was taken back.
    undoable: POST /v1/sale/undo would take the last sale back.
    """

    state: Literal["idle", "noted", "total", "refused", "closed", "undone", "timed_out"]
    at: Time
    until: Time | None
    wait_s: Annotated[float, Meta(ge=0)]
    coupons: list[CouponNoted]
    priced: Priced | None
    reversed: Reversed | None
    undoable: bool


class CurrentSale(Shape):
    """checkout: Null where `till.without_pos` is off."""

    sale: SaleNow | None
    member: MemberNow | None
    checkout: CheckoutNow | None
