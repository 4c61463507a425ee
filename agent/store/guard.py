"""Badges that let coupons through, and in which sales a member used a campaign; within one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime

from agent.domain.time import timestamp

_SALES = """
SELECT count(*) FROM (
    SELECT sale_id FROM member_sale WHERE issuer = ?1 AND campaign = ?2 AND member = ?3 AND at > ?5
    UNION SELECT hold.sale_id FROM held_coupon JOIN hold USING (hold_id)
        WHERE issuer = ?1 AND campaign = ?2 AND member = ?3 AND until > ?6
) WHERE sale_id <> ?4
"""


class SqlGuard:
    """`agent.ports.GuardLedger` on an open SQLite transaction."""

    _execute: Callable[..., sqlite3.Cursor]

    def badge_uses(self, badge: str, day: int) -> int:
        row = self._execute(
            "SELECT count FROM badge_use WHERE badge = ? AND day = ?", (badge, day)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def use_badge(self, badge: str, day: int) -> None:
        self._execute(
            "INSERT INTO badge_use VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1", (badge, day)
        )

    def member_sales(
        self, campaign: tuple[str, int], member: bytes, sale_id: str, since: datetime, at: datetime
    ) -> int:
        row = (*campaign, member, sale_id, timestamp(since), timestamp(at))
        return int(self._execute(_SALES, row).fetchone()[0])

    def note_member_sale(self, campaign: tuple[str, int], member: bytes, sale_id: str, at: datetime) -> None:
        self._execute(
            "INSERT INTO member_sale VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at",
            (*campaign, member, sale_id, timestamp(at)),
        )
