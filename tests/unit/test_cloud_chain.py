"""Which records of a lane are stored, and that no refused one holds up those behind it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.domain.record import GENESIS
from cloud.chain import JUMP_MAX, UNKNOWN_HASH, ChainView, Entry, Fate, Hole, judge, places, split
from tests.unit.domain_kit import examples


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
        self.starts = {0: GENESIS}
        self.holes: list[Hole] = []

    def view(self) -> ChainView:
        head, last = max([0, *self.stored, *self.refused]), max([0, *self.stored])
        return ChainView(head, last, self.stored, self.refused, last + JUMP_MAX, self.starts)

    def send(self, *entries: Entry) -> list[str]:
        said = []
        for given_entry, ruling in zip(entries, judge(self.view(), entries), strict=True):
            if ruling.fate is Fate.STORE:
                assert ruling.place not in self.stored, "a place is stored once"
                self.stored[ruling.place] = (given_entry.hash, given_entry.prevhash)
            elif ruling.fate is Fate.REFUSE:
                self.refused[ruling.place] = self.refused.get(ruling.place, frozenset()) | {given_entry.hash}
            self.holes += ruling.holes
            for hole in [each for each in self.holes if each.first <= ruling.place <= each.last]:
                if ruling.accounts:
                    self.holes.remove(hole)
                    self.holes += split(hole, ruling.place, given_entry.prevhash)
            said.append(ruling.code or ruling.fate.value)
        return said


def test_a_batch_in_order_is_stored_and_again_is_a_duplicate() -> None:
    lane = Lane()
    assert lane.send(*line(3)) == ["store"] * 3
    assert lane.send(*line(4)) == ["duplicate"] * 3 + ["store"]


def test_a_record_past_a_hole_is_stored_and_the_hole_is_noted_until_it_is_filled() -> None:
    lane, records = Lane(), line(8)
    assert lane.send(records[0], *records[5:]) == ["store"] * 4
    assert lane.holes == [Hole(2, 5, "h5")]
    assert lane.send(records[3]) == ["store"], "in the midst of the hole nothing is known on either side"
    assert sorted(lane.holes, key=lambda hole: hole.first) == [Hole(2, 3, "h3"), Hole(5, 5, "h5")]
    assert lane.send(*records) == [
        "duplicate",
        "store",
        "store",
        "duplicate",
        "store",
        "duplicate",
        "duplicate",
        "duplicate",
    ]
    assert lane.holes == []


def test_only_the_right_record_fills_a_hole() -> None:
    lane, records = Lane(), line(4)
    lane.send(records[0], records[2])
    assert lane.send(entry(2, "other", "h1")) == ["broken_chain"], "record 3 names another"
    assert lane.send(entry(2, "h2", "other")) == ["broken_chain"], "record 1 is another"
    assert lane.send(entry(2, "x", "h1", fault="wrong_hash")) == ["wrong_hash"], "nor is it what 3 waits for"
    assert lane.send(entry(2, "x", "h1")) == ["broken_chain"]
    assert lane.send(records[1]) == ["store"]
    assert lane.holes == []


def test_a_stranger_that_is_refused_in_a_hole_leaves_it_open() -> None:
    lane, records = Lane(), line(3)
    lane.send(records[0], records[2])
    lane.send(entry(2, "other", "h1"))
    assert lane.holes == [Hole(2, 2, "h2")]
    assert lane.send(replace(records[1], fault="malformed")) == ["malformed"], "the very one that was missing"
    assert lane.holes == []


def test_what_was_refused_before_it_is_no_part_of_a_hole() -> None:
    lane, records = Lane(), line(9)
    poison = replace(records[4], fault="malformed")
    assert lane.send(records[0], poison, records[8]) == ["store", "malformed", "store"]
    assert lane.holes == [Hole(2, 4, UNKNOWN_HASH), Hole(6, 8, "h8")]


def test_a_damaged_record_that_claims_a_place_far_ahead_stands_where_its_neighbours_leave_room() -> None:
    lane, records = Lane(), line(4)
    astray = replace(records[1], sequence=10**15 - 1, fault="wrong_hash")
    assert lane.send(records[0], astray) == ["store", "wrong_hash"]
    assert sorted(lane.refused) == [2]
    assert lane.send(*records[2:]) == ["store", "store"]
    assert lane.holes == []


def test_a_record_too_far_ahead_waits_and_moves_nothing() -> None:
    lane = Lane()
    assert lane.send(*line(2)) == ["store"] * 2
    assert lane.send(entry(2 + JUMP_MAX, "far", "x")) == ["store"], (
        "so far may a till be behind with its records"
    )
    lane = Lane()
    astray = entry(JUMP_MAX + 1, "far", "x")
    damaged = entry(None, "d", "x", fault="malformed")
    assert lane.send(astray, damaged) == ["too_far", "malformed"]
    assert (lane.stored, lane.holes, sorted(lane.refused)) == ({}, [], [2]), (
        "nor is what follows it far ahead"
    )
    assert lane.send(line(1)[0], *line(2, first=2, before="h1"), astray) == ["store"] * 3 + ["too_far"]


def test_what_a_stranger_put_before_a_keys_first_record_does_not_hold_it_up() -> None:
    lane = Lane()
    lane.starts[100] = "h2"
    assert lane.send(*line(2), entry(100, "x", "y", fault="bad_signature")) == ["store"] * 2 + [
        "bad_signature"
    ]
    assert lane.send(*line(2, first=101, before="h2")) == ["store", "store"]
    lane = Lane()
    lane.starts[100] = "h2"
    assert lane.send(*line(2), entry(100, "x", "y")) == ["store"] * 3
    assert lane.send(entry(101, "h101", "z")) == ["broken_chain"], "it follows neither"
    assert lane.send(*line(2, first=101, before="h2")) == ["store", "store"]


def test_behind_a_key_change_the_chain_goes_on() -> None:
    lane = Lane()
    lane.starts[2] = UNKNOWN_HASH
    assert lane.send(*line(2), entry(3, "x", "other")) == ["store", "store", "broken_chain"]
    assert lane.send(*line(1, first=3, before="h2")) == ["store"]


def test_a_record_in_doubt_is_refused_unless_it_is_here() -> None:
    lane, records = Lane(), line(2)
    assert lane.send(records[0]) == ["store"]
    doubted = [replace(record, doubt="wrong_key") for record in records]
    assert lane.send(*doubted) == ["duplicate", "wrong_key"]
    assert sorted(lane.refused) == [2]


def test_a_first_record_that_never_came_is_a_hole_too() -> None:
    lane, records = Lane(), line(3)
    assert lane.send(*records[2:]) == ["store"]
    assert lane.holes == [Hole(1, 2, "h2")]
    assert lane.send(entry(1, "h1", "x")) == ["broken_chain"], "the first names the genesis, also in a hole"


def test_a_fork_stays_a_fork_beside_a_hole() -> None:
    lane, records = Lane(), line(4)
    lane.send(records[0], records[2])
    assert lane.send(entry(3, "f3", "h2")) == ["fork"]
    assert lane.holes == [Hole(2, 2, "h2")]


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


def test_a_poison_record_behind_a_hole_is_refused_at_its_place() -> None:
    records = line(4)
    records[2] = replace(records[2], fault="malformed")
    lane = Lane()
    assert lane.send(*records[1:]) == ["store", "malformed", "store"]
    assert lane.holes == [Hole(1, 1, "h1")]
    assert lane.send(records[0]) == ["store"]
    assert lane.holes == []


def test_a_record_without_a_readable_sequence_stands_between_its_neighbours() -> None:
    records = line(5)
    records[0] = entry(None, UNKNOWN_HASH, UNKNOWN_HASH, fault="malformed")
    records[3] = entry(None, "h4", "h3", fault="malformed")
    assert places(records, 0, JUMP_MAX) == [1, 2, 3, 4, 5]
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
            waiting.pop(record.sequence or 0)
            if answer == "wrong_hash":
                quarantine.add(record.sequence or 0)
    assert waiting == {}
    assert quarantine == {sequence for sequence in poisoned if sequence <= length}
    assert sorted(lane.stored) == sorted(set(records) - quarantine)
    assert lane.holes == []


@examples(60)
@given(st.permutations(range(1, 13)), st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)))
def test_holes_are_what_is_neither_stored_nor_refused_whatever_the_order(
    order: list[int], missing: set[int], poisoned: set[int]
) -> None:
    records, lane = line(12), Lane()
    for sequence in order:
        record = records[sequence - 1]
        if sequence not in missing:
            lane.send(replace(record, fault="malformed") if sequence in poisoned else record)
    noted = [place for hole in lane.holes for place in range(hole.first, hole.last + 1)]
    last = max([0, *lane.stored])
    assert sorted(noted) == [place for place in sorted(missing) if place < last], "each once, and no other"
    for hole in lane.holes:
        assert hole.hash in (f"h{hole.last}", UNKNOWN_HASH)
        if hole.last + 1 in lane.stored:
            assert hole.hash == f"h{hole.last}", "the record behind it names what is missing"
