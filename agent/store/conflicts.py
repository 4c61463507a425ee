"""What the cloud told this till of its coupons that were redeemed twice: kept until it is old, seen by staff or not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from agent.domain.time import timestamp
from agent.store import till_facts
from agent.store.database import Database
from sync.verdicts import Verdict

CONFLICT = "conflict"
"""The kind that somebody has to look at; others say that something has ended."""
SLIP_MARK = "C"
"""Before the number in the id of a slip's print job, T-0001-C3: a receipt's has the redemption's number."""
_CURSOR = "verdict_cursor"
_INSERT = """
INSERT INTO conflict (kind, redemption_id, other_id, document, taken_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (redemption_id, other_id, kind) DO NOTHING RETURNING id
"""
_UNSEEN = f"kind = '{CONFLICT}' AND seen_at IS NULL"


class SqlConflicts:
    """`agent.ports.ConflictShelf` over the writer thread. till: whose print jobs the slips are."""

    def __init__(self, database: Database, till: str) -> None:
        self._database = database
        self._till = till

    async def cursor(self) -> int:
        """`ConflictShelf.cursor`."""
        found = await self._database.run(lambda connection: till_facts.setting(connection, _CURSOR))
        return int(found or 0)

    async def take(
        self, verdicts: Sequence[Verdict], at: datetime, slip: Callable[[Verdict], str] | None
    ) -> int:
        """`ConflictShelf.take`."""

        def work(connection: sqlite3.Connection) -> int:
            new = sum(self._take_one(connection, verdict, timestamp(at), slip) for verdict in verdicts)
            if verdicts:
                till_facts.put_setting(connection, _CURSOR, str(verdicts[-1].number))
            return new

        return await self._database.run(work)

    def _take_one(
        self, connection: sqlite3.Connection, verdict: Verdict, at: str, slip: Callable[[Verdict], str] | None
    ) -> bool:
        key = (verdict.redemption_id, verdict.other["redemption_id"])
        row = (verdict.kind, *key, json.dumps(_document(verdict), ensure_ascii=False), at)
        kept = connection.execute(_INSERT, row).fetchone()
        if kept is None:
            return False
        if verdict.kind != CONFLICT:  # it has ended: nobody need look at it any more
            ended = f"UPDATE conflict SET seen_at = ? WHERE redemption_id = ? AND other_id = ? AND {_UNSEEN}"
            connection.execute(ended, (at, *key))
        elif slip is not None:
            job = (-kept[0], f"{self._till}-{SLIP_MARK}{kept[0]}", verdict.redemption_id, slip(verdict))
            connection.execute(
                "INSERT INTO print_job VALUES (?, ?, ?, ?, 'queued', 0, '', ?, ?)", (*job, at, at)
            )
        return True

    async def see(self, number: int, at: datetime) -> bool:
        """`ConflictShelf.see`."""

        def work(connection: sqlite3.Connection) -> bool:
            row = (timestamp(at), number)
            return (
                connection.execute(
                    "UPDATE conflict SET seen_at = coalesce(seen_at, ?) WHERE id = ?", row
                ).rowcount
                > 0
            )

        return await self._database.run(work)

    async def listed(self, limit: int, *, unseen: bool) -> list[dict[str, Any]]:
        """`list_conflicts`."""
        return await self._database.run(lambda connection: list_conflicts(connection, limit, unseen=unseen))


def list_conflicts(connection: sqlite3.Connection, limit: int, *, unseen: bool) -> list[dict[str, Any]]:
    """The newest first, as plain values (Conflict in docs/openapi.yaml); unseen: only what waits for somebody."""
    where = f"WHERE {_UNSEEN}" if unseen else ""
    rows = connection.execute(
        f"SELECT id, document, taken_at, seen_at FROM conflict {where} ORDER BY id DESC LIMIT ?", (limit,)
    )
    return [
        {"id": number, **json.loads(document), "taken_at": taken_at, "seen_at": seen_at}
        for number, document, taken_at, seen_at in rows
    ]


def count_conflicts(connection: sqlite3.Connection, since: str) -> int:
    """Those that nobody has seen, and records of store days from `since` on that a batch's answer alone spoke of."""
    told = connection.execute(f"SELECT count(*) FROM conflict WHERE {_UNSEEN}").fetchone()[0]
    untold = connection.execute(
        "SELECT count(*) FROM redemption_record INDEXED BY redemption_conflict"
        " WHERE state = 'conflict' AND json_extract(event, '$.data.business_date') >= ?"
        " AND json_extract(event, '$.id') NOT IN (SELECT redemption_id FROM conflict)",
        (since,),
    ).fetchone()[0]
    return int(told) + int(untold)


def _document(verdict: Verdict) -> dict[str, Any]:
    return {
        "kind": verdict.kind,
        "redemption_id": verdict.redemption_id,
        "standing": verdict.standing,
        "follows": verdict.follows,
        "coupon": dict(verdict.coupon),
        "other": dict(verdict.other),
        "found_at": verdict.found_at,
        "zh": verdict.zh,
        "en": verdict.en,
    }
