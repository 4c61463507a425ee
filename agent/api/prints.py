"""Receipts: their state, their text, a copy on request."""

from __future__ import annotations

from aiohttp import web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.till import UnknownJob

routes = web.RouteTableDef()


@routes.get("/v1/prints/{job}")
async def show(request: web.Request) -> web.Response:
    try:
        return web.json_response(await request.app[TILL].print_json(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None


@routes.post("/v1/prints/{job}/reprint")
async def reprint(request: web.Request) -> web.Response:
    """Print it again, marked as a copy."""
    try:
        return web.json_response(await request.app[TILL].reprint(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
