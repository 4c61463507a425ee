"""Receipts: which there are, their state, their text, a copy on request, and a cashier's word that one is there."""

from __future__ import annotations

from aiohttp import web

from agent.api.answers_till import Drawer, Print, Prints, Receipt, Reprint
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, Query, limit, operation
from agent.api.wire import read_limit
from agent.ports import PrintState
from agent.printing.desk import DrawerShut, NotUnconfirmed, NotWaiting, ReceiptGone, UnknownJob

PRINTS_MAX, PRINTS_DEFAULT = 50, 20

_ONE = ("unknown_job", "receipt_gone")

routes = web.RouteTableDef()


@routes.get("/v1/prints")
@operation(
    "prints",
    "receipts",
    {200: Answer(Prints, "At most `limit` receipts.")},
    ledger=True,
    errors=("bad_request",),
    query=(
        limit(PRINTS_MAX, PRINTS_DEFAULT),
        Query("state", "Only the receipts in this state.", {"enum": [PrintState.UNCONFIRMED.value]}),
    ),
)
async def newest(request: web.Request) -> web.Response:
    """The last receipts without their text, newest first; also those from before the till's last start."""
    most = read_limit(request, PRINTS_MAX, PRINTS_DEFAULT)
    state = request.query.get("state")
    if state not in (None, PrintState.UNCONFIRMED):
        raise ApiError("bad_request", f"state is {PrintState.UNCONFIRMED} or left out")
    found = await request.app[TILL].receipts.newest(most, unconfirmed=state is not None)
    return web.json_response({"prints": found})


@routes.get("/v1/prints/{job}")
@operation("printJob", "receipts", {200: Answer(Receipt, "The receipt.")}, ledger=True, errors=_ONE)
async def show(request: web.Request) -> web.Response:
    """A receipt, its state, its text and how it looks; while it is on no paper, without its promotion code."""
    try:
        return web.json_response(await request.app[TILL].receipts.show(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None


@routes.post("/v1/prints/{job}/reprint")
@operation(
    "reprint",
    "receipts",
    {
        200: Answer(
            Reprint, "It waits for the printer. Follow it by the `print` events or GET /v1/prints/{job}."
        )
    },
    ledger=True,
    errors=_ONE,
)
async def reprint(request: web.Request) -> web.Response:
    """Print a receipt again, marked as a copy with its number.

    A receipt that still waits for the printer is not queued twice: `copy` is then the number it has (0 for the receipt
    itself).
    """
    try:
        return web.json_response(await request.app[TILL].receipts.reprint(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None


@routes.post("/v1/prints/{job}/confirm")
@operation(
    "confirmPrint",
    "receipts",
    {200: Answer(Print, "It counts as printed.")},
    ledger=True,
    errors=(*_ONE, "not_unconfirmed"),
)
async def confirm(request: web.Request) -> web.Response:
    """Say that an unconfirmed receipt is there, so that it counts as printed."""
    try:
        return web.json_response(await request.app[TILL].receipts.confirm(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None
    except NotUnconfirmed:
        raise ApiError("not_unconfirmed") from None


@routes.post("/v1/prints/{job}/give-up")
@operation(
    "giveUpPrint",
    "receipts",
    {200: Answer(Print, "It has failed.")},
    ledger=True,
    errors=(*_ONE, "not_waiting"),
)
async def give_up(request: web.Request) -> web.Response:
    """Say that nobody wants a receipt that still waits for the printer.

    It is not printed, and its promotion code goes to another receipt; who asks twice gets the same answer. Asked to
    reprint it, the till prints it without that code.
    """
    try:
        return web.json_response(await request.app[TILL].receipts.give_up(request.match_info["job"]))
    except UnknownJob:
        raise ApiError("unknown_job") from None
    except ReceiptGone:
        raise ApiError("receipt_gone") from None
    except NotWaiting:
        raise ApiError("not_waiting") from None


@routes.post("/v1/drawer")
@operation("openDrawer", "receipts", {200: Answer(Drawer, "The pulse was sent.")}, errors=("drawer_shut",))
async def open_drawer(request: web.Request) -> web.Response:
    """Open the cash drawer at the first printer that takes the pulse, once.

    One pulse between receipts, never repeated by the till: ask again only if the drawer is shut. No receipt and no
    reprint opens it.
    """
    try:
        return web.json_response(await request.app[TILL].receipts.open_drawer())
    except DrawerShut as shut:
        raise ApiError("drawer_shut", shut.en, shut.zh) from None
