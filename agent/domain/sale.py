"""The basket at the POS, as far as a coupon needs to know it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from agent.domain.money import AMOUNT_MAX_MINOR

LINES_MAX = 500
PIECES_MAX = 10_000
"""Pieces of one line."""


@dataclass(frozen=True, slots=True)
class Line:
    """sku: the merchant's article number. quantity: whole pieces, below 0 for a return.

    unit_price_minor: what one piece costs. category, brand, tax_class: as the merchant's master data names them, ""
    where it has none. line: the POS's name of the line, "" for its place. ValueError beyond the limits.
    """

    sku: str
    quantity: int
    unit_price_minor: int
    category: str = ""
    brand: str = ""
    tax_class: str = ""
    line: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.unit_price_minor <= AMOUNT_MAX_MINOR:
            raise ValueError(f"unit_price_minor is not within 0 to {AMOUNT_MAX_MINOR}")
        if not -PIECES_MAX <= self.quantity <= PIECES_MAX:
            raise ValueError(f"quantity is not within -{PIECES_MAX} to {PIECES_MAX}")


@dataclass(frozen=True, slots=True)
class Sale:
    """total_minor: what the customer owes before coupons, 0 to AMOUNT_MAX_MINOR.

    lines: at most LINES_MAX, empty where the till knows only the total; what is bought costs AMOUNT_MAX_MINOR at most.
    channel: the POS's word for the kind of sale. tenders: how it is paid, None while nobody knows. out_of_stock:
    articles that cannot be handed over. assistant: the badge of whoever served, a pseudonym, "" where it is not known.
    touches: the points that brought the customer here, the first one first, as the POS or the app names them.
    ValueError beyond the limits: a discount on a negative total would be a surcharge and would give budget back.
    """

    sale_id: str
    currency: str
    total_minor: int
    lines: tuple[Line, ...] = ()
    channel: str = ""
    tenders: frozenset[str] | None = None
    out_of_stock: frozenset[str] = frozenset()
    assistant: str = ""
    touches: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.total_minor <= AMOUNT_MAX_MINOR:
            raise ValueError(f"total_minor is not within 0 to {AMOUNT_MAX_MINOR}")
        if not self.lines:
            return
        if len(self.lines) > LINES_MAX:
            raise ValueError(f"{len(self.lines)} lines; a sale has at most {LINES_MAX}")
        if sum(max(line.quantity, 0) * line.unit_price_minor for line in self.lines) > AMOUNT_MAX_MINOR:
            raise ValueError(f"the lines cost more than {AMOUNT_MAX_MINOR}")
        names = [line.line or str(place) for place, line in enumerate(self.lines, 1)]
        if len(set(names)) < len(names):
            raise ValueError(f"two lines have the name {Counter(names).most_common(1)[0][0]}")
