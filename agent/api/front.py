"""The front of a connection: a plain request to redeem is answered here, everything else by aiohttp behind it.

A shopper waits for `POST /v1/redeem`. Making aiohttp's request of its bytes and finding the way to its handler takes a
tenth of the whole answer, so what is plainly such a request is recognised by its form and not parsed: known headers,
each once, one length, the body whole. What is not exactly of that form, and each one that is not answered with a
verdict, is handed over as it came: there is one place for errors, and it is not here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from agent.api.wire import BODY_BYTES_MAX, BODY_WAIT_S

Redeem = Callable[[str, bytes], Awaitable[bytes]]
"""Answers the body under the Idempotency-Key with JSON; ApiError."""
Fits = Callable[[str, str], bool]
"""Whether a caller that says this Host and this Authorization ("" for none) may ask."""

HELD_BYTES_MAX = BODY_BYTES_MAX + 64 * 1024
HEAD_BYTES_MAX = 4096
_HEAD = re.compile(
    rb"POST /v1/redeem HTTP/1\.1\r\n((?:[A-Za-z-]{1,32}: ?[!-~](?:[ -~]{0,1022}[!-~])?\r\n){3,12})\r\n"
)
_KNOWN = frozenset(
    {
        *("host", "authorization", "idempotency-key", "content-type", "content-length", "connection"),
        *("user-agent", "accept", "accept-encoding", "accept-language"),
    }
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nServer: redeemd\r\n"
    b"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n"
)
_OTHER_HEAD = re.compile(rb"(?:GET|POST|PUT|DELETE) [!-~]+ HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]{1,7})\r\n")
_NOT_PLAIN = (b"transfer-encoding", b"upgrade", b"expect")


def head_of(held: bytes) -> tuple[dict[str, str], int] | None:
    """The headers by their names in small letters, and where the body begins; None unless it has the plain form."""
    found = _HEAD.match(held, 0, HEAD_BYTES_MAX)
    if found is None:
        return None
    headers: dict[str, str] = {}
    for line in found[1].decode("ascii").splitlines():
        name, _, value = line.partition(":")
        name = name.lower()
        if name not in _KNOWN or name in headers:
            return None
        headers[name] = value.lstrip(" ")
    length = headers.get("content-length", "")
    plain = (
        headers.get("content-type") == "application/json"
        and headers.get("connection", "keep-alive").lower() == "keep-alive"
        and "host" in headers
        and length.isdecimal()
        and 0 < int(length) <= BODY_BYTES_MAX
        and len(headers.get("idempotency-key", "")) > 0
    )
    return (headers, found.end()) if plain else None


def is_whole(data: bytes) -> bool:
    """Whether it is surely one request, all of it and nothing else, whatever it asks."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or _OTHER_HEAD.match(data) is None:
        return False
    head = data[: end + 2].lower()
    lengths = _LENGTH.findall(head)
    plain = (
        head.count(b"\n") == head.count(b"\r\n")
        and head.count(b"content-length") == len(lengths) <= 1
        and not any(word in head for word in _NOT_PLAIN)
    )
    return plain and len(data) == end + 4 + (int(lengths[0]) if lengths else 0)


class Front(asyncio.Protocol):
    """Stands between a connection and `behind`. served: whether something was answered on it.

    Once something came that is not surely one whole request, or came before the answer to the one before, only aiohttp
    knows where the next request begins: from then on everything goes there.
    """

    def __init__(
        self,
        behind: web.RequestHandler,
        lost: Callable[[], object],
        redeem: Redeem,
        fits: Fits,
        idle_s: float,
    ) -> None:
        """lost: called when the connection has ended. idle_s: how long it may be silent."""
        self._behind = behind
        self._lost = lost
        self._redeem = redeem
        self._fits = fits
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._held = b""
        """Came, and was neither answered nor handed over."""
        self._body_missing = False
        self._plain = True
        self._handed_over = 0
        """Requests that aiohttp has not answered yet."""
        self._timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        """Answers a request now."""
        self.asked_behind: web.Request | None = None
        """What aiohttp answers now."""
        self.served = False

    @property
    def waits(self) -> bool:
        """Whether it is the caller's turn: nothing is answered, or what is has not come whole."""
        asked = self.asked_behind
        return self.task is None and (asked is None or not asked.content.is_eof())

    def answered_behind(self) -> None:
        self._handed_over -= 1
        self.asked_behind, self.served = None, True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._behind.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._transport = None
        self._lost()
        self._behind.connection_lost(exc)

    def eof_received(self) -> None:
        self._behind.eof_received()

    def pause_writing(self) -> None:
        self._plain = False  # aiohttp goes on writing when it can
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        self._behind.resume_writing()

    def data_received(self, data: bytes) -> None:
        if not self._plain and self.task is None:
            self._behind.data_received(data)
            return
        self._held = self._held + data if self._held else data
        if self.task is None:
            self._next()
        elif len(self._held) > HELD_BYTES_MAX and self._transport is not None:
            self._transport.pause_reading()

    def _next(self) -> None:
        """What to do with what is held."""
        held = self._held
        found = head_of(held) if self._plain and not self._handed_over else None
        if found is None or not self._fits(found[0]["host"], found[0].get("authorization", "")):
            self._hand_over()
            return
        headers, start = found
        missing = start + int(headers["content-length"]) - len(held)
        if missing < 0:
            self._hand_over()
        elif not missing:
            self._held, self._body_missing = b"", False
            self._behind.keep_alive(True)  # its timer knows nothing of what is answered here
            self.task = self._loop.create_task(self._answer(headers["idempotency-key"], held, start))
        elif not self._body_missing:
            self._body_missing = True
            self._start_timer(BODY_WAIT_S, self._hand_over)

    def _hand_over(self) -> None:
        held, self._held, self._body_missing = self._held, b"", False
        self._plain = self._plain and not self._handed_over and is_whole(held)
        self._handed_over += 1
        self._start_timer(self._idle_s, self._idle)
        self._behind.data_received(held)

    async def _answer(self, key: str, held: bytes, start: int) -> None:
        try:
            said = await self._redeem(key, held[start:])
        except Exception:
            # The usual way finds the same and has the words for it; the key keeps it from doing anything twice.
            said = b""
        self.task = None
        if self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()
        if not said:
            self._held = held + self._held
            self._hand_over()
            return
        if self._transport is not None:  # else the caller has hung up
            self._transport.write(_ANSWER % len(said) + said)
        self.served = True
        self._start_timer(self._idle_s, self._idle)
        if self._held:
            self._next()

    def _start_timer(self, wait_s: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        if self._transport is not None:
            self._timer = self._loop.call_later(wait_s, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _idle(self) -> None:
        """Close what was silent for so long; what aiohttp answers now is its own affair, and so is its end."""
        if self._transport is not None and self.task is None and self.asked_behind is None:
            self._transport.close()
