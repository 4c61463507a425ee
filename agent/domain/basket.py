"""The basket as pricing sees it, and how an amount is divided exactly.

A `Sale` becomes a `Basket` with `basket_of`; a POS that knows categories, brands and tax classes builds one itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.sale import LINES_MAX, PIECES_MAX, Line, Sale

TOTAL_LINE = "total"
"""The one line of a basket of which only the total is known."""


@dataclass(frozen=True, slots=True)
class BasketLine:
    """What the customer buys of one article.

    line: the POS's name of the line, unique in the basket. quantity: pieces, 1 to PIECES_MAX; weighed goods are one
    piece. reduced_minor: what the POS itself has taken off the whole line. category, brand, tax_class: as the
    merchant's master data names them, "" where it has none. ValueError beyond the limits.
    """

    line: str
    sku: str
    quantity: int
    unit_price_minor: int
    reduced_minor: int = 0
    category: str = ""
    brand: str = ""
    tax_class: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.quantity <= PIECES_MAX:
            raise ValueError(f"line {self.line}: quantity is not within 1 to {PIECES_MAX}")
        if not 0 <= self.unit_price_minor <= AMOUNT_MAX_MINOR:
            raise ValueError(f"line {self.line}: unit_price_minor is not within 0 to {AMOUNT_MAX_MINOR}")
        if not 0 <= self.reduced_minor <= self.quantity * self.unit_price_minor:
            raise ValueError(f"line {self.line}: reduced_minor is not within 0 and the line's price")

    @property
    def amount_minor(self) -> int:
        """What the line costs before coupons."""
        return self.quantity * self.unit_price_minor - self.reduced_minor


@dataclass(frozen=True, slots=True)
class Basket:
    """lines: at most LINES_MAX, names unique, none at all for a mere pickup.

    lines_known: False where only the total is known (a shop without a POS); rules about articles and pieces cannot be
    judged then. ValueError beyond the limits.
    """

    currency: str
    lines: tuple[BasketLine, ...]
    lines_known: bool = True

    def __post_init__(self) -> None:
        if len(self.lines) > LINES_MAX:
            raise ValueError(f"{len(self.lines)} lines; a basket has at most {LINES_MAX}")
        if len(self.lines) > 1 and len({line.line for line in self.lines}) < len(self.lines):
            twice = [name for name, times in Counter(line.line for line in self.lines).items() if times > 1]
            raise ValueError(f"two lines have the name {min(twice)}")
        if self.total_minor > AMOUNT_MAX_MINOR:
            raise ValueError(f"the total is above {AMOUNT_MAX_MINOR}")

    @property
    def total_minor(self) -> int:
        return sum([line.amount_minor for line in self.lines])


def of_total(currency: str, total_minor: int) -> Basket:
    """The basket of a shop without a POS: nothing is known but the total."""
    lines = (BasketLine(TOTAL_LINE, "", 1, total_minor),) if total_minor else ()
    return Basket(currency, lines, lines_known=False)


def basket_of(sale: Sale) -> Basket:
    """The basket of a sale; lines without a name are named by their place, "1" first.

    A piece that goes back in the same sale is not bought: it takes one of the same article out, the dearest first.
    Where the total is below the lines (the POS's own discounts, goods returned from another sale), the difference is
    spread over the lines. What the total holds beyond the lines (a bag, a fee) is reduced by no coupon.
    """
    if not sale.lines:
        return of_total(sale.currency, sale.total_minor)
    returned: Counter[str] = Counter()
    for line in sale.lines:
        returned[line.sku] -= min(line.quantity, 0)
    dearest_first = sorted(enumerate(sale.lines, 1), key=lambda item: (-item[1].unit_price_minor, item[0]))
    kept: list[tuple[int, Line]] = []
    for place, line in dearest_first:
        back = min(max(line.quantity, 0), returned[line.sku])
        returned[line.sku] -= back
        if line.quantity > back:
            kept.append((place, replace(line, quantity=line.quantity - back)))
    kept.sort(key=lambda item: item[0])
    lines = [_basket_line(place, line) for place, line in kept]
    amounts = [line.amount_minor for line in lines]
    off = spread(max(sum(amounts) - sale.total_minor, 0), amounts)
    return Basket(
        sale.currency,
        tuple(replace(line, reduced_minor=less) for line, less in zip(lines, off, strict=True)),
    )


def _basket_line(place: int, line: Line) -> BasketLine:
    return BasketLine(
        line.line or str(place),
        line.sku,
        line.quantity,
        line.unit_price_minor,
        0,
        line.category,
        line.brand,
        line.tax_class,
    )


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` divided in proportion to `weights` by largest remainder; equal remainders: the earlier first.

    0 <= amount <= sum(weights), and no share is above its weight. The shares sum to `amount`.
    """
    total = sum(weights)
    assert 0 <= amount <= total, "no more is divided than there is"
    if not amount:
        return [0] * len(weights)
    shares = [amount * weight // total for weight in weights]
    left = amount - sum(shares)
    if left:
        remainders = [amount * weight % total for weight in weights]
        for place in sorted(range(len(shares)), key=remainders.__getitem__, reverse=True)[:left]:
            shares[place] += 1
    return shares


def share_of_pieces(share_minor: int, quantity: int, before: int, now: int) -> int:
    """What `now` pieces of a line carry of its share, after `before` pieces of it were returned already.

    However the pieces go back, in the end exactly `share_minor` has gone back.
    """
    assert now >= 0 <= before <= before + now <= quantity, "no more pieces go back than were bought"
    return share_minor * (before + now) // quantity - share_minor * before // quantity
