"""Whether an offer counts here, now and for this customer: the conditions that need no prices.

Everything is given: the caller reads clock, ledger and member card and says what it found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

from agent.domain.objection import Key, Objection, Reason
from agent.domain.offer import NO_CONDITIONS, Conditions, Limits, Offer

LEVEL_MAX, VISITS_MAX, ABSENT_DAYS_MAX = 100, 10**9, 36_600
"""Bounds of what is told of a member."""


@dataclass(frozen=True, slots=True)
class Member:
    """The customer's card. pseudonym: as coupons name their holder. level: 0 for none. visits: sales before this one.

    absent_days: since the last of them, None where there is none. points: what may be spent here now; points_kept: what
    there is besides, and points_limit the limit that keeps it from being spent here now. consent: the member agreed to
    records of what was bought; without it no record and no table names the member. digest: by which this till counts
    what the member used (`agent.members`). as_of: of when the bundle's word on the member is, None where it does not
    list the member and the POS said what stands here.
    """

    pseudonym: bytes
    level: int = 0
    visits: int = 0
    absent_days: int | None = None
    points: int = 0
    consent: bool = False
    digest: bytes = b""
    as_of: datetime | None = None
    points_kept: int = 0
    points_limit: str = ""


class Facts(NamedTuple):
    """Where, when and for whom. day: since 1970-01-01, minute: since midnight, both in the store's calendar.

    store, groups: numbers, merchant: name, as in the bundle's part "place". channel: the POS's word for the kind of
    sale. tenders: how it is paid, None while nobody knows; a coupon that asks for one is then quoted on condition.
    out_of_stock: articles that cannot be handed over.
    """

    day: int
    minute: int
    store: int
    merchant: str
    groups: frozenset[int] = frozenset()
    channel: str = ""
    tenders: frozenset[str] | None = None
    member: Member | None = None
    out_of_stock: frozenset[str] = frozenset()

    @property
    def weekday(self) -> int:
        """1 Monday to 7 Sunday (ISO 8601); 1970-01-01 was a Thursday."""
        return (self.day + 3) % 7 + 1


class Uses(NamedTuple):
    """How often it was used already: this coupon; its campaign by this member, in this store, at this till."""

    coupon: int = 0
    member_day: int = 0
    member_month: int = 0
    store_day: int = 0
    till_day: int = 0


class Presented(NamedTuple):
    """A coupon that was verified and may be used (docs/architecture.md), with its offer.

    expires: its last day, for ties. value_minor: a personal value that lowers what the offer gives. balance_minor: what
    is left on a stored value. holder: whose it is, None for anyone's.
    """

    key: Key
    offer: Offer
    currency: str
    expires: int
    value_minor: int | None = None
    balance_minor: int = 0
    holder: bytes | None = None
    uses: Uses = Uses()

    @property
    def campaign(self) -> tuple[str, int]:
        return self.key[:2]


def objection_to(coupon: Presented, facts: Facts) -> Objection | None:
    """The first condition that does not hold, in the order of `Reason`; None where all hold."""
    conditions = coupon.offer.conditions
    if conditions is NO_CONDITIONS:  # as most offers are, and a shopper waits
        return _holder_objection(coupon, facts)
    for reason, fails in _CHECKS:
        if fails(conditions, facts):
            return Objection(reason)
    return (
        _holder_objection(coupon, facts)
        or _member_objection(conditions, facts.member)
        or _limit_objection(coupon)
        or _tender_objection(conditions, facts)
    )


_CHECKS: tuple[tuple[Reason, Callable[[Conditions, Facts], bool]], ...] = (
    (
        Reason.OTHER_MERCHANT,
        lambda asked, facts: bool(asked.merchants) and facts.merchant not in asked.merchants,
    ),
    (Reason.OTHER_STORE, lambda asked, facts: bool(asked.stores) and facts.store not in asked.stores),
    (Reason.OTHER_STORE, lambda asked, facts: bool(asked.groups) and not asked.groups & facts.groups),
    (Reason.OTHER_CHANNEL, lambda asked, facts: bool(asked.channels) and facts.channel not in asked.channels),
    (Reason.OTHER_DAY, lambda asked, facts: bool(asked.days) and facts.day not in asked.days),
    (Reason.OTHER_DAY, lambda asked, facts: facts.day in asked.blackout_days),
    (Reason.OTHER_DAY, lambda asked, facts: bool(asked.weekdays) and facts.weekday not in asked.weekdays),
    (
        Reason.OTHER_HOUR,
        lambda asked, facts: (
            bool(asked.hours)
            and not any(one.from_minute <= facts.minute < one.to_minute for one in asked.hours)
        ),
    ),
)


def _holder_objection(coupon: Presented, facts: Facts) -> Objection | None:
    if coupon.holder is None:
        return None
    if facts.member is None:
        return Objection(Reason.MEMBER_NEEDED)
    return None if facts.member.pseudonym == coupon.holder else Objection(Reason.OTHER_HOLDER)


def _member_objection(asked: Conditions, member: Member | None) -> Objection | None:
    limits = asked.limits
    needed = asked.member_level or asked.first_visit or asked.absent_days
    if not (needed or limits.member_day or limits.member_month):
        return None
    if member is None:
        return Objection(Reason.MEMBER_NEEDED)
    if member.level < asked.member_level:
        return Objection(Reason.LEVEL_TOO_LOW, detail=str(asked.member_level))
    if asked.first_visit and member.visits:
        return Objection(Reason.NOT_FIRST_VISIT)
    if asked.absent_days and (member.absent_days is None or member.absent_days < asked.absent_days):
        return Objection(Reason.NOT_ABSENT, detail=str(asked.absent_days))
    return None


def _limit_objection(coupon: Presented) -> Objection | None:
    limits, uses = coupon.offer.conditions.limits, coupon.uses
    for one in fields(Limits):
        limit = getattr(limits, one.name)
        if limit and getattr(uses, one.name) >= limit:
            return Objection(Reason.LIMIT_REACHED, detail=one.name)
    return None


def _tender_objection(asked: Conditions, facts: Facts) -> Objection | None:
    if not asked.tenders or facts.tenders is None or facts.tenders <= asked.tenders:
        return None
    wanted = tuple(sorted(asked.tenders))
    return Objection(Reason.OTHER_TENDER, detail=", ".join(wanted), tenders=wanted)


def left_in_sale(coupon: Presented) -> int:
    """How many coupons of its campaign this sale may use, by this coupon's rule and counters."""
    limits, uses = coupon.offer.conditions.limits, coupon.uses
    room: int = coupon.offer.stacking.per_sale
    for one in fields(Limits):
        limit = getattr(limits, one.name)
        if limit and one.name != "coupon":
            room = min(room, limit - getattr(uses, one.name))
    return room
