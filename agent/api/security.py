"""Who may call: programs of this machine, and pages of this origin. Loopback alone does not keep a browser out.

Any web page open on the till can send requests to 127.0.0.1. So: the Host header must be ours (DNS rebinding), an
Origin header must be ours or allowed, a request that a browser marks as another site's is refused even without Origin,
a body must be JSON (which no form of a foreign page can send), and where a token file is configured, the caller must
know the token. Allowed origins are answered as CORS asks (Fetch standard, section 3.3).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import ip_address

from aiohttp import hdrs, web

from agent.api.errors import ApiError

COOKIE = "redeemd_token"
_JSON = "application/json"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_EVERY_ANSWER = {"Server": "redeemd", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key",
    "Access-Control-Max-Age": "600",
}


Guard = Callable[[web.Request], web.Response | None]


def make_guard(token: str, allowed_origins: tuple[str, ...]) -> Guard:
    """Looks at a request: ApiError for one that may not be, an answer to a browser's own question, None for any other.

    token: "" asks for none.
    """

    def guard(request: web.Request) -> web.Response | None:
        headers = request.headers
        host = headers.get(hdrs.HOST, "")
        if not _is_loopback_host(host):
            raise ApiError("wrong_host")
        origin = headers.get(hdrs.ORIGIN)
        if origin is None:
            _refuse_other_sites(request)
        elif origin != f"http://{host}" and origin not in allowed_origins:
            raise ApiError("foreign_origin")
        if origin in allowed_origins and _is_preflight(request):
            return _preflight(request)  # a browser sends it without the token
        if token and not _knows_token(request, token):
            raise ApiError("token_needed")
        if request.method in ("POST", "PUT"):
            _refuse_other_bodies(request)
        return None

    return guard


def make_fits(token: str) -> Callable[[str, str], bool]:
    """The guard for a request that has no headers but a Host and an Authorization ("" for none), and a JSON body."""

    def fits(host: str, authorization: str) -> bool:
        return _is_loopback_host(host) and (not token or _is_token(_bearer(authorization), token))

    return fits


Signer = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def make_signer(allowed_origins: tuple[str, ...]) -> Signer:
    """The headers of every answer, errors and streams too (for `on_response_prepare`)."""

    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(_EVERY_ANSWER)
        if not allowed_origins:
            return
        response.headers[hdrs.VARY] = hdrs.ORIGIN
        origin = request.headers.get(hdrs.ORIGIN)
        if origin in allowed_origins:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin

    return sign


@lru_cache(maxsize=64)  # callers say the same few hosts again and again
def _is_loopback_host(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse_other_sites(request: web.Request) -> None:
    """A browser sends no Origin with a plain GET of another site; it says so in Sec-Fetch-Site instead.

    Following a link to the page is fine: that site sees nothing of it.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site in ("none", "same-origin"):
        return
    follows_link = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.path == "/"
    if not follows_link:
        raise ApiError("foreign_origin")


def _refuse_other_bodies(request: web.Request) -> None:
    headers = request.headers
    plain = headers.get(hdrs.CONTENT_TYPE) == _JSON  # what nearly everybody sends: nothing to parse
    if not (plain or request.content_type == _JSON) or hdrs.CONTENT_ENCODING in headers:
        raise ApiError("json_needed")


def _is_preflight(request: web.Request) -> bool:
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def _preflight(request: web.Request) -> web.Response:
    response = web.Response(status=204, headers=_PREFLIGHT)
    if "Access-Control-Request-Private-Network" in request.headers:
        response.headers["Access-Control-Allow-Private-Network"] = "true"
    return response


def _knows_token(request: web.Request, token: str) -> bool:
    """By header (a POS), by cookie (the page), or in the page's first address: /?token=..."""
    candidates = [_bearer(request.headers.get(hdrs.AUTHORIZATION, "")), request.cookies.get(COOKIE, "")]
    if request.path == "/":
        candidates.append(request.query.get("token", ""))
    return any(_is_token(candidate, token) for candidate in candidates)


def _bearer(authorization: str) -> str:
    kind, _, said = authorization.partition(" ")
    return said.strip() if kind.lower() == "bearer" else ""


def _is_token(said: str, token: str) -> bool:
    # headers hold whatever bytes were sent; compare_digest takes the same time wherever two texts differ
    return hmac.compare_digest(said.encode("utf-8", "surrogateescape"), token.encode())
