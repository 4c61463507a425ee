"""Scans and redemptions over the API."""

from __future__ import annotations

from aiohttp import web

from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.wire import RedeemBody, ScanBody, read_body, sale_of
from agent.intake import Overflow
from agent.redeem import KeyReused
from agent.till import StillRunning

KEY_CHARS_MAX = 128
_BUSY = ApiError(503, "busy", "扫描太快,请稍候", "Too many scans are waiting")
_KEY_MISSING = ApiError(
    400,
    "key_missing",
    "缺少 Idempotency-Key",
    "Send an Idempotency-Key header: the same key gives the same answer",
)
_KEY_FORM = ApiError(
    400, "key_form", "Idempotency-Key 有误", f"Idempotency-Key is 1 to {KEY_CHARS_MAX} ASCII characters"
)
_KEY_REUSED = ApiError(
    422, "key_reused", "同一个键用于不同的请求", "This Idempotency-Key was used for another request"
)
_RUNNING = ApiError(
    409, "still_running", "同一请求正在处理", "The same request is being answered: ask again in a moment"
)

routes = web.RouteTableDef()


@routes.post("/v1/scan")
async def scan(request: web.Request) -> web.Response:
    """A scan as a device would give it: debounced, judged against the current sale."""
    body = await read_body(request, ScanBody)
    try:
        verdict = await request.app[TILL].scan(body.text, "screen")
    except Overflow:
        raise _BUSY from None
    return web.json_response(verdict.to_json())


@routes.post("/v1/redeem")
async def redeem(request: web.Request) -> web.Response:
    """Redeem for a POS, once for each Idempotency-Key."""
    till = request.app[TILL]
    key = idempotency_key(request)
    body = await read_body(request, RedeemBody)
    try:
        verdict = await till.redeem(body.text, sale_of(body.sale, till.currency, key[:64]), key)
    except KeyReused:
        raise _KEY_REUSED from None
    except StillRunning:
        raise _RUNNING from None
    return web.json_response(verdict.to_json())


@routes.post("/v1/verify")
async def verify(request: web.Request) -> web.Response:
    """What would be said now of this text; nothing is recorded and the ledger is not asked."""
    till = request.app[TILL]
    body = await read_body(request, RedeemBody)
    return web.json_response(till.explain(body.text, sale_of(body.sale, till.currency, "verify")).to_json())


@routes.get("/v1/verdicts")
async def verdicts(request: web.Request) -> web.Response:
    """The last verdicts, newest first."""
    said = request.query.get("limit", "20")
    limit = int(said) if said.isdecimal() and len(said) < 5 else 20
    return web.json_response({"verdicts": list(request.app[TILL].hub.verdicts)[:limit]})


def idempotency_key(request: web.Request) -> str:
    """The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07); required."""
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise _KEY_MISSING
    if len(key) > KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        raise _KEY_FORM
    return key
