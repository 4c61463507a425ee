"""Errors of the local API: a stable code, one sentence in each language, an HTTP status. Rendered in one place."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiError(Exception):
    """What a handler raises; clients match `code`."""

    def __init__(self, status: int, code: str, zh: str, en: str) -> None:
        super().__init__(f"{status} {code}: {en}")
        self.status = status
        self.code = code
        self.zh = zh
        self.en = en

    def response(self) -> web.Response:
        return web.json_response(
            {"error": {"code": self.code, "zh": self.zh, "en": self.en}}, status=self.status
        )


_HTTP_CODES = {
    404: ApiError(404, "not_found", "没有这个地址", "There is nothing at this address"),
    405: ApiError(405, "method_not_allowed", "不支持这种请求", "This method is not allowed here"),
    413: ApiError(413, "too_large", "请求过大", "The request is too large"),
}


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into the one JSON form. A bug ends the process: systemd starts a clean one."""
    try:
        return await handler(request)
    except ApiError as error:
        return error.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        known = _HTTP_CODES.get(error.status)
        return (known or ApiError(error.status, "bad_request", "请求有误", error.reason)).response()
    except AssertionError:
        log.critical("a bug: ending the process", exc_info=True)
        request.app[BUG]()
        raise


BUG: web.AppKey[Callable[[], None]] = web.AppKey("bug", Callable[[], None])  # type: ignore[arg-type]  # a callable type
