"""The feed in SQL: functions on an open transaction.

What a transaction has to tell it notes in rows of `feed`, without a position: one row for all records of a batch. Rows
get their positions afterwards, by whoever reads next, one transaction at a time. Only what is committed can be given a
position, and positions rise in the order in which those transactions commit, so a reader that goes on behind the last
position it saw misses nothing, however many receivers write. A number drawn when a row is written would not do: a lower
one may be committed later.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from agent.domain.disclosure import Disclosure
from cloud.errors import Refused
from cloud.feed import (
    RECORD_TYPES,
    RECORDS,
    REVERSAL,
    FeedCursor,
    FeedEvent,
    FeedPage,
    KeptRecord,
    cloud_event,
    record_event,
    return_standing,
    spans,
    standing_of,
)
from cloud.store.sql import Db
from cloud.store.sql_issued import Issued
from cloud.store.sql_points import Points

SEQUENCED_AT_ONCE = 2000
RESTORE_JUMP = 10**12
"""Positions behind a restored copy are none that readers have seen of what was lost."""
ROWS_MAX = 2000
"""Records and rows that one page looks at."""
_NEWEST = "SELECT position FROM feed WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1"
_WAITING = "SELECT arrival FROM feed WHERE position IS NULL ORDER BY arrival LIMIT ?"
_REVERSAL = (
    "SELECT state, reason FROM reversal WHERE issuer = ? AND campaign = ? AND idx = ? AND redemption_id = ?"
    " AND till = ? AND sequence = ? AND hash = ?"
)
_RECORDS = """
SELECT r.sequence, r.hash, r.kind, r.received_at, r.event,
    CASE WHEN h.till IS NULL THEN 'counts' WHEN h.refused_at IS NULL THEN 'held' ELSE 'refused' END, i.reason, c.kind
FROM record r
LEFT JOIN held h ON (h.till, h.lane, h.sequence, h.hash) = (r.till, r.lane, r.sequence, r.hash)
LEFT JOIN implausible i ON (i.till, i.lane, i.sequence, i.hash) = (r.till, r.lane, r.sequence, r.hash)
LEFT JOIN conflict c ON (c.issuer, c.campaign, c.idx, c.till, c.lane, c.sequence, c.hash)
    = (r.issuer, r.campaign, r.idx, r.till, r.lane, r.sequence, r.hash)
