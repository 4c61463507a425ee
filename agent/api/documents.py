"""The API's own document, served."""

from __future__ import annotations

import msgspec
from aiohttp import web

from agent.api.operation import Answer, operation

routes = web.RouteTableDef()
_WRITTEN = web.AppKey("openapi", dict[str, bytes])


def keep_document(app: web.Application) -> None:
    """Give the application its place for the document, which is made when somebody asks for it first."""
    app[_WRITTEN] = {}


@routes.get("/v1/openapi.json")
@operation(
    "openapi", "till", {200: Answer(dict, "OpenAPI 3.1, made from the types of this very till's program.")}
)
async def document(request: web.Request) -> web.Response:
    """This document."""
    from agent.api.openapi import document_of, entries

    kept = request.app[_WRITTEN]
    if "json" not in kept:
        kept["json"] = msgspec.json.encode(document_of(entries(request.app.router.routes())))
    return web.Response(body=kept["json"], content_type="application/json")
