"""What members used and which points they earned and spent here, within one transaction.

A member stands here as a digest under this till's key (`agent.members`): the database alone names nobody.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime

from agent.domain.time import timestamp

_USES = """
SELECT count(*) FILTER (WHERE day = ?5), count(*) FROM (
    SELECT day FROM member_use WHERE issuer = ?1 AND campaign = ?2 AND member = ?3 AND day BETWEEN ?4 AND ?5
    UNION ALL SELECT ?5 FROM held_coupon WHERE issuer = ?1 AND campaign = ?2 AND member = ?3 AND until > ?6
)
"""


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
