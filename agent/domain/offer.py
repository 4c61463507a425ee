"""An offer: what it gives, when, beside which others, and who pays for it; with its strict wire form."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from agent.domain import benefit_wire
from agent.domain.benefit import EVERYTHING, Benefit, Items
from agent.domain.benefit_wire import plain, read_items, read_names
from agent.domain.fields import Fields
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.token import DAY_MAX, UINT32_MAX

DAY_MINUTES = 1440
PRIORITY_USUAL = 100
TOGETHER_MAX = 8


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes since the store's midnight: from `from_minute` until before `to_minute`. A night is two of them."""

    from_minute: int
    to_minute: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How often, 0 for no limit: one coupon at all, one member a day and a month, one store and one till a day."""

    coupon: int = 0
    member_day: int = 0
    member_month: int = 0
    store_day: int = 0
    till_day: int = 0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold; an empty set asks for nothing.

    min_spend_minor, min_pieces: on the eligible lines. tenders, channels: words of the POS, such as "cash" or
    "counter". days: only on these, blackout_days: never on these (days since 1970-01-01). weekdays: 1 Monday to
    7 Sunday. stores, groups, merchants: one that fits of those that are named. member_level: at least. first_visit:
    never bought here before. absent_days: a member who has not bought for so long. holder_only: where the coupon names
    a holder, for that member alone.
    """

    min_spend_minor: int = 0
    min_pieces: int = 0
    tenders: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    days: frozenset[int] = frozenset()
    blackout_days: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    hours: tuple[Hours, ...] = ()
    stores: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()
    merchants: frozenset[str] = frozenset()
    member_level: int = 0
    first_visit: bool = False
    absent_days: int = 0
    holder_only: bool = False
    limits: Limits = Limits()


NO_CONDITIONS = Conditions()
"""What most offers ask."""


class Mode(StrEnum):
    """Beside which other coupons this one counts."""

    EXCLUSIVE = "exclusive"  # beside none
    JOINT = "joint"  # beside any that agrees
    GROUPS = "groups"  # beside those of the groups it names, if they agree


class Base(StrEnum):
    """Which prices thresholds and percentages see: those before all coupons, or what earlier coupons have left."""

    ORIGINAL = "original"
    REDUCED = "reduced"


@dataclass(frozen=True, slots=True)
class Stacking:
    """group: its own, "" for none; beside: groups it goes with. priority: the lower is counted first.

    per_sale: coupons of this campaign in one sale. together_max: coupons in all, where it is one of them.
    """

    mode: Mode = Mode.EXCLUSIVE
    group: str = ""
    beside: frozenset[str] = frozenset()
    priority: int = PRIORITY_USUAL
    per_sale: int = 1
    together_max: int = TOGETHER_MAX
    base: Base = Base.REDUCED

    def goes_with(self, other: Stacking) -> bool:
        """Whether this one has nothing against the other; it counts only if both agree."""
        return self.mode is Mode.JOINT or (self.mode is Mode.GROUPS and other.group in self.beside)


@dataclass(frozen=True, slots=True)
class Funding:
    """Who pays for what comes off, in shares of a thousand that sum to 1000."""

    issuer: int = 1000
    merchant: int = 0
    supplier: int = 0


PARTIES = tuple(one.name for one in fields(Funding))


@dataclass(frozen=True, slots=True)
class Reward:
    """What somebody earns by a redemption: a fixed amount and a share of what the customer pays, capped.

    permille: of what is left to pay, rounded down. cap_minor: the most of both; needed where there is a share.
    """

    minor: int = 0
    permille: int = 0
    cap_minor: int = 0

    def amount_minor(self, due_minor: int) -> int:
        earned = self.minor + due_minor * self.permille // 1000
        return min(earned, self.cap_minor) if self.cap_minor else earned

    @property
    def most_minor(self) -> int:
        return self.cap_minor or self.minor


TIERS_MAX = 2
"""Tiers of referrers: what more is called pyramid selling (PRC Regulation on the Prohibition of Pyramid Selling)."""


@dataclass(frozen=True, slots=True)
class Incentives:
    """Who earns by a redemption, None for nobody. assistant: whose badge is known. referrers: who brought the customer,
    and who brought that one; for purchases alone, never for bringing somebody.
    """

    assistant: Reward | None = None
    store: Reward | None = None
    referrers: tuple[Reward, ...] = ()

    @property
    def most_minor(self) -> int:
        """What one redemption can cost beside what comes off."""
        fixed = sum(one.most_minor for one in (self.assistant, self.store) if one is not None)
        return fixed + sum(one.most_minor for one in self.referrers)


@dataclass(frozen=True, slots=True)
class Offer:
    """items: the eligible lines. What is a set of pieces, a minimum or a percentage is taken of them."""

    benefit: Benefit
    items: Items = EVERYTHING
    conditions: Conditions = NO_CONDITIONS
    stacking: Stacking = Stacking()
    funding: Funding = field(default=Funding())
    incentives: Incentives = field(default=Incentives())


def from_wire(value: Any) -> Offer:
    """Read an offer; FieldError names the field and what is allowed."""
    source = Fields(value, "offer")
    offer = Offer(
        benefit_wire.from_wire(source.mapping("benefit")),
        read_items(source.mapping("items", default={}), "offer.items"),
        _conditions(source.mapping("conditions", default={})),
        _stacking(source.mapping("stacking", default={})),
        _funding(source.mapping("funding", default={})),
        _incentives(source.mapping("incentives", default={})),
    )
    source.done()
    return offer


