"""Coupons of this till that were redeemed at another till too, as the cloud told it."""

from __future__ import annotations

from aiohttp import web

from agent.api.answers_till import Conflicts, Seen
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, Query, limit, operation
from agent.api.wire import read_limit

LISTED_MAX, LISTED_DEFAULT = 99, 50
NUMBER_DIGITS_MAX = 15

routes = web.RouteTableDef()


@routes.get("/v1/conflicts")
@operation(
    "conflicts",
    "till",
    {200: Answer(Conflicts, "At most `limit` conflicts.")},
    ledger=True,
    errors=("bad_request",),
    query=(
        limit(LISTED_MAX, LISTED_DEFAULT),
        Query("state", "Only those that nobody has seen.", {"enum": ["unseen"]}),
    ),
)
async def conflicts(request: web.Request) -> web.Response:
    """What the cloud found of this till's redemptions afterwards, the newest first.

    A coupon that was redeemed at another till too, who keeps it and what follows; and that such a conflict has ended.
    Kept for 90 days.
    """
    most = read_limit(request, LISTED_MAX, LISTED_DEFAULT)
    state = request.query.get("state")
    if state not in (None, "unseen"):
        raise ApiError("bad_request", "state is unseen or left out")
    found = await request.app[TILL].conflicts.listed(most, unseen=state is not None)
    return web.json_response({"conflicts": found})


@routes.post("/v1/conflicts/{conflict}/seen")
@operation(
    "seeConflict",
    "till",
    {200: Answer(Seen, "It is asked about no more.")},
    ledger=True,
    errors=("unknown_conflict",),
)
async def seen(request: web.Request) -> web.Response:
    """Say that somebody has looked at a conflict.

    The page and `redeemd status` then ask no more. Again is no error.
    """
    text = request.match_info["conflict"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else 0
    if not await request.app[TILL].conflicts.see(number):
        raise ApiError("unknown_conflict")
    return web.json_response({"id": number})
