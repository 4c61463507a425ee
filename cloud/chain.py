"""A till's chain of records in one lane, and which of those that arrive fit it. Pure.

Every sequence up to the last stored record is accounted for: by a stored record, by a refusal that remembers the hash
the refused record claimed, or by a hole that is noted until it is filled. So nothing that is missing, or refused for
good and lying in the till's quarantine, holds up what comes behind it:

- A record fits if its prevhash is the hash of the stored record before it, or the hash claimed by a refused one. Where
  nothing is known of the place before it, it is stored, and the hole before it is noted.
- A place that is in a hole, or that only refusals hold, can still be filled by a record that fits on both sides where
  they are known (a record that was late; a quarantine replayed).
- Another hash at a stored place is a fork: refused for good and remembered, so that the fork's own tail is accepted
  behind it: what happened at a till that was restored from a copy is recorded, and the fork is there to see. The
  coupons of records refused for their place alone (fork, broken chain, the till's key of another place) count as
  used: their signature is good.
- A record far ahead of all that is known of its lane waits: who has a till's key could else take the sequences that
  the till still needs.

A record too damaged to say its sequence is taken to stand where its neighbours in the batch leave room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agent.domain.disclosure import Disclosure
from agent.domain.record import GENESIS

UNKNOWN_HASH = ""
"""Claimed by a refused record whose hash could not be read: any record may follow it."""
JUMP_MAX = 1_000_000
"""How far ahead of what is known of a lane a record, or a key change, may stand: years of a till without a line."""


PROMO_STATES = ("printed", "returned")
"""What becomes of a promo code after it was handed out: its receipt is on paper, or is known not to be."""


class CouponRef(NamedTuple):
    """A coupon's identity. Plain, as the rulings are: there is one for each record."""

    issuer: str
    campaign: int
    index: int  # type: ignore[assignment]  # a tuple's `index` is of no use here


class BackLine(NamedTuple):
    """Pieces of one line of a sale that came back, and what went back for them."""

    line: str
    pieces: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a record of a return says. of_till, of_sequence: the place of the redemption in the lane `redemption`.

    lines: none where the redemption knows none. comes_back: the till let its coupon be used again.
    """

    redemption_id: str
    of_till: str
    of_sequence: int
    coupon: CouponRef
    amount_minor: int
    whole: bool
    comes_back: bool
    lines: tuple[BackLine, ...] = ()


class TillErased(NamedTuple):
    """number: of the last erasure that the till knows. removed: how much it had."""

    number: int
    removed: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a batch, after its hash and signature were checked.

    sequence: None if it cannot be read. hash, prevhash: 64 hex digits, or UNKNOWN_HASH. kind: the event's type.
    time: when it happened by the till's clock. coupon: what was used, for a redemption. promo: the short name of the
    promo code handed out with it, or of which promo_state (PROMO_STATES) tells what became. fault: a code if the record
    is refused whatever the chain says; sentence: why.
    doubt: a code if it is signed by the till and yet may not stand at its place. signer: the key that signed it.
    unsettled: the shares of its lines and parties do not sum to its discount. text: without what it discloses.
    reversal: what it gives back. erased: what the till says that it erased.
    """

    record_id: str
    sequence: int | None
    hash: str
    prevhash: str
    text: str
    kind: str = ""
    time: str = ""
    coupon: CouponRef | None = None
    discount_minor: int | None = None
    promo: str | None = None
    promo_state: str = ""
    fault: str = ""
    sentence: str = ""
    doubt: str = ""
    signer: bytes | None = None
    unsettled: bool = False
    disclosed: tuple[Disclosure, ...] = ()
    reversal: Reversal | None = None
    erased: TillErased | None = None


@dataclass(frozen=True, slots=True)
class Hole:
    """Sequences `first` to `last` that never came. hash: of the record at `last`, as the one behind it claims, or
    UNKNOWN_HASH."""

    first: int
    last: int
    hash: str


def split(hole: Hole, place: int, prevhash: str) -> list[Hole]:
    """What is left of a hole when a record with that prevhash takes a place in it."""
    assert hole.first <= place <= hole.last, "the place lies in the hole"
    left, right = Hole(hole.first, place - 1, prevhash), Hole(place + 1, hole.last, hole.hash)
    return [part for part in (left, right) if part.first <= part.last]


@dataclass(frozen=True, slots=True)
class ChainView:
    """What the store knows of a lane around the sequences in question.

    head: the highest sequence stored or refused; last: the highest stored; 0 before the first. stored: sequence ->
    (hash, prevhash). refused: sequence -> hashes claimed there by refused records; also all of those beyond `last`.
    farthest: where a record may stand at most. starts: sequence -> hash that a key's first record behind it follows.
    """

    head: int
    last: int
    stored: Mapping[int, tuple[str, str]]
    refused: Mapping[int, frozenset[str]]
    farthest: int
    starts: Mapping[int, str]


