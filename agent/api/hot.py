"""The one request for which a shopper waits: `POST /v1/redeem`, answered without the router's detour.

It goes past aiohttp's application (routing, middlewares, signals: a tenth of the whole answer after a rest) and past no
check: the guard and the table of errors are those of every other request. What is not a plain request of this kind
goes the usual way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from agent.api.errors import Answerer
from agent.api.scans import redeemed
from agent.api.security import Signer
from agent.till import Till

PATH = "/v1/redeem"
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nServer: redeemd\r\n"
    b"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n"
)


class Sent(web.Response):
    """What has gone out already, to a connection that stays open."""

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        assert not data, "it is whole already"


SENT = Sent()


def hot_path(
    till: Till, answered: Answerer, sign: Signer, otherwise: Callable[[Any], Awaitable[web.StreamResponse]]
) -> Callable[[Any], Awaitable[web.StreamResponse]]:
    """What handles each request: the hot one here, others by `otherwise`. sign: gives answers their usual headers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = (await redeemed(till, request)).to_bytes(msgspec.json.encode)
        if request.transport is not None:  # else the caller has hung up
            request.transport.write(_HEAD % len(body) + body)
        return SENT

    async def handle(request: web.Request) -> web.StreamResponse:
        plain = (
            request.raw_path == PATH
            and request.method == "POST"
            and request.version == HttpVersion11
            and request.keep_alive
            and "Origin" not in request.headers
            and "Expect" not in request.headers  # who sends it waits to be told to go on
        )
        if not plain:
            return await otherwise(request)
        response = await answered(request, answer)
        if response is not SENT:  # an error: it goes out as any other, but no signal is sent for it
            await sign(request, response)
        return response

    return handle
