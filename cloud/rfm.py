"""RFM layers: how lately, how often and for how much each customer bought, by pseudonym. Pure.

Each measure is scored 1 to 5 by rank among all customers: 1 + the number of whole fifths that lie strictly below, so
equal customers have equal scores. A layer follows from the scores of recency and frequency.
"""

from __future__ import annotations

from bisect import bisect_left
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
    measures = (
        [one.last.toordinal() for one in people],
        [one.purchases for one in people],
        [one.spent_minor for one in people],
    )
    scores = [_scores(measure) for measure in measures]
    return [Scored(*found) for found in zip(people, *scores, strict=True)]


def _scores(values: Sequence[int]) -> list[int]:
    ordered = sorted(values)
    return [1 + SCORES * bisect_left(ordered, value) // len(ordered) for value in values]
