"""`cloud.outward.OutwardStore` in SQL: what is one transaction."""

from __future__ import annotations

from collections.abc import Collection

from agent.domain.record import SEQUENCE_MAX
from cloud.erasures import ErasedRecord, Erasure
from cloud.feed import FeedCursor, FeedPage
from cloud.store import sql_disclosures, sql_erasures, sql_feed, sql_retention
from cloud.store.sql import Lock, Threads, till_lock

_EVENTS = "SELECT sequence, event FROM record WHERE till = ? AND lane = ? AND sequence > ? ORDER BY sequence LIMIT ?"
_FEED: Lock = ("feed",)
_RETENTION: Lock = ("retention",)


class SqlOutward:
    """Over the threads of either engine."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def events_of(self, till: str, lane: str, after: int, limit: int) -> list[tuple[int, str]]:
        return await self._threads.read(lambda db: db.execute(_EVENTS, (till, lane, after, limit)).fetchall())

    async def disclosing(self, pseudonym: str, limit: int) -> list[tuple[str, str, int, str]]:
        return await self._threads.read(lambda db: sql_disclosures.disclosing(db, pseudonym, limit))

    async def feed(self, after: FeedCursor, limit: int, types: Collection[str]) -> FeedPage:
        await self._in_order()
        return await self._threads.read(lambda db: sql_feed.page(db, after, limit, types))

    async def feed_behind(self, after: FeedCursor, types: Collection[str], most: int) -> int:
        await self._in_order()
        return await self._threads.read(lambda db: sql_feed.count_behind(db, after, types, most))

    async def feed_end(self) -> FeedCursor:
        await self._in_order()
        return FeedCursor(await self._threads.read(sql_feed.newest), SEQUENCE_MAX)

    async def _in_order(self) -> None:
        """Mostly there is nothing to do: then nothing is written or locked."""
        while await self._threads.read(sql_feed.waits):
            await self._threads.write(sql_feed.give_positions, _FEED)

    async def erase(self, pseudonym: bytes, at: str) -> Erasure:
        done = await self._threads.write(lambda db: sql_erasures.erase(db, pseudonym, at))
        await self._threads.scrub()
        return done

    async def erasures(self, limit: int) -> list[Erasure]:
        return await self._threads.read(lambda db: sql_erasures.newest(db, limit))

    async def erasure(self, number: int) -> Erasure | None:
        return await self._threads.read(lambda db: sql_erasures.one(db, number))

    async def erased_records(self, number: int) -> dict[str, ErasedRecord]:
        return await self._threads.read(lambda db: sql_erasures.records(db, number))

    async def erased_names(self, since: str) -> tuple[int, list[bytes]]:
        return await self._threads.read(lambda db: sql_erasures.names(db, since))

    async def lanes_disclosing(self) -> list[tuple[str, str]]:
        return await self._threads.read(sql_retention.lanes)

    async def forget_pseudonyms(self, till: str, lane: str, before: str) -> int:
        return await self._threads.write(
            lambda db: sql_retention.pseudonyms(db, till, lane, before), till_lock(till)
        )

    async def forget_acts(self, before: str) -> int:
        return await self._threads.write(lambda db: sql_retention.acts(db, before), _RETENTION)

    async def forget_deliveries(self, before: str) -> int:
        return await self._threads.write(lambda db: sql_retention.deliveries(db, before), _RETENTION)
