"""Erasures in SQL: functions on an open transaction."""

from __future__ import annotations

import secrets

from agent.domain.disclosure import SALT_BYTES, erased_digest
from agent.domain.erasure import NAMES_MAX, names_of
from agent.domain.record import EVIDENCE_LANE, LANES, ChainHead
from cloud.chain import Entry
from cloud.erasure_proof import Place, records_digest
from cloud.erasures import HANDED_MAX, Done, ErasedRecord, Erasure
from cloud.feed import ERASED
from cloud.store import sql_feed, sql_news
from cloud.store.sql import Db

_DONE = "SELECT till, record_id, hash, received_at, removed FROM till_erased WHERE number >= ? ORDER BY till, number"

_DELETE = "DELETE FROM disclosure WHERE pseudonym = ? RETURNING till, lane, sequence, hash"


def erase(db: Db, pseudonym: bytes, at: str) -> Erasure:
    """`ErasureStore.erase`."""
    named = names_of(pseudonym)
    digests = [erased_digest(name) for name in named]
    rows = [row for name in named for row in db.execute(_DELETE, (name.hex(),)).fetchall()]
    db.executemany("DELETE FROM member WHERE pseudonym = ?", [(name.hex(),) for name in named])
    known = db.execute("SELECT erasure FROM erased WHERE digest = ?", digests[:1]).fetchone()
    if known is not None:
        found = one(db, known[0])
        assert found is not None, "it was erased in it"
        return found
    (last,) = db.execute("SELECT coalesce(max(erasure), 0) FROM erasure").fetchone()
    number = last + 1
    salt, places = secrets.token_bytes(SALT_BYTES), tuple(sorted({Place(*row) for row in rows})[:HANDED_MAX])
    digest = records_digest(salt, places)
    db.execute("INSERT INTO erasure VALUES (?, ?, ?, ?)", (number, at, len(rows), digest))
    told = [(name, number) for name in digests]
    db.executemany("INSERT INTO erased VALUES (?, ?) ON CONFLICT DO NOTHING", told)
    names = sorted(digest.hex() for digest in digests)
    # A restored copy counts anew: by the number alone another person's erasure would be one that was told already.
    identity = f"erasure-{number}-{names[0][:16]}"
    sql_feed.note(db, ERASED, identity, str(number), at, {"erasure": number, "names": names})
    sql_news.tell(db)
    return Erasure(number, at, len(rows), tuple(names), (), digest, (salt, places))


def one(db: Db, number: int) -> Erasure | None:
    """`ErasureStore.erasure`."""
    row = db.execute(
        "SELECT at, disclosures, records_digest FROM erasure WHERE erasure = ?", (number,)
    ).fetchone()
    if row is None:
        return None
    names = [
        digest.hex() for (digest,) in db.execute("SELECT digest FROM erased WHERE erasure = ?", (number,))
    ]
    done: dict[str, Done] = {}
    for said in db.execute(_DONE, (number,)):
        done.setdefault(said[0], Done(*said))
    return Erasure(number, row[0], row[1], tuple(sorted(names)), tuple(done.values()), row[2])


# A record's id ends with its sequence: T-1-E17 (`cloud.chain`).
_RECORDS = """
SELECT d.till, coalesce(r.event, '') FROM till_erased d LEFT JOIN record r ON r.till = d.till AND r.lane = ?
    AND r.sequence = CAST(substr(d.record_id, length(d.till) + 3) AS BIGINT)
WHERE d.number >= ? ORDER BY d.till, d.number
"""
_HEADS = """
SELECT r.till, r.lane, r.sequence, r.hash FROM (SELECT DISTINCT till FROM till_erased WHERE number >= ?) d
JOIN record r ON r.till = d.till AND r.lane = ?
    AND r.sequence = (SELECT max(x.sequence) FROM record x WHERE x.till = d.till AND x.lane = ?)
"""


def records(db: Db, number: int) -> dict[str, ErasedRecord]:
    """`ErasureStore.erased_records`: of all tills at once, for there may be ten thousand."""
    found: dict[str, ErasedRecord] = {}
    for till, text in db.execute(_RECORDS, (EVIDENCE_LANE, number)):
        found.setdefault(till, ErasedRecord(text, {}))
    for lane in LANES:
        for till, of, sequence, digest in db.execute(_HEADS, (number, lane, lane)):
            found[till].heads[of] = ChainHead(sequence, digest)
    return found


def newest(db: Db, limit: int) -> list[Erasure]:
    """`ErasureStore.erasures`."""
    numbers = db.execute("SELECT erasure FROM erasure ORDER BY erasure DESC LIMIT ?", (limit,)).fetchall()
    return [found for (number,) in numbers if (found := one(db, number)) is not None]


def names(db: Db, since: str) -> tuple[int, list[bytes]]:
    """`ErasureStore.erased_names`."""
    (last,) = db.execute("SELECT coalesce(max(erasure), 0) FROM erasure").fetchone()
    rows = db.execute(
        "SELECT e.digest FROM erased e JOIN erasure n ON n.erasure = e.erasure WHERE n.at >= ?"
        " ORDER BY e.erasure DESC LIMIT ?",
        (since, NAMES_MAX),
    )
    return int(last), [digest for (digest,) in rows]


def note_done(db: Db, till: str, entry: Entry, at: str) -> None:
    """A till says that it erased."""
    assert entry.erased is not None, "it says up to which erasure"
    db.execute(
        "INSERT INTO till_erased VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (till, entry.erased.number, entry.record_id, entry.hash, at, entry.erased.removed),
    )
