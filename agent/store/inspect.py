"""Questions about the ledger for the status page and the command line: counts, outbox listings, the whole ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from agent.domain.decide import PriorUse
from agent.domain.outcome import Outcome
from agent.domain.record import LANES, REDEMPTION_LANE
from agent.domain.time import day_text, from_timestamp
from agent.ports import CONFLICT_DAYS, Counts, OutboxNow
from agent.store.conflicts import SLIP_MARK, count_conflicts
from agent.store.database import Database

TABLES = {lane: f"{lane}_record" for lane in LANES}
"""The records of each lane. The view `record` is both."""
WAITING = {
    lane: f"{table} INDEXED BY {lane}_waiting WHERE state = 'waiting'" for lane, table in TABLES.items()
}
"""The outbox. Left alone SQLite reads the lane from its first record on, acknowledged ones and all."""
DISCLOSED = {
    lane: f"(SELECT group_concat(salt || '.' || pseudonym, ' ') FROM disclosure WHERE lane = '{lane}'"
    f" AND disclosure.sequence = {table}.sequence)"
    for lane, table in TABLES.items()
}
"""The text of an event's member `disclosed`, NULL for none, where a row of the lane is read."""
OPEN_PRINTS = "print_job INDEXED BY print_job_open WHERE state IN ('queued', 'sending', 'unconfirmed')"
"""Print jobs that are not on paper; SQLite takes the index only where its condition stands word for word."""


def job_number(job_id: str) -> int | None:
    """The number of a print job from its id: of T-0001-42 42, of the slip T-0001-C3 -3; None for what is no id."""
    last = job_id.rpartition("-")[2]
    digits = last.removeprefix(SLIP_MARK)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
        return None
    return int(digits) if last == digits else -int(digits)


def counts(connection: sqlite3.Connection, day: int) -> Counts:
    """What waits on store day `day`, without reading a whole table."""
    lanes = outboxes(connection)
    waiting = {lane: outbox.waiting for lane, outbox in lanes.items()}
    quarantined = sum(outbox.quarantined for outbox in lanes.values())
    conflicts = count_conflicts(connection, day_text(day - CONFLICT_DAYS))
    prints = dict(connection.execute(f"SELECT state, count(*) FROM {OPEN_PRINTS} GROUP BY state").fetchall())
    free = connection.execute("SELECT count(*) FROM promo WHERE redemption_id IS NULL").fetchone()[0]
    forked = sum(
        connection.execute(
            f"SELECT count(*) FROM {table} WHERE state = 'quarantined' AND json_extract(outcome, '$.code') = 'fork'"
        ).fetchone()[0]
        for table in (TABLES.values() if quarantined else ())
    )
    return Counts(waiting, quarantined, conflicts, lanes[REDEMPTION_LANE].oldest, prints, free, forked)


def outboxes(connection: sqlite3.Connection) -> dict[str, OutboxNow]:
    """What waits in each lane, without reading a whole table."""
    found = {}
    for lane, outbox in WAITING.items():
        (waiting,) = connection.execute(f"SELECT count(*) FROM {outbox}").fetchone()
        oldest = connection.execute(
            f"SELECT json_extract(event, '$.time') FROM {outbox} ORDER BY sequence LIMIT 1"
        ).fetchone()
        (quarantined,) = connection.execute(
            f"SELECT count(*) FROM {TABLES[lane]} WHERE state = 'quarantined'"
        ).fetchone()
        found[lane] = OutboxNow(waiting, None if oldest is None else oldest[0], quarantined)
    return found


