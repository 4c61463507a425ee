"""Scanners that read when they are asked to."""

from __future__ import annotations

from aiohttp import web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.signals import NoTrigger, UnknownScanner

routes = web.RouteTableDef()


@routes.post("/v1/scanners/{name}/trigger")
async def trigger(request: web.Request) -> web.Response:
    """Have a scanner read now. What it reads is a scan as any other: the events and the page tell it."""
    name = request.match_info["name"]
    try:
        seconds = request.app[TILL].signals.trigger(name)
    except UnknownScanner:
        raise ApiError("unknown_scanner") from None
    except NoTrigger:
        raise ApiError("no_trigger") from None
    return web.json_response({"scanner": name, "reads_for_s": seconds})
