"""Scans and redemptions over the API."""

from __future__ import annotations

from aiohttp import web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.wire import NAME_CHARS_MAX, RedeemBody, ScanBody, answer, read_body, read_limit, sale_of
from agent.domain.verdict import Verdict
from agent.hub import VERDICTS_KEPT
from agent.intake import Overflow
from agent.redeem import KeyReused
from agent.sales import StillRunning
from agent.till import Till

KEY_CHARS_MAX = 128
VERDICTS_DEFAULT = 20

routes = web.RouteTableDef()


@routes.post("/v1/scan")
async def scan(request: web.Request) -> web.Response:
    """A scan as a device would give it: debounced, judged against the current sale."""
    body = await read_body(request, ScanBody)
    try:
        verdict = await request.app[TILL].scan(body.text, "screen")
    except Overflow:
        raise ApiError("busy") from None
    return answer(verdict.to_json())


@routes.post("/v1/redeem")
async def redeem(request: web.Request) -> web.Response:
    """Redeem for a POS, once for each Idempotency-Key."""
    return answer((await redeemed(request.app[TILL], request)).to_json())


async def redeemed(till: Till, request: web.Request) -> Verdict:
    """The verdict on a request to redeem; ApiError."""
    key = idempotency_key(request)
    body = await read_body(request, RedeemBody)
    try:
        verdict = await till.redeem(body.text, sale_of(body.sale, till.currency, key[:NAME_CHARS_MAX]), key)
    except KeyReused:
        raise ApiError("key_reused") from None
    except StillRunning:
        raise ApiError("still_running") from None
    return verdict


@routes.post("/v1/verify")
async def verify(request: web.Request) -> web.Response:
    """What would be said now of this text; nothing is recorded and the ledger is not asked."""
    till = request.app[TILL]
    body = await read_body(request, RedeemBody)
    return answer(till.explain(body.text, sale_of(body.sale, till.currency, "verify")).to_json())


@routes.get("/v1/verdicts")
async def verdicts(request: web.Request) -> web.Response:
    """The last verdicts, newest first."""
    limit = read_limit(request, VERDICTS_KEPT, VERDICTS_DEFAULT)
    return answer({"verdicts": list(request.app[TILL].hub.verdicts)[:limit]})


def idempotency_key(request: web.Request) -> str:
    """The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07); required, and only one."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not any(keys):
        raise ApiError("key_missing")
    key = keys[0]
    if len(keys) > 1 or len(key) > KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        raise ApiError("key_form")
    return key
