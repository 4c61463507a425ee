"""A till's chain of records in one lane, and which of those that arrive fit it. Pure.

Every sequence up to the lane's head is accounted for: by a stored record, or by a refusal that remembers the hash
the refused record claimed. So the chain goes on behind a record that is refused for good and lies in the till's
quarantine:

- The next record expected is the one behind the head. Beyond it is a gap: not a permanent refusal, the till sends it
  again in order.
- A record fits if its prevhash is the hash of the stored record before it, or the hash claimed by a refused one.
- A place that only refusals hold can still be filled, by a record that fits on both sides (a quarantine replayed).
- Another hash at a stored place is a fork: refused for good and remembered, so that the fork's own tail is accepted
  behind it: what happened at a till that was restored from a copy is recorded, and the fork is there to see. The
  coupons of records refused for their place alone (fork, broken chain) count as used: their signature is good.

A record too damaged to say its sequence is taken to stand where its neighbours in the batch leave room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.domain.record import GENESIS

UNKNOWN_HASH = ""
"""Claimed by a refused record whose hash could not be read: any record may follow it."""


@dataclass(frozen=True, slots=True)
class CouponRef:
    """A coupon's identity."""

    issuer: str
    campaign: int
    index: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a batch, after its hash and signature were checked.

    sequence: None if it cannot be read. hash, prevhash: 64 hex digits, or UNKNOWN_HASH. kind: the event's type.
    time: when it happened by the till's clock. coupon: what was used, for a redemption. promo: the short name of the
    promo code handed out with it. fault: a code if the record is refused whatever the chain says; sentence: why.
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
    fault: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class ChainView:
    """What the store knows of a lane around the sequences in question.

    head: the highest sequence accounted for, 0 before the first. stored: sequence -> (hash, prevhash).
    refused: sequence -> hashes claimed there by refused records.
    """

    head: int
    stored: Mapping[int, tuple[str, str]]
    refused: Mapping[int, frozenset[str]]


class Fate(StrEnum):
    STORE = "store"
    DUPLICATE = "duplicate"
    REFUSE = "refuse"  # for good, and remembered at its place
    WAIT = "wait"  # not now: those before it come first


@dataclass(frozen=True, slots=True)
class Ruling:
    """place: the sequence it is stored or remembered at. code, sentence: only for REFUSE and WAIT."""

    fate: Fate
    place: int
    code: str = ""
    sentence: str = ""


def places(entries: Sequence[Entry], head: int) -> list[int]:
    """The sequence of each entry; for one that does not say it, the place its neighbours leave."""
    known = [(at, entry.sequence) for at, entry in enumerate(entries) if entry.sequence is not None]
    first = head + 1 if not known else max(1, known[0][1] - known[0][0])
    found: list[int] = []
    for entry in entries:
        found.append(entry.sequence if entry.sequence is not None else (found[-1] + 1 if found else first))
    return found


def judge(view: ChainView, entries: Sequence[Entry]) -> list[Ruling]:
    """One ruling per entry, in order; each sees what those before it changed."""
    working = _Working(view)
    return [
        working.rule(entry, place) for entry, place in zip(entries, places(entries, view.head), strict=True)
    ]


class _Working:
    """The chain as it stands while a batch is judged."""

    def __init__(self, view: ChainView) -> None:
        self.head = view.head
        self.stored = dict(view.stored)
        self.refused = {place: set(hashes) for place, hashes in view.refused.items()}

    def rule(self, entry: Entry, place: int) -> Ruling:
        if place > self.head + 1:
            sentence = f"record {place} came before record {self.head + 1}; send them in order"
            return Ruling(Fate.WAIT, place, "gap", sentence)
        if entry.fault:
            return self._refuse(entry, place, entry.fault, entry.sentence)
        if place in self.stored:
            if self.stored[place][0] == entry.hash:
                return Ruling(Fate.DUPLICATE, place)
            return self._refuse(
                entry, place, "fork", f"another record is already stored at sequence {place} of this till"
            )
        if not self._fits(entry, place):
            return self._refuse(
                entry, place, "broken_chain", f"prevhash does not name the record before sequence {place}"
            )
        self.stored[place] = (entry.hash, entry.prevhash)
        self.head = max(self.head, place)
        return Ruling(Fate.STORE, place)

    def _fits(self, entry: Entry, place: int) -> bool:
        following = self.stored.get(place + 1)
        if following is not None and following[1] != entry.hash:
            return False
        if place == 1:
            return entry.prevhash == GENESIS
        before = self.stored.get(place - 1)
        claimed = self.refused.get(place - 1, set())
        return (before is not None and before[0] == entry.prevhash) or bool(
            claimed & {entry.prevhash, UNKNOWN_HASH}
        )

    def _refuse(self, entry: Entry, place: int, code: str, sentence: str) -> Ruling:
        self.refused.setdefault(place, set()).add(entry.hash)
        self.head = max(self.head, place)
        return Ruling(Fate.REFUSE, place, code, sentence)
