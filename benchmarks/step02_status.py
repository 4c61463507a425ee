"""Step 2: status lists at scale: ten million coupons of which every tenth is used."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

from agent.bundles.refresh import Refresher
from agent.clock import SystemClock
from agent.domain import cbor, status_delta
from agent.domain.bundle import describe_part
from agent.domain.decide import find_status
from agent.domain.status import Status, StatusList
from agent.domain.status_parts import delta_name, delta_to_wire, read_lists
from agent.domain.token import Claims, Coupon
from agent.state import TillState
from agent.store.bundle_cache import SqlBundleCache
from agent.store.database import Database
from benchmarks.common import Benchmark, Figure, Options, alone, timed
from cloud.status_lists import StatusLists
from cloud.store.sqlite_store import SqliteStore
from sync.ports import Answer, Failure
from tests.factory import TILL, Factory, amount_off

COUNT = 10_000_000
USED = COUNT // 10
DAILY = COUNT // 1000
BYTES_BAR_MIB = 3.0
LOOK_UP_BAR_US = 1.0
APPLY_BAR_S = 2.0
DELTA_BAR_KIB = 25.0
NAME = ("acme", 1)


def _drawn() -> list[int]:
    """The coupons used so far and, behind them, those of a day."""
    return random.Random(3).sample(range(COUNT), USED + DAILY)


def _factory(drawn: list[int]) -> Factory:
    marked = [(index, Status.USED) for index in drawn[:USED]]
    return Factory(campaigns=[amount_off(size=COUNT)], marked={1: marked}, sequence=2)


def _size(name: str, unit: str, value: float, bar: float) -> Figure:
    value = round(value, 3)
    return Figure(name, value, unit, None, None, bar, value <= bar, "value", value, value)


def lists(options: Options) -> Iterator[Figure]:
    """Size, look-up, and the day's delta."""
    drawn = _drawn()
    factory = _factory(drawn)
    made = factory.parts()
    tracemalloc.start()
    listed = read_lists(made)[NAME]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    yield _size("02 status: in memory", "MiB", held / 2**20, BYTES_BAR_MIB)
    contents = replace(Factory().contents(), status={NAME: listed})
    coupons = [Coupon("acme", Claims(1, index, 0, 1), b"kid") for index in random.sample(range(COUNT), 2000)]

    def look_up() -> None:
        for coupon in coupons:
            find_status(coupon, contents)

    whole = timed(look_up)
    yield alone(
        "02 status: look-up of a coupon",
        "µs",
        lambda: whole() / len(coupons),
        rounds=options.rounds(50),
        bar=LOOK_UP_BAR_US,
    )
    delta, after = _delta(listed, drawn)
    content = cbor.encode(delta_to_wire(delta))
    yield _size("02 status: a day's delta of 0.1 %", "KiB", len(content) / 1024, DELTA_BAR_KIB)
    yield alone(
        "02 status: a day's delta read and applied",
        "ms",
        timed(lambda: read_lists(made | {delta_name(*NAME, 1): content})),
        rounds=options.rounds(10),
    )
    assert read_lists(made | {delta_name(*NAME, 1): content})[NAME] == after, "the delta leads there"


def _delta(listed: StatusList, drawn: list[int]) -> tuple[status_delta.Delta, StatusList]:
    return status_delta.make_delta(*NAME, listed, [(index, Status.USED) for index in drawn[USED:]])


class _Shelf:
    """An uplink that has the bundle at hand: what is measured is the till's work, not a network's."""

    def __init__(self, manifest: bytes, parts: dict[str, bytes]) -> None:
        self._manifest = manifest
        self._parts = {hashlib.sha256(content).hexdigest(): content for content in parts.values()}

    async def post_batch(self, lane: str, body: bytes, idempotency_key: str) -> Answer | Failure:
        raise AssertionError("nothing is uploaded here")

    async def get(
        self, path: str, etag: str | None = None, *, max_bytes: int | None = None
    ) -> Answer | Failure:
        return Answer(200, {}, self._parts.get(path.rpartition("/")[2], self._manifest))


def apply(options: Options) -> Iterator[Figure]:
    """A till gets the list as a new snapshot: verified, inflated, stored, in force. And what it takes on its disk."""
    factory = _factory(_drawn())
    parts = factory.parts()
    shelf = _Shelf(factory.manifest(parts), parts)
    before = replace(factory, campaigns=[amount_off(size=4)], marked={}, sequence=1)
    grown: list[int] = []

    def once() -> float:
        state_dir = options.folder / f"snapshot-{len(grown)}"
        before.install(state_dir)
        database = Database(state_dir / "till.db")
        database.open()
        size = _on_disk(state_dir)
        try:
            return asyncio.run(_applied(database, shelf))
        finally:
            database.close()
            grown.append(_on_disk(state_dir) - size)

    yield alone("02 status: snapshot applied", "s", once, rounds=options.rounds(10), bar=APPLY_BAR_S)
    yield _size("02 status: on disk", "MiB", max(grown) / 2**20, BYTES_BAR_MIB)


def _on_disk(folder: Path) -> int:
    # Not the log: it is laid out in full at each start (decision 0034), so its size says nothing of the lists.
    return sum(file.stat().st_size for file in folder.iterdir() if not file.name.endswith(("-wal", "-shm")))


async def _applied(database: Database, shelf: _Shelf) -> float:
    state = TillState(TILL)
    refresher = Refresher(SqlBundleCache(database), shelf, state, SystemClock())
    await refresher.load()
    started = perf_counter()
    changed = await refresher.fetch()
    took = perf_counter() - started
    assert changed is True, changed
    assert state.trust is not None, "a bundle is in force"
    assert state.trust.contents.status[NAME].count == COUNT, "the list is there"
    return took


def publish(options: Options) -> Iterator[Figure]:
    """What the cloud does once for all tills: the first list from a million marks, then a day's delta."""
    took = asyncio.run(_published(options.folder / "cloud.db", _drawn()))
    for what, seconds in zip(
        ("a list of a million marks", "a day's delta", "a list at hand"), took, strict=True
    ):
        value = round(seconds * 1e3, 3)
        yield Figure(
            f"02 status: cloud makes {what}", value, "ms", None, None, None, True, "value", value, value
        )


async def _published(path: Path, drawn: list[int]) -> list[float]:
    store = SqliteStore(path)
    offer = amount_off(size=COUNT)
    await store.put_campaign(offer, None, bytes(16))
    listed = StatusLists(store)
    took = []
    for first, last in ((0, USED), (USED, USED + DAILY), (0, 0)):
        rows = [(*NAME, number + 1, drawn[number], 1) for number in range(first, last)]
        await store._threads.write(partial(_insert, rows))
        started = perf_counter()
        parts = await listed.parts([offer], 1, "2026-11-22T00:00:00.000Z")
        took.append(perf_counter() - started)
    assert list(parts) == ["status/acme/1", "delta/acme/1/1"], "a snapshot and the day's delta"
    assert all(describe_part(name, part.content).sha256 == part.sha256 for name, part in parts.items())
    await store.close()
    return took


def _insert(rows: list[tuple[str, int, int, int, int]], db: sqlite3.Connection) -> None:
    db.executemany("INSERT INTO mark VALUES (?, ?, ?, ?, ?)", rows)


BENCHMARKS: dict[str, Benchmark] = {
    "02 status list": lists,
    "02 status snapshot": apply,
    "02 status cloud": publish,
}
