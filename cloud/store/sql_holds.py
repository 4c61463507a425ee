"""Held uses in SQL: functions on an open transaction. `cloud.store.sql_records` puts them there."""

from __future__ import annotations

from agent.domain.record import REDEMPTION_LANE
from cloud.chain import UNKNOWN_HASH, CouponRef, Entry
from cloud.holds import HeldLine, Released
from cloud.store import sql_returns, sql_verdicts
from cloud.store.sql import Db
from cloud.store.sql_points import count_released
from cloud.store.sql_records import STORED, use
from cloud.verdicts import Finding

_LINE = (
    "SELECT till, lane, sequence, hash, kid, code, redemption_id, time, received_at, issuer, campaign, idx,"
    " discount_minor, refused_at FROM held"
)
_CHOSEN = "till = ?1 AND (CAST(?2 AS TEXT) IS NULL OR kid = ?2)"


def lines(db: Db, till: str | None, limit: int) -> list[HeldLine]:
    """`CloudStore.held`."""
    rows = db.execute(
        f"{_LINE} WHERE CAST(?1 AS TEXT) IS NULL OR till = ?1 ORDER BY received_at DESC, till, lane, sequence LIMIT ?2",
        (till, limit),
    )
    return [HeldLine(*row) for row in rows]


def waiting(db: Db) -> dict[str, int]:
    """`CloudStore.held_counts`."""
    return dict(
        db.execute("SELECT till, count(*) FROM held WHERE refused_at IS NULL GROUP BY till").fetchall()
    )


def release(db: Db, till: str, kid: str | None, at: str) -> Released:
    """`CloudStore.release_held`."""
    rows = db.execute(
        "SELECT lane, sequence, hash, code, redemption_id, time, received_at, issuer, campaign, idx, promo FROM held"
        f" WHERE {_CHOSEN} ORDER BY received_at, lane, sequence, hash",
        (till, kid),
    ).fetchall()
    conflicts, told = 0, list[Finding]()
    for lane, sequence, digest, code, record_id, time, received_at, *coupon, promo in rows:
        if promo is not None:
            db.execute("UPDATE promo SET out = 1 WHERE till = ? AND short = ?", (till, promo))
        entry = Entry(
            record_id, sequence, digest, UNKNOWN_HASH, "", time=time, coupon=CouponRef(*coupon), promo=promo
        )
        kind = "double" if code == STORED else code
        # It is deleted afterwards: what is held was not counted before.
        conflicts += use(db, till, lane, entry, received_at, kind, told) is not None
        db.execute(
            "DELETE FROM held WHERE till = ? AND lane = ? AND sequence = ? AND hash = ?",
            (till, lane, sequence, digest),
        )
        if lane == REDEMPTION_LANE:
            count_released(db, till, sequence)
        sql_returns.settle(db, CouponRef(*coupon), record_id, told)
    sql_returns.release(db, till, kid, told)
    sql_verdicts.write(db, told, at)
    return Released(len(rows), conflicts)


def refuse(db: Db, till: str, kid: str | None, at: str) -> int:
    """`CloudStore.refuse_held`."""
    sql_returns.refuse(db, till, kid)
    return db.execute(
        f"UPDATE held SET refused_at = ?3 WHERE {_CHOSEN} AND refused_at IS NULL", (till, kid, at)
    ).rowcount
