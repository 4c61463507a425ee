"""The current sale of a shop without a POS."""

from __future__ import annotations

import uuid

from aiohttp import web

from agent.api.answers import CurrentSale
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.api.wire import CurrentSaleBody, known_sale, read_body, told_of
from agent.till import Till
from agent.till_json import member_json, sale_json

_SALE = Answer(CurrentSale, "The current sale, or null.")

routes = web.RouteTableDef()


@routes.get("/v1/sale")
@operation("currentSale", "sale", {200: _SALE})
async def current(request: web.Request) -> web.Response:
    """The sale that the next scans belong to."""
    return _said(request.app[TILL])


@routes.put("/v1/sale")
@operation(
    "setSale",
    "sale",
    {200: _SALE},
    body=CurrentSaleBody,
    errors=("no_bundle", "wrong_currency", "card_refused"),
)
async def put(request: web.Request) -> web.Response:
    """Set the sale that the next scans belong to. An accepted scan ends it."""
    till = request.app[TILL]
    body = await read_body(request, CurrentSaleBody)
    if not till.currency:
        raise ApiError("no_bundle")
    if body.currency not in (None, till.currency):
        raise ApiError("wrong_currency")
    sale = known_sale(body, till.currency, uuid.uuid4().hex[:12])
    customer = till.members.customer(told_of(body.member))
    if customer.fault:
        raise ApiError("card_refused", customer.fault)
    till.set_sale(sale, customer.member)
    return _said(till)


@routes.delete("/v1/sale")
@operation("clearSale", "sale", {204: Answer(None, "There is no current sale now.")})
async def clear(request: web.Request) -> web.Response:
    """Forget the current sale."""
    request.app[TILL].set_sale(None)
    return web.Response(status=204)


def _said(till: Till) -> web.Response:
    return web.json_response({"sale": sale_json(till.sale), "member": member_json(till.member)})
