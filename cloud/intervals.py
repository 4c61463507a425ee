"""Confidence intervals of shares and of their difference. Pure.

wilson: the score interval of E. B. Wilson (1927) without continuity correction. newcombe: the difference of two
independent shares by the hybrid score method, number 10 of R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890.
Both hold for small samples and for shares of 0 and 1, where the textbook's normal interval does not.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

Z_95 = 1.959963984540054
"""Of the standard normal distribution: 95 % lie within."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson(hits: int, of: int, z: float = Z_95) -> Interval:
    """Of a share hits / of; of nothing, nothing is known: 0 to 1."""
    assert 0 <= hits <= of, "no more hits than tries"
    if of == 0:
        return Interval(0.0, 1.0)
    share, square = hits / of, z * z
    middle = share + square / (2 * of)
    width = z * sqrt(share * (1 - share) / of + square / (4 * of * of))
    scale = 1 + square / of
    low = 0.0 if hits == 0 else (middle - width) / scale
    high = 1.0 if hits == of else (middle + width) / scale
    return Interval(max(low, 0.0), min(high, 1.0))


def newcombe(one: tuple[int, int], other: tuple[int, int], z: float = Z_95) -> Interval:
    """Of the difference of two shares, each (hits, of); -1 to 1 where one of them is of nothing."""
    if one[1] == 0 or other[1] == 0:
        return Interval(-1.0, 1.0)
    first, second = one[0] / one[1], other[0] / other[1]
    (low, high), (below, above) = wilson(*one, z), wilson(*other, z)
    difference = first - second
    return Interval(
        difference - sqrt((first - low) ** 2 + (above - second) ** 2),
        difference + sqrt((high - first) ** 2 + (second - below) ** 2),
    )
