"""Status lists between cloud and till: small deltas for who has the state before, few parts for everybody else."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.domain import cbor, status
from agent.domain.status import Status, StatusList
from agent.domain.status_parts import delta_to_wire, read_delta, read_lists
from cloud import status_lists
from cloud.errors import StoreUnavailable
from cloud.indexes import new_index_key
from cloud.ports import StatusPart
from cloud.status_lists import StatusLists
from cloud.store.sql_store import SqlStore
from sync.ports import Answer
from sync.wire import part_path
from tests.cloud_stores import STORES
from tests.integration.cloud_server_kit import running_cloud
from tests.unit.cloud_kit import AT, CAMPAIGN, ISSUER, campaign

SIZE = 20_000
OFFER = campaign(size=SIZE)
NAME = (ISSUER, CAMPAIGN)


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await STORES[request.param](request, tmp_path)
    assert isinstance(opened, SqlStore)
    await opened.put_campaign(OFFER, None, new_index_key())
    yield opened
    await opened.close()


async def parts_of(lists: StatusLists, campaigns: int = 1) -> dict[str, StatusPart]:
    return await lists.parts([OFFER], campaigns, AT)


def list_of(parts: dict[str, StatusPart]) -> StatusList:
    return read_lists({name: part.content for name, part in parts.items()})[NAME]


async def revoke(store: SqlStore, count: int, seed: int) -> set[int]:
    drawn = set(random.Random(seed).sample(range(SIZE), count))
    await store.revoke(*NAME, drawn, AT)
    return drawn


def expected(revoked: set[int]) -> StatusList:
    return status.make(SIZE, [(index, Status.REVOKED) for index in revoked])


async def test_a_long_history_in_few_parts(store: SqlStore) -> None:
    """Every step is the list; a till that follows fetches little; a publisher that starts anew goes on where it was."""
    revoked = await revoke(store, 2000, 0)
    lists = StatusLists(store)
    held: set[bytes] = set()
    fetched = snapshots = 0
    for step in range(1, 120):
        revoked |= await revoke(store, 3, step)
        if step % 25 == 0:
            lists = StatusLists(store)
        parts = await parts_of(lists)
        assert list_of(parts) == expected(revoked)
        lengths = [len(part.content) for part in parts.values()]
        snapshot, deltas = lengths[0], lengths[1:]
        assert sum(deltas) <= snapshot / 2
        assert all(one >= 2 * other for one, other in pairwise(deltas))
        new = {part.sha256: len(part.content) for part in parts.values() if part.sha256 not in held}
        snapshots += not deltas
        fetched += sum(new.values()) if step > 1 else 0
        held |= set(new)
    assert snapshots == 1, "one snapshot served them all"
    assert fetched / 118 < snapshot / 8


async def test_deltas_grow_into_a_new_snapshot(store: SqlStore) -> None:
    lists = StatusLists(store)
    revoked = await revoke(store, 2000, 0)
    seen = []
    for step in range(1, 12):
        revoked |= await revoke(store, 200, step)
        parts = await parts_of(lists)
        assert list_of(parts) == expected(revoked)
        seen.append(len(parts))
    assert 1 in seen[1:], seen
    assert max(seen) > 1, seen


async def test_where_a_till_is_told_of_many_campaigns_each_list_has_one_delta(store: SqlStore) -> None:
    lists = StatusLists(store)
    revoked = await revoke(store, 2000, 0)
    for step, count in enumerate((1, 100, 10, 1, 1), 1):
        parts = await parts_of(lists, 900)
        revoked |= await revoke(store, count, step)
    parts = await parts_of(lists, 900)
    assert len(parts) == 2
    assert list_of(parts) == expected(revoked)


async def test_all_lists_together_fit_into_a_manifest(store: SqlStore) -> None:
    lists = StatusLists(store)
    revoked = await revoke(store, 2000, 0)
    await parts_of(lists)
    for step, count in enumerate((100, 20, 4), 1):
        revoked |= await revoke(store, count, step)
        await parts_of(lists)
    assert len(await parts_of(lists)) == 3
    # A list that is too long becomes one snapshot.
    for campaigns, most in ((633, 3), (634, 1), (900, 1), (1500, 1)):
        parts = await parts_of(lists, campaigns)
        assert len(parts) == most
        assert list_of(parts) == expected(revoked)
    revoked |= await revoke(store, 1, 9)
    parts = await parts_of(lists, 1500)
    assert len(parts) == 1, "no room for deltas"
    assert list_of(parts) == expected(revoked)
    revoked |= await revoke(store, 1, 10)
    assert len(await parts_of(lists, 950)) == 2


async def test_an_unchanged_list_is_not_read_again(store: SqlStore) -> None:
    lists = StatusLists(store)
    await revoke(store, 100, 0)
    first = await parts_of(lists)
    read = StatusLists(store)
    assert await parts_of(read) == first, "another publisher finds it made"

    async def never(*_: object) -> None:
        raise AssertionError("asked again")

    for name in ("marks", "status_parts", "put_status_parts"):
        setattr(store, name, never)
    assert await parts_of(lists) == first
    assert await parts_of(read) == first


async def test_uses_beyond_the_size_and_marks_of_no_consequence_make_no_delta(store: SqlStore) -> None:
    lists = StatusLists(store)
    await revoke(store, 100, 0)
    before = await parts_of(lists)
    ((_, revoked, _),) = await store.marks(*NAME, 0, 1)
    rows = [(*NAME, 101, revoked, 1), (*NAME, 102, SIZE, 1), (*NAME, 103, 2**32 - 1, 1)]
    await store._threads.write(
        lambda db: db.executemany("INSERT INTO mark VALUES (?, ?, ?, ?, ?)", rows) and None
    )
    after = await parts_of(lists)
    assert [part.content for part in after.values()] == [part.content for part in before.values()]
    assert [part.change for part in after.values()] == [103]


async def test_a_list_of_which_nothing_is_known_is_not_stored(store: SqlStore) -> None:
    lists = StatusLists(store)
    empty = await parts_of(lists)
    assert list_of(empty) == expected(set())
    assert await parts_of(StatusLists(store)) == empty, "the same wherever it is made"
    assert await store.status_parts(*NAME) == []
    revoked = await revoke(store, 3, 1)
    assert list_of(await parts_of(lists)) == expected(revoked)
    assert list_of(await parts_of(StatusLists(store))) == expected(revoked)
    assert (await store.status_parts(*NAME))[-1].change == 3


async def test_a_stored_list_that_no_till_could_read_is_made_anew(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    revoked = await revoke(store, 2000, 0)
    await parts_of(StatusLists(store))
    revoked |= await revoke(store, 10, 1)
    snapshot, delta = (await parts_of(StatusLists(store))).values()
    lie = cbor.encode(delta_to_wire(replace(read_delta(delta.content), target=bytes(32))))
    for content in (b"", lie, snapshot.content):
        bad = [snapshot, replace(delta, content=content, sha256=content[:32])]
        assert await store.put_status_parts(*NAME, delta.change, bad, AT)
        with caplog.at_level(logging.ERROR):
            parts = await parts_of(StatusLists(store))
        assert "made anew" in caplog.text
        assert list_of(parts) == expected(revoked)
        assert len(parts) == 1
        caplog.clear()


async def test_two_receivers_agree_on_one_list(store: SqlStore) -> None:
    one, other = StatusLists(store), StatusLists(store)
    revoked = await revoke(store, 1000, 0)
    for step in range(1, 6):
        assert await parts_of(one) == await parts_of(other)
        revoked |= await revoke(store, 4, step)
        first = one if step % 2 else other
        assert list_of(await parts_of(first)) == expected(revoked)
    assert await parts_of(one) == await parts_of(other)


async def test_a_receiver_that_is_always_too_late_gives_up(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*_: object) -> bool:
        return False

    await revoke(store, 1, 0)
    monkeypatch.setattr(store, "put_status_parts", late)
    with pytest.raises(StoreUnavailable):
        await parts_of(StatusLists(store))


async def test_lists_leave_memory_and_come_back(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "CACHE_BYTES", 3 * SIZE // 4)
    offers = [OFFER, *(replace(OFFER, number=number) for number in (8, 9, 10, 11))]
    for offer in offers[1:]:
        await store.put_campaign(offer, None, new_index_key())
    lists = StatusLists(store)
    for step in range(3):
        revoked = {offer.number: {step, offer.number} for offer in offers}
        for offer in offers:
            await store.revoke(ISSUER, offer.number, revoked[offer.number], AT)
        parts = await lists.parts(offers, len(offers), AT)
        found = read_lists({name: part.content for name, part in parts.items()})
        for offer in offers:
            assert found[ISSUER, offer.number][step] is Status.REVOKED
            assert found[ISSUER, offer.number][offer.number] is Status.REVOKED
        assert lists._bytes <= 3 * SIZE // 4
        assert 0 < len(lists._kept) < len(offers)


async def test_very_many_changes_at_once(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an import: read in pieces, and no delta is tried."""
    monkeypatch.setattr(status_lists, "MARKS_AT_ONCE", 300)
    monkeypatch.setattr(status_lists, "CHANGES_MOST", 700)
    revoked = await revoke(store, 5000, 0)
    lists = StatusLists(store)
    assert list_of(await parts_of(lists)) == expected(revoked)
    revoked |= await revoke(store, 650, 1)
    assert list_of(await parts_of(lists)) == expected(revoked)
    revoked |= await revoke(store, 3000, 2)
    parts = await parts_of(lists)
    assert list_of(parts) == expected(revoked)
    assert len(parts) == 1


async def test_a_till_with_the_state_before_fetches_the_delta_alone(tmp_path: Path) -> None:
    """Over HTTP, with the till's own reader."""
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up(size=SIZE)
        client = await cloud.enrol("T-1")
        drawn = random.Random(5).sample(range(SIZE), 2100)
        form = {"issuer": ISSUER, "campaign": CAMPAIGN}
        for start in range(0, 2000, 500):
            indexes = drawn[start : start + 500]
            code, _ = await cloud.admin("POST", "revocations", form | {"indexes": indexes})
            assert code == 200
        await client.refresh()
        assert client.manifest is not None
        before = {part.sha256 for part in client.manifest.parts}
        await cloud.admin("POST", "revocations", form | {"indexes": drawn[2000:]})
        contents = await client.refresh()
        assert contents.status[NAME] == expected(set(drawn))
        new = [part for part in client.manifest.parts if part.sha256 not in before]
        assert [part.name for part in new] == [f"delta/{ISSUER}/{CAMPAIGN}/1"]
        assert new[0].length < 400
        async with client.uplink() as uplink:
            answer = await uplink.get(part_path(new[0].sha256.hex()))
        assert isinstance(answer, Answer)
        assert len(answer.body) == new[0].length
