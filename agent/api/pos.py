"""A POS's sale with coupons: quote, hold, commit or void, and returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from agent.api.answers import Closed, Committed, Held, Hold, Priced, Reversed
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.api.scans import idempotency_key
from agent.api.wire import (
    TENDERS_MAX,
    Amount,
    BadgeText,
    LineBody,
    MemberBody,
    Name,
    SaleBody,
    Text,
    answer,
    known_sale,
    lines_of,
    read_body,
    told_of,
)
from agent.domain.pricing import PRESENTED_MAX
from agent.domain.sale import LINES_MAX, PIECES_MAX
from agent.request import KeyReused
from agent.sales.desk import Answered, Ask, Final
from agent.sales.lifecycle import HOLD_LEAST_S, HOLD_MOST_S, HOLD_S, StillRunning
from agent.sales.returns import Return

routes = web.RouteTableDef()


class QuoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """supervisor: The text of a supervisor's badge, for coupons that were refused with `supervisor_needed`."""

    sale: SaleBody
    coupons: Annotated[tuple[Text, ...], Meta(max_length=PRESENTED_MAX)] = ()
    member: MemberBody | None = None
    supervisor: BadgeText = ""


class HoldBody(QuoteBody, frozen=True, forbid_unknown_fields=True):
    """lasts_s: How long it is kept."""

    lasts_s: Annotated[int, Meta(ge=HOLD_LEAST_S, le=HOLD_MOST_S)] = HOLD_S


class CommitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """total_minor: Before coupons.
    tenders: Empty where nothing was left to pay.
    lines: Absent or null where they are as held.
    """

    total_minor: Amount
    tenders: Annotated[tuple[Name, ...], Meta(max_length=TENDERS_MAX)]
    lines: Annotated[tuple[LineBody, ...], Meta(max_length=LINES_MAX)] | None = None
    out_of_stock: Annotated[tuple[Name, ...], Meta(max_length=LINES_MAX)] = ()


class ReturnedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    line: Name
    quantity: Annotated[int, Meta(ge=1, le=PIECES_MAX)]


class ReversalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either redemption_id or sale_id.

    lines: Which pieces come back; absent or null for all that is left.
    """

    redemption_id: Name | None = None
    sale_id: Name | None = None
    lines: Annotated[tuple[ReturnedLine, ...], Meta(min_length=1, max_length=LINES_MAX)] | None = None


@routes.post("/v1/quotes")
@operation(
    "quote",
    "coupons",
    {
        200: Answer(
            Priced, "The best allowed combination; refused coupons with their reason and what is missing."
        )
    },
    body=QuoteBody,
    ledger=True,
    errors=("no_bundle", "till_stopped", "too_many_guesses", "card_refused"),
)
async def quote(request: web.Request) -> web.Response:
    """What a sale would cost with these coupons. Nothing is kept, so it needs no key."""
    till = request.app[TILL]
    body = await read_body(request, QuoteBody)
    ask = _ask(request, body, "quote")
    return answer(till.counted(await till.sales.quote(ask)))


@routes.post("/v1/holds")
@operation(
    "hold",
    "coupons",
    {201: Answer(Held, "It is held. Without a coupon that counts it is, too: `applied` is empty.")},
    body=HoldBody,
    key=True,
    ledger=True,
    errors=("no_bundle", "till_stopped", "too_many_guesses", "card_refused"),
)
async def hold(request: web.Request) -> web.Response:
    """Price a sale and keep what counts for it until it is committed, voided or over.

    To everybody else, scanners too, the coupons are `held` until `expires_at`; budgets and balances are reserved. On
    disk before it is answered. A hold that nobody ends ends by itself, and a restart of the till keeps it.
    """
    till = request.app[TILL]
    key = idempotency_key(request)
    body = await read_body(request, HoldBody)
    ask = _ask(request, body, key)
    response = await _answered(lambda: till.sales.hold(ask, body.lasts_s, key))
    return _written(Answered(response.status, till.counted(response.body)))


@routes.get("/v1/holds/{hold}")
@operation(
    "showHold", "coupons", {200: Answer((Hold, Closed), "The hold.")}, ledger=True, errors=("unknown_hold",)
)
async def show(request: web.Request) -> web.Response:
    """What was last said of a hold, with its state now."""
    return answer(await request.app[TILL].sales.show(request.match_info["hold"]))


@routes.post("/v1/holds/{hold}/commit")
@operation(
    "commitHold",
    "coupons",
    {200: Answer(Committed, "It is committed and on disk.")},
    body=CommitBody,
    key=True,
    ledger=True,
    errors=("unknown_hold", "hold_voided", "hold_committed", "till_stopped"),
)
async def commit(request: web.Request) -> web.Response:
    """The sale is closed. All its coupons are redeemed, with their receipts, in one step.

    In time and unchanged, what was held is honoured. Otherwise closed than held, it is priced anew by the rules of the
    hold's moment, and a coupon that does not count any more is in `refused` and unused. After `expires_at` a coupon
    that nothing else took and whose limits still allow it counts (`late`); else it is in `conflicts` and kept as
    evidence, not redeemed. A committed hold is answered as the first time, whatever the key.
    """
    till, key, name = request.app[TILL], idempotency_key(request), request.match_info["hold"]
    body = await read_body(request, CommitBody)
    lines = None if body.lines is None else lines_of(body.lines)
    final = Final(body.total_minor, frozenset(body.tenders), lines, frozenset(body.out_of_stock))
    made = await _answered(lambda: till.sales.commit(name, final, key))
    till.tell_committed()
    return _written(made)


@routes.post("/v1/holds/{hold}/void")
@operation(
    "voidHold",
    "coupons",
    {200: Answer(Held, "It is voided, now or before.")},
    key=True,
    ledger=True,
    errors=("unknown_hold", "hold_committed"),
)
async def void(request: web.Request) -> web.Response:
    """The sale did not come about. Nothing is used; its coupons are free at once."""
    till, key, name = request.app[TILL], idempotency_key(request), request.match_info["hold"]
    return _written(await _answered(lambda: till.sales.void(name, key)))


@routes.post("/v1/reversals")
@operation(
    "reverse",
    "coupons",
    {201: Answer(Reversed, "It is recorded.")},
    body=ReversalBody,
    key=True,
    ledger=True,
    errors=(
        "unknown_redemption",
        "unknown_sale",
        "nothing_left",
        "till_stopped",
        "too_many_returned",
        "lines_unknown",
    ),
)
async def reverse(request: web.Request) -> web.Response:
    """Goods come back. What was taken off for them goes back, as a record that names the redemption.

    Of one redemption, or of all of a sale that was held and committed here; without `lines` all that is left of it.
    However the pieces come back, in the end exactly what came off has gone back.
    """
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
    till.check_texts((*body.coupons, body.supervisor) if body.supervisor else body.coupons)
    sale = known_sale(body.sale, till.currency, sale_id[:64])
    customer = till.members.customer(told_of(body.member))
    return Ask(sale, body.coupons, customer, body.supervisor)


async def _answered(call: Callable[[], Awaitable[Answered]]) -> Answered:
    try:
        return await call()
    except KeyReused:
        raise ApiError("key_reused") from None
    except StillRunning:
        raise ApiError("still_running") from None


def _written(made: Answered) -> web.Response:
    response: Any = answer(made.body)
    response.set_status(made.status)
    assert isinstance(response, web.Response), "it is one"
    return response
