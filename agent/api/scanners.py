"""Scanners that read when they are asked to."""

from __future__ import annotations

from aiohttp import web

from agent.api.answers_till import Trigger
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.signals import NoTrigger, UnknownScanner

routes = web.RouteTableDef()


@routes.post("/v1/scanners/{name}/trigger")
@operation(
    "triggerScanner", "coupons", {200: Answer(Trigger, "It reads.")}, errors=("unknown_scanner", "no_trigger")
)
async def trigger(request: web.Request) -> web.Response:
    """Have a scanner read now.

    What it reads is a scan as any other and is told by the events. The scanner stops after its scan, or after
    `reads_for_s`.
    """
    name = request.match_info["name"]
    try:
        seconds = request.app[TILL].signals.trigger(name)
    except UnknownScanner:
        raise ApiError("unknown_scanner") from None
    except NoTrigger:
        raise ApiError("no_trigger") from None
    return web.json_response({"scanner": name, "reads_for_s": seconds})
