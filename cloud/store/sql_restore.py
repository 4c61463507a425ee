"""After a restore, in SQL: functions on an open transaction."""

from __future__ import annotations

from datetime import datetime

from agent.domain.time import timestamp
from agent.domain.token import UINT32_MAX
from cloud.errors import Refused
from cloud.restore import Closed
from cloud.store import sql_verdicts
from cloud.store.sql import Db

SEQUENCE_JUMP = 1_000_000
"""More bundles than a till gets between two backups."""
CLOCK_MAX = 3_000_000_000
"""The year 2065: a clock that is ahead must not use up the sequences there are."""


def sequence_floor(db: Db) -> int:
    """Every bundle that is signed from now on has a higher sequence."""
    found: int = db.execute("SELECT coalesce(max(sequence), 0) FROM restore").fetchone()[0]
    return found


def restored(db: Db, now: datetime) -> tuple[int, list[Closed]]:
    """`CloudStore.restored`."""
    at = timestamp(now)
    (last,) = db.execute("SELECT coalesce(max(sequence), 0) FROM manifest").fetchone()
    # The clock, for one copy may be put back twice: what the first time jumped to is not in it.
    floor = max(last, sequence_floor(db)) + SEQUENCE_JUMP
    floor = max(floor, min(int(now.timestamp()), CLOCK_MAX))
    if floor > UINT32_MAX - SEQUENCE_JUMP:
        sentence = f"no sequences of bundles are left behind {last}"
        raise Refused(409, "sequences_used_up", f"{sentence}: make a new cloud and enrol every till again")
    db.execute("INSERT INTO restore VALUES (?, ?)", (at, floor))
    db.execute("UPDATE campaign SET restored_at = ?", (at,))
    # Those that tills were to hand out may have been handed out since.
    db.execute("UPDATE promo SET out = 2 WHERE out = 0")
    sql_verdicts.jump(db, at, SEQUENCE_JUMP)
    return floor, closed(db)


def closed(db: Db) -> list[Closed]:
    """`CloudStore.closed`."""
    rows = db.execute(
        "SELECT issuer, campaign, issued - passed_over, size FROM campaign WHERE restored_at IS NOT NULL"
        " ORDER BY issuer, campaign"
    )
    return [Closed(*row) for row in rows]


def open_issuing(db: Db, issuer: str, campaign: int, issued: int) -> None:
    """`CloudStore.open_issuing`. Numbers that were passed over are behind those that a person counts."""
    named = f"{issuer}/{campaign}"
    row = db.execute(
        "SELECT issued - passed_over, size, restored_at, passed_over FROM campaign WHERE issuer = ? AND campaign = ?",
        (issuer, campaign),
    ).fetchone()
    if row is None:
        raise Refused(404, "unknown_campaign", f"there is no campaign {named}")
    known, size, at, passed = row
    if at is None:
        sentence = f"campaign {named} is open for issuing"
        raise Refused(409, "not_closed", f"{sentence}: after a restore run redeemd cloud restored DIR first")
    if not known <= issued <= size:
        sentence = f"the copy knows of {known} coupons of {named}, and {size} are all there can be"
        raise Refused(422, "bad_count", f"{sentence}: {issued} cannot be what was issued")
    db.execute(
        "UPDATE campaign SET issued = ?, restored_at = NULL WHERE issuer = ? AND campaign = ?",
        (min(issued + passed, size), issuer, campaign),
    )
