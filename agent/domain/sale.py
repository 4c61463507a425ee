"""The basket at the POS, as far as a coupon needs to know it."""

from __future__ import annotations

from dataclasses import dataclass

LINES_MAX = 500


@dataclass(frozen=True, slots=True)
class Line:
    """sku: the merchant's article number. quantity: whole pieces. unit_price_minor: what one piece costs."""

    sku: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class Sale:
    """total_minor: what the customer owes before coupons. lines: empty where the till knows only the total."""

    sale_id: str
    currency: str
    total_minor: int
    lines: tuple[Line, ...] = ()
