"""`cloud.outward.OutwardStore` in SQL: what is one transaction."""

from __future__ import annotations

from cloud import sql_disclosures
from cloud.sql import Threads

_EVENTS = "SELECT sequence, event FROM record WHERE till = ? AND lane = ? AND sequence > ? ORDER BY sequence LIMIT ?"


class SqlOutward:
    """Over the threads of either engine."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def events_of(self, till: str, lane: str, after: int, limit: int) -> list[tuple[int, str]]:
        return await self._threads.read(lambda db: db.execute(_EVENTS, (till, lane, after, limit)).fetchall())

    async def disclosing(self, pseudonym: str, limit: int) -> list[tuple[str, str, int, str]]:
        return await self._threads.read(lambda db: sql_disclosures.disclosing(db, pseudonym, limit))
