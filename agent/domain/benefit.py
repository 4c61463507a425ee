"""What an offer gives: eleven kinds, each a typed form.

Four things can happen to a sale: an amount comes off a pool of lines (amount_off, percent_off, and the payments
stored_value and points_spend), single pieces become cheaper (set_off, set_price, item, gift), something is handed over
(gift, pickup), or the sale is only marked (points_multiplier, attribution). docs/campaigns.md has an example of each;
`benefit_wire` reads and writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from agent.domain.basket import BasketLine


class Which(StrEnum):
    """Which pieces come first where not all of them become cheaper."""

    CHEAPEST = "cheapest"
    DEAREST = "dearest"


@dataclass(frozen=True, slots=True)
class Items:
    """Articles: those named by number, category or brand (all where none is named), less those excluded likewise."""

    skus: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    not_skus: frozenset[str] = frozenset()
    not_categories: frozenset[str] = frozenset()
    not_brands: frozenset[str] = frozenset()

    def hold(self, line: BasketLine) -> bool:
        if line.sku in self.not_skus or line.category in self.not_categories or line.brand in self.not_brands:
            return False
        if not (self.skus or self.categories or self.brands):
            return True
        return line.sku in self.skus or line.category in self.categories or line.brand in self.brands


EVERYTHING = Items()


@dataclass(frozen=True, slots=True)
class AmountStep:
    from_minor: int
    off_minor: int


@dataclass(frozen=True, slots=True)
class AmountOff:
    """An amount off from a threshold on, the highest step reached; or, repeating, once for every full threshold.

    steps: rising in both. cap_minor: the most that comes off; needed where it repeats, else the last step's amount.
    """

    steps: tuple[AmountStep, ...]
    repeating: bool = False
    cap_minor: int = 0


@dataclass(frozen=True, slots=True)
class PercentStep:
    pieces: int
    percent: int


@dataclass(frozen=True, slots=True)
class PercentOff:
    """A percentage off all eligible lines, the highest step of pieces reached, rounded down to the minor unit."""

    steps: tuple[PercentStep, ...]
    cap_minor: int


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one piece: `percent` off (100: free), `off_minor` off, or the price `price_minor`; one."""

    percent: int = 0
    off_minor: int = 0
    price_minor: int | None = None

    def off(self, price_minor: int) -> int:
        """What comes off a piece of this price; never below 0, percentages are rounded down."""
        if self.price_minor is not None:
            return max(price_minor - self.price_minor, 0)
        return min(self.off_minor, price_minor) if self.off_minor else price_minor * self.percent // 100


@dataclass(frozen=True, slots=True)
class SetOff:
    """Of every `pieces` eligible pieces the cheapest `off_pieces` change: the second at half price, three for two.

    Sets are made from the dearest piece down, at most `sets_max`. same_article: only of one article at one price.
    """

    pieces: int
    off_pieces: int
    change: Change
    cap_minor: int
    same_article: bool = False
    sets_max: int = 1


@dataclass(frozen=True, slots=True)
class SetPrice:
    """Any `pieces` eligible pieces for `price_minor` together. Sets are made from the dearest piece down."""

    pieces: int
    price_minor: int
    cap_minor: int
    sets_max: int = 1


@dataclass(frozen=True, slots=True)
class Item:
    """Single pieces change: an item coupon, or with `target` something at a special price beside other goods.

    pieces: how many change, 0 for all; which: those first. target: the articles that change, where they are others
    than the eligible ones; they do not count towards any minimum. every_minor, every_pieces: `pieces` of the target for
    every so much of the eligible lines, at most `times`; 0 and 0: once, if the conditions are met.
    """

    change: Change
    cap_minor: int
    pieces: int = 1
    which: Which = Which.DEAREST
    target: Items | None = None
    every_minor: int = 0
    every_pieces: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Gift:
    """`pieces` of one of `skus` are free: a gift with purchase, an exchange voucher.

    A piece in the basket costs nothing, up to `value_minor` each; what is not in the basket is handed over. They do not
    count towards any minimum. value_minor: what one piece is worth at most.
    """

    skus: frozenset[str]
    value_minor: int
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class StoredValue:
    """The coupon holds money that pays for eligible lines. whole: its balance is spent at once or not at all."""

    cap_minor: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class PointsSpend:
    """Every `points` of the member's points pay `worth_minor`, up to `percent_max` of the eligible lines."""

    points: int
    worth_minor: int
    cap_minor: int
    percent_max: int = 100


@dataclass(frozen=True, slots=True)
class PointsMultiplier:
    """The sale earns `percent` of the usual points: 300 is three times as many."""

    percent: int


@dataclass(frozen=True, slots=True)
class Pickup:
    """An order from elsewhere is handed over, with a gift or without."""

    gift: Gift | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Nothing comes off; the sale is counted for whoever brought the customer."""


Benefit = (
    AmountOff
    | PercentOff
    | SetOff
    | SetPrice
    | Item
    | Gift
    | StoredValue
    | PointsSpend
    | PointsMultiplier
    | Pickup
    | Attribution
)


def exposure_minor(benefit: Benefit) -> int:
    """The most that one coupon can cost whoever funds it, in minor units. What points multiply is not known here."""
    match benefit:
        case AmountOff():
            return benefit.cap_minor or benefit.steps[-1].off_minor
        case Gift():
            return benefit.pieces * benefit.value_minor
        case Pickup():
            return exposure_minor(benefit.gift) if benefit.gift else 0
        case PointsMultiplier() | Attribution():
            return 0
        case _:
            return benefit.cap_minor


def most_minor(benefit: Benefit, value_minor: int | None) -> int:
    """The most that a coupon with this personal value can cost: it lowers what the offer gives and never raises it."""
    most = exposure_minor(benefit)
    return most if value_minor is None else min(most, value_minor)


def lowered(benefit: Benefit, value_minor: int | None) -> Benefit:
    """The benefit as a coupon with this personal value states it."""
    if value_minor is None or value_minor >= exposure_minor(benefit):
        return benefit
    match benefit:
        case AmountOff(steps=steps, repeating=False):
            # What a higher step adds is above the value.
            kept = [step for step in steps if step.off_minor < value_minor]
            first = next(step for step in steps if step.off_minor >= value_minor)
            return AmountOff((*kept, replace(first, off_minor=value_minor)))
        case AmountOff() | PercentOff() | SetOff() | SetPrice() | Item() | StoredValue() | PointsSpend():
            return replace(benefit, cap_minor=value_minor)
        case _:
            return benefit
