"""Forgetting by age in SQL: functions on an open transaction, each a bounded step."""

from __future__ import annotations

from cloud.store.sql import Db

STEP = 500
_OLDEST = """
SELECT d.sequence, d.hash, d.digest, coalesce(r.received_at, f.received_at, '') FROM disclosure d
LEFT JOIN record r ON (r.till, r.lane, r.sequence, r.hash) = (d.till, d.lane, d.sequence, d.hash)
LEFT JOIN refusal f ON (f.till, f.lane, f.sequence, f.hash) = (d.till, d.lane, d.sequence, d.hash)
WHERE d.till = ? AND d.lane = ? ORDER BY d.sequence, d.hash, d.digest LIMIT ?
"""


def lanes(db: Db) -> list[tuple[str, str]]:
    """`RetentionStore.lanes_disclosing`."""
    found = []
    for (till,) in db.execute("SELECT till FROM till ORDER BY till").fetchall():
        for lane in ("redemption", "evidence"):
            row = db.execute("SELECT 1 FROM disclosure WHERE till = ? AND lane = ? LIMIT 1", (till, lane))
            if row.fetchone() is not None:
                found.append((till, lane))
    return found


def pseudonyms(db: Db, till: str, lane: str, before: str) -> int:
    """`RetentionStore.forget_pseudonyms`. A lane comes in its order, but for what was late: that is kept a while
    longer, behind the oldest."""
    rows = db.execute(_OLDEST, (till, lane, STEP)).fetchall()
    old = [(till, lane, *row[:3]) for row in rows if row[3] < before]
    db.executemany(
        "DELETE FROM disclosure WHERE till = ? AND lane = ? AND sequence = ? AND hash = ? AND digest = ?", old
    )
    return len(old)


def acts(db: Db, before: str) -> int:
    """`RetentionStore.forget_acts`."""
    rows = db.execute(
        "SELECT at, number FROM staff_act WHERE at < ? ORDER BY at LIMIT ?", (before, STEP)
    ).fetchall()
    db.executemany("DELETE FROM staff_act WHERE at = ? AND number = ?", rows)
    return len(rows)


def deliveries(db: Db, before: str) -> int:
    """`RetentionStore.forget_deliveries`."""
    rows = db.execute(
        "SELECT webhook, position, sequence FROM delivery WHERE dead = 1 AND first_at < ? LIMIT ?",
        (before, STEP),
    ).fetchall()
    db.executemany("DELETE FROM delivery WHERE webhook = ? AND position = ? AND sequence = ?", rows)
    return len(rows)
