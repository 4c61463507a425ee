"""What members used and which points they earned and spent here, within one transaction.

A member stands here as a digest under this till's key (`agent.members`): the database alone names nobody.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime

from agent.domain.time import timestamp
from agent.member_port import PointsHere

_USES = """
SELECT count(*) FILTER (WHERE day = ?5), count(*) FROM (
    SELECT day FROM member_use WHERE issuer = ?1 AND campaign = ?2 AND member = ?3 AND day BETWEEN ?4 AND ?5
    UNION ALL SELECT ?5 FROM held_coupon WHERE issuer = ?1 AND campaign = ?2 AND member = ?3 AND until > ?6
)
"""
_POINTS = """
SELECT coalesce(sum(earned - spent), 0), coalesce(sum(spent), 0), count(*) FILTER (WHERE spent > 0)
FROM member_points WHERE member = ?1 AND number > ?2
"""
# Points of a day count though the list holds them already.
_POINTS_DAY = """
SELECT coalesce(sum(spent), 0), count(*) FILTER (WHERE spent > 0) FROM member_points WHERE member = ?1 AND day = ?2
"""
_VISITS = """
SELECT (SELECT count(*) FROM member_use WHERE member = ?1 AND number > ?2)
    + (SELECT count(*) FROM held_coupon WHERE member = ?1 AND until > ?3)
"""
_HELD = "SELECT coalesce(sum(points), 0) FROM held_coupon WHERE member = ? AND until > ?"


class SqlMembers:
    """`agent.ports.MemberLedger` on an open SQLite transaction."""

    _execute: Callable[..., sqlite3.Cursor]

    def member_uses(
        self, campaign: tuple[str, int], member: bytes, since: int, day: int, at: datetime
    ) -> tuple[int, int]:
        row = (*campaign, member, since, day, timestamp(at))
        today, month = self._execute(_USES, row).fetchone()
        return today, month

    def count_member(self, campaign: tuple[str, int], member: bytes, day: int, number: int) -> None:
        self._execute("INSERT INTO member_use VALUES (?, ?, ?, ?, ?)", (*campaign, member, day, number))

    def uncount_member(self, campaign: tuple[str, int], number: int) -> None:
        row = (*campaign, number)
        self._execute("DELETE FROM member_use WHERE issuer = ? AND campaign = ? AND number = ?", row)

    def member_visits(self, member: bytes, through: int, at: datetime) -> int:
        return int(self._execute(_VISITS, (member, through, timestamp(at))).fetchone()[0])

    def points_here(self, member: bytes, through: int, day: int, at: datetime) -> PointsHere:
        change, spent, times = self._execute(_POINTS, (member, through)).fetchone()
        spent_day, times_day = self._execute(_POINTS_DAY, (member, day)).fetchone()
        (held,) = self._execute(_HELD, (member, timestamp(at))).fetchone()
        return PointsHere(change, spent, times, spent_day, times_day, held)

    def earned_before(self, member: bytes, sale_id: str, day: int) -> bool:
        asked = (
            "SELECT 1 FROM member_points WHERE member = ? AND sale_id = ? AND day = ? AND earned > 0 LIMIT 1"
        )
        return self._execute(asked, (member, sale_id, day)).fetchone() is not None

    def add_points(self, number: int, member: bytes, day: int, sale_id: str, earned: int, spent: int) -> None:
        row = (number, member, day, sale_id, earned, spent)
        self._execute("INSERT INTO member_points VALUES (?, ?, ?, ?, ?, ?)", row)

    def points_of(self, number: int) -> tuple[bytes, str, int, int] | None:
        asked = "SELECT member, sale_id, earned, spent FROM member_points WHERE number = ?"
        found: tuple[bytes, str, int, int] | None = self._execute(asked, (number,)).fetchone()
        return found
