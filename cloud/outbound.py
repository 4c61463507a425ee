"""One delivery over HTTP: to an address that may be reached, within bounds of time and size, following nothing.

The name is resolved once for each connection, and exactly the addresses that were checked are connected to, so a name
that changes its address in between (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import abc

from cloud.addresses import Network, literal, may_reach
from cloud.webhooks import USER_AGENT, Answer, Verdict, verdict_of
from sync.backoff import RETRY_AFTER_MAX_S, retry_after

CONNECT_S = 5.0
TOTAL_S = 15.0
ANSWER_BYTES = 16 * 1024
"""Read of an answer, so that the connection can be used again; what it says is not kept."""
CONNECTIONS = 64
NOT_ALLOWED = "address_not_allowed"


class NotAllowed(OSError):
    """The host has an address that deliveries may not go to."""


class _Resolver(abc.AbstractResolver):
    """Names to addresses, all of which may be reached; else to none."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[abc.ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results: list[abc.ResolveResult] = []
        for kind, _, proto, _, address in found:
            text = str(address[0])
            parsed = literal(text.partition("%")[0])
            if parsed is None or not may_reach(parsed, self._allowed):
                raise NotAllowed(NOT_ALLOWED)
            results.append(
                abc.ResolveResult(
                    hostname=host, host=text, port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """In seconds."""

    connect_s: float = CONNECT_S
    total_s: float = TOTAL_S


class Outbound:
    """A client for deliveries. allowed: networks beside the public Internet. Use as an async context."""

    def __init__(self, allowed: Sequence[Network] = (), bounds: Bounds = Bounds()) -> None:
        self._allowed = tuple(allowed)
        self._bounds = bounds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Outbound:
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self._allowed), use_dns_cache=False, limit=CONNECTIONS
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._bounds.total_s, sock_connect=self._bounds.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._session is not None, "it was entered"
        await self._session.close()

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """What the endpoint said; never raises for what an endpoint does."""
        return await self._ask("POST", url, headers, body)

    async def knock(self, url: str) -> Answer:
        """Whether anything answers there at all: by HEAD, which carries nothing and changes nothing."""
        return await self._ask("HEAD", url, {"User-Agent": USER_AGENT}, None)

    async def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        assert self._session is not None, "it was entered"
        address = literal(urlsplit(url).hostname or "")
        if address is not None and not may_reach(address, self._allowed):
            return Answer(Verdict.FAILED, NOT_ALLOWED)
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                rest = await response.content.read(ANSWER_BYTES)
                if len(rest) == ANSWER_BYTES:
                    response.close()
                wait_s = _wait_s(response.headers)
                return Answer(verdict_of(response.status), str(response.status), wait_s)
        except TimeoutError:
            return Answer(Verdict.FAILED, "timeout")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(Verdict.FAILED, _said(error))


def _wait_s(fields: Any) -> float:
    """What Retry-After asks for, bounded; 0 for nothing."""
    date = fields.get("Date")
    try:
        now = None if date is None else parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        now = None
    return min(retry_after(fields.get("Retry-After"), now) or 0.0, RETRY_AFTER_MAX_S)


def _said(error: Exception) -> str:
    """A word for people; no address, nothing that a stranger wrote."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, NotAllowed):
            return NOT_ALLOWED
        chain = chain.__cause__ or getattr(chain, "os_error", None)
    for kind, said in (
        (aiohttp.ClientConnectorDNSError, "no_such_host"),
        (aiohttp.ClientSSLError, "tls"),
        (aiohttp.ClientConnectorError, "no_connection"),
        (aiohttp.ServerDisconnectedError, "connection_lost"),
        (aiohttp.ClientPayloadError, "connection_lost"),
        (aiohttp.ClientOSError, "connection_lost"),
    ):
        if isinstance(error, kind):
            return said
    return "no_http"
