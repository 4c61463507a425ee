"""What coupons do to single pieces: the second at half price, a set for one price, an item coupon, a gift.

The same promises as in `line_effects`. A piece that one of these has counted is not counted by another.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

from agent.domain.benefit import Gift, Item, Pickup, SetOff, SetPrice, Which
from agent.domain.candidate import Candidate, Effect, HandOver, minimum, spend_of
from agent.domain.lots import Cut, State, lots_of, spread_pieces, take_pieces
from agent.domain.objection import Objection, Reason


class _Run(NamedTuple):
    """Untaken equal pieces: line and number of the lot, how many, what a piece counts as, what is left of it."""

    line: int
    lot: int
    pieces: int
    price: int
    left: int


def _runs(one: Candidate, lines: Iterable[int], state: State, which: Which = Which.DEAREST) -> list[_Run]:
    """The untaken pieces of the lines, dearest or cheapest first, then in the order of lines."""
    runs = [
        _Run(line, number, lot.pieces, lot.full if one.on_original else lot.left, lot.left)
        for line in lines
        for number, lot in enumerate(lots_of(state, line))
        if not lot.taken
    ]
    sign = -1 if which is Which.DEAREST else 1
    return sorted(runs, key=lambda run: (sign * run.price, sign * run.left, run.line, run.lot))


def _target(one: Candidate) -> list[int]:
    return [line for lines in one.target for line in lines]


def _off_pieces(cuts: Iterable[Cut], one: Candidate, state: State, **more: Any) -> Effect | Objection:
    """The cuts carried out one after another until the cap is reached."""
    room = one.cap_minor
    kept: list[Cut] = []
    for cut in cuts:
        whole = min(cut.pieces, room // cut.off) if cut.off else cut.pieces
        kept.append(cut._replace(pieces=whole))
        room -= whole * cut.off
        if whole < cut.pieces:
            kept.append(cut._replace(pieces=1, off=room))
            kept.append(cut._replace(pieces=cut.pieces - whole - 1, off=0))
            room = 0
    amount = one.cap_minor - room
    if not amount and not more:
        return Objection(Reason.NOTHING_CHEAPER)
    return Effect(take_pieces(state, kept), amount, **more)


def set_off(rule: SetOff, one: Candidate, state: State) -> Effect | Objection:
    runs = _runs(one, _target(one), state)
    groups = _by_article(runs, one, state) if rule.same_article else [runs]
    most = max((_pieces(group) for group in groups), default=0)
    if objection := _minimum(one, state, rule.pieces - most):
        return objection
    room = rule.sets_max
    cuts: list[Cut] = []
    for group in groups:
        sets = min(room, _pieces(group) // rule.pieces)
        room -= sets
        cuts += _set_cuts(rule, group, sets)
    return _off_pieces(cuts, one, state)


def _pieces(runs: Iterable[_Run]) -> int:
    return sum(run.pieces for run in runs)


def _minimum(one: Candidate, state: State, short: int, *, from_minor: int = 0) -> Objection | None:
    """The offer's minimum, and that it is not so many pieces short."""
    pieces = one.counted_pieces + max(short, 0)
    return minimum(one, spend_of(one, state), from_minor=from_minor, pieces=pieces)


def _by_article(runs: list[_Run], one: Candidate, state: State) -> list[list[_Run]]:
    """Groups of one article at one price before coupons, the dearest first."""

    def article(run: _Run) -> tuple[int, str]:
        return -lots_of(state, run.line)[run.lot].full, one.basket.lines[run.line].sku

    return [list(group) for _, group in groupby(sorted(runs, key=article), key=article)]


def _set_cuts(rule: SetOff, runs: list[_Run], sets: int) -> Iterable[Cut]:
    """The pieces of the first `sets` sets; the last `off_pieces` of each change."""

    def changed(pieces: int) -> int:
        """How many of the first `pieces` pieces change."""
        full, rest = divmod(pieces, rule.pieces)
        return full * rule.off_pieces + max(rest - (rule.pieces - rule.off_pieces), 0)

    seen = 0
    for run in runs:
        pieces = min(run.pieces, sets * rule.pieces - seen)
        if not pieces:
            break
        cheaper = changed(seen + pieces) - changed(seen)
        seen += pieces
        yield Cut(run.line, run.lot, cheaper, min(rule.change.off(run.price), run.left))
        yield Cut(run.line, run.lot, pieces - cheaper, 0)


