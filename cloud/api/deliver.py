"""Sending events to webhooks: beside ingest, each subscription for itself, each by one receiver at a time.

A receiver leases a subscription for a turn. Where a turn has come to is saved as it goes, and only while the lease is
its own, so a receiver that dies or hangs is followed by another from the last saved place: an event may be sent twice,
under the same webhook-id, and none is passed over.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aiohttp import web

from agent.domain.time import timestamp
from cloud.api.http import CLOUD
from cloud.errors import CloudError
from cloud.feed import TYPES, FeedEvent
from cloud.outbound import Outbound
from cloud.ports import CloudStore
from cloud.webhooks import (
    ASIDE_MAX,
    DISABLE,
    GIVE_UP,
    LEASE,
    PAUSE,
    PAUSE_AFTER,
    RETRY,
    Answer,
    Aside,
    Verdict,
    Webhook,
    headers,
    message_id,
)

log = logging.getLogger("redeemd.cloud")

LOOK_EVERY_S = 1.0
TURN_S = 20.0
"""A turn ends after so long at the latest, and one delivery: below LEASE."""
AT_ONCE = 32
"""Subscriptions that one receiver serves at once."""
PAGE = 50
SAVE_EVERY = 10
"""Deliveries after which a turn's place is saved: what a dead receiver's successor sends again at most."""
RETRIES_A_TURN = 20


class LeaseLost(Exception):
    """Another receiver serves this subscription now, or staff disabled it."""


@dataclass(slots=True)
class Deliveries:
    """What a receiver sends. turns: those that run, by subscription."""

    store: CloudStore
    outbound: Outbound
    now: Callable[[], datetime]
    jitter: Callable[[], float] = random.random
    turns: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def look(self) -> None:
        """Begin a turn for each subscription that has something to send and is served by nobody."""
        self.turns = {name: task for name, task in self.turns.items() if not task.done()}
        for name in await self.store.due_webhooks(timestamp(self.now())):
            if name not in self.turns and len(self.turns) < AT_ONCE:
                self.turns[name] = asyncio.create_task(self.serve(name), name=f"webhook {name}")

    async def serve(self, name: str) -> None:
        """One turn, if nobody else has it."""
        lease = secrets.token_hex(16)
        try:
            hook = await self.store.lease_webhook(name, lease, self._at(), self._at(LEASE))
            if hook is not None:
                await _Turn(self, hook, lease).run()
        except LeaseLost:
            log.info("webhook %s: another receiver goes on, or it was disabled", name)
        except CloudError as error:
            log.error("webhook %s: %s", name, error)
        except Exception:  # a bug in one turn ends none of the others
            log.exception("webhook %s failed", name)

    async def send(self, hook: Webhook, event: FeedEvent) -> Answer:
        """One delivery."""
        body = json.dumps(event.event, ensure_ascii=False, separators=(",", ":")).encode()
        now = self.now()
        return await self.outbound.post(
            hook.url, headers(hook, message_id(event), now, timestamp(now), body), body
        )

    async def close(self) -> None:
        tasks = list(self.turns.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _at(self, later: timedelta = timedelta()) -> str:
        return timestamp(self.now() + later)


class _Turn:
    """hook: as it stands now, saved from time to time."""

    def __init__(self, owner: Deliveries, hook: Webhook, lease: str) -> None:
        self._owner = owner
        self._hook = hook
        self._lease = lease
        self._unsaved = 0
        self._ends = time.monotonic() + TURN_S

    async def run(self) -> None:
        """Retries that are due, then what is new; gives the lease back at the end."""
        try:
            done = await self._retry() and await self._send_new()
        except asyncio.CancelledError:
            await asyncio.shield(self._save(until=""))  # the next receiver need not wait for the lease's end
            raise
        self._hook = replace(self._hook, pending=not done)
        await self._save(until="")

    async def _retry(self) -> bool:
        """False where the turn is over. While the endpoint takes nothing one of them is the probe, due or not."""
        store, name = self._owner.store, self._hook.webhook
        probing = self._hook.failures >= PAUSE_AFTER
        due, limit = (None, 1) if probing else (self._owner._at(), RETRIES_A_TURN)
        for aside in await store.asides(name, dead=False, due=due, limit=limit):
            event = await store.event_at(aside.cursor)
            if event is None:  # nothing is left to be told
                await self._held(store.taken(name, self._lease, aside.cursor))
                continue
            answer = await self._attempt(event)
            if answer.verdict is Verdict.TAKEN:
                await self._held(store.taken(name, self._lease, aside.cursor))
            elif answer.verdict is Verdict.GONE:
                return False
            else:
                await self._aside(event, aside, answer)
            if self._paused(answer) or self._over():
                return False
        return True

    async def _send_new(self) -> bool:
        """False where the turn ended before the feed did."""
        store = self._owner.store
        while True:
            behind = self._hook.cursor
            page = await store.feed(behind, PAGE, self._hook.types or TYPES)
            room = ASIDE_MAX - (await store.webhook_counts(self._hook.webhook)).waiting
            for event in page.events:
                if room <= 0:
                    self._wait(PAUSE.delay_s(PAUSE_AFTER, self._owner.jitter))
                    return False
                answer = await self._attempt(event)
                if answer.verdict is Verdict.GONE:
                    return False
                if answer.verdict is not Verdict.TAKEN:
                    await self._aside(event, None, answer)
                    room -= 1
                await self._moved(replace(self._hook, cursor=event.cursor))
                if self._paused(answer) or self._over():
                    return False
            if page.after == behind:
                return True
            await self._moved(replace(self._hook, cursor=page.after))

    async def _attempt(self, event: FeedEvent) -> Answer:
        """Send, and note what that says of the endpoint."""
        answer = await self._owner.send(self._hook, event)
        at, hook = self._owner._at(), self._hook
        hook = replace(hook, last=answer.said, last_at=at)
        if answer.verdict is Verdict.FAILED:
            hook = replace(hook, failures=hook.failures + 1, failing_since=hook.failing_since or at)
            if self._owner.now() - datetime.fromisoformat(hook.failing_since) >= DISABLE:
                hook = replace(hook, disabled=True, reason="failing")
        else:
            hook = replace(hook, failures=0, failing_since="")
        if answer.verdict is Verdict.GONE:
            hook = replace(hook, disabled=True, reason="gone")
        self._hook = hook
        return answer

    async def _aside(self, event: FeedEvent, before: Aside | None, answer: Answer) -> None:
        """Put it aside, or put its next time off."""
        now = self._owner.now()
        first_at = timestamp(now) if before is None else before.first_at
        attempts = 1 if before is None else before.attempts + 1
        wait_s = max(RETRY.delay_s(attempts, self._owner.jitter), answer.wait_s)
        dead = now - datetime.fromisoformat(first_at) >= GIVE_UP
        next_at = timestamp(now + timedelta(seconds=wait_s))
        one = Aside(
            event.cursor, message_id(event), event.type, attempts, first_at, next_at, dead, answer.said
        )
        await self._held(self._owner.store.put_aside(self._hook.webhook, self._lease, one))

    def _paused(self, answer: Answer) -> bool:
        """Whether the endpoint takes nothing, or asks to be left alone: then the subscription waits as a whole."""
        if answer.verdict is not Verdict.FAILED:
            return False
        if self._hook.failures < PAUSE_AFTER and not answer.wait_s and not self._hook.disabled:
            return False
        self._wait(max(PAUSE.delay_s(self._hook.failures, self._owner.jitter), answer.wait_s))
        return True

    def _wait(self, seconds: float) -> None:
        self._hook = replace(self._hook, next_at=self._owner._at(timedelta(seconds=seconds)))

    def _over(self) -> bool:
        return time.monotonic() >= self._ends

    async def _moved(self, hook: Webhook) -> None:
        self._hook = hook
        self._unsaved += 1
        if self._unsaved >= SAVE_EVERY:
            await self._save(self._owner._at(LEASE))

    async def _save(self, until: str) -> None:
        self._unsaved = 0
        await self._held(self._owner.store.save_turn(self._hook, self._lease, until))

    async def _held(self, change: Awaitable[bool]) -> None:
        if not await change:
            raise LeaseLost


async def deliveries(app: web.Application) -> AsyncIterator[None]:
    """Send while the application runs."""
    cloud = app[CLOUD]
    async with Outbound(cloud.webhook_networks) as outbound:
        sending = Deliveries(cloud.store, outbound, cloud.now)
        app[SENDING] = sending
        looking = asyncio.create_task(_look(sending), name="webhooks")
        yield
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await sending.close()


async def _look(sending: Deliveries) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S * (0.75 + 0.5 * random.random()))
        try:
            await sending.look()
        except CloudError as error:
            log.error("webhooks: %s", error)
        except Exception:  # ends nothing else
            log.exception("webhooks failed")


SENDING = web.AppKey("sending", Deliveries)
