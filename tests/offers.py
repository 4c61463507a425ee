"""The offers that most tests need."""

from __future__ import annotations

from agent.domain.benefit import AmountOff, AmountStep, Change, Item, Items, PercentOff, PercentStep, Which
from agent.domain.offer import Conditions, Offer


def amount_off(from_minor: int, off_minor: int) -> Offer:
    """So much off from a threshold on."""
    return Offer(AmountOff((AmountStep(from_minor, off_minor),)))


def percent_off(percent: int, cap_minor: int, min_spend_minor: int = 0) -> Offer:
    """A percentage with a cap."""
    conditions = Conditions(min_spend_minor=min_spend_minor)
    return Offer(PercentOff((PercentStep(1, percent),), cap_minor), conditions=conditions)


def free_item(skus: tuple[str, ...], cap_minor: int) -> Offer:
    """One of these articles is free, the cheapest."""
    return Offer(Item(Change(percent=100), cap_minor, which=Which.CHEAPEST), Items(skus=frozenset(skus)))
