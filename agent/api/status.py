"""Status, health and the stream of events."""

from __future__ import annotations

import asyncio
import json

from aiohttp import hdrs, web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.hub import Message, TooManyListeners

HEARTBEAT_S = 15.0
_TOO_MANY = ApiError(503, "too_many_listeners", "打开的页面太多", "Too many pages are open")

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


@routes.get("/v1/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Server-sent events (WHATWG HTML, section 9.2): verdict, status, print. The first is the status."""
    till = request.app[TILL]
    try:
        with till.hub.listen() as queue:
            response = web.StreamResponse(
                headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"}
            )
            await response.prepare(request)
            await response.write(b"retry: 1000\n" + _event(Message("status", await till.status())))
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        message = await queue.get()
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                if message is None:
                    return response
                await response.write(_event(message))
    except TooManyListeners:
        raise _TOO_MANY from None
    except ConnectionResetError:
        return response  # the page was closed


def _event(message: Message) -> bytes:
    return f"event: {message.kind}\ndata: {json.dumps(message.data, ensure_ascii=False)}\n\n".encode()
