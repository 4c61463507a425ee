"""The basket at the POS, as far as a coupon needs to know it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.domain.money import AMOUNT_MAX_MINOR

LINES_MAX = 500


@dataclass(frozen=True, slots=True)
class Line:
    """sku: the merchant's article number. quantity: whole pieces, below 0 for a return.

    unit_price_minor: what one piece costs, 0 to AMOUNT_MAX_MINOR; ValueError beyond.
    """

    sku: str
    quantity: int
    unit_price_minor: int

    def __post_init__(self) -> None:
        if not 0 <= self.unit_price_minor <= AMOUNT_MAX_MINOR:
            raise ValueError(f"unit_price_minor is not within 0 to {AMOUNT_MAX_MINOR}")


@dataclass(frozen=True, slots=True)
class Sale:
    """total_minor: what the customer owes before coupons, 0 to AMOUNT_MAX_MINOR.

    lines: at most LINES_MAX, empty where the till knows only the total. ValueError beyond these limits: a discount
    on a negative total would be a surcharge and would give budget back.
    """

    sale_id: str
    currency: str
    total_minor: int
    lines: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.total_minor <= AMOUNT_MAX_MINOR:
            raise ValueError(f"total_minor is not within 0 to {AMOUNT_MAX_MINOR}")
        if len(self.lines) > LINES_MAX:
            raise ValueError(f"{len(self.lines)} lines; a sale has at most {LINES_MAX}")
