"""A POS's sale with coupons: quote, hold, commit or void, and returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.scans import idempotency_key
from agent.api.wire import (
    TENDERS_MAX,
    Amount,
    LineBody,
    Name,
    SaleBody,
    Text,
    answer,
    known_sale,
    lines_of,
    read_body,
)
from agent.domain.eligibility import Member
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.pricing import PRESENTED_MAX
from agent.domain.sale import LINES_MAX, PIECES_MAX
from agent.redeem import KeyReused
from agent.sale_desk import Answered, Ask, Final, SaleFault
from agent.sale_return import Return
from agent.sales import HOLD_LEAST_S, HOLD_MOST_S, HOLD_S, StillRunning

routes = web.RouteTableDef()
_LEVEL_MAX, _VISITS_MAX, _ABSENT_MAX = 100, 10**9, 36_600


class MemberBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pseudonym: 8 to 16 bytes in hex, as coupons name their holder; never a number of a person."""

    pseudonym: Annotated[str, Meta(pattern=r"\A([0-9a-f]{2}){8,16}\Z")]
    level: Annotated[int, Meta(ge=0, le=_LEVEL_MAX)] = 0
    visits: Annotated[int, Meta(ge=0, le=_VISITS_MAX)] = 0
    absent_days: Annotated[int, Meta(ge=0, le=_ABSENT_MAX)] | None = None
    points: Annotated[int, Meta(ge=0, le=AMOUNT_MAX_MINOR)] = 0


class QuoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sale: SaleBody
    coupons: Annotated[tuple[Text, ...], Meta(max_length=PRESENTED_MAX)] = ()
    member: MemberBody | None = None


class HoldBody(QuoteBody, frozen=True, forbid_unknown_fields=True):
    lasts_s: Annotated[int, Meta(ge=HOLD_LEAST_S, le=HOLD_MOST_S)] = HOLD_S


class CommitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    total_minor: Amount
    tenders: Annotated[tuple[Name, ...], Meta(max_length=TENDERS_MAX)]
    lines: Annotated[tuple[LineBody, ...], Meta(max_length=LINES_MAX)] | None = None
    out_of_stock: Annotated[tuple[Name, ...], Meta(max_length=LINES_MAX)] = ()


class ReturnedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    line: Name
    quantity: Annotated[int, Meta(ge=1, le=PIECES_MAX)]


class ReversalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    redemption_id: Name | None = None
    sale_id: Name | None = None
    lines: Annotated[tuple[ReturnedLine, ...], Meta(min_length=1, max_length=LINES_MAX)] | None = None


@routes.post("/v1/quotes")
async def quote(request: web.Request) -> web.Response:
    """What the sale would cost; nothing happens, so it needs no key."""
    till = request.app[TILL]
    body = await read_body(request, QuoteBody)
    ask = _ask(request, body, "quote")
    try:
        return answer(till.counted(await till.sales.quote(ask)))
    except SaleFault as fault:
        raise ApiError(fault.code, fault.reason) from None


@routes.post("/v1/holds")
async def hold(request: web.Request) -> web.Response:
    """Reserve what counts."""
    till = request.app[TILL]
    key = idempotency_key(request)
    body = await read_body(request, HoldBody)
    ask = _ask(request, body, key)
    response = await _answered(lambda: till.sales.hold(ask, body.lasts_s, key))
    return _written(Answered(response.status, till.counted(response.body)))


@routes.get("/v1/holds/{hold}")
async def show(request: web.Request) -> web.Response:
    try:
        return answer(await request.app[TILL].sales.show(request.match_info["hold"]))
    except SaleFault as fault:
        raise ApiError(fault.code, fault.reason) from None


@routes.post("/v1/holds/{hold}/commit")
async def commit(request: web.Request) -> web.Response:
    """The sale is closed."""
    till, key, name = request.app[TILL], idempotency_key(request), request.match_info["hold"]
    body = await read_body(request, CommitBody)
    lines = None if body.lines is None else lines_of(body.lines)
    final = Final(body.total_minor, frozenset(body.tenders), lines, frozenset(body.out_of_stock))
    made = await _answered(lambda: till.sales.commit(name, final, key))
    till.tell_committed()
    return _written(made)


@routes.post("/v1/holds/{hold}/void")
async def void(request: web.Request) -> web.Response:
    """The sale did not come about."""
    till, key, name = request.app[TILL], idempotency_key(request), request.match_info["hold"]
    return _written(await _answered(lambda: till.sales.void(name, key)))


@routes.post("/v1/reversals")
async def reverse(request: web.Request) -> web.Response:
    """A return, whole or by line."""
    till, key = request.app[TILL], idempotency_key(request)
    body = await read_body(request, ReversalBody)
    if (body.redemption_id is None) == (body.sale_id is None):
        raise ApiError("bad_body", "it names either redemption_id or sale_id")
    lines = None if body.lines is None else tuple((one.line, one.quantity) for one in body.lines)
    if lines is not None and len(dict(lines)) < len(lines):
        raise ApiError("bad_body", "lines: a line is named twice")
    asked = Return(body.redemption_id, body.sale_id, lines)
    return _written(await _answered(lambda: till.sales.reverse(asked, key)))


def _ask(request: web.Request, body: QuoteBody, sale_id: str) -> Ask:
    """The request in the domain's words; ApiError and TooManyGuesses."""
    till = request.app[TILL]
    if not till.currency:
        raise ApiError("no_bundle")
    till.check_texts(body.coupons)
    one, member = body.member, None
    if one is not None:
        pseudonym = bytes.fromhex(one.pseudonym)
        member = Member(pseudonym, one.level, one.visits, one.absent_days, one.points)
    return Ask(known_sale(body.sale, till.currency, sale_id[:64]), body.coupons, member)


async def _answered(call: Callable[[], Awaitable[Answered]]) -> Answered:
    try:
        return await call()
    except SaleFault as fault:
        raise ApiError(fault.code, fault.reason) from None
    except KeyReused:
        raise ApiError("key_reused") from None
    except StillRunning:
        raise ApiError("still_running") from None


def _written(made: Answered) -> web.Response:
    response: Any = answer(made.body)
    response.set_status(made.status)
    assert isinstance(response, web.Response), "it is one"
    return response
