"""Status, health and the stream of events."""

from __future__ import annotations

import asyncio
import json

from aiohttp import hdrs, web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.hub import Message, TooManyListeners

HEARTBEAT_S = 15.0
WRITE_S = 10.0
"""How long a listener may take to read before it is cut off."""
RECONNECT_MS = 1000

routes = web.RouteTableDef()


@routes.get("/v1/status")
async def status(request: web.Request) -> web.Response:
    return web.json_response(await request.app[TILL].status())


@routes.get("/v1/health")
async def health(request: web.Request) -> web.Response:
    """200 while coupons are taken, 503 with the issues while not."""
    found = await request.app[TILL].status()
    body = {"ok": found["healthy"], "issues": found["issues"]}
    return web.json_response(body, status=200 if found["healthy"] else 503)


@routes.get("/v1/events", allow_head=False)
async def events(request: web.Request) -> web.StreamResponse:
    """Server-sent events (WHATWG HTML, section 9.2): verdict, status, print. The first is the status."""
    till = request.app[TILL]
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
    try:
        with till.hub.listen() as queue:
            first = f"retry: {RECONNECT_MS}\n".encode() + _event(Message("status", await till.status()))
            await response.prepare(request)
            await _write(response, first)
            while (message := await _next(queue)) is not None:
                await _write(response, message)
    except TooManyListeners:
        raise ApiError("too_many_listeners") from None
    except TimeoutError:  # it does not read: let go of it and of what waits for it
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the page was closed
    return response


async def _next(queue: asyncio.Queue[Message | None]) -> bytes | None:
    """What to send next: an event, a comment when it is quiet, None when this listener was cut off."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            message = await queue.get()
    except TimeoutError:
        return b": still here\n\n"
    return None if message is None else _event(message)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_S):
        await response.write(data)


def _event(message: Message) -> bytes:
    return f"event: {message.kind}\ndata: {json.dumps(message.data, ensure_ascii=False)}\n\n".encode()
