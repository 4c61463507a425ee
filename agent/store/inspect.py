"""Questions about the ledger for the status page and the command line: counts, outbox listings, the whole ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from agent.domain.decide import PriorUse
from agent.domain.outcome import Outcome
from agent.domain.record import LANES, REDEMPTION_LANE
from agent.domain.time import day_text, from_timestamp
from agent.ports import CONFLICT_DAYS, Counts
from agent.store.database import Database

WAITING = "record INDEXED BY record_waiting"
"""The outbox. Left alone SQLite reads the lane from its first record on, acknowledged ones and all."""
OPEN_PRINTS = (
    "print_job INDEXED BY print_job_open WHERE state IN ('queued', 'sending', 'unconfirmed', 'failed')"
)
"""Print jobs that are not on paper; SQLite takes the index only where its condition stands word for word."""


def counts(connection: sqlite3.Connection, day: int) -> Counts:
    """What waits on store day `day`, without reading a whole table."""
    waiting = {
        lane: connection.execute(
            f"SELECT count(*) FROM {WAITING} WHERE lane = ? AND state = 'waiting'", (lane,)
        ).fetchone()[0]
        for lane in LANES
    }
    oldest = connection.execute(
        f"SELECT json_extract(event, '$.time') FROM {WAITING} WHERE lane = ? AND state = 'waiting'"
        " ORDER BY sequence LIMIT 1",
        (REDEMPTION_LANE,),
    ).fetchone()
    quarantined = connection.execute("SELECT count(*) FROM record WHERE state = 'quarantined'").fetchone()[0]
    conflicts = connection.execute(
        "SELECT count(*) FROM record INDEXED BY record_conflict"
        " WHERE state = 'conflict' AND json_extract(event, '$.data.business_date') >= ?",
        (day_text(day - CONFLICT_DAYS),),
    ).fetchone()[0]
    prints = dict(connection.execute(f"SELECT state, count(*) FROM {OPEN_PRINTS} GROUP BY state").fetchall())
    free = connection.execute("SELECT count(*) FROM promo WHERE redemption_id IS NULL").fetchone()[0]
    return Counts(waiting, quarantined, conflicts, None if oldest is None else oldest[0], prints, free)


def outbox_rows(
    connection: sqlite3.Connection, states: tuple[str, ...], limit: int
) -> Iterator[dict[str, Any]]:
    """The records in `states`, oldest first, as plain values."""
    marks = ", ".join("?" * len(states))
    rows = connection.execute(
        f"SELECT lane, sequence, state, event, outcome FROM record WHERE state IN ({marks})"
        " ORDER BY lane, sequence LIMIT ?",
        (*states, limit),
    )
    for lane, sequence, state, event, outcome in rows:
        yield {
            "lane": lane,
            "sequence": sequence,
            "state": state,
            "event": json.loads(event),
            "answer": None if outcome is None else json.loads(outcome),
        }


def tally(connection: sqlite3.Connection, day: int) -> dict[str, int]:
    """What happened on store day `day`: accepted and refused scans, discount given in minor units."""
    accepted = refused = discount = 0
    for outcome, count, discount_minor in connection.execute(
        "SELECT outcome, count, discount_minor FROM tally WHERE day = ?", (day,)
    ):
        if outcome == Outcome.ACCEPTED:
            accepted += count
        else:
            refused += count
        discount += discount_minor
    return {"accepted": accepted, "refused": refused, "discount_minor": discount}


class StoredBundle(NamedTuple):
    """What a second look finds of the bundle."""

    till: str
    root: bytes
    manifest: bytes
    parts: Mapping[str, bytes]
    mark: datetime | None


def stored_bundle(connection: sqlite3.Connection) -> StoredBundle | None:
    """The bundle in force; None before the first."""
    row = connection.execute("SELECT root, manifest FROM bundle WHERE manifest IS NOT NULL").fetchone()
    if row is None:
        return None
    settings = dict(connection.execute("SELECT name, value FROM setting").fetchall())
    mark = settings.get("time_mark")
    parts = dict(connection.execute("SELECT name, content FROM part").fetchall())
    return StoredBundle(
        settings["till"], row[0], row[1], parts, None if mark is None else from_timestamp(mark)
    )


def prior_use(connection: sqlite3.Connection, identity: tuple[str, int, int]) -> PriorUse | None:
    """The redemption that used this coupon here."""
    row = connection.execute(
        "SELECT redemption_id, at FROM coupon_use WHERE issuer = ? AND campaign = ? AND idx = ?", identity
    ).fetchone()
    return None if row is None else prior_of(*row)


def prior_of(redemption_id: str, at: str) -> PriorUse:
    """The redemption that a row of coupon_use names."""
    return PriorUse(redemption_id, from_timestamp(at), redemption_id.rpartition("-")[0])


class SqlNumbers:
    """`agent.till.StatusSource` over the writer thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, day: int) -> tuple[Counts, dict[str, int]]:
        return await self._database.run(lambda connection: (counts(connection, day), tally(connection, day)))
