"""Records that the cloud refused for good, offered to it again."""

from __future__ import annotations

from aiohttp import web

from agent.api.answers_till import Requeued
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.api.wire import RetryBody, read_body

routes = web.RouteTableDef()


@routes.post("/v1/outbox/retry")
@operation(
    "retryOutbox",
    "till",
    {200: Answer(Requeued, "How many were offered again; 0 where none of these is in the quarantine.")},
    body=RetryBody,
    ledger=True,
)
async def retry(request: web.Request) -> web.Response:
    """Offer records to the cloud again that it has refused for good.

    Takes records out of the quarantine, back into the outbox: all of them, those of one lane, or the one at `sequence`
    of `lane`. What the cloud refuses again comes back to the quarantine, so this does no harm. `redeemd outbox retry`
    does the same, also while the till is stopped.
    """
    body = await read_body(request, RetryBody)
    if body.sequence is not None and body.lane is None:
        raise ApiError("bad_body", "a sequence needs its lane")
    count = await request.app[TILL].requeue(body.lane, body.sequence)
    return web.json_response({"requeued": count})
