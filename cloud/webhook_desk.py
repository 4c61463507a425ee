"""What staff does with webhooks, over HTTP and by command: make, show, try, disable, rotate, replay."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent.domain.time import timestamp
from cloud.errors import Refused
from cloud.feed import TEST, TYPES, FeedCursor, FeedEvent, cloud_event, read_cursor
from cloud.ports import CloudStore
from cloud.webhooks import (
    MEANING,
    PAUSE_AFTER,
    ROTATION,
    SECRET_BYTES,
    Answer,
    Aside,
    Webhook,
    check_url,
    secret_text,
)

LATEST = "latest"
BY_STAFF = "by_staff"
COUNTED_MAX = 10_000
"""Events that wait are counted up to so many."""
ASIDES_SHOWN = 100


def read_types(names: Collection[str]) -> frozenset[str]:
    """Types of events, by name. Refused(422) for one that is none."""
    for name in names:
        if name not in TYPES:
            known = ", ".join(sorted(TYPES))
            raise Refused(422, "bad_field", f"there is no type {name[:64]!r}; there are: {known}")
    return frozenset(names)


async def add(
    store: CloudStore,
    url: str,
    types: Collection[str],
    after: str,
    now: datetime,
    knock: Callable[[str], Awaitable[Answer]] | None = None,
) -> dict[str, Any]:
    """Its name and its secret, which is shown here only. FieldError, Refused.

    knock: asks whether anything answers at the address. Where nothing does the webhook is made all the same, since what
    it is sent to may come later; the answer has a warning, and `shown` says so until something was taken.
    """
    cursor = await store.feed_end() if after == LATEST else read_cursor(after)
    if cursor is None:
        raise Refused(422, "bad_field", "after is neither latest nor a cursor of the feed")
    hook = Webhook(
        webhook=f"wh_{secrets.token_hex(8)}",
        url=check_url(url),
        types=read_types(types),
        secret=secrets.token_bytes(SECRET_BYTES),
        old_secret=None,
        old_until="",
        disabled=False,
        reason="",
        made_at=timestamp(now),
        cursor=cursor,
        pending=True,
        failures=0,
        failing_since="",
        next_at=timestamp(now),
        last="",
        last_at="",
    )
    await store.add_webhook(hook)
    made = {"webhook": hook.webhook, "url": hook.url, "secret": secret_text(hook.secret)}
    if knock is None:
        return made
    said = (await knock(hook.url)).said
    warning = None
    if said in MEANING:
        await store.note_attempt(hook.webhook, said, timestamp(now))
        warning = f"nothing can be sent to {hook.url} now: {MEANING[said]}"
    return made | {"answer": said, "warning": warning}


async def shown(store: CloudStore, hook: Webhook) -> dict[str, Any]:
    """How it stands; no secret."""
    counts = await store.webhook_counts(hook.webhook)
    new = await store.feed_behind(hook.cursor, hook.types or TYPES, COUNTED_MAX)
    events = min(counts.waiting + new, COUNTED_MAX)
    next_at = None if hook.disabled or not events else await _next_at(store, hook, new)
    return {
        "webhook": hook.webhook,
        "url": hook.url,
        "types": sorted(hook.types or TYPES),
        "state": _state(hook),
        "problem": _problem(hook, events, next_at),
        "reason": hook.reason,
        "made_at": hook.made_at,
        "after": str(hook.cursor),
        "behind": max((await store.feed_end()).position - hook.cursor.position, 0),
        "events_waiting": events,
        "waiting": counts.waiting,
        "dead": counts.dead,
        "failures": hook.failures,
        "failing_since": hook.failing_since or None,
        "next_at": next_at,
        "last": hook.last or None,
        "last_at": hook.last_at or None,
    }


def _state(hook: Webhook) -> str:
    if hook.disabled:
        return "disabled"
    if hook.failures:
        return "failing"
    return "unreached" if hook.last in MEANING else "active"


async def _next_at(store: CloudStore, hook: Webhook, new: int) -> str:
    """When something is sent next, while something waits; a moment that is past: at once."""
    if new or hook.failures >= PAUSE_AFTER:
        return hook.next_at
    asides = await store.asides(hook.webhook, dead=False, due=None, limit=1)
    return max([hook.next_at, *(one.next_at for one in asides)])


def _problem(hook: Webhook, events: int, next_at: str | None) -> str | None:
    """For people: what is wrong with it since when, and what follows; None where nothing is."""
    state = _state(hook)
    if state == "active" or (state == "disabled" and hook.reason == BY_STAFF):
        return None
    what = MEANING.get(hook.last, f"it answers {hook.last}")
    since = f" since {hook.failing_since}" if hook.failing_since else ""
    many = f"{events} or more" if events == COUNTED_MAX else str(events)
    if state == "disabled":
        why = "its endpoint wants no more (410)" if hook.reason == "gone" else f"{what}{since}"
        return f"disabled: {why}; {many} events wait; when it is mended: enable"
    follows = f"next attempt {next_at}" if next_at else "no event waits for it"
    return f"{what}{since}, last asked {hook.last_at}; {many} events wait, {follows}"


async def asides(store: CloudStore, name: str) -> list[dict[str, Any]]:
    """What was not taken: the dead first, then those that wait."""
    dead = await store.asides(name, dead=True, due=None, limit=ASIDES_SHOWN)
    return [
        _aside(one) for one in (*dead, *await store.asides(name, dead=False, due=None, limit=ASIDES_SHOWN))
    ]


def _aside(one: Aside) -> dict[str, Any]:
    return {
        "webhook_id": one.event_id,
        "type": one.type,
        "cursor": str(one.cursor),
        "attempts": one.attempts,
        "first_at": one.first_at,
        "next_at": None if one.dead else one.next_at,
        "dead": one.dead,
        "last": one.last,
    }


async def found(store: CloudStore, name: str) -> Webhook:
    """Refused(404)."""
    hook = await store.webhook(name)
    if hook is None:
        raise Refused(404, "unknown_webhook", f"there is no webhook {name[:64]}")
    return hook


async def set_disabled(store: CloudStore, name: str, disabled: bool, now: datetime) -> Webhook:
    """Enabled again, it goes on where it stopped: nothing was lost meanwhile."""
    hook = await found(store, name)
    reason = BY_STAFF if disabled else ""
    at = timestamp(now)
    hook = replace(hook, disabled=disabled, reason=reason, failures=0, failing_since="", next_at=at)
    return await _put(store, hook)


async def rotate(store: CloudStore, name: str, now: datetime) -> dict[str, Any]:
    """A new secret, shown here only; deliveries are signed by the old one too, for ROTATION."""
    hook = await found(store, name)
    until = timestamp(now + ROTATION)
    hook = replace(hook, secret=secrets.token_bytes(SECRET_BYTES), old_secret=hook.secret, old_until=until)
    await _put(store, hook)
    return {"webhook": name, "secret": secret_text(hook.secret), "old_until": until}


async def _put(store: CloudStore, hook: Webhook) -> Webhook:
    if not await store.put_webhook(hook):
        raise Refused(404, "unknown_webhook", f"there is no webhook {hook.webhook}")
    return hook


async def remove(store: CloudStore, name: str) -> None:
    if not await store.remove_webhook(name):
        raise Refused(404, "unknown_webhook", f"there is no webhook {name[:64]}")


async def replay(store: CloudStore, name: str, now: datetime) -> int:
    """Dead deliveries are sent again from now on; how many."""
    await found(store, name)
    return await store.replay(name, timestamp(now))


def test_event(hook: Webhook, now: datetime) -> FeedEvent:
    """What a subscription is tried with."""
    at = timestamp(now)
    text = cloud_event(TEST, f"test-{secrets.token_hex(8)}", hook.webhook, at, {"webhook": hook.webhook})
    return FeedEvent(FeedCursor(), json.loads(text))
