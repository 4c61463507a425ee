"""Verdicts in SQL: functions on an open transaction. Each till has its own numbers, so that tills share no counter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from agent.domain.time import timestamp
from cloud.store.sql import Db
from cloud.verdicts import KEEP_DAYS, Finding, told

_NEXT = (
    "INSERT INTO verdict_head VALUES (?, 1, ?)"
    " ON CONFLICT (till) DO UPDATE SET number = verdict_head.number + 1, at = excluded.at RETURNING number"
)


def write(db: Db, findings: Iterable[Finding], at: str) -> None:
    """Keep what tills are to be told, in order of the tills: two transactions that tell the same ones never wait for
    each other in a circle.
    """
    found = list(findings)
    if not found:
        return
    said = [each for finding in found for each in told(finding, lambda till: _store_of(db, till))]
    before = timestamp(datetime.fromisoformat(at) - timedelta(days=KEEP_DAYS))
    for till in sorted({till for till, _ in said}):
        for document in (document for to, document in said if to == till):
            (number,) = db.execute(_NEXT, (till, at)).fetchone()
            text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
            db.execute("INSERT INTO verdict VALUES (?, ?, ?, ?)", (till, number, at, text))
        db.execute("DELETE FROM verdict WHERE till = ? AND at < ?", (till, before))


def _store_of(db: Db, till: str) -> str:
    row = db.execute("SELECT store FROM till WHERE till = ?", (till,)).fetchone()
    return "" if row is None else str(row[0])


def verdicts(db: Db, till: str, after: int, limit: int) -> list[dict[str, Any]]:
    """`CloudStore.verdicts`."""
    rows = db.execute(
        "SELECT number, at, document FROM verdict WHERE till = ? AND number > ? ORDER BY number LIMIT ?",
        (till, after, limit),
    )
    return [{"number": number, "found_at": at, **json.loads(document)} for number, at, document in rows]


def jump(db: Db, at: str, step: int) -> None:
    """After a restore: beyond all numbers that tills may have seen since the copy was made."""
    db.execute(
        "INSERT INTO verdict_head SELECT till, 0, ? FROM till WHERE 1 = 1 ON CONFLICT DO NOTHING", (at,)
    )
    db.execute("UPDATE verdict_head SET number = number + ?, at = ?", (step, at))
