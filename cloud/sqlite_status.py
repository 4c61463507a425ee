"""Marks, status lists and parts in SQLite: functions on an open transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from agent.domain.status import Status
from cloud.ports import Mark, MarkCounts, Published, StatusPart
from cloud.sqlite_restore import sequence_floor

PART_KEEP_DAYS = 30
"""How long a part that no till was given any more is kept: a slow download may still want it."""
_OLDER = "strftime('%Y-%m-%dT%H:%M:%fZ', ?, ?)"


def mark(db: sqlite3.Connection, issuer: str, campaign: int, marked: Iterable[tuple[int, Status]]) -> None:
    """Number what became known of coupons (pairs of index and status)."""
    db.executemany(
        "INSERT INTO mark SELECT ?1, ?2,"
        " 1 + coalesce((SELECT max(change) FROM mark WHERE issuer = ?1 AND campaign = ?2), 0), ?3, ?4",
        ((issuer, campaign, index, int(status)) for index, status in marked),
    )


def mark_counts(db: sqlite3.Connection, issuer: str, campaign: int) -> MarkCounts:
    """`CloudStore.mark_counts`. The limit of a campaign that is not known is one use."""
    row = db.execute(
        "SELECT count(*) FILTER (WHERE uses >= coalesce((SELECT json_extract(document, '$.uses') FROM campaign"
        " WHERE issuer = ?1 AND campaign = ?2), 1)), coalesce(sum(uses), 0),"
        " (SELECT count(*) FROM coupon WHERE issuer = ?1 AND campaign = ?2 AND revoked_at IS NOT NULL)"
        " FROM coupon_use WHERE issuer = ?1 AND campaign = ?2",
        (issuer, campaign),
    ).fetchone()
    return MarkCounts(*row)


def mark_numbers(db: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """`CloudStore.mark_numbers`."""
    rows = db.execute(
        "SELECT issuer, campaign, (SELECT max(change) FROM mark WHERE mark.issuer = campaign.issuer"
        " AND mark.campaign = campaign.campaign) AS last FROM campaign WHERE last IS NOT NULL"
    )
    return {(issuer, campaign): last for issuer, campaign, last in rows}


def marks(db: sqlite3.Connection, issuer: str, campaign: int, after: int, limit: int) -> list[Mark]:
    """`CloudStore.marks`."""
    rows = db.execute(
        "SELECT change, idx, status FROM mark WHERE issuer = ? AND campaign = ? AND change > ?"
        " ORDER BY change LIMIT ?",
        (issuer, campaign, after, limit),
    )
    return rows.fetchall()


def status_parts(db: sqlite3.Connection, issuer: str, campaign: int) -> list[StatusPart]:
    """`CloudStore.status_parts`."""
    rows = db.execute(
        "SELECT change, sha256, content FROM status_part JOIN part USING (sha256)"
        " WHERE issuer = ? AND campaign = ? ORDER BY place",
        (issuer, campaign),
    )
    return [StatusPart(*row) for row in rows]


def put_status_parts(
    db: sqlite3.Connection,
    issuer: str,
    campaign: int,
    before: int | None,
    parts: Sequence[StatusPart],
    at: str,
) -> bool:
    """`CloudStore.put_status_parts`."""
    coupons = (issuer, campaign)
    (last,) = db.execute(
        "SELECT max(change) FROM status_part WHERE issuer = ? AND campaign = ?", coupons
    ).fetchone()
    if last != before:
        return False
    db.execute("DELETE FROM status_part WHERE issuer = ? AND campaign = ?", coupons)
    db.executemany(
        "INSERT INTO status_part VALUES (?, ?, ?, ?, ?)",
        ((*coupons, place, part.change, part.sha256) for place, part in enumerate(parts)),
    )
    put_parts(db, {part.sha256: part.content for part in parts}, at)
    return True


def put_parts(db: sqlite3.Connection, parts: Mapping[bytes, bytes], at: str) -> None:
    """Add what is not there. When a part was last given is noted once a day: the note writes all of it anew."""
    for sha256, content in parts.items():
        if db.execute("SELECT 1 FROM part WHERE sha256 = ?", (sha256,)).fetchone() is None:
            db.execute("INSERT INTO part VALUES (?, ?, ?)", (sha256, content, at))
    db.executemany(
        f"UPDATE part SET used_at = ? WHERE sha256 = ? AND used_at < {_OLDER}",
        ((at, sha256, at, "-1 days") for sha256 in parts),
    )


def publish(db: sqlite3.Connection, new: Published, parts: Mapping[bytes, bytes], at: str) -> bool:
    """`CloudStore.publish`."""
    found = db.execute("SELECT epoch, sequence FROM manifest WHERE till = ?", (new.till,)).fetchone()
    epoch, sequence = found or (0, 0)
    sequence = max(sequence, sequence_floor(db))
    follows = new.sequence == sequence + 1 if new.epoch == epoch else new.epoch > epoch
    if not follows:
        return False  # another receiver was faster
    row = (new.till, new.epoch, new.sequence, new.issued, new.parts_key, new.manifest)
    db.execute("INSERT OR REPLACE INTO manifest VALUES (?, ?, ?, ?, ?, ?)", row)
    put_parts(db, parts, at)
    db.execute(
        f"DELETE FROM part WHERE used_at < {_OLDER} AND sha256 NOT IN"
        " (SELECT sha256 FROM status_part UNION ALL SELECT sha256 FROM code_table)",
        (at, f"-{PART_KEEP_DAYS} days"),
    )
    return True
