"""Scans and redemptions over the API."""

from __future__ import annotations

from aiohttp import web

from agent.api.answers import VerdictAnswer, Verdicts
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, limit, operation
from agent.api.wire import (
    NAME_CHARS_MAX,
    RedeemBody,
    ScanBody,
    answer,
    read_body,
    read_limit,
    sale_of,
    told_of,
)
from agent.domain.member_card import CardRefused
from agent.domain.verdict import Verdict
from agent.hub import VERDICTS_KEPT
from agent.intake import Overflow
from agent.members import NOBODY
from agent.request import KeyReused
from agent.sales.lifecycle import StillRunning
from agent.till import Till

KEY_CHARS_MAX = 128
VERDICTS_DEFAULT = 20

_VERDICT = Answer(VerdictAnswer, "The verdict. Refused coupons are answered so too.")

routes = web.RouteTableDef()


@routes.post("/v1/scan")
@operation("scan", "coupons", {200: _VERDICT}, body=ScanBody, errors=("too_many_guesses", "busy"))
async def scan(request: web.Request) -> web.Response:
    """A scan as a scanner of the till would give it, judged against the current sale and redeemed if it is good.

    For pages. The same text again within `scan.debounce_ms`, from whatever source, is the same scan and gets the same
    verdict. A POS uses /v1/redeem: it has a key and a sale.
    """
    body = await read_body(request, ScanBody)
    try:
        verdict = await request.app[TILL].scan(body.text, "screen")
    except Overflow:
        raise ApiError("busy") from None
    return answer(verdict.to_json())


@routes.post("/v1/redeem")
@operation(
    "redeem",
    "coupons",
    {200: _VERDICT},
    body=RedeemBody,
    key=True,
    errors=("too_many_guesses", "card_refused"),
)
async def redeem(request: web.Request) -> web.Response:
    """Redeem a coupon for a sale, once for each Idempotency-Key.

    The answer is on disk before it is sent. When the answer is lost, send the same request with the same key again,
    also after a restart of the till: for 7 days the first answer comes back with `replayed: true` and nothing happens
    twice. After 7 days the till forgets the key, and the request is judged as a new one: a coupon that was redeemed is
    then `already_redeemed`, but one that counts several times would be used once more. Not kept, because nothing was
    recorded, are answers with `outcome` `till_stopped`; and after `unknown_result` the same request with the same key
    finds out what is on disk.

    A key belongs to one request: the same text, sale, member and supervisor. Make a new key for each attempt of a
    customer, an UUID for example, and keep it until you have an answer.
    """
    key = idempotency_key(request)
    body = await read_body(request, RedeemBody)
    return answer((await redeemed(request.app[TILL], key, body)).to_json())


async def redeemed(till: Till, key: str, body: RedeemBody) -> Verdict:
    """The verdict on a request to redeem; ApiError."""
    try:
        sale = sale_of(body.sale, till.currency, key[:NAME_CHARS_MAX])
        customer = NOBODY if body.member is None else till.members.customer(told_of(body.member))
        verdict = await till.redeem(body.text, sale, key, customer, body.supervisor)
    except KeyReused:
        raise ApiError("key_reused") from None
    except CardRefused as refused:
        raise ApiError("card_refused", refused.code) from None
    except StillRunning:
        raise ApiError("still_running") from None
    return verdict


@routes.post("/v1/verify")
@operation("verify", "coupons", {200: _VERDICT}, body=RedeemBody, errors=("too_many_guesses", "card_refused"))
async def verify(request: web.Request) -> web.Response:
    """What would be said of a coupon now. Nothing is recorded and nothing is used.

    Signature, trust, the bundle's status list and the rules: what was revoked, or used at another till as far as the
    bundle knows, is refused. This till's own ledger and its budgets are not asked, so `accepted` here can become
    `already_redeemed`, `held` or `budget_reached` at the redemption. `redemption_id` and `print_job` are null and
    `source` is `verify`.
    """
    till = request.app[TILL]
    body = await read_body(request, RedeemBody)
    sale = sale_of(body.sale, till.currency, "verify")
    customer = till.members.customer(told_of(body.member))
    if customer.fault:
        raise ApiError("card_refused", customer.fault)
    return answer(till.explain(body.text, sale, customer).to_json())


@routes.get("/v1/verdicts")
@operation(
    "verdicts",
    "coupons",
    {200: Answer(Verdicts, "At most `limit` verdicts.")},
    errors=("bad_request",),
    query=(limit(VERDICTS_KEPT, VERDICTS_DEFAULT),),
)
async def verdicts(request: web.Request) -> web.Response:
    """The last verdicts of this till since it started, newest first."""
    most = read_limit(request, VERDICTS_KEPT, VERDICTS_DEFAULT)
    return answer({"verdicts": list(request.app[TILL].hub.verdicts)[:most]})


def idempotency_key(request: web.Request) -> str:
    """The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07); required, and only one."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not any(keys):
        raise ApiError("key_missing")
    if len(keys) > 1:
        raise ApiError("key_form")
    return fit_key(keys[0])


def fit_key(key: str) -> str:
    """`key` itself; ApiError key_form."""
    if len(key) > KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        raise ApiError("key_form")
    return key
