"""Batches of real, signed records into every real database."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agent.domain.record import EVIDENCE_LANE, REDEMPTION_LANE, ChainHead, record_id
from agent.domain.status import Status
from cloud.ingest import ingest
from cloud.lists import GapLine
from cloud.ports import CloudStore
from sync.wire import Limits, ResultStatus, WireError, encode_results
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import (
    AT,
    CAMPAIGN,
    ISSUER,
    NOW,
    SealingTill,
    batch,
    enrolled,
    known_marks,
    sealing_till,
)
from tests.vectors.records import resigned


async def send(
    store: CloudStore, till: SealingTill, *events: dict[str, Any], lane: str = REDEMPTION_LANE
) -> list[str]:
    """The result of each record in one word, `!` behind a refusal that is not permanent."""
    results = await ingest(store, till.known(), lane, batch(events), lambda: NOW)
    encode_results(results)  # every result has a form on the wire
    assert [result.record_id for result in results] == [event["id"] for event in events]
    return [
        result.code + ("" if result.permanent else "!")
        if result.status is ResultStatus.REFUSED
        else result.status.value
        for result in results
    ]


async def test_a_whole_batch_twice_is_all_duplicates(store: CloudStore) -> None:
    till = sealing_till("T-1")
    events = [till.redeem(index) for index in range(20)]
    assert await send(store, till, *events) == ["stored"] * 20
    assert await send(store, till, *events) == ["duplicate"] * 20
    lines = await store.ledger("T-1", ("", "", 0), 100)
    assert [(line.sequence, line.index, line.hash) for line in lines] == [
        (int(event["sequence"]), event["data"]["coupon"]["index"], event["hash"]) for event in events
    ]
    assert {line.discount_minor for line in lines} == {3_000}
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (20, 20, 0)


async def test_evidence_is_kept_and_uses_no_coupon(store: CloudStore) -> None:
    till = sealing_till("T-1")
    coupon = {"issuer": ISSUER, "campaign": CAMPAIGN, "index": 3}
    seen = till.seal({"coupon": coupon, "outcome": "expired"}, EVIDENCE_LANE, "evidence")
    assert await send(store, till, seen, lane=EVIDENCE_LANE) == ["stored"]
    assert await known_marks(store) == []


async def test_what_is_not_signed_by_the_till_uses_no_coupon(store: CloudStore) -> None:
    till, thief = sealing_till("T-1"), sealing_till("T-1", 9)
    assert await send(store, till, thief.redeem(1)) == ["bad_signature"]
    assert await known_marks(store) == []


async def test_a_till_restored_from_a_copy_forks_and_goes_on(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await send(store, till, *(till.redeem(index) for index in range(4)))
    copy = sealing_till("T-1")
    copy.heads = dict(till.heads)
    await send(store, till, till.redeem(4), till.redeem(5))
    forked = [copy.redeem(index) for index in (14, 15, 16)]
    assert await send(store, copy, *forked) == ["fork", "fork", "stored"]
    assert await send(store, copy, *forked) == ["fork", "fork", "duplicate"]
    assert sorted(line.sequence for line in await store.refusals(10)) == [5, 6]
    used = {index for index, _ in await known_marks(store)}
    assert used == {0, 1, 2, 3, 4, 5, 14, 15, 16}, "a coupon that a till took is used, whatever its place"
    other = sealing_till("T-2", 2)
    assert await send(store, other, other.redeem(14)) == ["conflict"]


async def test_one_missing_record_holds_up_nothing_and_is_listed_until_it_comes(store: CloudStore) -> None:
    till = sealing_till("T-1")
    events = [till.redeem(index) for index in range(6)]
    assert await send(store, till, events[0], *events[3:]) == ["stored"] * 4
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (4, 4, 0), "what came uses its coupons"
    assert await store.gaps(10) == [GapLine("T-1", REDEMPTION_LANE, 2, 3, AT, events[2]["hash"], "missing")]
    assert await send(store, till, events[1]) == ["stored"]
    assert await store.gaps(10) == [GapLine("T-1", REDEMPTION_LANE, 3, 3, AT, events[2]["hash"], "missing")]
    assert await send(store, till, *events) == ["duplicate", "duplicate", "stored", *["duplicate"] * 3]
    assert await store.gaps(10) == []
    assert await store.refusals(10) == []


async def test_gaps_are_kept_per_till_and_lane(store: CloudStore) -> None:
    till, other = sealing_till("T-1"), sealing_till("T-2", 2)
    events = [till.redeem(index) for index in range(3)]
    theirs = [other.redeem(index) for index in range(3, 8)]
    await send(store, till, events[2])
    await send(store, other, theirs[1], theirs[4])
    assert {(gap.till, gap.first, gap.last) for gap in await store.gaps(10)} == {
        ("T-1", 1, 2),
        ("T-2", 1, 1),
        ("T-2", 3, 4),
    }
    await send(store, other, theirs[0])
    assert len(await store.gaps(10)) == 2
    assert len(await store.gaps(1)) == 1


async def test_a_fork_of_a_used_coupon_is_on_the_list_of_conflicts(store: CloudStore) -> None:
    """A restored or cloned till takes coupons again: also the same coupon at the same place of the chain."""
    till = sealing_till("T-1")
    first = till.redeem(0)
    await send(store, till, first)
    clone = sealing_till("T-1")
    clone.heads = dict(till.heads)
    events = [till.redeem(1), till.redeem(2)]
    await send(store, till, *events)
    forked = [clone.redeem(1, cashier="x"), clone.redeem(0)]
    for _ in range(2):
        assert await send(store, clone, *forked) == ["fork", "fork"]
    found = await store.conflicts(10)
    assert [(line.sequence, line.index, line.kind, line.hash, line.winner.hash) for line in found] == [
        (2, 1, "fork", forked[0]["hash"], events[0]["hash"]),
        (3, 0, "fork", forked[1]["hash"], first["hash"]),
    ]
    other = sealing_till("T-2", 2)
    assert await send(store, other, other.redeem(2)) == ["conflict"]
    assert {line.kind for line in await store.conflicts(10)} == {"fork", "double"}


async def test_a_fork_whose_coupon_was_free_is_no_conflict_with_itself(store: CloudStore) -> None:
    till, clone = sealing_till("T-1"), sealing_till("T-1")
    await send(store, till, till.redeem(1))
    forked = clone.redeem(2)
    for _ in range(2):
        assert await send(store, clone, forked) == ["fork"]
    assert await store.conflicts(10) == []


async def test_a_broken_chain_that_is_stored_later_is_listed_once(store: CloudStore) -> None:
    till, other = sealing_till("T-1"), sealing_till("T-2", 2)
    await send(store, other, other.redeem(2))
    first, second = till.redeem(1), till.redeem(2)
    await send(store, till, first | {"subject": "x", "hash": "b" * 64}, second)
    assert [line.kind for line in await store.conflicts(10)] == ["broken_chain"]
    assert await send(store, till, first, second) == ["stored", "conflict"]
    assert [line.kind for line in await store.conflicts(10)] == ["double"]


async def test_a_broken_chain_is_refused_and_the_rest_goes_on(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await send(store, till, till.redeem(1))
    till.heads[REDEMPTION_LANE] = ChainHead(1, "a" * 64)
    assert await send(store, till, till.redeem(2), till.redeem(3)) == ["broken_chain", "stored"]
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (3, 3, 0)


async def test_a_quarantined_record_replayed_in_its_place_is_no_conflict_with_itself(
    store: CloudStore,
) -> None:
    """Refused, because the record before it had not been read; stored, once that one is there."""
    till = sealing_till("T-1")
    first, second, third = till.redeem(1), till.redeem(2), till.redeem(3)
    assert await send(store, till, first | {"subject": "x", "hash": "b" * 64}, second) == [
        "wrong_hash",
        "broken_chain",
    ]
    assert await send(store, till, third) == ["stored"], "the place of the second is known by its hash"
    assert await send(store, till, first, second) == ["stored", "stored"]
    assert await store.conflicts(10) == []
    assert [line.sequence for line in await store.ledger("T-1", ("", "", 0), 10)] == [1, 2, 3]


POISON: dict[str, dict[str, Any]] = {
    "wrong_hash": {"subject": "another"},
    "wrong_till": {"source": "/tills/T-2"},
    "malformed": {"signature": "x"},
    "bad_signature": {"signature": "A" * 86},
}


@pytest.mark.parametrize("code", sorted(POISON))
async def test_a_poison_record_holds_up_nothing(store: CloudStore, code: str) -> None:
    till = sealing_till("T-1")
    events = [till.redeem(index) for index in range(6)]
    events[2] |= POISON[code]
    expected = ["stored", "stored", code, "stored", "stored", "stored"]
    assert await send(store, till, *events) == expected
    assert await send(store, till, till.redeem(9)) == ["stored"]
    assert [line.index for line in await store.ledger("T-1", ("", "", 0), 10)] == [0, 1, 3, 4, 5, 9]


@pytest.mark.parametrize(
    "damage",
    [
        {"sequence": "0"},
        {"sequence": None},
        {"sequence": "x", "hash": 5, "prevhash": []},
        {"hash": None, "signature": None},
        {"data": 1.5},
    ],
)
async def test_however_damaged_a_record_is_those_behind_it_are_stored(
    store: CloudStore, damage: dict[str, Any]
) -> None:
    till = sealing_till("T-1")
    events = [till.redeem(index) for index in range(5)]
    events[1] |= damage
    said = await send(store, till, *events)
    assert said[1] in ("malformed", "wrong_hash")
    assert [said[0], *said[2:]] == ["stored"] * 4
    fresh = [till.redeem(7), till.redeem(8)]
    fresh[0] |= damage
    assert (await send(store, till, fresh[0]))[0] in ("malformed", "wrong_hash")
    assert await send(store, till, fresh[1]) == ["stored"], "also when it came alone"


async def test_a_record_in_the_wrong_lane(store: CloudStore) -> None:
    till = sealing_till("T-1")
    assert await send(store, till, till.redeem(1), lane=EVIDENCE_LANE) == ["wrong_lane"]


@pytest.mark.parametrize(("lane", "kind"), [(EVIDENCE_LANE, "redemption"), (REDEMPTION_LANE, "evidence")])
async def test_a_type_stands_in_its_own_lane_only(store: CloudStore, lane: str, kind: str) -> None:
    till = sealing_till("T-1")
    identifier = record_id("T-1", lane, 1)
    data = {
        "redemption_id": identifier,
        "outcome": "accepted",
        "coupon": {"issuer": ISSUER, "campaign": CAMPAIGN, "index": 1},
        "discount_minor": 100,
    }
    hidden = till.seal(data, lane, kind)
    assert hidden["id"] == identifier
    (result,) = await ingest(store, till.known(), lane, batch([hidden]), lambda: NOW)
    assert (result.code, result.permanent) == ("wrong_lane", True)
    assert result.sentence == f"redeemd.{kind}.v1 belongs to the lane {kind}"
    later = till.seal({"reading": 1}, lane, "of_a_later_version")
    assert await send(store, till, later, lane=lane) == ["stored"], "types it does not know are kept"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("coupon", [None, [], {"issuer": ISSUER, "campaign": CAMPAIGN}]),
        (
            "coupon",
            [{"issuer": ISSUER, "campaign": CAMPAIGN, "index": bad} for bad in (-1, 2**32, "1", True)],
        ),
        ("coupon", [{"issuer": ISSUER, "campaign": bad, "index": 1} for bad in (-1, 2**32, None, True)]),
        ("coupon", [{"issuer": bad, "campaign": 1, "index": 1} for bad in ("", "x" * 33, 7, "a\0b")]),
        ("discount_minor", [-1, 10**12 + 1, True, "3000", []]),
        ("outcome", ["expired", "", None, 1]),
        ("redemption_id", ["T-1-99", "", None, 1, "T-2-1"]),
    ],
)
async def test_a_redemption_of_malformed_data_is_refused_for_good_and_the_field_named(
    store: CloudStore, field: str, values: list[Any]
) -> None:
    till = sealing_till("T-1")
    events = [till.redeem(number, **{field: value}) for number, value in enumerate(values)]
    results = await ingest(store, till.known(), REDEMPTION_LANE, batch(events), lambda: NOW)
    for result in results:
        assert (result.code, result.permanent) == ("malformed", True)
        assert result.sentence.startswith(f"data.{field} "), result.sentence
    assert await known_marks(store) == []
    good = [till.redeem(8, discount_minor=None), till.redeem(9, discount_minor=10**12), till.redeem(10)]
    assert await send(store, till, *good) == ["stored"] * 3, "those behind it are taken"


async def test_a_redemption_without_data_or_discount_is_malformed(store: CloudStore) -> None:
    till = sealing_till("T-1")
    coupon = {"issuer": ISSUER, "campaign": CAMPAIGN, "index": 1}
    bare = {"outcome": "accepted", "redemption_id": "T-1-2", "coupon": coupon}
    assert await send(store, till, till.seal({}), till.seal(bare)) == ["malformed", "malformed"]


async def test_a_nul_holds_up_nothing(store: CloudStore) -> None:
    """PostgreSQL keeps no NUL in a text: what says one where a column is, is refused; elsewhere it is kept escaped."""
    till = sealing_till("T-1")
    bad = till.seal({"note": "x"}, kind="evi\0dence")
    assert await send(store, till, till.redeem(1, promo="7\0-1", note="\0"), bad, till.redeem(2)) == [
        "stored",
        "malformed",
        "stored",
    ]


async def test_an_id_of_its_own_making_is_refused(store: CloudStore) -> None:
    """Signed as it should be, but its id is that of another record: two records of one id would be one."""
    till = sealing_till("T-1")
    forged = resigned(till.redeem(1, redemption_id="T-1-7") | {"id": "T-1-7"}, till.key.sign)
    till.heads[REDEMPTION_LANE] = ChainHead(1, forged["hash"])
    assert await send(store, till, forged, till.redeem(1)) == ["malformed", "stored"]


async def test_a_record_beyond_the_size_of_an_event(store: CloudStore) -> None:
    till = sealing_till("T-1")
    assert await send(store, till, till.redeem(1, filler="x" * 65_536), till.redeem(2)) == [
        "too_large",
        "stored",
    ]
    kept = (await store.refusals(1))[0]
    assert len(kept.event) <= 1024


async def test_the_second_till_gets_the_conflict_with_whom_and_when(store: CloudStore) -> None:
    first, second = sealing_till("T-1"), sealing_till("T-2", 2)
    await enrolled(store, first, second)
    winner = first.redeem(5)
    await send(store, first, winner)
    event = second.redeem(5)
    for _ in range(2):  # the answer may be lost: it is the same again
        results = await ingest(store, second.known(), REDEMPTION_LANE, batch([event]), lambda: NOW)
        assert results[0].status is ResultStatus.CONFLICT
        assert results[0].conflict == {
            "coupon": {"issuer": ISSUER, "campaign": CAMPAIGN, "index": 5},
            "winner": {
                "till": "T-1",
                "redemption_id": winner["id"],
                "time": winner["time"],
                "received_at": "2026-03-01T04:00:00.000Z",
            },
            "follows": "recorded",
        }
    assert await send(store, first, winner) == ["duplicate"]
    assert len(await store.conflicts(10)) == 1
    assert len(await store.ledger(None, ("", "", 0), 10)) == 2, "what happened is recorded"
    assert await known_marks(store) == [(5, Status.USED)]


async def test_concurrent_batches_of_many_tills(store: CloudStore) -> None:
    """Each till sends overlapping batches at once; all tills use the same coupons."""
    tills = [sealing_till(f"T-{number}", number) for number in range(1, 5)]
    sent = []
    for till in tills:
        events = [till.redeem(index) for index in range(12)]
        sent += [send(store, till, *events[:part]) for part in (12, 7, 12, 3)]
    said = [word for words in await asyncio.gather(*sent) for word in words]
    assert said.count("stored") == 12, "each coupon is won once"
    assert set(said) <= {"stored", "conflict", "duplicate"}
    lines = await store.ledger(None, ("", "", 0), 100)
    assert len(lines) == 48
    assert len(await store.conflicts(100)) == 36


async def test_an_unreadable_batch_is_halved_and_only_the_culprit_stays(store: CloudStore) -> None:
    """The till halves a batch that is refused whole. The record at fault never arrives; those behind it do."""
    till = sealing_till("T-1")
    events: list[str] = [json.dumps(till.redeem(index)) for index in range(9)]
    events[5] = events[5].replace('"discount_minor": 3000', '"discount_minor": NaN')
    quarantined: list[str] = []

    async def deliver(part: list[str]) -> None:
        body = f"[{','.join(part)}]".encode()
        try:
            results = await ingest(store, till.known(), REDEMPTION_LANE, body, lambda: NOW)
        except WireError:
            if len(part) == 1:
                quarantined.extend(part)
                return
            await deliver(part[: len(part) // 2])
            await deliver(part[len(part) // 2 :])
        else:
            assert [result.code for result in results if not result.acknowledged] == []

    await deliver(events)
    assert quarantined == [events[5]]
    stored = [line.sequence for line in await store.ledger("T-1", ("", "", 0), 20)]
    assert stored == [1, 2, 3, 4, 5, 7, 8, 9]


async def test_an_unreadable_batch_again_and_again_moves_nothing(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await send(store, till, till.redeem(1))
    for _ in range(5):
        with pytest.raises(WireError):
            await ingest(store, till.known(), REDEMPTION_LANE, b"[{", lambda: NOW)
    assert await send(store, till, till.redeem(2), till.redeem(3)) == ["stored", "stored"]


async def test_too_many_records(store: CloudStore) -> None:
    till = sealing_till("T-1")
    body = batch([till.redeem(1), till.redeem(2)])
    with pytest.raises(WireError) as refused:
        await ingest(store, till.known(), REDEMPTION_LANE, body, lambda: NOW, Limits(batch_records=1))
    assert refused.value.code == "too_many"
