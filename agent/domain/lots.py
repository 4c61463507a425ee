"""What is left to pay of each line and each piece while coupons are counted one after another.

Equal pieces of a line are kept as one lot, so a line of a thousand pieces costs no more than a line of one. What comes
off whole lines reaches their pieces only when somebody asks for pieces: most combinations of coupons never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import sub
from typing import NamedTuple

from agent.domain.basket import BasketLine, spread


class Lot(NamedTuple):
    """`pieces` equal pieces. full: a piece's price before coupons, left: what is left of it.

    taken: a coupon on pieces has counted them; no other one of that kind counts them again.
    """

    pieces: int
    full: int
    left: int
    taken: bool


Lots = tuple[Lot, ...]


class Cut(NamedTuple):
    """Of a line's lot number `lot`, `pieces` become `off` cheaper each and are taken."""

    line: int
    lot: int
    pieces: int
    off: int


class State(NamedTuple):
    """left: of each line. lots, settled: the pieces of each line, as they are after so many of the reductions.

    reductions: what each coupon on whole lines took off each line. points: what the member has left.
    """

    left: tuple[int, ...]
    lots: tuple[Lots, ...]
    settled: tuple[int, ...]
    reductions: tuple[tuple[int, ...], ...]
    points: int


def opened(lines: Sequence[BasketLine], points: int) -> State:
    """Before all coupons. Where the POS has reduced a line, its pieces differ by one minor unit at most."""
    lots = []
    for line in lines:
        price, dearer = divmod(line.amount_minor, line.quantity)
        parts = ((dearer, price + 1), (line.quantity - dearer, price))
        lots.append(tuple(Lot(pieces, one, one, False) for pieces, one in parts if pieces))
    return State(tuple(line.amount_minor for line in lines), tuple(lots), (0,) * len(lines), (), points)


def take_amount(state: State, classes: Sequence[Sequence[int]], amount: int) -> State:
    """`amount` off lines, in proportion to what is left of them, by largest remainder.

    classes: the places of the lines, those of one tax class together. First the amount is divided over the classes,
    then over the lines of each: the reduction of a class does not depend on how many lines it has.
    0 <= amount <= what is left of all these lines.
    """
    if len(state.left) == 1 and len(classes) == 1:  # one line bears it all, and a shopper waits
        return state._replace(left=(state.left[0] - amount,), reductions=(*state.reductions, (amount,)))
    weights = [[*map(state.left.__getitem__, lines)] for lines in classes]
    off = [0] * len(state.left)
    for lines, part, left in zip(classes, spread(amount, [*map(sum, weights)]), weights, strict=True):
        for line, share in zip(lines, spread(part, left), strict=True):
            off[line] = share
    return state._replace(left=tuple(map(sub, state.left, off)), reductions=(*state.reductions, tuple(off)))


def lots_of(state: State, line: int) -> Lots:
    """The pieces of a line as they are now."""
    lots = state.lots[line]
    off = tuple(filter(None, (reduction[line] for reduction in state.reductions[state.settled[line] :])))
    if off and len(lots) == 1 and lots[0].pieces == 1:
        return (lots[0]._replace(left=lots[0].left - sum(off)),)
    return _settled(lots, off) if off else lots


@lru_cache(maxsize=4096)  # combinations that begin alike ask for the same again and again
def _settled(lots: Lots, off: tuple[int, ...]) -> Lots:
    """Each reduction of the line in turn, spread over its pieces."""
    for amount in off:
        parts = spread_pieces(amount, [(lot.pieces, lot.left) for lot in lots])
        lots = _merged(
            Lot(pieces, lots[number].full, lots[number].left - each, lots[number].taken)
            for number, pieces, each in parts
        )
    return lots


def spread_pieces(amount: int, runs: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """`amount` over runs of (pieces, weight of each) by largest remainder; equal remainders: the earlier first.

    Gives (number of the run, pieces, what comes off each); 0 <= amount <= the sum of all weights.
    """
    total = sum(pieces * weight for pieces, weight in runs)
    assert 0 <= amount <= total, "no more is taken than there is"
    if not total:
        return [(number, pieces, 0) for number, (pieces, _) in enumerate(runs)]
    parts = [divmod(amount * weight, total) for _, weight in runs]
    over = amount - sum(pieces * part for (pieces, _), (part, _) in zip(runs, parts, strict=True))
    more = [0] * len(runs)
    for number in sorted(range(len(runs)), key=lambda one: parts[one][1], reverse=True):
        more[number] = min(over, runs[number][0])
        over -= more[number]
    found = []
    for number, (pieces, _) in enumerate(runs):
        found.append((number, more[number], parts[number][0] + 1))
        found.append((number, pieces - more[number], parts[number][0]))
    return [one for one in found if one[1]]


def take_pieces(state: State, cuts: Iterable[Cut]) -> State:
    """The cuts carried out; they never take more pieces of a lot than it has."""
    by_line: dict[int, list[Cut]] = {}
    for cut in cuts:
        by_line.setdefault(cut.line, []).append(cut)
    left, lots, settled = list(state.left), list(state.lots), list(state.settled)
    for line, wanted in by_line.items():
        now = lots_of(state, line)
        rest = [lot.pieces for lot in now]
        cheaper = []
        for _, number, pieces, off in wanted:
            rest[number] -= pieces
            left[line] -= pieces * off
            cheaper.append(Lot(pieces, now[number].full, now[number].left - off, True))
        assert min(rest) >= 0, "a lot has no more pieces than that"
        untouched = (lot._replace(pieces=pieces) for lot, pieces in zip(now, rest, strict=True))
        lots[line] = _merged((*cheaper, *untouched))
        settled[line] = len(state.reductions)
    return state._replace(left=tuple(left), lots=tuple(lots), settled=tuple(settled))


def _merged(lots: Iterable[Lot]) -> Lots:
    """Equal pieces as one lot: dearest first, untaken before taken."""
    counts: dict[tuple[int, int, bool], int] = {}
    for lot in lots:
        if lot.pieces:
            key = (-lot.full, -lot.left, lot.taken)
            counts[key] = counts.get(key, 0) + lot.pieces
    return tuple(Lot(counts[key], -key[0], -key[1], key[2]) for key in sorted(counts))
