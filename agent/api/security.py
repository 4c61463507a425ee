"""Who may call: programs of this machine, and pages of this origin. Loopback alone does not keep a browser out.

Any web page open on the till can send requests to 127.0.0.1. So: the Host header must be ours (DNS rebinding), an
Origin header must be ours or allowed, a body must be JSON (which no form of a foreign page can send), and where a
token file is configured, the caller must know the token.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from aiohttp import hdrs, web

from agent.api.errors import ApiError, Handler

COOKIE = "redeemd_token"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FOREIGN = ApiError(403, "foreign_origin", "不允许从这个网页调用", "This web page may not call the till")
_HOST = ApiError(403, "wrong_host", "地址不是本机", "Call the till by its loopback address")
_TOKEN = ApiError(401, "token_needed", "需要令牌", "Send the token of token_file: Authorization: Bearer ...")
_JSON = ApiError(415, "json_needed", "请用 JSON", "Send Content-Type: application/json")


def make_guard(token: str, allowed_origins: tuple[str, ...]) -> Any:
    """The middleware. token: "" asks for none."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_loopback_host(request.host):
            raise _HOST
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin != f"http://{request.host}" and origin not in allowed_origins:
            raise _FOREIGN
        if token and not _knows_token(request, token):
            raise _TOKEN
        if request.method in ("POST", "PUT") and request.content_type != "application/json":
            raise _JSON
        response = await handler(request)
        if origin in allowed_origins and not response.prepared:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        return response

    return guard


def _is_loopback_host(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _knows_token(request: web.Request, token: str) -> bool:
    """By header (a POS), by cookie (the page), or in the page's first address: /?token=..."""
    kind, _, said = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    candidates = [said if kind.lower() == "bearer" else "", request.cookies.get(COOKIE, "")]
    if request.path == "/":
        candidates.append(request.query.get("token", ""))
    return any(hmac.compare_digest(candidate.encode(), token.encode()) for candidate in candidates)


def page_headers(response: web.StreamResponse) -> None:
    """For what a browser shows: nothing from elsewhere, nothing inline, no frames."""
    response.headers.update(PAGE_HEADERS)


PageHeaders = Callable[[web.StreamResponse], None]
