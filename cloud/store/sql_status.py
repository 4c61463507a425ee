"""Marks, status lists and parts in SQL: functions on an open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from agent.domain.status import Status
from agent.domain.time import timestamp
from cloud.ports import Mark, MarkCounts, Published, StatusPart
from cloud.store.sql import Db
from cloud.store.sql_campaigns import uses_of
from cloud.store.sql_restore import sequence_floor

PART_KEEP_DAYS = 30
"""How long a part that no till was given any more is kept: a slow download may still want it."""


def mark(
    db: Db, issuer: str, campaign: int, marked: Iterable[tuple[int, Status]], last: int | None = None
) -> int:
    """Number what became known of coupons (pairs of index and status). last: the number of the last mark before, asked
    for if it is not known. The last number now.
    """
    last = last_mark(db, issuer, campaign) if last is None else last
    rows = [
        (issuer, campaign, last + place, index, status.value)
        for place, (index, status) in enumerate(marked, 1)
    ]
    db.insert("mark", rows)
    return last + len(rows)


def last_mark(db: Db, issuer: str, campaign: int) -> int:
    """The number of a campaign's last mark; 0 if it has none."""
    found = db.execute(
        "SELECT change FROM mark WHERE issuer = ? AND campaign = ? ORDER BY change DESC LIMIT 1",
        (issuer, campaign),
    ).fetchone()
    return 0 if found is None else int(found[0])


def mark_counts(db: Db, issuer: str, campaign: int) -> MarkCounts:
    """`CloudStore.mark_counts`. The limit of a campaign that is not known is one use."""
    row = db.execute(
        "SELECT count(*) FILTER (WHERE uses >= ?3), CAST(coalesce(sum(uses), 0) AS BIGINT),"
        " (SELECT count(*) FROM coupon WHERE issuer = ?1 AND campaign = ?2 AND revoked_at IS NOT NULL)"
        " FROM coupon_use WHERE issuer = ?1 AND campaign = ?2",
        (issuer, campaign, uses_of(db, issuer, campaign)),
    ).fetchone()
    return MarkCounts(*row)


def mark_numbers(db: Db) -> dict[tuple[str, int], int]:
    """`CloudStore.mark_numbers`."""
    rows = db.execute(
        "SELECT issuer, campaign, (SELECT max(change) FROM mark WHERE mark.issuer = campaign.issuer"
        " AND mark.campaign = campaign.campaign) FROM campaign"
    )
    return {(issuer, campaign): last for issuer, campaign, last in rows if last is not None}


def marks(db: Db, issuer: str, campaign: int, after: int, limit: int) -> list[Mark]:
    """`CloudStore.marks`."""
    rows = db.execute(
        "SELECT change, idx, status FROM mark WHERE issuer = ? AND campaign = ? AND change > ?"
        " ORDER BY change LIMIT ?",
        (issuer, campaign, after, limit),
    )
    return rows.fetchall()


def status_parts(db: Db, issuer: str, campaign: int) -> list[StatusPart]:
    """`CloudStore.status_parts`."""
    rows = db.execute(
        "SELECT change, sha256, content FROM status_part JOIN part USING (sha256)"
        " WHERE issuer = ? AND campaign = ? ORDER BY place",
        (issuer, campaign),
    )
    return [StatusPart(*row) for row in rows]


def put_status_parts(
    db: Db,
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


def put_parts(db: Db, parts: Mapping[bytes, bytes], at: str) -> None:
    """Add what is not there. When a part was last given is noted once a day: the note writes all of it anew."""
    since = _days_before(at, 1)
    for sha256, content in parts.items():
        fresh = "SELECT 1 FROM part WHERE sha256 = ? AND used_at >= ?"
        if db.execute(fresh, (sha256, since)).fetchone() is None:
            # One statement: another receiver may be deleting this very part.
            db.execute(
                "INSERT INTO part VALUES (?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET used_at = excluded.used_at",
                (sha256, content, at),
            )


def _days_before(at: str, days: int) -> str:
    return timestamp(datetime.fromisoformat(at) - timedelta(days=days))


def publish(db: Db, new: Published, parts: Mapping[bytes, bytes], at: str) -> bool:
    """`CloudStore.publish`."""
    found = db.execute("SELECT epoch, sequence FROM manifest WHERE till = ?", (new.till,)).fetchone()
    epoch, sequence = found or (0, 0)
    sequence = max(sequence, sequence_floor(db))
    follows = new.sequence == sequence + 1 if new.epoch == epoch else new.epoch > epoch
    if not follows:
        return False  # another receiver was faster
    row = (new.till, new.epoch, new.sequence, new.issued, new.parts_key, new.manifest)
    db.execute(
        "INSERT INTO manifest VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (till) DO UPDATE SET epoch = excluded.epoch,"
        " sequence = excluded.sequence, issued = excluded.issued, parts_key = excluded.parts_key,"
        " manifest = excluded.manifest",
        row,
    )
    put_parts(db, parts, at)
    db.execute(
        "DELETE FROM part WHERE used_at < ? AND sha256 NOT IN"
        " (SELECT sha256 FROM status_part UNION ALL SELECT sha256 FROM code_table)",
        (_days_before(at, PART_KEEP_DAYS),),
    )
    return True
