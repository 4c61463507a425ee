"""What never came of a lane, in SQL: functions on an open transaction. Holes are noted in `cloud.store.sql_records`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agent.domain.record import LANES
from cloud.lists import Cursor, GapLine
from cloud.store.sql import Db
from cloud.store.sql_lists import page
from cloud.store.sql_tills import given, keys_of

_OF_LANE = "WHERE till = ?1 AND lane = ?2 ORDER BY sequence DESC LIMIT 1"
ENDS = (
    "SELECT stored.sequence, stored.hash, stored.prevhash, refused.sequence FROM (SELECT 1) AS one"
    f" LEFT JOIN (SELECT sequence, hash, prevhash FROM record {_OF_LANE}) AS stored ON 1 = 1"
    f" LEFT JOIN (SELECT sequence FROM refusal {_OF_LANE}) AS refused ON 1 = 1"
)
"""The last record of a lane and the place of the last refused one, where there are any."""


def _end_of(table: str) -> str:
    last = f"SELECT sequence FROM {table} r WHERE r.till = e.till AND r.lane = e.lane ORDER BY sequence DESC LIMIT 1"
    return f"coalesce(({last}), 0)"


# What was lost at the end shrinks as it comes, and is a hole or nothing once something behind it has come.
GAPS = (
    "(SELECT till, lane, first, last, noticed_at, hash FROM hole UNION ALL"
    " SELECT till, lane, CASE WHEN came < first THEN first ELSE came + 1 END, last, noticed_at, '' FROM ("
    "SELECT till, lane, first, last, noticed_at, CASE WHEN stored > refused THEN stored ELSE refused END AS came FROM ("
    f"SELECT e.till, e.lane, e.first, e.last, e.noticed_at, {_end_of('record')} AS stored,"
    f" {_end_of('refusal')} AS refused FROM lost_end e) AS ends) AS known WHERE came < last) AS gap"
)


def gaps(db: Db, limit: int, after: Cursor, till: str | None) -> list[GapLine]:
    """`CloudStore.gaps`."""
    rows = db.execute(
        f"SELECT till, lane, first, last, noticed_at, hash FROM {GAPS}"
        + page("noticed_at", "till, lane, first", ", ''"),
        (*after, limit, till),
    ).fetchall()
    return [
        GapLine(of, lane, first, last, noticed_at, digest, _gap_kind(db, of, lane, first, last))
        for of, lane, first, last, noticed_at, digest in rows
    ]


def missing(db: Db, till: str, lane: str, limit: int) -> list[tuple[int, int]]:
    """`CloudStore.missing`."""
    rows = db.execute(
        "SELECT first, last FROM hole WHERE till = ? AND lane = ? ORDER BY first DESC LIMIT ?",
        (till, lane, limit),
    ).fetchall()
    return [span for span in rows if _gap_kind(db, till, lane, *span) == "missing"]


def _gap_kind(db: Db, till: str, lane: str, first: int, last: int) -> str:
    """Whether these sequences lie in the room that was left each time the till was enrolled anew."""
    covered = first - 1
    for (lanes,) in db.execute("SELECT lanes FROM till_key WHERE till = ? ORDER BY generation", (till,)):
        known, after, _ = json.loads(lanes)[lane]
        if known <= covered:
            covered = max(covered, after)
    return "replaced" if last <= covered else "missing"


def unheard(db: Db, till: str, delivered: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """`CloudStore.unheard`."""
    keys, found = keys_of(db, till), {}
    for lane in delivered.keys() & set(LANES):
        last, _, _, refused = db.execute(ENDS, (till, lane)).fetchone()
        known = max(given(keys, lane, last or 0), refused or 0)
        if delivered[lane] > known:
            found[lane] = (known + 1, delivered[lane])
    return found


def note_unheard(db: Db, till: str, lost: Mapping[str, tuple[int, int]], at: str) -> None:
    """`CloudStore.note_unheard`. Said again, it was noticed the first time."""
    db.executemany(
        "INSERT INTO lost_end VALUES (?, ?, ?, ?, ?) ON CONFLICT (till, lane) DO UPDATE SET"
        " noticed_at = CASE WHEN excluded.last > lost_end.last THEN excluded.noticed_at ELSE lost_end.noticed_at END,"
        " first = excluded.first, last = excluded.last"
        " WHERE excluded.first <> lost_end.first OR excluded.last <> lost_end.last",
        [(till, lane, *span, at) for lane, span in sorted(lost.items())],
    )
