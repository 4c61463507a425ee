"""Status, health and the stream of events."""

from __future__ import annotations

import asyncio
import io
import json

import segno
from aiohttp import hdrs, web

from agent.api.answers import CheckoutNow, VerdictAnswer
from agent.api.answers_till import Health, Print, ScanFault, Status
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.hub import Message, TooManyListeners

HEARTBEAT_S = 15.0
WRITE_S = 10.0
"""How long a listener may take to read before it is cut off."""
RECONNECT_MS = 1000

routes = web.RouteTableDef()


@routes.get("/v1/status")
@operation("status", "till", {200: Answer(Status, "The till now.")})
async def status(request: web.Request) -> web.Response:
    """All that the cashier page shows around the verdict."""
    return web.json_response(await request.app[TILL].status())


@routes.get("/v1/health")
@operation(
    "health",
    "till",
    {
        200: Answer(Health, "Coupons are taken. Warnings may be listed."),
        503: Answer(
            Health,
            "An issue of severity `error` keeps coupons, or some of them, from being taken, or revocations from"
            " arriving.",
        ),
    },
)
async def health(request: web.Request) -> web.Response:
    """Whether coupons are taken."""
    found = await request.app[TILL].status()
    body = {"ok": found["healthy"], "issues": found["issues"]}
    return web.json_response(body, status=200 if found["healthy"] else 503)


@routes.get("/v1/join")
@operation(
    "join",
    "till",
    {200: Answer(str, "A QR code of `status.join`.", "image/svg+xml")},
    errors=("no_join",),
)
async def join(request: web.Request) -> web.Response:
    """The code by which a customer becomes a member, to show on a screen while no member is known."""
    found = (await request.app[TILL].status())["join"]
    if found is None:
        raise ApiError("no_join")
    drawn = io.BytesIO()
    segno.make_qr(found["url"], error="m", boost_error=False).save(drawn, kind="svg", border=4)
    return web.Response(body=drawn.getvalue(), content_type="image/svg+xml", charset="utf-8")


@routes.get("/v1/events", allow_head=False)
@operation(
    "events",
    "till",
    {
        200: Answer(
            (Status, VerdictAnswer, ScanFault, CheckoutNow, Print),
            "The stream. The schema is that of one event's data, by name.",
            "text/event-stream",
        )
    },
    errors=("too_many_listeners",),
)
async def events(request: web.Request) -> web.StreamResponse:
    """What happens on the till, as server-sent events.

    An endless `text/event-stream` (WHATWG HTML, section 9.2). Each event has a name and one line of JSON:

    | event | data | when |
    |---|---|---|
    | `status` | Status | first of all, and whenever something in it changed, at most twice a second |
    | `verdict` | Verdict | at each new verdict, from a device, a page or a POS; not for a replayed answer |
    | `fault` | ScanFault | when a device read something that is no whole scan, at most twice a second |
    | `sale` | CheckoutNow | in a shop without a POS, when its sale changes; after the verdicts on its coupons |
    | `print` | Print | when a receipt changes its state |

    A comment line comes after 15 s of silence. Events have no id and are not repeated: after a reconnect ask
    /v1/verdicts and /v1/prints for what was missed. At most 32 listeners at a time; one that does not read for 10 s,
    or is 100 events behind, is cut off and may come again. HEAD is refused.
    """
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
