"""Purchases of those who are disclosed, in SQL that both engines read. What was erased is in no row of it."""

from __future__ import annotations

from agent.domain.record import REDEMPTION_LANE
from cloud.facts import REDEMPTION
from cloud.people import PeopleCursor, Purchase
from cloud.store.sql import Threads

_PURCHASES = f"""
SELECT d.pseudonym, d.till, d.sequence, d.hash, d.digest, r.received_at, r.event FROM disclosure d
JOIN record r ON (r.till, r.lane, r.sequence, r.hash) = (d.till, d.lane, d.sequence, d.hash)
WHERE d.lane = '{REDEMPTION_LANE}' AND r.kind = '{REDEMPTION}'
    AND (d.pseudonym, d.till, d.sequence, d.hash, d.digest) > (?, ?, ?, ?, ?)
ORDER BY d.pseudonym, d.till, d.sequence, d.hash, d.digest LIMIT ?
"""


class SqlPeople:
    """Over the threads of either engine."""

    _threads: Threads

    async def purchases(self, after: PeopleCursor, limit: int) -> list[Purchase]:
        rows = await self._threads.read(lambda db: db.execute(_PURCHASES, (*after, limit)).fetchall())
        return [Purchase(*row) for row in rows]
