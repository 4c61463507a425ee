"""A database of the cloud as an older release left it opens with what it held."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cloud import schema
from cloud.ports import LedgerLine
from cloud.sqlite import SqliteStore

AT = "2026-03-01T04:00:00.000Z"
RECORD = (
    "INSERT INTO record VALUES"
    " (?, 'redemption', ?, ?, '', ?, 'redeemd.redemption.v1', ?, 'acme', 7, 5, 3000, '{}', ?)"
)


def of_schema_1(path: Path) -> None:
    """A coupon that two tills took, and one that a refused record took."""
    db = sqlite3.connect(path)
    db.executescript(schema.SCRIPTS[0])
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    for till in ("T-1", "T-2"):
        db.execute(RECORD, (till, 1, f"hash of {till}", f"{till}-1", AT, AT))
    use = "INSERT INTO coupon_use VALUES ('acme', 7, ?, 'T-1', 'redemption', ?, ?, ?, ?)"
    db.execute(use, (5, 1, "T-1-1", AT, AT))
    db.execute(use, (6, 1, "T-1-1", AT, AT))
    db.execute("INSERT INTO conflict VALUES ('acme', 7, 5, 'T-2', 'redemption', 1, 'T-2-1', ?)", (AT,))
    db.commit()
    db.close()


async def test_conflicts_of_schema_1_are_doubles_with_their_hashes(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    of_schema_1(path)
    store = SqliteStore(path)
    try:
        (conflict,) = await store.conflicts(10)
        assert (conflict.kind, conflict.till, conflict.hash) == ("double", "T-2", "hash of T-2")
        assert (conflict.winner.till, conflict.winner.hash) == ("T-1", "hash of T-1")
        lines: list[LedgerLine] = await store.ledger(None, ("", "", 0), 10)
        assert [line.till for line in lines] == ["T-1", "T-2"]
        assert await store.mark_counts("acme", 7) == (2, 0)
        assert await store.gaps(10) == []
    finally:
        await store.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