def delivered(connection: sqlite3.Connection) -> dict[str, int]:
    """The sequence up to which nothing of each lane waits, 0 for none."""
    found = {}
    for lane, outbox in WAITING.items():
        first = connection.execute(f"SELECT sequence FROM {outbox} ORDER BY sequence LIMIT 1").fetchone()
        (last,) = connection.execute(f"SELECT coalesce(max(sequence), 0) FROM {TABLES[lane]}").fetchone()
        found[lane] = last if first is None else first[0] - 1
    return found


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the till's data fill: the database's pages without the free ones, which are used again."""
    (pages,), (free,), (size,) = (
        connection.execute(f"PRAGMA {name}").fetchone()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


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
    for row in rows:
        yield _plain(*row)


def outbox_row(connection: sqlite3.Connection, lane: str, sequence: int) -> dict[str, Any] | None:
    """One record as plain values, in whatever state it is; None if it is not here."""
    row = connection.execute(
        "SELECT lane, sequence, state, event, outcome FROM record WHERE lane = ? AND sequence = ?",
        (lane, sequence),
    ).fetchone()
    return None if row is None else _plain(*row)


def _plain(lane: str, sequence: int, state: str, event: str, outcome: str | None) -> dict[str, Any]:
    return {
        "lane": lane,
        "sequence": sequence,
        "state": state,
        "event": json.loads(event),
        "answer": None if outcome is None else json.loads(outcome),
    }


def outbox_count(connection: sqlite3.Connection, states: tuple[str, ...]) -> int:
    """How many records are in `states`."""
    marks = ", ".join("?" * len(states))
    row = connection.execute(f"SELECT count(*) FROM record WHERE state IN ({marks})", states).fetchone()
    return int(row[0])


ASSISTANTS_SHOWN = 20


@dataclass
class Served:
    """What one assistant's badge stands for on one day. sales: their ids. earned_minor: by the offers' rules."""

    redemptions: int = 0
    discount_minor: int = 0
    earned_minor: int = 0
    sales: set[str] = field(default_factory=set)

    def add(self, discount_minor: int, sale_id: str | None, incentives: str | None) -> None:
        self.redemptions += 1
        self.discount_minor += discount_minor
        if sale_id:
            self.sales.add(sale_id)
        earned = (
            one["amount_minor"] for one in json.loads(incentives or "[]") if one["party"] == "assistant"
        )
        self.earned_minor += sum(earned)


@dataclass
class Tally:
    """What happened on one store day: accepted and refused scans, discount given in minor units; by assistant too."""

    day: int
    accepted: int = 0
    refused: int = 0
    discount_minor: int = 0
    assistants: dict[str, Served] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LANES, 0))
    """The last record of each lane that is in it."""

    def add_new(self, connection: sqlite3.Connection) -> None:
        """Add the day's records since the last call. Backwards from the newest, so that only they are read."""
        today = day_text(self.day)
        for lane, table in TABLES.items():
            rows = connection.execute(
                "SELECT sequence, json_extract(event, '$.data.business_date'), json_extract(event, '$.data.outcome'),"
                " json_extract(event, '$.data.discount_minor'), json_extract(event, '$.data.assistant'),"
                " json_extract(event, '$.data.sale.sale_id'), json_extract(event, '$.data.incentives')"
                f" FROM {table} WHERE sequence > ? ORDER BY sequence DESC",
                (self.counted[lane],),
            )
            for sequence, date, outcome, discount_minor, assistant, sale_id, incentives in rows:
                self.counted[lane] = max(self.counted[lane], sequence)
                if date < today:
                    break
                if date > today:
                    continue  # of a day that a clock set back has not reached yet
                if outcome == Outcome.ACCEPTED:
                    self.accepted += 1
                    if assistant:
                        served = self.assistants.setdefault(assistant, Served())
                        served.add(discount_minor or 0, sale_id, incentives)
                elif outcome is not None:  # what became of a promo code is no scan
                    self.refused += 1
                self.discount_minor += discount_minor or 0

    def to_json(self) -> dict[str, Any]:
        busiest = sorted(self.assistants.items(), key=lambda one: (-one[1].redemptions, one[0]))
        return {
            "accepted": self.accepted,
            "refused": self.refused,
            "discount_minor": self.discount_minor,
            "assistants": [
                {
                    "assistant": name,
                    "sales": len(served.sales),
                    "redemptions": served.redemptions,
                    "discount_minor": served.discount_minor,
                    "earned_minor": served.earned_minor,
                }
                for name, served in busiest[:ASSISTANTS_SHOWN]
            ],
        }


class StoredBundle(NamedTuple):
    """What a second look finds of the bundle. root: the one that judged the manifest."""

    till: str
    root: bytes
    manifest: bytes
    parts: Mapping[str, bytes]
    mark: datetime | None


def stored_bundle(connection: sqlite3.Connection) -> StoredBundle | None:
    """The bundle in force; None before the first."""
    row = connection.execute(
        "SELECT document, manifest FROM bundle JOIN root USING (epoch) WHERE manifest IS NOT NULL"
    ).fetchone()
    if row is None:
        return None
    settings = dict(connection.execute("SELECT name, value FROM setting").fetchall())
    mark = settings.get("time_mark")
    parts = dict(connection.execute("SELECT name, content FROM part").fetchall())
    return StoredBundle(
        settings["till"], row[0], row[1], parts, None if mark is None else from_timestamp(mark)
    )


def stored_roots(connection: sqlite3.Connection) -> list[bytes]:
    """The chain of roots that this till came to trust, the oldest first."""
    return [row[0] for row in connection.execute("SELECT document FROM root ORDER BY epoch")]


def prior_use(connection: sqlite3.Connection, identity: tuple[str, int, int]) -> PriorUse | None:
    """The last redemption of this coupon here."""
    row = connection.execute(
        "SELECT redemption_id, at, uses, spent_minor FROM coupon_use WHERE issuer = ? AND campaign = ? AND idx = ?",
        identity,
    ).fetchone()
    return None if row is None else prior_of(*row)


def prior_of(redemption_id: str, at: str, uses: int, spent_minor: int) -> PriorUse:
    """The redemption that a row of coupon_use names."""
    return PriorUse(redemption_id, from_timestamp(at), redemption_id.rpartition("-")[0], uses, spent_minor)


class SqlNumbers:
    """`agent.till.StatusSource` over the writer thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tally = Tally(-1)

    async def counts(self, day: int) -> tuple[Counts, dict[str, Any]]:
        def read(connection: sqlite3.Connection) -> tuple[Counts, dict[str, Any]]:
            if self._tally.day != day:
                self._tally = Tally(day)
            self._tally.add_new(connection)
            return counts(connection, day), self._tally.to_json()

        return await self._database.run(read)

    async def delivered(self) -> Mapping[str, int]:
        """For `agent.line.health_report`. Raises LedgerUnavailable or CommitUnknown."""
        return await self._database.run(delivered)

    async def outboxes(self) -> Mapping[str, OutboxNow]:
        """`agent.ports.LaneNumbers`."""
        return await self._database.run(outboxes)
