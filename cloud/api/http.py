"""What the HTTP handlers share: reading bodies, who asks, and how an answer looks.

Every answer of 400 and above is a problem (RFC 9457) in the words of `sync.wire`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from agent.domain.cose import Algorithm
from agent.domain.keys import load_public_key, signature_ok
from agent.domain.statement import Revocation, sign_revocation
from cloud.access import Attempts
from cloud.addresses import Network
from cloud.errors import Refused, TillRevoked
from cloud.keyring import Keyring
from cloud.news import News
from cloud.ports import CloudStore
from cloud.publish import Publisher
from cloud.retention import Keep
from cloud.roots import Roots
from cloud.seen import Gathered
from cloud.tills import OUT_OF_USE, KeyStanding, Till, TillKey, TillState
from sync import strict_json, till_health, wire
from sync.wire import Limits, Problem, SignatureError

JSON_BYTES_MAX = 1024 * 1024
"""Longest body of an admin request."""
ENROL_BYTES_MAX = 4096
BUSY_AFTER = 64
"""Requests that may use the database at once; the next are told to come back."""
RETRY_AFTER_S = 2
READ_TIMEOUT_S = 60.0
"""Longest time a request body may take: a slow sender holds a connection, nothing else."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Cloud:
    """What the handlers share."""

    store: CloudStore
    keyring: Keyring
    publisher: Publisher
    roots: Roots
    now: Callable[[], datetime] = utc_now
    limits: Limits = wire.DEFAULT_LIMITS
    attempts: Attempts = field(default_factory=lambda: Attempts(10, 6.0, time.monotonic))
    typed: Attempts = field(default_factory=lambda: Attempts(10, 6.0, time.monotonic))
    seen: Gathered = field(default_factory=Gathered)
    webhook_networks: tuple[Network, ...] = ()
    keep: Keep = field(default_factory=Keep)
    news: News = field(init=False)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BUSY_AFTER))

    def __post_init__(self) -> None:
        object.__setattr__(self, "news", News(self.store, self.now))  # frozen, and this once


CLOUD = web.AppKey("cloud", Cloud)


def problem(status: int, code: str, sentence: str, *, permanent: bool = False) -> web.Response:
    """An answer that refuses the whole request."""
    body = wire.encode_problem(Problem(status, code, sentence, permanent))
    headers = {"Content-Type": wire.PROBLEM_TYPE}
    if status in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="redeemd"'
    return web.Response(status=status, body=body, headers=headers)


def revoked(error: TillRevoked) -> web.Response:
    """The answer to a key that counts no more, with the signed statement in the header that `sync.wire` names."""
    answer = problem(403, "till_revoked", str(error))
    answer.headers[wire.REVOCATION_HEADER] = base64.b64encode(error.statement).decode()
    return answer


def json_answer(document: Any, status: int = 200) -> web.Response:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=status, body=body, content_type="application/json")


async def read_body(request: web.Request) -> bytes:
    """The body as sent. Raises HTTPRequestEntityTooLarge or TimeoutError."""
    async with asyncio.timeout(READ_TIMEOUT_S):
        return await request.read()


async def read_json(request: web.Request, max_bytes: int = JSON_BYTES_MAX) -> Any:
    if request.content_type != "application/json":
        raise Refused(415, "unsupported_media_type", "send application/json")
    return strict_json.loads(await read_body(request), max_bytes=max_bytes, max_depth=8)


def read_query(request: web.Request, *names: str) -> dict[str, str]:
    """The query's parameters; Refused(400) for one that is none of `names`, or twice: misspelt it would do nothing."""
    found = dict(request.query)
    for name in found:
        if name not in names:
            allowed = ", ".join(names) or "none"
            raise Refused(
                400, "unknown_parameter", f"there is no parameter {name[:32]!r} here; there are: {allowed}"
            )
    if len(found) != len(request.query):
        raise Refused(400, "unknown_parameter", "a parameter stands twice")
    return found


@contextlib.asynccontextmanager
async def slot(cloud: Cloud) -> AsyncIterator[None]:
    """Work on the database, unless too many do: then Refused(503) at once, which costs less than waiting."""
    if cloud.slots.locked():
        raise Refused(503, "busy", "the cloud is busy; try again soon")
    async with cloud.slots:
        yield


async def signed_till(request: web.Request, body: bytes, *, delivers: bool = False) -> Till:
    """The till that signed this request; raises SignatureError (401), Refused (403) or TillRevoked.

    delivers: also by a key that was revoked or replaced, for what it signed in its time is still wanted.
    """
    cloud = request.app[CLOUD]
    parts = wire.parse_signature(header_lists(request))
    till = await cloud.store.till(parts.key_id)
    if till is None or not till.keys:
        raise SignatureError("unknown_key", f"no till is enrolled under the key id {parts.key_id}")
    signer: TillKey | None = None
    newest_first = till.keys[::-1]  # the newest is the one that mostly signs

    def verifies(signature: bytes, message: bytes) -> bool:
        nonlocal signer
        signer = next((key for key in newest_first if _verifies(key.public_key, signature, message)), None)
        return signer is not None

    wire.verify(parts, request.method, request.raw_path, body, verifies)
    if request.match_info.get("till", till.till) != till.till:
        raise Refused(403, "wrong_till", "a till may speak for itself only")
    assert signer is not None, "it was verified"
    if till.state is not TillState.ENROLLED or signer.standing in OUT_OF_USE:
        if not delivers:
            raise _revoked(cloud, till, signer)
    elif signer.standing is KeyStanding.ANNOUNCED:
        await cloud.store.confirm_till_key(till.till, signer.public_key)
        till = await cloud.store.till(till.till)
        assert till is not None, "no till is ever removed"
    return till


def _revoked(cloud: Cloud, till: Till, signer: TillKey) -> TillRevoked:
    statement = Revocation(till.till, signer.public_key, cloud.now().astimezone(UTC))
    return TillRevoked(till.till, sign_revocation(statement, cloud.roots.newest().manifest_key))


def header_lists(request: web.Request) -> dict[str, str]:
    """The signature's fields and what it may cover; one that stands twice is joined, which no signature survives."""
    names = ("content-digest", "signature-input", "signature", till_health.HEADER.lower())
    return {name: ", ".join(request.headers.getall(name)) for name in names if name in request.headers}


def _verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    return signature_ok(load_public_key(Algorithm.ED25519, public_key), signature, message)