def set_price(rule: SetPrice, one: Candidate, state: State) -> Effect | Objection:
    runs = _runs(one, _target(one), state)
    if objection := _minimum(one, state, rule.pieces - _pieces(runs)):
        return objection
    sets = min(rule.sets_max, _pieces(runs) // rule.pieces)
    cuts: list[Cut] = []
    for _ in range(sets):
        chosen, runs = _first_pieces(runs, rule.pieces)
        left = sum(run.pieces * run.left for run in chosen)
        off = min(sum(run.pieces * run.price for run in chosen) - rule.price_minor, left)
        if off <= 0:
            continue
        parts = spread_pieces(off, [(run.pieces, run.left) for run in chosen])
        cuts += [Cut(chosen[run].line, chosen[run].lot, pieces, each) for run, pieces, each in parts]
    return _off_pieces(cuts, one, state)


def _first_pieces(runs: list[_Run], pieces: int) -> tuple[list[_Run], list[_Run]]:
    """The runs cut behind the first `pieces` pieces."""
    chosen: list[_Run] = []
    for place, run in enumerate(runs):
        now = min(run.pieces, pieces)
        chosen.append(run._replace(pieces=now))
        pieces -= now
        if not pieces:
            rest = [run._replace(pieces=run.pieces - now)] if run.pieces > now else []
            return chosen, rest + runs[place + 1 :]
    return chosen, []


def item(rule: Item, one: Candidate, state: State) -> Effect | Objection:
    bought = _runs(one, one.counted, state, Which.CHEAPEST) if rule.every_pieces else []
    short = rule.every_pieces - _pieces(bought)
    if objection := _minimum(one, state, short, from_minor=rule.every_minor):
        return objection
    times = 1
    if rule.every_minor:
        times = min(rule.times, spend_of(one, state) // rule.every_minor)
    elif rule.every_pieces:
        times = min(rule.times, _pieces(bought) // rule.every_pieces)
    if not _target(one):
        return Objection(Reason.ITEM_MISSING, missing_pieces=1)
    room = times * rule.pieces or sum(line.quantity for line in one.basket.lines)
    cuts: list[Cut] = []
    for run in _runs(one, _target(one), state, rule.which):
        off = min(rule.change.off(run.price), run.left)
        if off and room:
            cuts.append(Cut(run.line, run.lot, min(run.pieces, room), off))
            room -= min(run.pieces, room)
    if rule.every_pieces:
        used = -(-sum(cut.pieces for cut in cuts) // rule.pieces) * rule.every_pieces
        paid, _ = _first_pieces(bought, used)
        cuts += [Cut(run.line, run.lot, run.pieces, 0) for run in paid if run.pieces]
    return _off_pieces(cuts, one, state)


def gift(rule: Gift, one: Candidate, state: State) -> Effect | Objection:
    if objection := minimum(one, spend_of(one, state)):
        return objection
    return _given(rule, one, state)


def _given(rule: Gift, one: Candidate, state: State) -> Effect | Objection:
    room = rule.pieces
    cuts = []
    for run in _runs(one, _target(one), state):
        if run.left and room:
            cuts.append(Cut(run.line, run.lot, min(run.pieces, room), min(run.left, rule.value_minor)))
            room -= min(run.pieces, room)
    stock = tuple(sorted(rule.skus - one.facts.out_of_stock))
    if not cuts and not stock:
        return Objection(Reason.OUT_OF_STOCK, detail=", ".join(sorted(rule.skus)))
    if not (room and stock):
        return _off_pieces(cuts, one, state)
    return _off_pieces(
        cuts, one, state, hand_over=HandOver(stock, room), hand_over_minor=room * rule.value_minor
    )


def pickup(rule: Pickup, one: Candidate, state: State) -> Effect | Objection:
    if objection := minimum(one, spend_of(one, state)):
        return objection
    given = _given(rule.gift, one, state) if rule.gift else None
    # Without its gift the order is handed over too.
    return given if isinstance(given, Effect) else Effect(state)
