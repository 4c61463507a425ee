"""An endpoint of a webhook on a real port, told by the test how to answer, and a receiver that sends to it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web

from cloud import webhook_desk
from cloud.api.deliver import Deliveries
from cloud.outbound import Bounds, Outbound
from cloud.ports import CloudStore
from tests.integration.cloud_server_kit import Time

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
How = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


async def takes(_request: web.Request, _event: dict[str, Any]) -> web.StreamResponse:
    return web.Response(status=204)


def answers(status: int, **headers: str) -> How:
    async def answer(_request: web.Request, _event: dict[str, Any]) -> web.StreamResponse:
        return web.Response(
            status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return answer


@dataclass
class Endpoint:
    """got: (webhook-id, event) of every request that came. signatures: their headers. how: it answers."""

    url: str = ""
    how: How = takes
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [event["id"] for _, event in self.got]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        event = json.loads(body)
        self.got.append((request.headers["webhook-id"], event))
        self.headers.append(dict(request.headers))
        self.bodies.append(body)
        return await self.how(request, event)

    def signed_by(self, secret: str, place: int = -1) -> bool:
        """As the standard says it, in other words than ours."""
        sent, key = self.headers[place], base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join(
            (sent["webhook-id"].encode(), sent["webhook-timestamp"].encode(), self.bodies[place])
        )
        right = "v1," + base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
        return right in sent["webhook-signature"].split(" ")


@contextlib.asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_post("/{tail:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield made
    finally:
        await runner.cleanup()


@dataclass
class Sender:
    """A receiver's half that sends, with a clock that the test moves."""

    store: CloudStore
    sending: Deliveries
    clock: Time

    async def add(self, to: Endpoint, *types: str, after: str = "0.0") -> tuple[str, str]:
        """(name, secret)"""
        made = await webhook_desk.add(self.store, to.url, types, after, self.clock())
        return made["webhook"], made["secret"]

    async def turn(self) -> None:
        """Whatever is due now, to its end."""
        await self.sending.look()
        await asyncio.gather(*self.sending.turns.values())

    async def turns(self, count: int, seconds: float) -> None:
        for _ in range(count):
            await self.turn()
            self.clock.pass_s(seconds)

    async def state(self, name: str) -> dict[str, Any]:
        return await webhook_desk.shown(self.store, await webhook_desk.found(self.store, name))


@contextlib.asynccontextmanager
async def sender(
    store: CloudStore,
    clock: Time | None = None,
    bounds: Bounds | None = None,
    networks: tuple[Any, ...] = LOOPBACK,
) -> AsyncIterator[Sender]:
    """jitter: the longest wait there may be."""
    clock = clock or Time()
    async with Outbound(networks, bounds or Bounds()) as outbound:
        sending = Deliveries(store, outbound, clock, jitter=lambda: 1.0)
        try:
            yield Sender(store, sending, clock)
        finally:
            await sending.close()


DAY_S = timedelta(days=1).total_seconds()
