"""A bundle that was carried to this till."""

from __future__ import annotations

from aiohttp import web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.till import ImportRunning

routes = web.RouteTableDef()


@routes.post("/v1/bundle/import")
async def import_bundle(request: web.Request) -> web.Response:
    """Put the one file that `redeemd bundle import` leaves in the state directory in force, or say why not.

    No path is taken from a caller: whatever runs on this machine could have the till open what it may not.
    """
    try:
        return web.json_response(await request.app[TILL].import_bundle())
    except ImportRunning:
        raise ApiError("import_running") from None