WHERE r.till = ? AND r.lane = ? AND r.sequence > ? AND r.sequence <= ? ORDER BY r.sequence LIMIT ?
"""


def note_records(db: Db, till: str, lane: str, stored: Iterable[tuple[int, str]]) -> None:
    """stored: (sequence, kind) of records that this transaction stored."""
    told = sorted(sequence for sequence, kind in stored if kind in RECORD_TYPES)
    rows = [(RECORDS, till, lane, first, last) for first, last in spans(told)]
    db.executemany("INSERT INTO feed (kind, till, lane, first, last) VALUES (?, ?, ?, ?, ?)", rows)


def note(db: Db, kind: str, identity: str, subject: str, at: str, data: Mapping[str, object]) -> None:
    """What else this transaction has to tell."""
    event = cloud_event(kind, identity, subject, at, data)
    db.execute("INSERT INTO feed (kind, event) VALUES (?, ?)", (kind, event))


def waits(db: Db) -> bool:
    """Whether something has no position yet."""
    return db.execute(_WAITING, (1,)).fetchone() is not None


def give_positions(db: Db) -> int:
    """To what has none, at most SEQUENCED_AT_ONCE; how many. One transaction at a time."""
    arrivals = [arrival for (arrival,) in db.execute(_WAITING, (SEQUENCED_AT_ONCE,)).fetchall()]
    if arrivals:
        restores = db.execute("SELECT count(*) FROM restore").fetchone()[0]
        first = max(newest(db), restores * RESTORE_JUMP) + 1
        rows = [(first + place, arrival) for place, arrival in enumerate(arrivals)]
        db.executemany("UPDATE feed SET position = ? WHERE arrival = ?", rows)
    return len(arrivals)


def newest(db: Db) -> int:
    """The highest position there is, 0 before the first."""
    row = db.execute(_NEWEST).fetchone()
    return 0 if row is None else int(row[0])


def page(db: Db, after: FeedCursor, limit: int, types: Collection[str]) -> FeedPage:
    """At most `limit` events of these types behind `after`. Refused(409) for a cursor ahead of the feed."""
    if after.position > newest(db):
        sentence = "this cursor is ahead of the feed: the cloud was put back from a backup"
        raise Refused(409, "cursor_ahead", f"{sentence}; it wants: redeemd cloud restored DIR")
    found: list[FeedEvent] = []
    issued = Issued(db)
    points = Points(db, issued)
    looked_at = 0
    rows = db.execute(
        "SELECT position, kind, till, lane, first, last, event FROM feed WHERE position >= ?"
        " ORDER BY position LIMIT ?",
        (after.position, limit + 1),
    ).fetchall()
    for position, kind, till, lane, first, last, event in rows:
        begun = position == after.position
        if kind != RECORDS:
            if begun:
                continue
            after = FeedCursor(position)
            looked_at += 1
            if kind in types:
                found.append(FeedEvent(after, json.loads(event)))
        else:
            behind = max(first - 1, after.sequence if begun else 0)
            most = min(limit - len(found), ROWS_MAX)
            records = _records(db, (till, lane), behind, last, most)
            asked = [kept for kept in records if kept.kind in types]
            issued.load(_coupon_of(kept) for kept in asked if kept.kind != REVERSAL)
            told = [_with_fate(db, issued, points, till, kept) for kept in asked]
            disclosed = _disclosed(db, till, lane, told)
            for kept in told:
                cursor = FeedCursor(position, kept.sequence)
                found.append(FeedEvent(cursor, record_event(kept, disclosed.get(kept.hash, ()))))
            # Of a row that was read to its end nothing is left, though a record of it may be missing.
            at_end = len(records) < most or records[-1].sequence == last
            after = FeedCursor(position, max(behind, last) if at_end else records[-1].sequence)
            looked_at += len(records)
        if len(found) >= limit or looked_at >= ROWS_MAX:
            break
    return FeedPage(found, after)


def count_behind(db: Db, after: FeedCursor, types: Collection[str], most: int) -> int:
    """How many events of these types there are behind `after`; `most` for so many or more, or for many rows."""
    wanted = sorted(types)
    marks = ", ".join("?" * len(wanted))
    (others,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM feed WHERE position > ? AND kind IN ({marks}) LIMIT ?) AS f",
        (after.position, *wanted, most),
    ).fetchone()
    (rows,) = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM feed WHERE position >= ? AND kind = ? LIMIT ?) AS f",
        (after.position, RECORDS, ROWS_MAX),
    ).fetchone()
    kinds = [kind for kind in wanted if kind in RECORD_TYPES]
    if not rows or not kinds:
        return min(int(others), most)
    if rows == ROWS_MAX:
        return most
    (records,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM feed f JOIN record r ON r.till = f.till AND r.lane = f.lane"
        f" AND r.sequence >= f.first AND r.sequence <= f.last WHERE f.position >= ? AND f.kind = ?"
        f" AND (f.position > ? OR r.sequence > ?) AND r.kind IN ({', '.join('?' * len(kinds))}) LIMIT ?) AS e",
        (after.position, RECORDS, *after, *kinds, most),
    ).fetchone()
    return min(int(others) + int(records), most)


def _records(db: Db, lane: tuple[str, str], behind: int, last: int, limit: int) -> list[KeptRecord]:
    rows = db.execute(_RECORDS, (*lane, behind, last, limit))
    return [
        KeptRecord(sequence, own, kind, received_at, event, standing_of(*against))
        for sequence, own, kind, received_at, event, *against in rows
    ]


def _with_fate(db: Db, issued: Issued, points: Points, till: str, kept: KeptRecord) -> KeptRecord:
    """A return stands as it was settled. That a coupon was never issued, or that points do not add up, is listed by the
    tally, seconds later."""
    if kept.kind != REVERSAL and kept.standing != "counts":
        return kept
    data, coupon = json.loads(kept.event)["data"], _coupon_of(kept)
    if kept.kind != REVERSAL:
        wrong = issued.fault(*coupon, data) or points.wrong(till, data)
        return kept._replace(standing="implausible") if wrong else kept
    row = db.execute(_REVERSAL, (*coupon, data["redemption_id"], till, kept.sequence, kept.hash)).fetchone()
    return kept if row is None else kept._replace(standing=return_standing(*row))


def _coupon_of(kept: KeptRecord) -> tuple[str, int, int]:
    coupon = json.loads(kept.event)["data"]["coupon"]
    return coupon["issuer"], coupon["campaign"], coupon["index"]


def _disclosed(db: Db, till: str, lane: str, told: Sequence[KeptRecord]) -> dict[str, list[Disclosure]]:
    """What these records disclose, by their hashes."""
    sql = (
        "SELECT hash, digest, salt, pseudonym FROM disclosure WHERE till = ? AND lane = ? AND sequence {keys}"
    )
    found: dict[str, list[Disclosure]] = {}
    for digest, *said in db.matching(sql, (till, lane), [kept.sequence for kept in told]):
        found.setdefault(digest, []).append(Disclosure(*said))
    return found
