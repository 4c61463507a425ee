"""`cloud.webhooks.WebhookStore` in SQL: what is one transaction, and what it locks."""

from __future__ import annotations

from agent.domain.record import SEQUENCE_MAX
from cloud.feed import TYPES, FeedCursor, FeedEvent
from cloud.store import sql_feed, sql_webhooks
from cloud.store.sql import Lock
from cloud.store.sql_outward import SqlOutward
from cloud.webhooks import Aside, Counts, Webhook


def _lock(name: str) -> Lock:
    return ("webhook", name)


class SqlWebhooks(SqlOutward):
    """Over the threads of either engine."""

    async def add_webhook(self, new: Webhook) -> None:
        await self._threads.write(lambda db: sql_webhooks.add(db, new))

    async def webhooks(self) -> list[Webhook]:
        return await self._threads.read(sql_webhooks.every)

    async def webhook(self, name: str) -> Webhook | None:
        return await self._threads.read(lambda db: sql_webhooks.one(db, name))

    async def put_webhook(self, changed: Webhook) -> bool:
        return await self._threads.write(lambda db: sql_webhooks.put(db, changed), _lock(changed.webhook))

    async def note_attempt(self, name: str, said: str, at: str) -> None:
        await self._threads.write(lambda db: sql_webhooks.note_attempt(db, name, said, at), _lock(name))

    async def remove_webhook(self, name: str) -> bool:
        return await self._threads.write(lambda db: sql_webhooks.remove(db, name), _lock(name))

    async def webhook_counts(self, name: str) -> Counts:
        return await self._threads.read(lambda db: sql_webhooks.counts(db, name))

    async def asides(self, name: str, *, dead: bool, due: str | None, limit: int) -> list[Aside]:
        return await self._threads.read(lambda db: sql_webhooks.asides(db, name, dead, due, limit))

    async def replay(self, name: str, at: str) -> int:
        return await self._threads.write(lambda db: sql_webhooks.replay(db, name, at), _lock(name))

    async def due_webhooks(self, at: str) -> list[str]:
        if not await self._threads.read(sql_webhooks.every):
            return []
        newest = (await self.feed_end()).position
        return await self._threads.read(lambda db: sql_webhooks.due(db, at, newest))

    async def lease_webhook(self, name: str, lease: str, at: str, until: str) -> Webhook | None:
        return await self._threads.write(
            lambda db: sql_webhooks.lease(db, name, lease, at, until), _lock(name)
        )

    async def save_turn(self, after: Webhook, lease: str, until: str) -> bool:
        return await self._threads.write(
            lambda db: sql_webhooks.save(db, after, lease, until), _lock(after.webhook)
        )

    async def put_aside(self, name: str, lease: str, one: Aside) -> bool:
        return await self._threads.write(lambda db: sql_webhooks.put_aside(db, name, lease, one), _lock(name))

    async def taken(self, name: str, lease: str, cursor: FeedCursor) -> bool:
        return await self._threads.write(lambda db: sql_webhooks.taken(db, name, lease, cursor), _lock(name))

    async def event_at(self, cursor: FeedCursor) -> FeedEvent | None:
        position, sequence = cursor
        before = FeedCursor(position, sequence - 1) if sequence else FeedCursor(position - 1, SEQUENCE_MAX)
        page = await self._threads.read(lambda db: sql_feed.page(db, before, 1, TYPES))
        return next((event for event in page.events if event.cursor == cursor), None)
