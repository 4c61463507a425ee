"""Which promotion a receipt carries: rules of head office, pure and the same on every till.

The first rule that fits the redemption decides. Its arms share the customers among offers by the hash of a stable unit
(the customer, the sale, the store), so that whoever comes twice stays in one arm, and anybody who knows the unit's
digest can compute the arm again:

    unit digest  first 8 bytes of SHA-256(b"redeemd/unit/1" NUL unit)
    place        first 8 bytes of SHA-256(b"redeemd/arm/1" NUL rule NUL digest) as a number, modulo 10000
    arm          the first whose running total of shares is above the place

An arm without a campaign is held out: nothing is printed, and the record says so.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.domain.basket import basket_of
from agent.domain.benefit import EVERYTHING, Items
from agent.domain.fields import FieldError, Fields
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.sale import Sale
from agent.domain.token import DAY_MAX, UINT32_MAX, Coupon

SHARES = 10_000
RULES_MAX = 50
ARMS_MAX = 8
NAMES_MAX = 200
SHORT_CHARS_MAX = 40
_UNIT = b"redeemd/unit/1\0"
_TYPED = b"redeemd/typed/1\0"
_SHORT = re.compile(r"(0|[1-9][0-9]{0,9})-([0-9]{1,10})-([A-Z0-9]{5})", re.ASCII)
_MISTYPED = str.maketrans("018", "OIB")
_ARM = b"redeemd/arm/1\0"

Identity = tuple[str, int]
"""(issuer, campaign number)"""


def short_stem(campaign: int, size: int, index: int) -> str:
    """The campaign and the index, of equal length within a campaign: what is known before the coupon is signed."""
    return f"{campaign}-{index:0{len(str(size - 1))}d}"


def short_name(campaign: int, size: int, index: int, token: str) -> str:
    """What a person can type instead of scanning: the stem and five letters that follow from the signed token, so that
    nobody finds the next customer's by counting (1 in 33 million guesses)."""
    return f"{short_stem(campaign, size, index)}-{letters_of(token)}"


def letters_of(token: str) -> str:
    """The five letters."""
    return b32encode(hashlib.sha256(_TYPED + token.encode()).digest())[:5].decode()


@dataclass(frozen=True, slots=True)
class Typed:
    """A short name as it was typed. short: as it is stored."""

    short: str
    campaign: int
    index: int


def read_typed(text: str) -> Typed | None:
    """The short name that somebody typed, in capitals or not, with 0, 1 or 8 for O, I and B; None for another text."""
    if not 9 <= len(text) <= SHORT_CHARS_MAX:
        return None
    found = _SHORT.fullmatch(text.strip().upper())
    if found is None or max(int(found[1]), int(found[2])) > UINT32_MAX:
        return None
    campaign, index, letters = found.groups()
    return Typed(f"{campaign}-{index}-{letters.translate(_MISTYPED)}", int(campaign), int(index))


class Unit(StrEnum):
    """Who stays in one arm. SHOPPER: the coupon's holder, else the member, else the coupon itself. AREA: the store's
    first group."""

    SHOPPER = "shopper"
    SALE = "sale"
    STORE = "store"
    AREA = "area"


@dataclass(frozen=True, slots=True)
class Arm:
    """share: of SHARES. campaign: None holds out."""

    name: str
    share: int
    campaign: Identity | None


