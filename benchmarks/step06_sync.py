"""Step 6, the till's side: how fast a day's records leave over a bad line, and how a fleet comes back after an hour."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import msgspec
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.domain import record
from agent.domain.time import timestamp
from agent.store.database import Database
from agent.store.outbox import SqlOutbox
from benchmarks.common import Benchmark, Figure, Options
from benchmarks.slow_line import Quality, slow_line
from sync import wire
from sync.lanes import LaneRunner
from sync.uplink import HttpUplink, Identity
from sync.wire import RecordResult, ResultStatus
from tests.simulation import fleet

LANE = "redemption"
TILL = "T-0001"
DRAIN_BAR = 1.5
PEAK_BAR = 2.0


def fill(folder: Path, count: int) -> Database:
    """A till's database with `count` redemptions that wait, sealed as `redeemd run` seals them."""
    database = Database(folder / "till.db")
    database.open()
    key, head = Ed25519PrivateKey.generate(), record.ChainHead()
    data = {
        "outcome": "accepted",
        "source": "scanner-1",
        "store": "S-17",
        "merchant": "1001",
        "business_date": "2026-03-01",
        "bundle": {"epoch": 1, "sequence": 42, "age": "fresh"},
        "offline": True,
        "campaign_version": 2,
        "discount_minor": 3000,
        "charge_minor": 3000,
        "currency": "CNY",
    }
    rows = []
    for number in range(count):
        event, head = record.seal(
            lane=LANE,
            previous=head,
            till=TILL,
            kind=LANE,
            time=timestamp(datetime.now(UTC)),
            subject=f"acme/7/{number}",
            data={
                **data,
                "scan_id": f"{number:032x}",
                "token_sha256": head.hash[::-1],
                "coupon": {"issuer": "acme", "campaign": 7, "index": number, "kid": "a1b2c3d4e5f60718"},
                "redemption_id": record.record_id(TILL, LANE, number + 1),
                "sale": {"sale_id": f"118-{number}", "total_minor": 12800 + number, "currency": "CNY"},
            },
            sign=key.sign,
            encode=msgspec.json.Encoder(order="sorted").encode,
        )
        rows.append((head.sequence, event, head.hash))
    asyncio.run(
        database.run(
            lambda db: db.executemany(f"INSERT INTO {LANE}_record VALUES (?, ?, ?, 'waiting', NULL)", rows)
        )
    )
    return database


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[tuple[int, list[int]]]:
    """A cloud that stores everything; its port and the bytes of each body that it was sent."""
    sizes: list[int] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        sizes.append(len(body))
        if request.path == "/floor":
            return web.Response()
        if request.headers.get("Content-Encoding") == "gzip":
            body = wire.gunzip_bounded(body, wire.DEFAULT_LIMITS.batch_bytes)
        results = [RecordResult(event["id"], ResultStatus.STORED) for event in json.loads(body)]
        return web.Response(body=wire.encode_results(results), content_type=wire.RESULTS_TYPE)

    application = web.Application(client_max_size=1 << 30)
    application.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(application, access_log=None, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield int(runner.addresses[0][1]), sizes
    finally:
        await runner.cleanup()


async def drained(database: Database, quality: Quality) -> tuple[float, float]:
    """Seconds that the lane took, and seconds that the same bytes take in one piece."""
    outbox = SqlOutbox(database, TILL)
    key = Ed25519PrivateKey.generate()
    async with receiver() as (port, sizes), slow_line(port, quality) as line:
        base = f"http://127.0.0.1:{line}"
        async with HttpUplink(base, Identity(TILL, TILL, key.sign)) as uplink:
            lane = LaneRunner(LANE, outbox, uplink)
            started = perf_counter()
            work = asyncio.create_task(lane.run())
            while await outbox.waiting(LANE, 1, 1):  # noqa: ASYNC110  a database has no event
                await asyncio.sleep(0.05)
            took = perf_counter() - started
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        total = sum(sizes)
        async with ClientSession() as session:
            started = perf_counter()
            async with session.post(f"{base}/floor", data=bytes(total)) as answer:
                await answer.read()
            return took, perf_counter() - started


def _drain(
    name: str, quality: Quality, count: int, bar: float | None
) -> Callable[[Options], Iterator[Figure]]:
    def run(options: Options) -> Iterator[Figure]:
        records = count // 10 if options.quick else count
        database = fill(options.folder, records)
        try:
            took, floor = asyncio.run(drained(database, quality))
        finally:
            database.close()
        ratio = took / floor
        ok = bar is None or ratio <= bar
        yield Figure(
            f"06 drain: {records} records {name}",
            round(took, 2),
            "s",
            round(floor, 2),
            round(ratio, 3),
            bar,
            ok,
            "ratio",
            round(took, 2),
            round(took, 2),
        )

    return run


def storm(options: Options) -> Iterator[Figure]:
    """Requests in the busiest minute by those of the mean minute, after an hour without the cloud."""
    tills = 1000 if options.quick else 10_000
    found = fleet.outage(tills)
    counts = [found.requests[minute] for minute in range(found.minutes)]
    peak = found.peak_to_mean
    mean = sum(counts) / len(counts)
    name = f"06 fleet: {tills} tills after an hour's outage, busiest minute"
    yield Figure(
        name,
        max(counts),
        "req",
        mean,
        round(peak, 3),
        PEAK_BAR,
        peak <= PEAK_BAR,
        "ratio",
        min(counts),
        max(counts),
    )


BENCHMARKS: dict[str, Benchmark] = {
    "06 drain: over 1 Mbit/s, 0.1 s": _drain("over 1 Mbit/s, 0.1 s", Quality(1e6, 0.05), 10_000, DRAIN_BAR),
    "06 drain: over 4 Mbit/s, 0.1 s": _drain("over 4 Mbit/s, 0.1 s", Quality(4e6, 0.05), 10_000, None),
    "06 drain: over 50 kbit/s, 2 s, 10 % loss": _drain(
        "over 50 kbit/s, 2 s, 10 % loss", Quality(50e3, 1.0, 0.1), 400, None
    ),
    "06 fleet": storm,
}
