"""What arms of receipts did with customers who can be known again: came back or not, and for how much. Pure.

A customer belongs to the arm of the first receipt that fell to a rule, held out or not, for the rule puts each customer
into one arm. What was bought on later days is the outcome; the arm that is held out says what would have been anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from operator import add
from typing import NamedTuple

from cloud.intervals import Z_95, Interval

LARGE = 30
"""Customers of both arms from which on the normal interval of a mean is shown."""


class Visit(NamedTuple):
    """A redemption of a customer. spent_minor: of the sale. rule, arm: of the receipt where it was decided by the
    customer, "" otherwise."""

    day: str
    spent_minor: int
    rule: str = ""
    arm: str = ""


class Outcome(NamedTuple):
    """Of the customers of an arm. spent_minor: after the first receipt, of all; squares: of each one's, summed."""

    people: int = 0
    returned: int = 0
    spent_minor: int = 0
    squares: int = 0

    @property
    def mean_minor(self) -> float:
        return self.spent_minor / self.people

    def plus(self, other: Outcome) -> Outcome:
        return Outcome._make(map(add, self, other))


def outcomes(customers: Iterable[Sequence[Visit]]) -> dict[tuple[str, str], Outcome]:
    """Of each (rule, arm). customers: the visits of each, in any order."""
    found: dict[tuple[str, str], Outcome] = {}
    for visits in customers:
        first: dict[str, Visit] = {}
        for visit in sorted(visits):
            if visit.rule:
                first.setdefault(visit.rule, visit)
        for rule, start in first.items():
            later = [visit for visit in visits if visit.day > start.day]
            spent = sum(visit.spent_minor for visit in later)
            key = (rule, start.arm)
            found[key] = found.get(key, Outcome()).plus(Outcome(1, bool(later), spent, spent * spent))
    return found


def mean_difference(one: Outcome, other: Outcome) -> Interval | None:
    """95 % interval of the difference of two means, in minor units, by the normal approximation with each arm's own
    variance (Welch); None where an arm has fewer than LARGE customers, for it does not hold there.
    """
    if min(one.people, other.people) < LARGE:
        return None
    width = Z_95 * sqrt(_variance(one) / one.people + _variance(other) / other.people)
    difference = one.mean_minor - other.mean_minor
    return Interval(difference - width, difference + width)


def _variance(arm: Outcome) -> float:
    """Of the sample."""
    return max(arm.squares - arm.spent_minor**2 / arm.people, 0.0) / (arm.people - 1)
