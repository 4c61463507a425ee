"""The pseudonyms that records disclose, beside what is signed: functions on an open transaction."""

from __future__ import annotations

from collections.abc import Sequence

from agent.domain.disclosure import erased_digest
from cloud.chain import Entry
from cloud.sql import Db

_INSERT = "INSERT INTO disclosure VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"


def keep(db: Db, till: str, lane: str, placed: Sequence[tuple[Entry, int]]) -> None:
    """What entries disclose, each with the place that its record has; of an erased pseudonym nothing."""
    found = [(entry.hash, place, one) for entry, place in placed for one in entry.disclosed]
    if not found:
        return
    erased: dict[str, bool] = {}
    for _, _, one in found:
        if one.pseudonym not in erased:
            digest = erased_digest(bytes.fromhex(one.pseudonym))
            row = db.execute("SELECT 1 FROM erased WHERE digest = ?", (digest,)).fetchone()
            erased[one.pseudonym] = row is not None
    rows = ((till, lane, place, digest, *one) for digest, place, one in found if not erased[one.pseudonym])
    db.executemany(_INSERT, rows)


def disclosing(db: Db, pseudonym: str, limit: int) -> list[tuple[str, str, int, str]]:
    """`CloudStore.disclosing`."""
    rows = db.execute(
        "SELECT till, lane, sequence, hash FROM disclosure WHERE pseudonym = ?"
        " ORDER BY till, lane, sequence, hash LIMIT ?",
        (pseudonym, limit),
    )
    return rows.fetchall()
