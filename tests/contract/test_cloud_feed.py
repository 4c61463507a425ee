"""The feed, in every store: all that is told, once, in an order that a cursor never skips, whoever writes meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from agent.domain.disclosure import disclosure, pair_text
from agent.domain.record import EVIDENCE_LANE, REDEMPTION_LANE
from cloud.errors import Refused
from cloud.feed import CONFLICT, TILL_ENROLLED, TILL_REVOKED, TYPES, FeedCursor, FeedEvent, read_cursor
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.ports import CloudStore
from cloud.store import sql_feed
from cloud.store.postgres import PostgresStore
from cloud.store.sql import Db
from cloud.store.sql_feed import RESTORE_JUMP
from cloud.store.sqlite_store import SqliteStore
from tests.cloud_stores import postgres_store
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.postgres_server import PostgresServer
from tests.unit.cloud_kit import AT, LATER, NOW, SealingTill, batch, campaign, enrolled, sealing_till

ANN = bytes.fromhex("aa" * 8)
START = FeedCursor()
REDEMPTION = "redeemd.redemption.v1"


async def send(
    store: CloudStore, till: SealingTill, *events: dict[str, Any], lane: str = REDEMPTION_LANE
) -> list[str]:
    results = await ingest(store, till.known(), lane, batch(events), lambda: NOW)
    return [result.code or result.status.value for result in results]


async def read(
    store: CloudStore,
    after: FeedCursor = START,
    limit: int = 100,
    types: Collection[str] = TYPES,
) -> list[FeedEvent]:
    """All that is left behind `after`, page by page."""
    found: list[FeedEvent] = []
    while True:
        page = await store.feed(after, limit, types)
        assert len(page.events) <= limit
        rest = await store.feed_behind(page.after, types, 1000)
        assert len(page.events) + rest == await store.feed_behind(after, types, 1000)
        assert min(rest, 2) == await store.feed_behind(page.after, types, 2)
        found += page.events
        if page.after == after:
            assert rest == 0
            return found
        assert page.after > after
        after = page.after


def ids(events: Collection[FeedEvent]) -> list[str]:
    return [one.event["id"] for one in events]


async def test_what_happened_is_told_in_its_order_and_evidence_is_not(store: CloudStore) -> None:
    one, two = sealing_till("T-1"), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    await store.put_campaign(campaign(), None, new_index_key())
    first_sold = one.redeem(5, promo=None)
    await send(store, one, first_sold, one.redeem(6))
    await send(store, one, one.seal({"outcome": "expired"}, EVIDENCE_LANE, "evidence"), lane=EVIDENCE_LANE)
    await send(store, two, two.redeem(7), two.redeem(5), two.redeem(8))
    await send(store, one, one.give_back(first_sold))
    await store.revoke_till("T-2", LATER)
    await store.revoke_till("T-2", LATER)
    told = await read(store)
    kinds = [(one.type, one.event["subject"]) for one in told]
    assert kinds[:2] == [(TILL_ENROLLED, "T-1"), (TILL_ENROLLED, "T-2")]
    assert ids(told)[2:7] == ["T-1-1", "T-1-2", "T-2-1", "T-2-2", "T-2-3"]
    assert (told[7].type, told[7].event["data"]["won"]["redemption_id"]) == (CONFLICT, "T-1-1")
    assert told[7].event["data"]["lost"]["redemption_id"] == "T-2-2"
    assert [one.type for one in told[8:]] == ["redeemd.reversal.v1", TILL_REVOKED]
    assert [one.event["standing"] for one in told[2:7]] == [
        "counts",
        "counts",
        "counts",
        "conflict",
        "counts",
    ]
    assert told[8].event["standing"] == "counts"
    first = told[2].event
    assert (first["source"], first["recordedtime"], first["data"]["discount_minor"]) == (
        "/tills/T-1",
        AT,
        3000,
    )
    assert "signature" not in first


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_of_any_size_tell_the_same(store: CloudStore, limit: int) -> None:
    till = sealing_till("T-1")
    await enrolled(store, till)
    events = [till.redeem(index) for index in range(9)]
    for some in (events[:4], events[5:7], events[4:5], events[7:]):
        await send(store, till, *some)
    whole = await read(store)
    assert sorted(ids(whole)[1:]) == [f"T-1-{n}" for n in range(1, 10)]
    assert await read(store, limit=limit) == whole
    for place, one in enumerate(whole):
        assert (await read(store, one.cursor, limit)) == whole[place + 1 :], "behind any event"
        assert read_cursor(str(one.cursor)) == one.cursor


async def test_a_reader_may_ask_for_some_types(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await enrolled(store, till)
    await send(store, till, *(till.redeem(index) for index in range(20)))
    assert [one.type for one in await read(store, limit=3, types={TILL_ENROLLED})] == [TILL_ENROLLED]
    assert len(await read(store, limit=3, types={REDEMPTION})) == 20
    page = await store.feed(FeedCursor(), 3, {CONFLICT})
    assert (page.events, await read(store, page.after, types={CONFLICT})) == ([], [])


async def test_what_was_told_is_not_told_again_with_a_batch_sent_again(store: CloudStore) -> None:
    till, clone = sealing_till("T-1"), sealing_till("T-1")
    event = till.redeem(1)
    for _ in range(2):
        await send(store, till, event)
        await send(store, clone, clone.redeem(2, note="fork"))
        clone.heads.clear()
    assert ids(await read(store)) == ["T-1-1"]


async def test_pseudonyms_stand_in_what_is_told(store: CloudStore) -> None:
    till = sealing_till("T-1")
    said = disclosure(bytes(16), ANN)
    coupon = {"issuer": "acme", "campaign": 7, "index": 1, "referrer": said.digest}
    plain = till.redeem(2)
    await send(store, till, plain, till.redeem(1, coupon=coupon) | {"disclosed": pair_text([said])})
    first, second = await read(store)
    assert "referrer" not in first.event["data"]["coupon"]
    assert second.event["data"]["coupon"]["referrer"] == ANN.hex()


async def test_the_end_is_behind_all_that_was_committed(store: CloudStore) -> None:
    till = sealing_till("T-1")
    assert await read(store, await store.feed_end()) == []
    await send(store, till, till.redeem(1), till.redeem(2))
    end = await store.feed_end()
    assert await read(store, end) == []
    await send(store, till, till.redeem(3))
    assert ids(await read(store, end)) == ["T-1-3"]


async def test_behind_a_restored_copy_no_position_comes_twice(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await send(store, till, till.redeem(1))
    (first,) = await read(store)
    with pytest.raises(Refused) as caught:
        await store.feed(FeedCursor(first.cursor.position + 1), 10, TYPES)
    assert (caught.value.status, caught.value.code) == (409, "cursor_ahead")
    await store.restored(NOW)
    await send(store, till, till.redeem(2))
    (second,) = await read(store, first.cursor)
    assert second.cursor.position == RESTORE_JUMP + 1
    assert ids(await read(store, FeedCursor(RESTORE_JUMP - 1))) == ["T-1-2"], "a reader of what was lost"


async def test_what_commits_late_is_told_though_later_ones_were_read(postgres: PostgresServer) -> None:
    """The number is drawn when a transaction writes, not when it commits."""
    opened = await postgres_store(postgres)
    wrote, go = threading.Event(), threading.Event()

    def slow(db: Db) -> None:
        sql_feed.note(db, CONFLICT, "slow", "", AT, {})
        wrote.set()
        assert go.wait(30)

    try:
        threads = opened._threads
        late = asyncio.create_task(threads.write(slow, ("till", "A")))
        assert await asyncio.to_thread(wrote.wait, 30)
        await threads.write(lambda db: sql_feed.note(db, CONFLICT, "quick", "", AT, {}), ("till", "B"))
        quick = await read(opened)
        assert ids(quick) == ["quick"]
        go.set()
        await late
        assert ids(await read(opened, quick[-1].cursor)) == ["slow"]
        assert ids(await read(opened)) == ["quick", "slow"]
    finally:
        go.set()
        await opened.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_reader_beside_many_receivers_misses_nothing(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Two receivers, five tills with batches of all sizes, two readers that take small pages all the while."""
    stores: list[CloudStore]
    if engine == "postgres":
        first = await postgres_store(request.getfixturevalue("postgres"))
        stores = [first, PostgresStore(first._threads._url)]  # type: ignore[attr-defined]  # the same database
    else:
        stores = [SqliteStore(tmp_path / "cloud.db")]
    tills = [sealing_till(f"T-{n}", n) for n in range(1, 6)]
    busy = len(tills)

    async def till_of(number: int) -> None:
        nonlocal busy
        till, index = tills[number], number * 1000
        for size in (1, 3, 1, 8, 2, 1, 5, 1, 1, 4):
            events = [till.redeem(index + place) for place in range(size)]
            index += size
            assert set(await send(stores[(number + size) % len(stores)], till, *events)) == {"stored"}
        busy -= 1

    async def reader(place: int) -> list[str]:
        found, after = [], FeedCursor()
        while True:
            last = not busy
            page = await stores[place].feed(after, 3, TYPES)
            found += ids(page.events)
            if last and page.after == after:
                return found
            after = page.after

    try:
        readers = [asyncio.create_task(reader(place)) for place in range(len(stores))]
        await asyncio.gather(*(till_of(number) for number in range(len(tills))))
        for told in await asyncio.gather(*readers):
            assert sorted(told) == sorted(f"{till.name}-{n}" for till in tills for n in range(1, 28))
            for till in tills:
                own = [int(one.rpartition("-")[2]) for one in told if one.startswith(f"{till.name}-")]
                assert own == sorted(own), "a lane in its order"
    finally:
        for opened in stores:
            await opened.close()
