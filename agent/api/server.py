"""The local HTTP server. docs/openapi.yaml describes it; a test holds the two together."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

import config
from agent.api import pages, prints, sales, scans, status
from agent.api.errors import BUG, error_middleware
from agent.api.keys import TILL
from agent.api.security import make_guard
from agent.till import Till

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 256 * 1024
TOKEN_BYTES_MIN, TOKEN_BYTES_MAX = 16, 4096


class ApiStartError(Exception):
    """The API cannot listen. The text says why and what to do."""


def make_app(till: Till, token: str, allowed_origins: tuple[str, ...]) -> web.Application:
    """The application with its routes and guards."""
    app = web.Application(
        client_max_size=BODY_BYTES_MAX, middlewares=[error_middleware, make_guard(token, allowed_origins)]
    )
    app[TILL] = till
    app[BUG] = _end_process
    for module in (scans, sales, prints, status):
        app.add_routes(module.routes)
    pages.add_pages(app)
    return app


def _end_process() -> None:
    """After a bug: stop as if systemd had asked, with a failure, so that it starts a clean process."""
    os.kill(os.getpid(), signal.SIGABRT)


class ApiServer:
    """Listens while the context is open. url: where, once it is."""

    def __init__(self, till: Till, settings: config.Api) -> None:
        self._till = till
        self._settings = settings
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        settings = self._settings
        app = make_app(self._till, read_token(settings.token_file), settings.allowed_origins)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ApiStartError(
                f"api: cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
                "Is another program there? Choose another api.port."
            ) from error
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


def read_token(path: str) -> str:
    """The API token of `path` ("" for none); ApiStartError if the file is unfit."""
    if not path:
        return ""
    try:
        raw = Path(path).read_bytes()[: TOKEN_BYTES_MAX + 1]
        token = raw.decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ApiStartError(f"api.token_file {path}: {error}") from error
    if not TOKEN_BYTES_MIN <= len(token) <= TOKEN_BYTES_MAX:
        raise ApiStartError(
            f"api.token_file {path}: the token has {len(token)} characters; at least {TOKEN_BYTES_MIN} are needed"
        )
    return token
