"""RFM layers: how lately, how often and for how much each customer bought, by pseudonym. Pure.

Each measure is scored 1 to 5 by rank among all customers; equal customers have equal scores. Frequency and money: 1 +
the number of whole fifths that lie strictly below, so nobody is frequent who bought as often as everybody else.
Recency: the fifths that lie at or below, so nobody is gone who bought last. A layer follows from recency and frequency.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

SCORES = 5
LAYERS = ("best", "steady", "new", "leaving", "gone")
"""best: lately and often. new: lately, not often yet. leaving: often, not lately: to be won back. gone: neither."""


class Person(NamedTuple):
    """last: day of the newest purchase. spent_minor: the sales, as far as they are known."""

    pseudonym: str
    last: date
    purchases: int
    spent_minor: int


class Scored(NamedTuple):
    person: Person
    recency: int
    frequency: int
    money: int

    @property
    def layer(self) -> str:
        return layer_of(self.recency, self.frequency)


def layer_of(recency: int, frequency: int) -> str:
    if recency >= 4:
        return "best" if frequency >= 4 else "steady" if frequency == 3 else "new"
    if recency == 3:
        return "steady"
    return "leaving" if frequency >= 4 else "gone"


def scored(people: Sequence[Person]) -> list[Scored]:
    """In the order of `people`."""
    recency = _at_or_below([one.last.toordinal() for one in people])
    frequency = _below([one.purchases for one in people])
    money = _below([one.spent_minor for one in people])
    return [Scored(*found) for found in zip(people, recency, frequency, money, strict=True)]


def _at_or_below(values: Sequence[int]) -> list[int]:
    ordered = sorted(values)
    return [-(-SCORES * bisect_right(ordered, value) // len(ordered)) for value in values]


def _below(values: Sequence[int]) -> list[int]:
    ordered = sorted(values)
    return [1 + SCORES * bisect_left(ordered, value) // len(ordered) for value in values]
