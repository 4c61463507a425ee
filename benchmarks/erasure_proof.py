"""How long the proof of an erasure takes with many tills, on both engines: `python -m benchmarks.erasure_proof N`."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from agent.domain.keys import signing_key_from_seed
from agent.domain.record import EVIDENCE_LANE, GENESIS, REDEMPTION_LANE
from cloud.access import digest
from cloud.erasing import proof
from cloud.staff import Role
from cloud.store import postgres
from cloud.store.postgres import PostgresStore
from cloud.store.sql import Db
from cloud.store.sql_store import SqlStore
from cloud.store.sqlite_store import SqliteStore
from tests.postgres_server import PROGRAMS, postgres_server
from tests.unit.cloud_kit import AT, STORE

RECORDS = 20
"""Of each lane of each till."""


def _fill(db: Db, tills: int) -> None:
    names = [f"T-{number:06}" for number in range(tills)]
    lanes = json.dumps({lane: [0, 0, GENESIS] for lane in (REDEMPTION_LANE, EVIDENCE_LANE)})
    db.execute("INSERT INTO erasure VALUES (1, ?, 1, NULL)", (AT,))
    db.executemany(
        "INSERT INTO till (till, store, state, enrolled_at) VALUES (?, ?, 'enrolled', ?)",
        [(name, STORE.store, AT) for name in names],
    )
    db.executemany(
        "INSERT INTO till_key (till, generation, public_key, standing, lanes) VALUES (?, 1, ?, 'current', ?)",
        [(name, bytes(32), lanes) for name in names],
    )
    text = json.dumps({"filler": "x" * 600})
    db.insert(
        "record",
        [
            (
                name,
                lane,
                place,
                "0" * 64,
                GENESIS,
                f"{name}-{place}",
                lane,
                AT,
                None,
                None,
                None,
                None,
                text,
                AT,
            )
            for name in names
            for lane in (REDEMPTION_LANE, EVIDENCE_LANE)
            for place in range(1, RECORDS + 1)
        ],
    )
    db.insert("till_erased", [(name, 1, f"{name}-E{RECORDS // 2}", "0" * 64, AT, 0) for name in names])


async def _measure(name: str, store: SqlStore, tills: int) -> None:
    await store.put_place(STORE)
    await store._threads.write(lambda db: _fill(db, tills))
    key = signing_key_from_seed(bytes(32))
    took = []
    for _ in range(3):
        started = perf_counter()
        made = await proof(store, 1, key, AT)
        took.append(perf_counter() - started)
    assert sum(bool(one["record"]) for one in made["proof"]["tills"]) == tills
    print(f"{name}: {tills} tills, {min(took):.2f} s (best of 3)")
    await store.close()


def main() -> None:
    tills = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "cloud.db"
        asyncio.run(_measure("SQLite", SqliteStore(path), tills))
    if PROGRAMS:
        with postgres_server() as server:
            url = server.fresh_database()
            asyncio.run(postgres.create(url, digest("first"), Role.ADMIN.value, AT))
            asyncio.run(_measure("PostgreSQL", PostgresStore(url), tills))


if __name__ == "__main__":
    main()
