"""The cloud's HTTP application: its resources, and the answer to every error.

Nothing secret is logged: no token, no code, no body, and of a path only its route.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from agent.domain.fields import FieldError
from cloud.api import admin, bundle, code, erasure, feed, issuer, member, page, report, staff, till, webhook
from cloud.api.admission import STAFF, end_act
from cloud.api.background import duties
from cloud.api.deliver import deliveries
from cloud.api.http import CLOUD, READ_TIMEOUT_S, Cloud, problem, revoked
from cloud.errors import Refused, SetupError, StoreUnavailable, TillRevoked
from sync.wire import SignatureError, WireError

log = logging.getLogger("redeemd.cloud")

_TOO_LARGE = frozenset({"too_large", "too_many"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(cloud: Cloud) -> web.Application:
    """The application; serve it with `auto_decompress=False`, because signatures cover bodies as they were sent."""
    app = web.Application(middlewares=[_answer_errors], client_max_size=cloud.limits.batch_bytes)
    app[CLOUD] = cloud
    app.cleanup_ctx.append(duties)
    app.on_shutdown.append(_answer_the_waiting)
    app.cleanup_ctx.append(deliveries)
    app.add_routes(till.ROUTES)
    app.add_routes(bundle.ROUTES)
    app.add_routes(member.ROUTES)
    app.add_routes(admin.ROUTES)
    app.add_routes(issuer.ROUTES)
    app.add_routes(code.ROUTES)
    app.add_routes(staff.ROUTES)
    app.add_routes(report.ROUTES)
    feed.add_to(app)
    app.add_routes(page.ROUTES)
    app.add_routes(webhook.ROUTES)
    app.add_routes(erasure.ROUTES)
    return app


async def _answer_the_waiting(app: web.Application) -> None:
    await app[CLOUD].news.close()


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    started = time.monotonic()
    try:
        response = await handler(request)
    except Exception as error:
        response = _problem_for(error)
    await end_act(request, response.status)
    if STAFF in request and not response.prepared:
        response.headers.setdefault("Cache-Control", "no-store")
    resource = request.match_info.route.resource
    said = {
        "method": request.method if request.method in ("GET", "POST") else "other",
        "route": "none" if resource is None else resource.canonical,
        "status": response.status,
        "ms": round((time.monotonic() - started) * 1000, 1),
    }
    log.info("request %s", json.dumps(said))
    return response


def _problem_for(error: Exception) -> web.Response:
    match error:
        case Refused():
            answer = problem(error.status, error.code, error.sentence)
            if error.code == "unsupported_encoding":
                answer.headers[hdrs.ACCEPT_ENCODING] = "gzip"  # RFC 9110, 15.5.16
            return answer
        case TillRevoked():
            return revoked(error)
        case SignatureError():
            return problem(401, error.code, error.sentence)
        case WireError():
            return problem(
                413 if error.code in _TOO_LARGE else 400, error.code, error.sentence, permanent=True
            )
        case FieldError():
            return problem(422, "bad_field", str(error), permanent=True)
        case StoreUnavailable() | SetupError():  # the latter: it was migrated by a newer program meanwhile
            log.error("store unavailable: %s", error)
            return problem(503, "store_unavailable", "the cloud's database cannot be used now")
        case TimeoutError():
            return problem(408, "timeout", f"the body took longer than {READ_TIMEOUT_S:.0f} seconds")
        case web.HTTPRequestEntityTooLarge():
            return problem(413, "too_large", "the body is larger than a request may be", permanent=True)
        case web.HTTPException():
            code = error.reason.lower().replace(" ", "_").replace("-", "_").replace("'", "")
            answer = problem(error.status, code, error.reason)
            if hdrs.ALLOW in error.headers:
                answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return answer
    log.error("a request failed", exc_info=error)
    return problem(500, "internal", "the cloud made a mistake; nothing was acknowledged")
