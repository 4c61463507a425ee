"""Webhooks: who is told of what, how a delivery is signed, and what becomes of one that was not taken. Pure.

A delivery is one event of the feed, posted and signed as Standard Webhooks 1.0 says (standardwebhooks.com): HMAC-SHA256
over `webhook-id.webhook-timestamp.body`. Events are first sent in the order of the feed, one after the other; one that
is not taken is put aside with a schedule of its own, so it comes later and holds up nothing. Where an endpoint takes
nothing at all, the subscription waits as a whole: what it has not been sent stays in the feed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from agent.domain.fields import FieldError
from cloud.addresses import literal
from cloud.feed import FeedCursor, FeedEvent
from sync.backoff import Backoff

USER_AGENT = "redeemd-cloud"
WEBHOOKS_MAX = 100
SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
ROTATION = timedelta(hours=24)
"""For so long deliveries carry a signature by the secret before, too."""
URL_CHARS_MAX = 500
RETRY = Backoff(10.0, 6 * 3600.0)
"""Of one delivery that was not taken."""
PAUSE = Backoff(5.0, 3600.0)
"""Of a whole subscription, while its endpoint takes nothing."""
PAUSE_AFTER = 3
"""Failures in a row of the endpoint, after which nothing new is sent before something was taken again."""
ASIDE_MAX = 100
"""Deliveries put aside that wait: with so many nothing new is sent either."""
GIVE_UP = timedelta(days=3)
"""A delivery that was not taken for so long is dead: kept, shown, and sent again only on request."""
DISABLE = timedelta(days=5)
"""A subscription of which nothing was taken for so long is disabled."""
LEASE = timedelta(seconds=60)
"""A receiver that does not renew its lease for so long has died."""


class Verdict(StrEnum):
    """What an endpoint's answer means. TAKEN: 2xx. GONE: 410, it wants no more. REJECTED: this event, 4xx. FAILED: it
    answers not at all, or not now (5xx, 408, 425, 429), or with a redirect, which is never followed.
    """

    TAKEN = "taken"
    GONE = "gone"
    REJECTED = "rejected"
    FAILED = "failed"


class Answer(NamedTuple):
    """said: the status, or why there is none. wait_s: what Retry-After asks for."""

    verdict: Verdict
    said: str
    wait_s: float = 0.0


def verdict_of(status: int) -> Verdict:
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status == 410:
        return Verdict.GONE
    return Verdict.REJECTED if 400 <= status < 500 and status not in (408, 425, 429) else Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Webhook:
    """A subscription. types: of events, empty for all. cursor: behind the last event that was sent or put aside.

    pending: there may be more behind the cursor, whatever the feed's end is. failures: in a row, of the endpoint.
    reason: why it is disabled. last: what the endpoint answered last, and when.
    """

    webhook: str
    url: str
    types: frozenset[str]
    secret: bytes
    old_secret: bytes | None
    old_until: str
    disabled: bool
    reason: str
    made_at: str
    cursor: FeedCursor
    pending: bool
    failures: int
    failing_since: str
    next_at: str
    last: str
    last_at: str


class Aside(NamedTuple):
    """A delivery that was not taken. dead: it is sent again only on request."""

    cursor: FeedCursor
    event_id: str
    type: str
    attempts: int
    first_at: str
    next_at: str
    dead: bool
    last: str


MEANING = {
    "timeout": "it did not answer in time",
    "no_such_host": "its name leads to no address",
    "no_connection": "nothing answers at its address and port",
    "connection_lost": "the connection was lost before an answer",
    "tls": "its certificate is not accepted: expired, of another name, or of an unknown authority",
    "address_not_allowed": "deliveries may not go to its address; a network of your own: --webhook-net",
    "no_http": "what answers there does not speak HTTP",
}
"""What `Answer.said` means where it is no status."""


class Counts(NamedTuple):
    """Of one subscription: deliveries put aside that wait, and dead ones."""

    waiting: int
    dead: int


class WebhookStore(Protocol):
    """The part of `cloud.ports.CloudStore` that keeps webhooks. `lease`: what a turn holds; every change of a turn is
    refused (False) once another holds it."""

    async def add_webhook(self, new: Webhook) -> None:
        """Refused(409) beyond WEBHOOKS_MAX."""

    async def webhooks(self) -> list[Webhook]: ...

    async def webhook(self, name: str) -> Webhook | None: ...

    async def put_webhook(self, changed: Webhook) -> bool:
        """Its secrets, whether it is disabled and why, and when it is next due; False if there is none."""

    async def note_attempt(self, name: str, said: str, at: str) -> None:
        """What was answered there outside of a turn, where nothing was sent yet."""

    async def remove_webhook(self, name: str) -> bool: ...

    async def webhook_counts(self, name: str) -> Counts: ...

    async def asides(self, name: str, *, dead: bool, due: str | None, limit: int) -> list[Aside]:
        """Put aside, the oldest first; due: only those whose time has come."""

    async def replay(self, name: str, at: str) -> int:
        """Dead deliveries wait again, from now on; how many."""

    async def due_webhooks(self, at: str) -> list[str]:
        """Those with something to send that no receiver holds."""

    async def lease_webhook(self, name: str, lease: str, at: str, until: str) -> Webhook | None:
        """None if it is held, disabled or gone."""

    async def save_turn(self, after: Webhook, lease: str, until: str) -> bool:
        """Where the turn has come to: cursor, pending, failures, next_at, last. until: "" gives the lease back."""

    async def put_aside(self, name: str, lease: str, one: Aside) -> bool: ...

    async def taken(self, name: str, lease: str, cursor: FeedCursor) -> bool:
        """What was put aside is delivered."""

    async def event_at(self, cursor: FeedCursor) -> FeedEvent | None: ...


def secret_text(secret: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def message_id(event: FeedEvent) -> str:
    """Names an event for ever, whoever is told of it: what a receiver is idempotent by."""
    named = f"{event.event['source']}\0{event.event['id']}".encode()
    return f"evt_{hashlib.sha256(named).hexdigest()[:32]}"


def signature(secret: bytes, name: str, timestamp: int, body: bytes) -> str:
    signed = f"{name}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"


def headers(hook: Webhook, name: str, now: datetime, at: str, body: bytes) -> dict[str, str]:
    """What a delivery is sent with. at: now, as text."""
    secrets = [hook.secret]
    if hook.old_secret is not None and at < hook.old_until:
        secrets.append(hook.old_secret)
    stamp = int(now.timestamp())
    return {
        "Content-Type": "application/cloudevents+json",
        "User-Agent": USER_AGENT,
        "webhook-id": name,
        "webhook-timestamp": str(stamp),
        "webhook-signature": " ".join(signature(secret, name, stamp, body) for secret in secrets),
    }


def check_url(url: str) -> str:
    """FieldError for what is no address of a webhook."""

    def wrong(why: str) -> FieldError:
        return FieldError(f"webhook.url {why}", "webhook", "url", why)

    if not url.isascii() or not url.isprintable() or len(url) > URL_CHARS_MAX:
        raise wrong(f"is not up to {URL_CHARS_MAX} printable ASCII characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong("cannot be read as an address") from None
    if not host or " " in url:
        raise wrong("names no host")
    if parts.username is not None or parts.password is not None:
        raise wrong("holds a user name or password: the signature says who sends")
    if parts.fragment:
        raise wrong("has a fragment, which is not sent")
    if parts.scheme == "http" and not _is_loopback(host):
        raise wrong("is not https: plain http is for this machine alone")
    if parts.scheme not in ("http", "https"):
        raise wrong("is neither https nor, to this machine, http")
    return url


def _is_loopback(host: str) -> bool:
    address = literal(host)
    return host == "localhost" if address is None else address.is_loopback
