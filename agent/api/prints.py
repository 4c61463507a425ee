"""Receipts: which there are, their state, their text, a copy on request, and a cashier's word that one is there."""

from __future__ import annotations

from aiohttp import web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.wire import read_limit
from agent.ports import PrintState
from agent.receipt_desk import DrawerShut, NotUnconfirmed, NotWaiting, ReceiptGone, UnknownJob

PRINTS_MAX, PRINTS_DEFAULT = 50, 20

routes = web.RouteTableDef()


@routes.get("/v1/prints")
async def newest(request: web.Request) -> web.Response:
    """The last receipts without their text, newest first; with state=unconfirmed only those."""
    limit = read_limit(request, PRINTS_MAX, PRINTS_DEFAULT)
    state = request.query.get("state")
    if state not in (None, PrintState.UNCONFIRMED):
        raise ApiError("bad_request", f"state is {PrintState.UNCONFIRMED} or left out")
    found = await request.app[TILL].receipts.newest(limit, unconfirmed=state is not None)
    return web.json_response({"prints": found})


@routes.get("/v1/prints/{job}")
async def show(request: web.Request) -> web.Response:
    try:
        return web.json_response(await request.app[TILL].receipts.show(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None


@routes.post("/v1/prints/{job}/reprint")
async def reprint(request: web.Request) -> web.Response:
    """Print it again, marked as a copy."""
    try:
        return web.json_response(await request.app[TILL].receipts.reprint(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None


@routes.post("/v1/prints/{job}/confirm")
async def confirm(request: web.Request) -> web.Response:
    """Somebody looked and the receipt is there."""
    try:
        return web.json_response(await request.app[TILL].receipts.confirm(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None
    except NotUnconfirmed:
        raise ApiError("not_unconfirmed") from None


@routes.post("/v1/prints/{job}/give-up")
async def give_up(request: web.Request) -> web.Response:
    """It still waits for a printer and nobody wants it any more."""
    try:
        return web.json_response(await request.app[TILL].receipts.give_up(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None
    except NotWaiting:
        raise ApiError("not_waiting") from None


@routes.post("/v1/drawer")
async def open_drawer(request: web.Request) -> web.Response:
    """One pulse for the cash drawer at the first printer, apart from any receipt."""
    try:
        return web.json_response(await request.app[TILL].receipts.open_drawer())
    except DrawerShut as shut:
        raise ApiError("drawer_shut", str(shut)) from None
