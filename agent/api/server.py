"""The local HTTP server. docs/openapi.yaml is made from its routes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

import config
from agent.api import (
    bundles,
    conflicts,
    documents,
    lanes,
    outbox,
    pages,
    pos,
    prints,
    risk,
    sales,
    scanners,
    scans,
    status,
)
from agent.api.connections import Connections
from agent.api.errors import make_answerer
from agent.api.front import Front
from agent.api.keys import TILL
from agent.api.security import make_fits, make_guard, make_signer
from agent.api.wire import BODY_BYTES_MAX, RedeemBody, body_of
from agent.till import Till
from config.regular_file import NotRegular, read_regular

log = logging.getLogger(__name__)

ROUTES = [
    route
    for module in (
        scans,
        pos,
        sales,
        scanners,
        prints,
        bundles,
        outbox,
        conflicts,
        status,
        lanes,
        risk,
        documents,
    )
    for route in module.routes
]
"""What the API document lists, in its order; the pages are beside them."""
IDLE_S = 30
"""How long a connection may be silent, before its first request and between two."""
SHUTDOWN_S = 2.0
TOKEN_BYTES_MIN, TOKEN_BYTES_MAX = 16, 4096


class ApiStartError(Exception):
    """The API cannot listen. The text says why and what to do."""


def make_app(till: Till, token: str, allowed_origins: tuple[str, ...]) -> web.Application:
    """The application with its routes and guards."""
    answered: Any = web.middleware(make_answerer(make_guard(token, allowed_origins), _end_process))
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[answered])
    app[TILL] = till
    app.on_response_prepare.append(make_signer(allowed_origins))
    app.add_routes(ROUTES)
    documents.keep_document(app)
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
        self._listener: asyncio.Server | None = None
        self._connections: Connections | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        settings = self._settings
        token, origins = read_token(settings.token_file), settings.allowed_origins
        app = make_app(self._till, token, origins)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=SHUTDOWN_S, keepalive_timeout=IDLE_S
        )
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "it was set up"
        self._connections = Connections(
            server, partial(Front, redeem=self._redeem, fits=make_fits(token), idle_s=IDLE_S)
        )
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._connections.new, settings.host, settings.port, reuse_address=True
            )
        except OSError as error:
            await self._runner.cleanup()
            raise ApiStartError(
                f"api: cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
                "Is another program there? Choose another api.port."
            ) from error
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def _redeem(self, key: str, body: bytes) -> bytes:
        verdict = await scans.redeemed(self._till, scans.fit_key(key), body_of(body, RedeemBody))
        return verdict.to_bytes(msgspec.json.encode)

    @property
    def connections(self) -> int:
        """How many are open now."""
        return 0 if self._connections is None else len(self._connections)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._connections is not None:
            await self._connections.settle(SHUTDOWN_S)
        if self._runner is not None:
            await self._runner.cleanup()


def read_token(path: str) -> str:
    """The API token of `path` ("" for none); ApiStartError if the file is unfit."""
    if not path:
        return ""
    try:
        token = read_regular(Path(path), TOKEN_BYTES_MAX).decode("ascii").strip()
    except FileNotFoundError:
        raise ApiStartError(f"token file {path} does not exist") from None
    except NotRegular:
        raise ApiStartError(f"token file {path} is no regular file") from None
    except OSError as error:
        raise ApiStartError(f"token file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ApiStartError(f"token file {path} holds characters beyond ASCII") from None
    if not TOKEN_BYTES_MIN <= len(token) <= TOKEN_BYTES_MAX:
        raise ApiStartError(
            f"the token in {path} has {len(token)} characters, {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} are allowed"
        )
    return token
