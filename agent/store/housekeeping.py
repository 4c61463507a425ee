"""Housekeeping: forget what may be forgotten, a little at a time. Waiting and quarantined records never are."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from agent.domain.campaign import SPLIT_MINUTES_MAX
from agent.domain.record import EVIDENCE_LANE, REDEMPTION_LANE
from agent.domain.time import month_start, timestamp
from agent.store.database import Database
from agent.store.inspect import TABLES

ROWS_A_STEP = 500
"""Rows deleted in one transaction: a scan never waits longer than for these."""
REQUEST_KEEP = timedelta(days=7)
PROMO_KEEP_DAYS = 60
"""After its last day: whatever became of its receipt was told by then."""
SPLIT_KEEP = timedelta(minutes=SPLIT_MINUTES_MAX)
POINTS_KEEP_DAYS = 90
"""A list that old is of an expired bundle."""
PRINT_KEEP = timedelta(days=30)
PSEUDONYM_KEEP = timedelta(days=30)
CONFLICT_KEEP = timedelta(days=90)
"""As long as the cloud tells of one."""
TIGHT_KEEP = timedelta(days=1)
TIGHT_EVIDENCE_ROWS = 1000


class Retention(NamedTuple):
    """From the configuration, and for how long answers and printed receipts are kept."""

    redemption_keep_days: int
    evidence_max_rows: int
    request_keep: timedelta = REQUEST_KEEP
    print_keep: timedelta = PRINT_KEEP
    pseudonym_keep: timedelta = PSEUDONYM_KEEP

    def tight(self) -> Retention:
        """What is kept while the disk is short of room. Redemptions and what waits are kept as ever."""
        rows = min(self.evidence_max_rows, TIGHT_EVIDENCE_ROWS)
        return self._replace(evidence_max_rows=rows, request_keep=TIGHT_KEEP, print_keep=TIGHT_KEEP)


async def tidy(database: Database, now: datetime, day: int, retention: Retention) -> Mapping[str, int]:
    """Delete what is past its time at effective `now` (store day `day`); returns rows deleted by table."""
    deleted: dict[str, int] = {}
    for table, condition, parameters in _rules(now, day, retention):
        step = partial(_step, table, condition, parameters)
        while True:
            count = await database.run(step)
            deleted[table] = deleted.get(table, 0) + count
            if count < ROWS_A_STEP:
                break
    await database.run(partial(_forget_holds, timestamp(now - retention.pseudonym_keep)))
    return deleted


def _forget_holds(before: str, db: sqlite3.Connection) -> int:
    """What was held of a sale that is over names its member; the answer, by which it may be returned, does not."""
    return db.execute(
        "UPDATE hold SET held = '{}' WHERE hold_id IN (SELECT hold_id FROM hold"
        f" WHERE state <> 'open' AND expires_at < ? AND held <> '{{}}' LIMIT {ROWS_A_STEP})",
        (before,),
    ).rowcount


# Only the oldest rows are looked at: a lane's sequence rises with time. Its last row stays: the chain goes on from it.
_OLDEST = (
    "sequence IN (SELECT sequence FROM {table} WHERE state = 'acknowledged'"
    f" ORDER BY sequence LIMIT {ROWS_A_STEP})"
    " AND sequence <= (SELECT max(sequence) - ? FROM {table})"
)


_OLD_DISCLOSURES = (
    "lane = '{lane}' AND sequence IN"
    f" (SELECT sequence FROM disclosure WHERE lane = '{{lane}}' ORDER BY sequence LIMIT {ROWS_A_STEP})"
    " AND NOT EXISTS (SELECT 1 FROM {table} r WHERE r.sequence = disclosure.sequence"
    " AND (r.state IN ('waiting', 'quarantined') OR json_extract(r.event, '$.time') >= ?))"
)
"""Of records that are delivered and old, or gone."""
_UNSETTLED = "state IN ('waiting', 'quarantined')"


def _rules(now: datetime, day: int, retention: Retention) -> list[tuple[str, str, tuple[object, ...]]]:
    """(table, condition on its primary key's rows, parameters)"""
    redemptions, evidence = TABLES[REDEMPTION_LANE], TABLES[EVIDENCE_LANE]
    keep = timestamp(now - timedelta(days=retention.redemption_keep_days))
    whose = timestamp(now - retention.pseudonym_keep)
    return [
        ("coupon_use", "forget_after < ?", (day,)),
        ("member_use", "day < ?", (month_start(day),)),
        # What the cloud has not taken is in no list's points yet.
        (
            "member_points",
            f"day < ? AND NOT EXISTS (SELECT 1 FROM {redemptions} WHERE sequence = number AND {_UNSETTLED})",
            (day - POINTS_KEEP_DAYS,),
        ),
        ("budget", "day >= 0 AND day < ?", (day - 1,)),
        # Its token is of no use to anybody any more.
        ("promo", "redemption_id IS NOT NULL AND signed = 0 AND expires < ?", (day - PROMO_KEEP_DAYS,)),
        ("request", "at < ?", (timestamp(now - retention.request_keep),)),
        # An unconfirmed one too: after so long nobody looks for it. One that waits was promised to somebody.
        (
            "print_job",
            "state <> 'queued' AND state <> 'sending' AND updated_at < ?",
            (timestamp(now - retention.print_keep),),
        ),
        ("print_document", "number NOT IN (SELECT number FROM print_job)", ()),
        # One that is open is promised, whatever this time says.
        ("hold", "state <> 'open' AND expires_at < ?", (keep,)),
        ("badge_use", "day < ?", (day - 1,)),
        ("member_sale", "at < ?", (timestamp(now - SPLIT_KEEP),)),
        ("conflict", "taken_at < ?", (timestamp(now - CONFLICT_KEEP),)),
        ("returned", f"number NOT IN (SELECT sequence FROM {redemptions})", ()),
        (
            redemptions,
            f"{_OLDEST.format(table=redemptions)} AND json_extract(event, '$.time') < ?",
            (1, keep),
        ),
        (evidence, _OLDEST.format(table=evidence), (retention.evidence_max_rows,)),
        *(
            ("disclosure", _OLD_DISCLOSURES.format(lane=lane, table=table), (whose,))
            for lane, table in TABLES.items()
        ),
    ]


_KEYS = {
    "coupon_use": "issuer, campaign, idx",
    "budget": "issuer, campaign, day",
    "member_points": "number",
    "member_use": "issuer, campaign, member, day, number",
    "request": "request_id",
    "print_job": "number",
    "print_document": "number",
    "promo": "short",
    "hold": "hold_id",
    "badge_use": "badge, day",
    "member_sale": "issuer, campaign, member, sale_id",
    "returned": "number, line",
    "conflict": "id",
    "disclosure": "lane, sequence, digest",
    **dict.fromkeys(TABLES.values(), "sequence"),
}


def _step(table: str, condition: str, parameters: tuple[object, ...], db: sqlite3.Connection) -> int:
    key = _KEYS[table]
    return db.execute(
        f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {condition} LIMIT {ROWS_A_STEP})",
        parameters,
    ).rowcount