class Fate(StrEnum):
    STORE = "store"
    DUPLICATE = "duplicate"
    REFUSE = "refuse"  # for good, and remembered at its place
    WAIT = "wait"  # not now, and nothing is remembered of it


class Ruling(NamedTuple):
    """place: the sequence it is stored or remembered at. code, sentence: only for REFUSE and WAIT.

    holes: noticed before a stored record. accounts: its place is no part of a hole any more.
    """

    fate: Fate
    place: int
    code: str = ""
    sentence: str = ""
    holes: tuple[Hole, ...] = ()
    accounts: bool = False


def places(entries: Sequence[Entry], head: int, farthest: int) -> list[int]:
    """The sequence of each entry; for one that does not say it, or one too far, the place its neighbours leave."""
    said = [
        None if entry.sequence is None or entry.sequence > farthest else entry.sequence for entry in entries
    ]
    known = [(at, sequence) for at, sequence in enumerate(said) if sequence is not None]
    if len(known) == len(said):
        return [sequence for _, sequence in known]
    first = head + 1 if not known else max(1, known[0][1] - known[0][0])
    found: list[int] = []
    for sequence in said:
        found.append(sequence if sequence is not None else (found[-1] + 1 if found else first))
    return found


def judge(view: ChainView, entries: Sequence[Entry]) -> list[Ruling]:
    """One ruling per entry, in order; each sees what those before it changed."""
    working = _Working(view)
    placed = places(entries, view.head, view.farthest)
    return [working.rule(entry, place) for entry, place in zip(entries, placed, strict=True)]


class _Working:
    """The chain as it stands while a batch is judged."""

    def __init__(self, view: ChainView) -> None:
        self.last = view.last
        self.end = (
            view.stored[view.last][0] if view.last in view.stored else GENESIS if view.last == 0 else None
        )
        self.farthest = view.farthest
        self.starts = view.starts
        self.stored = dict(view.stored)
        self.refused = {place: set(hashes) for place, hashes in view.refused.items()}

    def rule(self, entry: Entry, place: int) -> Ruling:
        if entry.fault:
            return self._refuse(entry, place, entry.fault, entry.sentence)
        follows = place == self.last + 1 and entry.prevhash == self.end
        if follows and place <= self.farthest and not entry.doubt:  # as nearly all do: no more is to be asked
            return self._store(entry, place, ())
        if entry.sequence is not None and entry.sequence > self.farthest:
            sentence = f"the cloud takes records up to sequence {self.farthest} of this lane for now"
            return Ruling(Fate.WAIT, place, "too_far", sentence)
        if place in self.stored and self.stored[place][0] == entry.hash:
            return Ruling(Fate.DUPLICATE, place)
        if entry.doubt:
            return self._refuse(entry, place, entry.doubt, entry.sentence)
        if place in self.stored:
            return self._refuse(
                entry, place, "fork", f"another record is already stored at sequence {place} of this till"
            )
        if not self._fits(entry, place):
            return self._refuse(
                entry, place, "broken_chain", f"prevhash does not name the record before sequence {place}"
            )
        return self._store(entry, place, self._holes_before(place, entry.prevhash))

    def _store(self, entry: Entry, place: int, holes: tuple[Hole, ...]) -> Ruling:
        self.stored[place] = (entry.hash, entry.prevhash)
        if place > self.last:
            self.last, self.end = place, entry.hash
        return Ruling(Fate.STORE, place, "", "", holes, True)

    def _holes_before(self, place: int, prevhash: str) -> tuple[Hole, ...]:
        """Between the last stored record and a new one: what was neither stored nor refused."""
        found, first = [], self.last + 1
        if first == place:
            return ()
        for refused in sorted(each for each in self.refused if self.last < each < place):
            if first < refused:
                found.append(Hole(first, refused - 1, UNKNOWN_HASH))
            first = refused + 1
        if first < place:
            found.append(Hole(first, place - 1, prevhash))
        return tuple(found)

    def _fits(self, entry: Entry, place: int) -> bool:
        following = self.stored.get(place + 1)
        if following is not None and following[1] != entry.hash:
            return False
        if place == 1:
            return entry.prevhash == GENESIS
        before = self.stored.get(place - 1)
        claimed = self.refused.get(place - 1, set())
        start = self.starts.get(place - 1)
        if start == entry.prevhash:
            return True  # a key's first record, whatever a key before it put at the place before
        if before is None and (not claimed or start == UNKNOWN_HASH):
            return True  # a hole: what was there is not known here
        return (before is not None and before[0] == entry.prevhash) or bool(
            claimed & {entry.prevhash, UNKNOWN_HASH}
        )

    def _refuse(self, entry: Entry, place: int, code: str, sentence: str) -> Ruling:
        self.refused.setdefault(place, set()).add(entry.hash)
        following = self.stored.get(place + 1)
        # A stranger at this place is not what the record behind it waits for: the hole stays.
        accounts = following is None or entry.hash in (following[1], UNKNOWN_HASH)
        return Ruling(Fate.REFUSE, place, code, sentence, accounts=accounts)
