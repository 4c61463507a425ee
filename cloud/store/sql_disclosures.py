"""The pseudonyms that records disclose, beside what is signed: functions on an open transaction."""

from __future__ import annotations

from collections.abc import Sequence

from agent.domain.disclosure import erased_digest
from cloud.chain import Entry
from cloud.store.sql import Db

_INSERT = "INSERT INTO disclosure VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
CHUNK, CHUNK_MOST = 50, 500
_ERASED = {
    size: f"SELECT digest FROM erased WHERE digest IN ({', '.join('?' * size)})"
    for size in (CHUNK, CHUNK_MOST)
}


def keep(db: Db, till: str, lane: str, placed: Sequence[tuple[Entry, int]], *, new: bool) -> None:
    """What entries disclose, each with the place that its record has; of an erased pseudonym nothing.

    new: none of these records was kept before, stored or refused.
    """
    found = [(entry.hash, place, one) for entry, place in placed for one in entry.disclosed]
    if not found:
        return
    gone = _erased(db, {one.pseudonym for _, _, one in found})
    rows = [(till, lane, place, digest, *one) for digest, place, one in found if one.pseudonym not in gone]
    if new:
        db.insert("disclosure", rows)
    else:
        db.executemany(_INSERT, rows)


def _erased(db: Db, pseudonyms: set[str]) -> set[str]:
    """Those that were erased: one question for a chunk of them, in one of two texts that are always the same."""
    named = {erased_digest(bytes.fromhex(one)): one for one in pseudonyms}
    digests, gone = list(named), set()
    size = CHUNK if len(digests) <= CHUNK else CHUNK_MOST
    for first in range(0, len(digests), size):
        chunk = digests[first : first + size]
        chunk += chunk[-1:] * (size - len(chunk))
        gone |= {named[digest] for (digest,) in db.execute(_ERASED[size], chunk)}
    return gone


def disclosing(db: Db, pseudonym: str, limit: int) -> list[tuple[str, str, int, str]]:
    """`CloudStore.disclosing`."""
    rows = db.execute(
        "SELECT till, lane, sequence, hash FROM disclosure WHERE pseudonym = ?"
        " ORDER BY till, lane, sequence, hash LIMIT ?",
        (pseudonym, limit),
    )
    return rows.fetchall()
