"""Records that the cloud refused for good, offered to it again."""

from __future__ import annotations

from aiohttp import web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.wire import RetryBody, read_body

routes = web.RouteTableDef()


@routes.post("/v1/outbox/retry")
async def retry(request: web.Request) -> web.Response:
    """All of them, those of one lane, or the one at a sequence of a lane."""
    body = await read_body(request, RetryBody)
    if body.sequence is not None and body.lane is None:
        raise ApiError("bad_body", "a sequence needs its lane")
    count = await request.app[TILL].requeue(body.lane, body.sequence)
    return web.json_response({"requeued": count})
