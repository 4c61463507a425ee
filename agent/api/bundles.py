"""A bundle that was carried to this till."""

from __future__ import annotations

from aiohttp import web

from agent.api.answers_till import Imported
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.bundles.desk import ImportRunning

routes = web.RouteTableDef()


@routes.post("/v1/bundle/import")
@operation(
    "importBundle",
    "till",
    {200: Answer(Imported, "What became of it, and which bundle is in force now.")},
    ledger=True,
    errors=("import_running",),
)
async def import_bundle(request: web.Request) -> web.Response:
    """Put the bundle file in force that `redeemd bundle import` has left in the state directory.

    Verified exactly as a bundle over the line, taken whole or not at all. A file that is not taken is no error of the
    request: `taken` is false and the sentences say why.
    """
    # no path is taken from a caller: whatever runs on this machine could have the till open what it may not
    try:
        return web.json_response(await request.app[TILL].bundles.take())
    except ImportRunning:
        raise ApiError("import_running") from None
