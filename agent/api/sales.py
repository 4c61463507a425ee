"""The current sale of a shop without a POS."""

from __future__ import annotations

import uuid

from aiohttp import web

from agent.api.answers import CurrentSale, Reversed
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.api.wire import CurrentSaleBody, answer, known_sale, read_body, told_of
from agent.sales.checkout import NothingToUndo
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
    ledger=True,
    errors=("no_bundle", "wrong_currency", "card_refused", "till_stopped"),
)
async def put(request: web.Request) -> web.Response:
    """Set the sale that the next scans belong to. An accepted scan ends it.

    In a shop without a POS (`till.without_pos`) the sale is closed at once where coupons were scanned before: what came
    of it is in `checkout`.
    """
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
    await till.set_sale(sale, await till.members.shown(customer.member))
    return _said(till)


@routes.delete("/v1/sale")
@operation("clearSale", "sale", {204: Answer(None, "There is no current sale now.")})
async def clear(request: web.Request) -> web.Response:
    """Forget the current sale, and coupons that were noted for it."""
    await request.app[TILL].set_sale(None)
    return web.Response(status=204)


@routes.post("/v1/sale/undo")
@operation(
    "undoSale",
    "sale",
    {200: Answer(Reversed, "It was taken back; `coupon_returns` says which coupons may be used again.")},
    ledger=True,
    errors=("nothing_to_undo", "nothing_left", "till_stopped"),
)
async def undo(request: web.Request) -> web.Response:
    """Take the last sale of a shop without a POS back, within 10 minutes and before the next one is begun.

    A reversal of all of it, by the rules of its campaigns. Later it is a return: POST /v1/reversals.
    """
    till = request.app[TILL]
    try:
        if till.counter.checkout is None:
            raise NothingToUndo
        made = await till.counter.checkout.undo()
    except NothingToUndo:
        raise ApiError("nothing_to_undo") from None
    till.tell_sale()
    return answer(made)


def _said(till: Till) -> web.Response:
    checkout = None if till.counter.checkout is None else till.counter.checkout.said
    said = {"sale": sale_json(till.sale), "member": member_json(till.member), "checkout": checkout}
    return web.json_response(said)
