"""Which records of a lane are stored, and that no refused one holds up those behind it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.domain.record import GENESIS
from cloud.chain import UNKNOWN_HASH, ChainView, Entry, Fate, judge, places
from tests.unit.domain_kit import examples

EMPTY = ChainView(0, {}, {})


def entry(sequence: int | None, own: str, before: str, **more: Any) -> Entry:
    return Entry(f"T-{own}", sequence, own, before, "{}", **more)


def line(length: int, first: int = 1, before: str = GENESIS, mark: str = "h") -> list[Entry]:
    """A chain of records from sequence `first`."""
    made = []
    for sequence in range(first, first + length):
        made.append(entry(sequence, f"{mark}{sequence}", before))
        before = f"{mark}{sequence}"
    return made


class Lane:
    """What a store keeps of one lane, in memory: the oracle's side of the judge."""

    def __init__(self) -> None:
        self.stored: dict[int, tuple[str, str]] = {}
        self.refused: dict[int, frozenset[str]] = {}

    def view(self) -> ChainView:
        return ChainView(max([0, *self.stored, *self.refused]), self.stored, self.refused)

    def send(self, *entries: Entry) -> list[str]:
        said = []
        for given_entry, ruling in zip(entries, judge(self.view(), entries), strict=True):
            if ruling.fate is Fate.STORE:
                assert ruling.place not in self.stored, "a place is stored once"
                self.stored[ruling.place] = (given_entry.hash, given_entry.prevhash)
            elif ruling.fate is Fate.REFUSE:
                self.refused[ruling.place] = self.refused.get(ruling.place, frozenset()) | {given_entry.hash}
            said.append(ruling.code or ruling.fate.value)
        return said


def test_a_batch_in_order_is_stored_and_again_is_a_duplicate() -> None:
    lane = Lane()
    assert lane.send(*line(3)) == ["store"] * 3
    assert lane.send(*line(4)) == ["duplicate"] * 3 + ["store"]


def test_a_gap_waits_and_closes() -> None:
    lane, records = Lane(), line(4)
    assert lane.send(records[0], *records[2:]) == ["store", "gap", "gap"]
    assert lane.send(*records[1:]) == ["store"] * 3


def test_the_first_record_names_the_genesis() -> None:
    assert Lane().send(entry(1, "a", "h0")) == ["broken_chain"]


def test_a_fork_is_refused_and_its_tail_is_taken() -> None:
    """A till restored from a copy of sequence 2 goes on by itself: what cannot be stored twice is there to see."""
    lane = Lane()
    lane.send(*line(4))
    forked = line(4, first=3, before="h2", mark="f")
    assert lane.send(*forked) == ["fork", "fork", "store", "store"]
    assert lane.stored[5] == ("f5", "f4")
    assert lane.refused == {3: frozenset({"f3"}), 4: frozenset({"f4"})}


def test_a_broken_chain_is_refused_and_goes_on_behind_it() -> None:
    lane = Lane()
    lane.send(*line(2))
    strangers = line(3, first=3, before="x", mark="s")
    assert lane.send(*strangers) == ["broken_chain", "store", "store"]
    assert lane.send(strangers[0]) == ["broken_chain"], "said again it is the same answer"


def test_a_poison_record_holds_up_nothing() -> None:
    records = line(5)
    records[2] = replace(records[2], fault="wrong_hash")
    lane = Lane()
    assert lane.send(*records) == ["store", "store", "wrong_hash", "store", "store"]


def test_a_poison_record_behind_a_gap_waits_for_its_turn() -> None:
    """Refused for good there, it would be missing for ever: nothing could stand at its place."""
    records = line(3)
    records[2] = replace(records[2], fault="malformed")
    lane = Lane()
    assert lane.send(*records[1:]) == ["gap", "gap"]
    assert lane.refused == {}


def test_a_record_without_a_readable_sequence_stands_between_its_neighbours() -> None:
    records = line(5)
    records[0] = entry(None, UNKNOWN_HASH, UNKNOWN_HASH, fault="malformed")
    records[3] = entry(None, "h4", "h3", fault="malformed")
    assert places(records, 0) == [1, 2, 3, 4, 5]
    lane = Lane()
    assert lane.send(*records) == ["malformed", "store", "store", "malformed", "store"]
    assert lane.send(*records) == ["malformed", "duplicate", "duplicate", "malformed", "duplicate"]
    assert sorted(lane.refused) == [1, 4], "sent again it takes no further place"


def test_a_refused_place_is_filled_by_the_record_that_fits_on_both_sides() -> None:
    records, lane = line(3), Lane()
    lane.send(records[0], replace(records[1], hash=UNKNOWN_HASH, fault="malformed"), records[2])
    assert lane.send(entry(2, "other", "h1")) == ["broken_chain"], "record 3 names another"
    assert lane.send(entry(2, "h2", "other")) == ["broken_chain"], "record 1 is another"
    assert lane.send(records[1]) == ["store"]
    assert lane.send(records[1]) == ["duplicate"]


@examples(60)
@given(st.integers(1, 20), st.sets(st.integers(1, 20)), st.integers(0, 2**32))
def test_every_good_record_is_stored_once_whatever_the_line_does(
    length: int, poisoned: set[int], seed: int
) -> None:
    """Answers are lost, batches are cut anywhere, repeated, and come out of order; the till settles as it must."""
    chance = random.Random(seed)
    records = {
        sequence: replace(each, fault="wrong_hash") if sequence in poisoned else each
        for sequence, each in enumerate(line(length), start=1)
    }
    waiting, lane, late = dict(records), Lane(), list(records.values())[:3]
    quarantine: set[int] = set()
    for _ in range(40 * length):
        if not waiting:
            break
        size = chance.randint(1, 8)
        sent = [record for _, record in sorted(waiting.items())][chance.choice((0, 0, 0, 1)) :][:size]
        said = lane.send(*sent)
        if chance.random() < 0.2:
            lane.send(*late)  # an older request arrives only now
        late = sent
        if chance.random() < 0.3:
            continue  # the answer is lost
        for record, answer in zip(sent, said, strict=True):
            if answer != "gap":
                waiting.pop(record.sequence or 0)
            if answer == "wrong_hash":
                quarantine.add(record.sequence or 0)
    assert waiting == {}
    assert quarantine == {sequence for sequence in poisoned if sequence <= length}
    assert sorted(lane.stored) == sorted(set(records) - quarantine)
