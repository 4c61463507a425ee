"""The line itself: HTTP to the cloud through aiohttp, the only module of `sync` that touches a network.

Signs each request, follows no redirect, keeps no cookie, bounds every wait and every size, and turns
whatever happens into an `Answer` or a `Failure`. It draws no conclusion from a status: that is
`sync.status`.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from sync import missing, till_health, wire
from sync.errors import UplinkConfigError, WireError
from sync.lane_state import LANE_TALLY
from sync.missing import Span
from sync.ports import Answer, Failure, FailureKind
from sync.status import looks_like_portal
from sync.wire import DEFAULT_LIMITS, Limits

USER_AGENT = "redeemd"
COMPRESS_FROM_BYTES = 512
"""A shorter batch grows or gains nothing by gzip."""
ASK_BYTES_MAX = 64 * 1024
"""Longest answer to a question that somebody waits for."""
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs. key_id: what the cloud knows the key by. sign: message to Ed25519 signature of 64 bytes."""

    till_id: str
    key_id: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. connect_s: name look-up, TCP and TLS. idle_s: longest silence while an answer is read.

    total_s: the whole request; a large part over a slow line needs minutes.
    """

    connect_s: float = 15.0
    idle_s: float = 30.0
    total_s: float = 300.0


class HttpUplink:
    """`ports.Uplink` over HTTPS. Use as an async context manager inside the running loop.

    base_url: scheme, host and perhaps a path prefix. identity: None only for a till that is about to enrol.
    ca_file: PEM certificates that replace the system's. proxy: an HTTP proxy's address, None for none.
    wall_clock: seconds since 1970, for `created` alone.
    allow_plain_http: also beyond this machine; never in a store.
    Raises UplinkConfigError when the address or the CA file cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        identity: Identity | None = None,
        *,
        ca_file: Path | None = None,
        proxy: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        timeouts: Timeouts | None = None,
        allow_plain_http: bool = False,
        wall_clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._base = checked_base(base_url, allow_plain_http)
        self._identity = identity
        self._limits = limits
        self._timeouts = timeouts or Timeouts()
        self._tls = tls_context(ca_file) if self._base.startswith("https:") else None
        self._proxy = proxy
        self._plain_only = False
        self._wall_clock = wall_clock
        self._nonce = nonce
        self._session: aiohttp.ClientSession | None = None
        self.say_health: Callable[[], Awaitable[str]] | None = None
        """What to send of `sync.till_health` with each question for the bundle; None for nothing."""
        self.tell_missing: Callable[[Mapping[str, tuple[Span, ...]]], Awaitable[None]] | None = None
        """Hears which records the cloud names as lost beside its answer, by lane; None: nobody does."""

    async def __aenter__(self) -> Self:
        waits = self._timeouts
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls or True, limit=8),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=waits.total_s, connect=waits.connect_s, sock_read=waits.idle_s
            ),
            auto_decompress=False,  # ours is bounded
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post_batch(self, lane: str, body: bytes, idempotency_key: str) -> Answer | Failure:
        """`ports.Uplink.post_batch`: compressed when that pays, signed over the bytes sent."""
        identity = self._identity
        assert identity is not None, "a till uploads only after it has enrolled"
        headers = {
            "Content-Type": wire.BATCH_TYPE,
            "Accept": f"{wire.RESULTS_TYPE}, {wire.PROBLEM_TYPE}",
            "Idempotency-Key": f'"{idempotency_key}"',
        }
        path = wire.batch_path(identity.till_id, lane)
        if len(body) >= COMPRESS_FROM_BYTES and not self._plain_only:
            packed = await _off_loop(body, wire.gzip_bytes)
            encoded = headers | {"Content-Encoding": "gzip"}
            answer = await self._request("POST", path, encoded, packed, self._limits.answer_bytes)
            if not (isinstance(answer, Answer) and answer.status == 415):
                return answer
            self._plain_only = "gzip" not in answer.headers.get("accept-encoding", "")  # RFC 9110, 15.5.16
            if not self._plain_only:
                return answer
        return await self._request("POST", path, headers, body, self._limits.answer_bytes)

    async def get(
        self, path: str, etag: str | None = None, *, max_bytes: int | None = None
    ) -> Answer | Failure:
        """`ports.Uplink.get`. etag: as the cloud gave it, with its quotes."""
        headers = {"If-None-Match": etag} if etag else {}
        till = None if self._identity is None else self._identity.till_id
        if self.say_health and till is not None and path.partition("?")[0] == wire.bundle_path(till):
            headers[till_health.HEADER] = await self.say_health()
        most = self._limits.part_bytes if max_bytes is None else max_bytes
        answer = await self._request("GET", path, headers, b"", most)
        if till_health.HEADER in headers and isinstance(answer, Answer) and answer.status in (200, 304):
            await self._tell_missing(answer)
        return answer

    async def _tell_missing(self, answer: Answer) -> None:
        named = answer.headers.get(missing.HEADER.lower())
        if named is not None and self.tell_missing is not None:
            await self.tell_missing(missing.read_header(named))

    async def ask(self, path: str, document: bytes, *, wait_s: float) -> Answer | Failure:
        """`ports.Asker.ask`. Gives up after `wait_s` seconds, whatever it was waiting for."""
        headers = {"Content-Type": "application/json", "Accept": f"application/json, {wire.PROBLEM_TYPE}"}
        try:
            async with asyncio.timeout(wait_s):
                return await self._request("POST", path, headers, document, ASK_BYTES_MAX)
        except TimeoutError:
            return Failure(FailureKind.TIMEOUT, f"no answer within {wait_s:.1f} s")

    async def wait(self, path: str, max_bytes: int, wait_s: float) -> Answer | Failure:
        """`get` of what the cloud may keep for so long before it answers, whatever the time-outs say."""
        waits = self._timeouts
        longest = aiohttp.ClientTimeout(
            total=waits.connect_s + wait_s + waits.idle_s,
            connect=waits.connect_s,
            sock_read=wait_s + waits.idle_s,
        )
        return await self._request("GET", path, {}, b"", max_bytes, timeout=longest)

    async def enrol(self, document: bytes) -> Answer | Failure:
        """Send an enrolment (JSON with the one-time code and the public key). Never signed: no key is known
        yet.
        """
        headers = {"Content-Type": "application/json", "Accept": f"application/json, {wire.PROBLEM_TYPE}"}
        return await self._request(
            "POST", wire.ENROL_PATH, headers, document, self._limits.answer_bytes, signed=False
        )

    async def announce_key(self, till_id: str, statement: bytes) -> Answer | Failure:
        """Send a key change. Not signed as a request: the statement itself is, by the old key and the new one."""
        headers = {"Content-Type": wire.STATEMENT_TYPE, "Accept": f"application/json, {wire.PROBLEM_TYPE}"}
        path = wire.key_path(till_id)
        return await self._request("POST", path, headers, statement, self._limits.answer_bytes, signed=False)

    async def _request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        max_bytes: int,
        *,
        signed: bool = True,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> Answer | Failure:
        assert self._session is not None, "use the uplink inside `async with`"
        url = URL(self._base + path, encoded=True)  # sent as it is signed, not normalised
        if signed:
            headers = headers | self._signature(method, url, body, headers.get(till_health.HEADER))
        if (tally := LANE_TALLY.get()) is not None:
            tally.sent_bytes += len(body)
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=body if method == "POST" else None,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=timeout or self._session.timeout,
            ) as response:
                answer = await _read_answer(response, max_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return classify(error)
        if isinstance(answer, Answer) and looks_like_portal(answer):
            return Failure(FailureKind.CAPTIVE_PORTAL, _portal_detail(answer))
        return answer

    def _signature(self, method: str, url: URL, body: bytes, health: str | None) -> dict[str, str]:
        identity = self._identity
        assert identity is not None, "a till asks only after it has enrolled"
        return wire.sign_headers(
            method,
            url.raw_path_qs,
            body,
            created=max(0, int(self._wall_clock())),
            nonce=self._nonce(),
            key_id=identity.key_id,
            sign=identity.sign,
            health=health,
        )


async def _read_answer(response: aiohttp.ClientResponse, max_bytes: int) -> Answer | Failure:
    headers = {name.lower(): value for name, value in response.headers.items()}
    too_large = Failure(FailureKind.TOO_LARGE, f"HTTP {response.status} with more than {max_bytes} bytes")
    if (response.content_length or 0) > max_bytes:
        return too_large
    body = bytearray()  # leaving early closes the connection: the rest is never read
    tally = LANE_TALLY.get()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if tally is not None:
            tally.received_bytes += len(chunk)
        if len(body) > max_bytes:
            return too_large
    encoding = headers.pop("content-encoding", "identity").strip().lower()
    if encoding == "identity" or not body:
        return Answer(response.status, headers, bytes(body))
    if encoding not in ("gzip", "x-gzip"):
        return Failure(
            FailureKind.PROTOCOL, f"HTTP {response.status} in an encoding not asked for: {encoding[:40]!r}"
        )
    try:
        plain = await _off_loop(bytes(body), lambda packed: wire.gunzip_bounded(packed, max_bytes))
        return Answer(response.status, headers, plain)
    except WireError as error:
        kind = FailureKind.TOO_LARGE if error.code == "too_large" else FailureKind.PROTOCOL
        return Failure(kind, f"HTTP {response.status}: {error.sentence}")


async def _off_loop(body: bytes, work: Callable[[bytes], bytes]) -> bytes:
    """Long work in a thread (zlib lets go of the interpreter), so that a transfer never delays a scan."""
    return work(body) if len(body) < _CHUNK_BYTES else await asyncio.to_thread(work, body)


def _portal_detail(answer: Answer) -> str:
    where = answer.headers.get("location")
    return f"HTTP {answer.status}" + (f" to {where[:200]!r}" if where else " with a web page")


_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], FailureKind], ...] = (
    # The first that fits counts: each stands before what it derives from.
    (aiohttp.ClientConnectorDNSError, FailureKind.DNS),
    (socket.gaierror, FailureKind.DNS),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), FailureKind.PROXY),
    ((aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError), FailureKind.TLS),
    (TimeoutError, FailureKind.TIMEOUT),
    (ConnectionRefusedError, FailureKind.REFUSED),
    (aiohttp.ClientConnectorError, FailureKind.UNREACHABLE),
    ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError), FailureKind.INTERRUPTED),
    (aiohttp.ClientError, FailureKind.PROTOCOL),
    (OSError, FailureKind.UNREACHABLE),
    (ValueError, FailureKind.PROTOCOL),  # an answer that aiohttp's own parsing gave up on
)