@dataclass(frozen=True, slots=True)
class PromoRule:
    """starts, ends: days, both included. after: campaigns one of which was redeemed, None for any. least_minor: of the
    sale; one that is not known is 0. items: the sale holds one of these. level: of the member, at least. stores,
    groups: where it counts, None for everywhere. arms: their shares are SHARES together.
    """

    name: str
    starts: int
    ends: int
    arms: tuple[Arm, ...]
    unit: Unit = Unit.SHOPPER
    after: frozenset[Identity] | None = None
    least_minor: int = 0
    items: Items = EVERYTHING
    level: int = 0
    stores: frozenset[int] | None = None
    groups: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Occasion:
    """A redemption, as rules see it. store, groups: numbers. level: of the member, 0 where none is known. member: the
    pseudonym of one who agreed to be recorded, for the arm's digest is recorded.
    """

    coupon: Coupon
    day: int
    sale: Sale | None
    store: int
    groups: frozenset[int]
    redemption_id: str
    level: int = 0
    member: bytes | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided. unit: the digest in hexadecimal. campaign: None holds out. personal: the unit is a person."""

    rule: str
    arm: str
    unit: str
    campaign: Identity | None
    personal: bool = False


def choose(rules: tuple[PromoRule, ...], occasion: Occasion) -> Choice | None:
    """The first rule that fits, and the arm of its unit; None where none fits."""
    rule = next((rule for rule in rules if _fits(rule, occasion)), None)
    if rule is None:
        return None
    digest = unit_digest(_unit(rule.unit, occasion))
    arm = arm_of(rule, digest)
    personal = rule.unit is Unit.SHOPPER and _person(occasion) is not None
    return Choice(rule.name, arm.name, digest.hex(), arm.campaign, personal)


def unit_digest(unit: str) -> bytes:
    """Eight bytes that name a unit without saying who it is."""
    return hashlib.sha256(_UNIT + unit.encode()).digest()[:8]


def arm_of(rule: PromoRule, digest: bytes) -> Arm:
    """The arm of a unit: the same on every till, in every year."""
    hashed = hashlib.sha256(_ARM + rule.name.encode() + b"\0" + digest).digest()[:8]
    place = int.from_bytes(hashed, "big") % SHARES
    for arm in rule.arms:
        if place < arm.share:
            return arm
        place -= arm.share
    raise AssertionError("the shares of a rule are all of it")


def _fits(rule: PromoRule, occasion: Occasion) -> bool:
    coupon, sale = occasion.coupon, occasion.sale
    return (
        rule.starts <= occasion.day <= rule.ends
        and (rule.after is None or coupon.identity[:2] in rule.after)
        and (not rule.least_minor or (sale is not None and sale.total_minor >= rule.least_minor))
        and occasion.level >= rule.level
        and (rule.stores is None or occasion.store in rule.stores)
        and (rule.groups is None or not rule.groups.isdisjoint(occasion.groups))
        and (rule.items == EVERYTHING or _holds(rule.items, sale))
    )


def _holds(items: Items, sale: Sale | None) -> bool:
    """False where the articles are not known."""
    if sale is None or not sale.lines:
        return False
    return any(items.hold(line) for line in basket_of(sale).lines)


def holder_unit(holder: bytes) -> str:
    return f"holder/{holder.hex()}"


def _person(occasion: Occasion) -> bytes | None:
    return occasion.coupon.claims.holder or occasion.member


def _unit(unit: Unit, occasion: Occasion) -> str:
    coupon = occasion.coupon
    match unit:
        case Unit.SHOPPER if (known := _person(occasion)) is not None:
            return holder_unit(known)
        case Unit.SHOPPER:
            return "coupon/" + "/".join(map(str, coupon.identity))
        case Unit.SALE:
            return (
                f"sale/{occasion.store}/{occasion.sale.sale_id if occasion.sale else occasion.redemption_id}"
            )
        case Unit.STORE:
            return f"store/{occasion.store}"
        case Unit.AREA:
            return f"area/{min(occasion.groups)}" if occasion.groups else f"store/{occasion.store}"


# The wire form: an item of `promos` in the part "receipt_rules"


def rule_to_wire(rule: PromoRule) -> dict[str, Any]:
    """The map that `read_rule` reads."""
    return {
        "name": rule.name,
        "starts": rule.starts,
        "ends": rule.ends,
        "unit": rule.unit.value,
        "after": None if rule.after is None else [list(one) for one in sorted(rule.after)],
        "least_minor": rule.least_minor,
        "items": {name: sorted(value) for name in Items.__slots__ if (value := getattr(rule.items, name))},
        "level": rule.level,
        "stores": None if rule.stores is None else sorted(rule.stores),
        "groups": None if rule.groups is None else sorted(rule.groups),
        "arms": [
            {
                "name": arm.name,
                "share": arm.share,
                "campaign": None if arm.campaign is None else list(arm.campaign),
            }
            for arm in rule.arms
        ],
    }


def read_rule(value: Any) -> PromoRule:
    """Read a rule strictly; FieldError names the field."""
    fields = Fields(value, "promo rule")
    rule = PromoRule(
        name=fields.text("name", 32, least=1),
        starts=fields.integer("starts", 0, DAY_MAX),
        ends=fields.integer("ends", 0, DAY_MAX),
        unit=fields.choice("unit", {unit.value: unit for unit in Unit})
        if fields.has("unit")
        else Unit.SHOPPER,
        after=read_identities(fields, "after"),
        least_minor=fields.integer("least_minor", 0, AMOUNT_MAX_MINOR, default=0),
        items=_read_items(fields.mapping("items", default={})),
        level=fields.integer("level", 0, 100, default=0),
        stores=fields.number_set("stores", UINT32_MAX),
        groups=fields.number_set("groups", UINT32_MAX),
        arms=tuple(_read_arm(item) for item in fields.items("arms", ARMS_MAX)),
    )
    fields.done()
    if rule.starts > rule.ends:
        raise fields.error("ends", "is before starts")
    if (shared := sum(arm.share for arm in rule.arms)) != SHARES:
        raise fields.error(
            "arms", f"share {shared} of {SHARES}: all of it, a held-out arm included, is to be shared"
        )
    if len({arm.name for arm in rule.arms}) != len(rule.arms):
        raise fields.error("arms", "has a name twice")
    return rule


def _read_arm(value: Any) -> Arm:
    fields = Fields(value, "arm")
    arm = Arm(
        fields.text("name", 32, least=1),
        fields.integer("share", 1, SHARES),
        read_identity(fields, "campaign"),
    )
    fields.done()
    return arm


def _read_items(value: Mapping[Any, Any]) -> Items:
    fields = Fields(value, "items")
    found = {
        name: frozenset(fields.texts(name, 1, NAMES_MAX, 64)) for name in Items.__slots__ if fields.has(name)
    }
    fields.done()
    return Items(**found)


def read_identity(fields: Fields, name: str) -> Identity | None:
    """[issuer, number] of a campaign; null or absent: none."""
    found = read_identities(fields, name, single=True)
    return None if found is None else next(iter(found))


def read_identities(fields: Fields, name: str, *, single: bool = False) -> frozenset[Identity] | None:
    """A list of campaigns, each [issuer, number]; null or absent: no limit. single: the one itself, not in a list."""
    value = fields.anything(name)
    if value is None:
        return None
    listed = [value] if single else value
    if type(listed) is not list or not 1 <= len(listed) <= NAMES_MAX:
        raise fields.error(name, f"is not a list of 1 to {NAMES_MAX}")
    return frozenset(_identity(item, name) for item in listed)


def _identity(item: Any, name: str) -> Identity:
    if type(item) is not list or [type(value) for value in item] != [str, int]:
        raise FieldError(f"{name}: a campaign is [issuer, number]")
    issuer, number = item
    if not 0 < len(issuer) <= 32 or not issuer.isprintable() or not 0 <= number <= UINT32_MAX:
        raise FieldError(f"{name}: a campaign is [issuer of 1 to 32 characters, number to {UINT32_MAX}]")
    return issuer, number