def to_wire(offer: Offer) -> dict[str, Any]:
    """The map that `from_wire` reads, without what is as usual."""
    wire: dict[str, Any] = plain(offer)
    return wire | {"benefit": benefit_wire.to_wire(offer.benefit)}


def _numbers(source: Fields, name: str, least: int, greatest: int) -> frozenset[int]:
    numbers = source.number_set(name, greatest) or frozenset()
    if len(numbers) > benefit_wire.NAMES_MAX or min(numbers, default=least) < least:
        raise source.error(
            name, f"is not a list of at most {benefit_wire.NAMES_MAX} from {least} to {greatest}"
        )
    return numbers


def _conditions(value: Any) -> Conditions:
    source = Fields(value, "offer.conditions")
    conditions = Conditions(
        min_spend_minor=source.integer("min_spend_minor", 0, AMOUNT_MAX_MINOR, default=0),
        min_pieces=source.integer("min_pieces", 0, benefit_wire.PIECES_MAX, default=0),
        tenders=read_names(source, "tenders"),
        channels=read_names(source, "channels"),
        days=_numbers(source, "days", 0, DAY_MAX),
        blackout_days=_numbers(source, "blackout_days", 0, DAY_MAX),
        weekdays=_numbers(source, "weekdays", 1, 7),
        hours=_hours(source) if source.has("hours") else (),
        stores=_numbers(source, "stores", 0, UINT32_MAX),
        groups=_numbers(source, "groups", 0, UINT32_MAX),
        merchants=read_names(source, "merchants"),
        member_level=source.integer("member_level", 0, 100, default=0),
        first_visit=source.boolean("first_visit", default=False),
        absent_days=source.integer("absent_days", 0, 3660, default=0),
        holder_only=source.boolean("holder_only", default=False),
        limits=_limits(source.mapping("limits", default={})),
    )
    source.done()
    if conditions.first_visit and conditions.absent_days:
        raise source.error("first_visit", "and absent_days exclude one another")
    return NO_CONDITIONS if conditions == NO_CONDITIONS else conditions


def _hours(source: Fields) -> tuple[Hours, ...]:
    windows = []
    for place, value in enumerate(source.items("hours", 10)):
        window = Fields(value, f"offer.conditions.hours[{place}]")
        from_minute = window.integer("from_minute", 0, DAY_MINUTES - 1)
        windows.append(Hours(from_minute, window.integer("to_minute", from_minute + 1, DAY_MINUTES)))
        window.done()
    return tuple(windows)


def _limits(value: Any) -> Limits:
    source = Fields(value, "offer.conditions.limits")
    limits = Limits(*(source.integer(one.name, 0, UINT32_MAX, default=0) for one in fields(Limits)))
    source.done()
    return limits


def _stacking(value: Any) -> Stacking:
    source = Fields(value, "offer.stacking")
    stacking = Stacking(
        mode=source.choice("mode", {one.value: one for one in Mode})
        if source.has("mode")
        else Mode.EXCLUSIVE,
        group=source.text("group", benefit_wire.NAME_LONGEST, default=""),
        beside=read_names(source, "beside"),
        priority=source.integer("priority", 0, 1000, default=PRIORITY_USUAL),
        per_sale=source.integer("per_sale", 1, TOGETHER_MAX, default=1),
        together_max=source.integer("together_max", 1, TOGETHER_MAX, default=TOGETHER_MAX),
        base=source.choice("base", {one.value: one for one in Base}) if source.has("base") else Base.REDUCED,
    )
    source.done()
    if (stacking.mode is Mode.GROUPS) != bool(stacking.beside):
        raise source.error("beside", 'names the groups of mode "groups", and only of it')
    if stacking.per_sale > 1 and not stacking.goes_with(stacking):
        raise source.error("per_sale", "is more than 1, but two of these coupons exclude one another")
    return stacking


def _incentives(value: Any) -> Incentives:
    source = Fields(value, "offer.incentives")
    one = {
        name: None if (found := source.mapping(name, default=None)) is None else _reward(found, name)
        for name in ("assistant", "store")
    }
    tiers = source.items("referrers", 100) if source.has("referrers") else []
    source.done()
    if len(tiers) > TIERS_MAX:
        raise source.error("referrers", f"has more than {TIERS_MAX} tiers: the law allows no more")
    return Incentives(
        **one, referrers=tuple(_reward(tier, f"referrers[{place}]") for place, tier in enumerate(tiers))
    )


def _reward(value: Any, name: str) -> Reward:
    source = Fields(value, f"offer.incentives.{name}")
    reward = Reward(
        source.integer("minor", 0, AMOUNT_MAX_MINOR, default=0),
        source.integer("permille", 0, 1000, default=0),
        source.integer("cap_minor", 0, AMOUNT_MAX_MINOR, default=0),
    )
    source.done()
    if not (reward.minor or reward.permille):
        raise source.error("minor", "or permille is needed: what is earned")
    if reward.permille and not reward.cap_minor:
        raise source.error("cap_minor", "is needed beside permille: it is what bounds the cost")
    return reward


def _funding(value: Any) -> Funding:
    if not value:
        return Funding()
    source = Fields(value, "offer.funding")
    funding = Funding(*(source.integer(name, 0, 1000, default=0) for name in PARTIES))
    source.done()
    if funding.issuer + funding.merchant + funding.supplier != 1000:
        raise source.error("issuer", "and merchant and supplier do not sum to 1000")
    return funding
