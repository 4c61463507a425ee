"""The open connections: how many there may be, and which one goes when there is another.

A program that opens many and sends nothing, or half a request on each, must not shut the till for the POS. So when
there are too many, one goes on which nothing is being answered: first one on which nothing ever was; the oldest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

CONNECTIONS_MAX = 128
"""Connections at the same time. The page needs two, a POS one."""

Handle = Callable[[Any], Awaitable[web.StreamResponse]]


class Connections:
    """Those of `server`."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._asked: dict[object, web.Request] = {}
        """Connection to the request that is being answered on it."""
        self._served: set[object] = set()
        """Connections on which something was answered."""
        server.request_handler = self._watched(server.request_handler)

    def __len__(self) -> int:
        return len(self._server.connections)

    def new(self) -> asyncio.Protocol:
        """What answers a new connection."""
        open_ones = [one for one in self._server.connections if one.transport is not None]  # the oldest first
        self._served.intersection_update(open_ones)
        if len(open_ones) >= CONNECTIONS_MAX and not self._close_one(open_ones):
            return _Refusal()
        connection = self._server()
        connection.keep_alive(True)  # else aiohttp waits for ever for a first request
        return connection

    def _close_one(self, open_ones: list[web.RequestHandler]) -> bool:
        """Close one that waits for its caller; False if something is being answered on all of them."""
        waiting = [
            one for one in open_ones if one not in self._asked or not self._asked[one].content.is_eof()
        ]
        if not waiting:
            return False
        min(waiting, key=self._served.__contains__).force_close()
        return True

    def _watched(self, handle: Handle) -> Handle:
        async def watched(request: web.Request) -> web.StreamResponse:
            connection = request.protocol
            self._asked[connection] = request
            try:
                return await handle(request)
            finally:
                self._asked.pop(connection, None)
                self._served.add(connection)

        return watched


class _Refusal(asyncio.Protocol):
    """Closes its connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
