"""The current sale of a shop without a POS."""

from __future__ import annotations

import uuid

from aiohttp import web

from agent.api.answers import CurrentSale
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.api.wire import SaleBody, known_sale, read_body
from agent.till_json import sale_json

_SALE = Answer(CurrentSale, "The current sale, or null.")

routes = web.RouteTableDef()


@routes.get("/v1/sale")
@operation("currentSale", "sale", {200: _SALE})
async def current(request: web.Request) -> web.Response:
    """The sale that the next scans belong to."""
    return web.json_response({"sale": sale_json(request.app[TILL].sale)})


@routes.put("/v1/sale")
@operation("setSale", "sale", {200: _SALE}, body=SaleBody, errors=("no_bundle", "wrong_currency"))
async def put(request: web.Request) -> web.Response:
    """Set the sale that the next scans belong to. An accepted scan ends it."""
    till = request.app[TILL]
    body = await read_body(request, SaleBody)
    if not till.currency:
        raise ApiError("no_bundle")
    if body.currency not in (None, till.currency):
        raise ApiError("wrong_currency")
    sale = known_sale(body, till.currency, uuid.uuid4().hex[:12])
    till.set_sale(sale)
    return web.json_response({"sale": sale_json(sale)})


@routes.delete("/v1/sale")
@operation("clearSale", "sale", {204: Answer(None, "There is no current sale now.")})
async def clear(request: web.Request) -> web.Response:
    """Forget the current sale."""
    request.app[TILL].clear_sale()
    return web.Response(status=204)
