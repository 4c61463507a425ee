"""The open connections: how many there may be, and which one goes when there is another.

A program that opens many and sends nothing, or half a request on each, must not shut the till for the POS. So when
there are too many, one goes on which nothing is being answered: first one on which nothing ever was; the oldest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from agent.api.front import Front

CONNECTIONS_MAX = 128
"""Connections at the same time. The page needs two, a POS one."""

MakeFront = Callable[[web.RequestHandler, Callable[[], object]], Front]
Handle = Callable[[Any], Awaitable[web.StreamResponse]]


class Connections:
    """Those of `server`, each with its front. make_front: takes what answers behind it, and what to call at its end."""

    def __init__(self, server: web.Server, make_front: MakeFront) -> None:
        self._server = server
        self._make_front = make_front
        self._fronts: dict[object, Front] = {}
        server.request_handler = self._watched(server.request_handler)

    def __len__(self) -> int:
        return len(self._server.connections)

    def new(self) -> asyncio.Protocol:
        """What answers a new connection."""
        open_ones = [one for one in self._server.connections if one.transport is not None]  # the oldest first
        if len(open_ones) >= CONNECTIONS_MAX and not self._close_one(open_ones):
            return _Refusal()
        connection = self._server()
        connection.keep_alive(True)  # else aiohttp waits for ever for a first request
        front = self._fronts[connection] = self._make_front(
            connection, lambda: self._fronts.pop(connection, None)
        )
        return front

    async def settle(self, wait_s: float) -> None:
        """Wait until what the fronts answer is answered, `wait_s` at most."""
        if tasks := [front.task for front in self._fronts.values() if front.task is not None]:
            await asyncio.wait(tasks, timeout=wait_s)

    def _close_one(self, open_ones: list[web.RequestHandler]) -> bool:
        """Close one that waits for its caller; False if something is being answered on all of them."""
        waiting = [one for one in open_ones if self._fronts[one].waits]
        if not waiting:
            return False
        min(waiting, key=lambda one: self._fronts[one].served).force_close()
        return True

    def _watched(self, handle: Handle) -> Handle:
        async def watched(request: web.Request) -> web.StreamResponse:
            front = self._fronts.get(request.protocol)
            if front is None:  # the caller has hung up meanwhile
                return await handle(request)
            front.asked_behind = request
            try:
                return await handle(request)
            finally:
                front.answered_behind()

        return watched


class _Refusal(asyncio.Protocol):
    """Closes its connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