_CONNECT_KINDS = {
    errno.ECONNREFUSED: FailureKind.REFUSED,
    errno.ETIMEDOUT: FailureKind.TIMEOUT,
    errno.ENETUNREACH: FailureKind.NO_ROUTE,
    errno.EADDRNOTAVAIL: FailureKind.NO_ROUTE,
}
_VERIFY_KINDS = {
    **dict.fromkeys((9, 10), FailureKind.CLOCK),  # not yet valid, expired
    **dict.fromkeys(
        (2, 18, 19, 20, 21), FailureKind.TLS_CA
    ),  # no issuer, self-signed, in the chain, not here, first
    **dict.fromkeys((62, 64), FailureKind.TLS_NAME),  # host name, IP address
}
"""X509_V_ERR_... of OpenSSL (X509_STORE_CTX_get_error(3))."""


def _verify_code(error: BaseException | None) -> int | None:
    """Why OpenSSL did not believe a certificate; None where that is not the matter."""
    inner = getattr(error, "certificate_error", error)
    return inner.verify_code if isinstance(inner, ssl.SSLCertVerificationError) else None


def classify(error: Exception) -> Failure:
    """The failure an exception of aiohttp, of the resolver or of a socket stands for."""
    number = error.errno if isinstance(error, OSError) else None
    detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if (kind := _VERIFY_KINDS.get(_verify_code(error) or 0)) is not None:
        return Failure(kind, detail)
    if type(error) is aiohttp.ClientConnectorError and number in _CONNECT_KINDS:
        return Failure(_CONNECT_KINDS[number], detail)
    return Failure(next(kind for types, kind in _KINDS if isinstance(error, types)), detail)


def checked_base(base_url: str, allow_plain_http: bool = False) -> str:
    """The cloud's address without a slash at its end; nothing secret goes to another. Raises UplinkConfigError."""
    try:
        url = URL(base_url)
        port = url.port
    except ValueError as error:
        raise UplinkConfigError(f"the cloud's address {base_url!r} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or not port:
        raise UplinkConfigError(f"the cloud's address {base_url!r} must be https://host[:port][/prefix]")
    if url.query_string or url.fragment or url.user:
        raise UplinkConfigError("the cloud's address has no query, fragment or user name")
    if url.scheme == "http" and not (allow_plain_http or _is_this_machine(url.host)):
        raise UplinkConfigError(
            f"the cloud's address {base_url!r} is not encrypted: use https, plain http is for this machine only"
        )
    return str(url).rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """What to trust: the certificates in `ca_file` (PEM), or the system's. Raises UplinkConfigError."""
    try:
        if ca_file and ca_file.exists() and not ca_file.is_file():  # a pipe would be waited for without end
            raise UplinkConfigError(f"the CA file {ca_file} is no regular file")
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise UplinkConfigError(f"the CA file {ca_file} cannot be used: {error}") from None
