"""The wire form of benefits: a CBOR map with text keys, strict on the way in and one form on the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from agent.domain.benefit import (
    AmountOff,
    AmountStep,
    Attribution,
    Benefit,
    Change,
    Gift,
    Item,
    Items,
    PercentOff,
    PercentStep,
    Pickup,
    PointsMultiplier,
    PointsSpend,
    SetOff,
    SetPrice,
    StoredValue,
    Which,
)
from agent.domain.fields import Fields
from agent.domain.money import AMOUNT_MAX_MINOR

NAMES_MAX = 200
NAME_LONGEST = 64
STEPS_MAX = 10
PIECES_MAX = 100
POINTS_MAX = 1_000_000_000


def read_names(source: Fields, name: str, least: int = 0) -> frozenset[str]:
    default: dict[str, Any] = {} if least else {"default": []}
    return frozenset(source.texts(name, least, NAMES_MAX, NAME_LONGEST, **default))


def read_items(value: Any, what: str) -> Items:
    source = Fields(value, what)
    items = Items(*(read_names(source, one.name) for one in fields(Items)))
    source.done()
    return items


def _cap(source: Fields) -> int:
    return source.integer("cap_minor", 1, AMOUNT_MAX_MINOR)


def _amount_off(source: Fields) -> AmountOff:
    steps = []
    for place, value in enumerate(source.items("steps", STEPS_MAX)):
        step = Fields(value, f"offer.benefit.steps[{place}]")
        off_minor = step.integer("off_minor", 1, AMOUNT_MAX_MINOR)
        steps.append(AmountStep(step.integer("from_minor", 0, AMOUNT_MAX_MINOR, default=0), off_minor))
        step.done()
    _must_rise(source, [(step.from_minor, step.off_minor) for step in steps])
    repeating = source.boolean("repeating", default=False)
    cap_minor = source.integer("cap_minor", 0, AMOUNT_MAX_MINOR, default=0)
    if repeating and (len(steps) > 1 or not steps[0].from_minor):
        raise source.error("repeating", "needs one step with a threshold")
    if repeating and not cap_minor:
        raise source.error("cap_minor", "is needed where a step repeats: it is what bounds the cost")
    return AmountOff(tuple(steps), repeating, cap_minor)


def _must_rise(source: Fields, steps: list[tuple[int, int]]) -> None:
    if not steps:
        raise source.error("steps", "is empty")
    if any(one[0] >= two[0] or one[1] >= two[1] for one, two in pairwise(steps)):
        raise source.error("steps", "do not rise: each step asks for more and gives more than the one before")


def _percent_off(source: Fields) -> PercentOff:
    steps = []
    for place, value in enumerate(source.items("steps", STEPS_MAX)):
        step = Fields(value, f"offer.benefit.steps[{place}]")
        pieces = step.integer("pieces", 1, PIECES_MAX, default=1)
        steps.append(PercentStep(pieces, step.integer("percent", 1, 100)))
        step.done()
    _must_rise(source, [(step.pieces, step.percent) for step in steps])
    return PercentOff(tuple(steps), _cap(source))


def _change(source: Fields) -> Change:
    change = Fields(source.mapping("change"), "offer.benefit.change")
    named = [name for name in ("percent", "off_minor", "price_minor") if change.has(name)]
    if len(named) != 1:
        raise source.error("change", "does not say exactly one of percent, off_minor and price_minor")
    least, greatest = {"percent": (1, 100), "off_minor": (1, AMOUNT_MAX_MINOR)}.get(
        named[0], (0, AMOUNT_MAX_MINOR)
    )
    value = change.integer(named[0], least, greatest)
    change.done()
    return Change(**{named[0]: value})


def _set_off(source: Fields) -> SetOff:
    pieces = source.integer("pieces", 1, PIECES_MAX)
    return SetOff(
        pieces,
        source.integer("off_pieces", 1, pieces, default=1),
        _change(source),
        _cap(source),
        source.boolean("same_article", default=False),
        source.integer("sets_max", 1, PIECES_MAX, default=1),
    )


def _set_price(source: Fields) -> SetPrice:
    return SetPrice(
        source.integer("pieces", 2, PIECES_MAX),
        source.integer("price_minor", 0, AMOUNT_MAX_MINOR),
        _cap(source),
        source.integer("sets_max", 1, PIECES_MAX, default=1),
    )


def _item(source: Fields) -> Item:
    target = source.mapping("target", default=None)
    item = Item(
        _change(source),
        _cap(source),
        source.integer("pieces", 0, PIECES_MAX, default=1),
        source.choice("which", {one.value: one for one in Which}) if source.has("which") else Which.DEAREST,
        None if target is None else read_items(target, "offer.benefit.target"),
        source.integer("every_minor", 0, AMOUNT_MAX_MINOR, default=0),
        source.integer("every_pieces", 0, PIECES_MAX, default=0),
        source.integer("times", 1, PIECES_MAX, default=1),
    )
    if target is not None and not (
        item.target and (item.target.skus or item.target.categories or item.target.brands)
    ):
        raise source.error("target", "names no article, category or brand")
    if (item.every_minor or item.every_pieces) and (item.target is None or not item.pieces):
        raise source.error("target", "and pieces are needed beside every_minor and every_pieces")
    if item.every_minor and item.every_pieces:
        raise source.error("every_minor", "and every_pieces exclude one another")
    if item.times > 1 and not (item.every_minor or item.every_pieces):
        raise source.error("times", "needs every_minor or every_pieces")
    return item


def _gift(source: Fields) -> Gift:
    return Gift(
        read_names(source, "skus", 1),
        source.integer("value_minor", 1, AMOUNT_MAX_MINOR),
        source.integer("pieces", 1, PIECES_MAX, default=1),
    )


def _pickup(source: Fields) -> Pickup:
    value = source.mapping("gift", default=None)
    if value is None:
        return Pickup()
    inner = Fields(value, "offer.benefit.gift")
    gift = _gift(inner)
    inner.done()
    return Pickup(gift)


def _points_spend(source: Fields) -> PointsSpend:
    points = source.integer("points", 1, POINTS_MAX)
    worth_minor = source.integer("worth_minor", 1, AMOUNT_MAX_MINOR)
    cap_minor = source.integer("cap_minor", worth_minor, AMOUNT_MAX_MINOR)
    return PointsSpend(points, worth_minor, cap_minor, source.integer("percent_max", 1, 100, default=100))


_READERS: Mapping[str, tuple[type[Benefit], Callable[[Fields], Benefit]]] = {
    "amount_off": (AmountOff, _amount_off),
    "percent_off": (PercentOff, _percent_off),
    "set_off": (SetOff, _set_off),
    "set_price": (SetPrice, _set_price),
    "item": (Item, _item),
    "gift": (Gift, _gift),
    "stored_value": (
        StoredValue,
        lambda source: StoredValue(_cap(source), source.boolean("whole", default=False)),
    ),
    "points_spend": (PointsSpend, _points_spend),
    "points_multiplier": (
        PointsMultiplier,
        lambda source: PointsMultiplier(source.integer("percent", 101, 10_000)),
    ),
    "pickup": (Pickup, _pickup),
    "attribution": (Attribution, lambda source: Attribution()),
}
KIND_OF: Mapping[type[Benefit], str] = {made: kind for kind, (made, _) in _READERS.items()}


def from_wire(value: Any) -> Benefit:
    """Read a benefit; FieldError names the field and what is allowed."""
    source = Fields(value, "offer.benefit")
    _, read = source.choice("kind", _READERS)
    benefit = read(source)
    source.done()
    return benefit


def to_wire(benefit: Benefit) -> dict[str, Any]:
    """The map that `from_wire` reads."""
    wire: dict[str, Any] = plain(benefit)
    return {"kind": KIND_OF[type(benefit)]} | wire


def plain(value: Any) -> Any:
    """Dataclasses as maps without what is as usual, sets as sorted lists: one value has one wire form."""
    if is_dataclass(value):
        found = ((one.name, one.default, getattr(value, one.name)) for one in fields(value))
        return {name: plain(item) for name, usual, item in found if usual is MISSING or item != usual}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value
