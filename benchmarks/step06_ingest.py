"""Step 6: batches into PostgreSQL, against a bare COPY of the rows that they leave behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterator
from itertools import count
from time import perf_counter
from typing import Any, TypeVar

import uvloop

from agent.domain.cose import Algorithm
from agent.domain.disclosure import MEMBER, disclosure, pair_text
from agent.domain.keys import load_public_key, signature_ok
from benchmarks.common import Benchmark, Figure, Options, Rounds, Timed, alone, figure, paired
from cloud.chain import Entry, judge
from cloud.ingest import check_events
from cloud.store import postgres, postgres_schema
from cloud.store.postgres import PostgresStore
from sync import wire
from tests.postgres_server import PROGRAMS, postgres_server
from tests.unit.cloud_kit import AT, CAMPAIGN, ISSUER, SealingTill, batch, campaign, enrolled, sealing_till

T = TypeVar("T")
RECORDS = wire.DEFAULT_LIMITS.batch_records
BAR = 2.0
"""At least half the rows per second of the COPY."""
_TABLES = {
    "record": None,
    "coupon_use": None,
    "mark": None,
    "disclosure": None,
    "feed": ("kind", "till", "lane", "first", "last"),
}
"""All tables that a batch writes to, with the columns that it gives where the database gives others."""


def ingest(options: Options) -> Iterator[Figure]:
    if not PROGRAMS:
        print("06 ingest: PostgreSQL is not installed, so it is not measured")
        return
    rounds = options.rounds(20)
    yield figure(
        f"06 ingest: PostgreSQL, a batch of {RECORDS} records",
        "ms",
        _measured(rounds, members=False),
        bar=BAR,
    )
    name = "06 ingest: the same, each with a member's pseudonym"
    yield figure(name, "ms", _measured(rounds, members=True), bar=BAR)
    yield from _checks(rounds)


def _measured(rounds: int, *, members: bool) -> Rounds:
    """members: each record discloses a pseudonym, another one each time."""
    with postgres_server() as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ours, bare = server.fresh_database(), server.fresh_database()
        floor, subject, closing = runner.run(_prepare(runner, ours, bare, rounds * 3 + 5, members))
        gc.collect()
        gc.freeze()  # what waits to be sent is the benchmark's own
        found = paired(floor, subject, rounds=rounds, each=3, warm_up=5)
        runner.run(closing)
        gc.unfreeze()
    return found


async def _prepare(
    runner: asyncio.Runner, ours: str, bare: str, batches: int, members: bool
) -> tuple[Timed, Timed, Coroutine[Any, Any, None]]:
    import asyncpg

    await postgres.create(ours, b"digest", "admin", AT)
    store = PostgresStore(ours)
    connection = await asyncpg.connect(bare)
    await postgres_schema.create(connection)
    till = sealing_till("T-1")
    await enrolled(store, till)
    await store.put_campaign(campaign(size=RECORDS * batches), None, bytes(16))
    given = [_entries(till, number, members) for number in range(batches)]
    turn, copied = count(), count()

    def subject() -> float:
        entries = given[next(turn)]
        started = perf_counter()
        done = runner.run(store.append("T-1", "redemption", entries, judge, AT))
        took = perf_counter() - started
        assert {each.ruling.fate.value for each in done} == {"store"}
        return took

    async def copy(rows: list[list[tuple[Any, ...]]]) -> None:
        async with connection.transaction():
            for (table, columns), some in zip(_TABLES.items(), rows, strict=True):
                if some:
                    await connection.copy_records_to_table(table, records=some, columns=columns)

    def floor() -> float:
        number = next(copied)
        rows = _rows(given[number], number)
        started = perf_counter()
        runner.run(copy(rows))
        return perf_counter() - started

    async def close() -> None:
        await connection.close()
        await store.close()

    return floor, subject, close()


def _entries(till: SealingTill, number: int, members: bool) -> list[Entry]:
    """One batch as a till sends it, read and checked."""
    events = []
    for index in range(number * RECORDS, (number + 1) * RECORDS):
        if members:
            one = disclosure(index.to_bytes(16), index.to_bytes(16))
            events.append(till.redeem(index, member={"pseudonym": one.digest}) | {MEMBER: pair_text([one])})
        else:
            events.append(till.redeem(index))
    return check_events(events, till.known(), "redemption", wire.DEFAULT_LIMITS)


def _rows(entries: list[Entry], number: int) -> list[list[tuple[Any, ...]]]:
    """What a batch leaves in the tables of _TABLES."""
    records, uses, marks, disclosures = [], [], [], []
    for place, one in enumerate(entries, number * RECORDS + 1):
        assert one.coupon is not None
        coupon = (ISSUER, CAMPAIGN, one.coupon.index)
        said = (one.record_id, one.kind, one.time, *coupon, one.discount_minor, one.text, AT)
        at = ("T-1", "redemption", one.sequence)
        records.append((*at, one.hash, one.prevhash, *said))
        uses.append((*coupon, *at, one.record_id, AT, one.time, one.hash, 1))
        marks.append((ISSUER, CAMPAIGN, place, one.coupon.index, 1))
        disclosures += [("T-1", "redemption", one.sequence, one.hash, *each) for each in one.disclosed]
    told = ("records", "T-1", "redemption", number * RECORDS + 1, (number + 1) * RECORDS)
    return [records, uses, marks, disclosures, [told]]


def _checks(rounds: int) -> Iterator[Figure]:
    """What comes before the database: reading, hashing, and the signatures, which are reported apart."""
    till = sealing_till("T-1")
    events = [till.redeem(number) for number in range(RECORDS)]
    body, known = batch(events), till.known()
    key = load_public_key(Algorithm.ED25519, till.key.public_key)
    signed = [(till.key.sign(event["hash"].encode()), event["hash"].encode()) for event in events]

    def all_checks() -> float:
        started = perf_counter()
        entries = check_events(wire.decode_batch(body), known, "redemption", wire.DEFAULT_LIMITS)
        took = perf_counter() - started
        assert not any(entry.fault for entry in entries)
        return took

    def signatures() -> float:
        started = perf_counter()
        assert all(signature_ok(key, signature, data) for signature, data in signed)
        return perf_counter() - started

    yield alone(f"06 ingest: {RECORDS} records read, hashed and verified", "ms", all_checks, rounds=rounds)
    yield alone(f"06 ingest: of that {RECORDS} signatures", "ms", signatures, rounds=rounds)


BENCHMARKS: dict[str, Benchmark] = {"06 ingest": ingest}
