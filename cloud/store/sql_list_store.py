"""`cloud.lists.ListStore` in SQL that both engines read."""

from __future__ import annotations

from typing import Any

from cloud.lists import (
    NEWEST,
    ConflictLine,
    Cursor,
    Earning,
    GapLine,
    ImplausibleLine,
    LedgerLine,
    RefusalLine,
    ReversalLine,
)
from cloud.store import sql_conflicts, sql_gaps, sql_lists, sql_news, sql_returns, sql_verdicts
from cloud.store.sql import Threads


class SqlListStore:
    """Over the threads of either engine."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def ledger(self, till: str | None, after: tuple[str, str, int], limit: int) -> list[LedgerLine]:
        return await self._threads.read(lambda db: sql_lists.ledger(db, till, after, limit))

    async def earning(self, after: tuple[str, str, int], limit: int) -> list[Earning]:
        return await self._threads.read(lambda db: sql_lists.earning(db, after, limit))

    async def conflicts(
        self, limit: int, after: Cursor = NEWEST, till: str | None = None, *, ended: bool = False
    ) -> list[ConflictLine]:
        return await self._threads.read(lambda db: sql_conflicts.lines(db, limit, after, till, ended))

    async def refusals(
        self, limit: int, after: Cursor = NEWEST, till: str | None = None
    ) -> list[RefusalLine]:
        return await self._threads.read(lambda db: sql_lists.refusals(db, limit, after, till))

    async def gaps(self, limit: int, after: Cursor = NEWEST, till: str | None = None) -> list[GapLine]:
        return await self._threads.read(lambda db: sql_gaps.gaps(db, limit, after, till))

    async def implausible(
        self, limit: int, after: Cursor = NEWEST, till: str | None = None
    ) -> list[ImplausibleLine]:
        return await self._threads.read(lambda db: sql_lists.implausible(db, limit, after, till))

    async def reversals(self, limit: int, after: Cursor = NEWEST) -> list[ReversalLine]:
        return await self._threads.read(lambda db: sql_returns.lines(db, limit, after))

    async def verdicts(self, till: str, after: int, limit: int) -> list[dict[str, Any]]:
        return await self._threads.read(lambda db: sql_verdicts.verdicts(db, till, after, limit))

    async def news(self, till: str) -> tuple[int, int]:
        return await self._threads.read(lambda db: sql_news.news(db, till))

    async def news_since(self, at: str) -> tuple[int, dict[str, int]]:
        return await self._threads.read(lambda db: sql_news.news_since(db, at))
