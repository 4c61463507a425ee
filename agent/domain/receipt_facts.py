"""What a receipt may say of a redemption: the facts that templates name, and how long each may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Fact(NamedTuple):
    """chars: the most that is printed of it. ascii: it may stand in a QR code or barcode."""

    chars: int
    ascii: bool = False


FACTS: Mapping[str, Fact] = {
    "store": Fact(200),
    "till": Fact(64),
    "time": Fact(40),
    "number": Fact(80),
    "number_code": Fact(80, ascii=True),
    "campaign": Fact(200),
    "benefit": Fact(200),
    "total": Fact(40),
    "discount": Fact(40),
    "paid": Fact(40),
    "points": Fact(40),
    "points_paid": Fact(40),
    "points_earned": Fact(40),
    "others": Fact(40),
    "payable": Fact(40),
    "balance": Fact(40),
    "left": Fact(40),
    "saved": Fact(40),
    "offline": Fact(1),
    "promo_code": Fact(300, ascii=True),
    "promo_short": Fact(40, ascii=True),
    "promo_title": Fact(200),
    "promo_conditions": Fact(200),
    "join_link": Fact(300, ascii=True),
    "join_words": Fact(200),
    "referral_link": Fact(300, ascii=True),
    "referral_words": Fact(200),
    "conflict": Fact(500),
}
"""Every fact of a receipt. One that is not known or not so is the empty text."""


def bounded(facts: Mapping[str, str]) -> Mapping[str, str]:
    """Every fact of FACTS within its room. A code that does not fit, or is none, is left out: a part of it would
    mislead whoever scans it."""
    return {name: _within(facts[name], fact) for name, fact in FACTS.items()}


def _within(text: str, fact: Fact) -> str:
    if fact.ascii:
        return text if len(text) <= fact.chars and all(" " <= sign <= "~" for sign in text) else ""
    return text if len(text) <= fact.chars else text[: fact.chars - 1] + "…"
