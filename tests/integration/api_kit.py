"""What the API tests share: a real till of the factory behind real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

import config
from agent.app import App, running
from tests.factory import Factory

WAIT_S = 20.0
"""Bound on every wait; far above what any of it takes."""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The error's stable code."""
        found = self.json["code"]
        assert isinstance(found, str)
        return found

    def header(self, name: str) -> str | None:
        """Names in any case."""
        return self.headers.get(name)


@dataclass
class RealTill:
    """app: the open till. call: one request over HTTP."""

    app: App
    factory: Factory
    session: aiohttp.ClientSession
    keys: int = 0
    indexes: Any = field(default_factory=lambda: iter(range(1, 100_000)))

    @property
    def url(self) -> str:
        return self.app.api.url

    @property
    def port(self) -> int:
        port = URL(self.url).port
        assert port is not None
        return port

    def coupon(self) -> str:
        """A good coupon, another one each time."""
        return self.factory.coupon(next(self.indexes))

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **named: str,
    ) -> Answer:
        """body: sent as JSON. raw: sent as it is. named: more headers, Idempotency_Key="x" is Idempotency-Key: x."""
        sent = dict(headers or {}) | {name.replace("_", "-"): value for name, value in named.items()}
        data = json.dumps(body).encode() if body is not None else raw
        if data is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method, URL(self.url + path, encoded=True), data=data, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def redeem(self, text: str, key: str | None = None, **sale: Any) -> Answer:
        if key is None:
            self.keys += 1
            key = f"key-{self.keys}"
        body = {"text": text} | ({"sale": sale} if sale else {})
        return await self.call("POST", "/v1/redeem", body, Idempotency_Key=key)

    async def speak(self, request: bytes) -> bytes:
        """Send bytes as they are and read until the till closes."""
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                return await reader.read()
            finally:
                writer.close()


def settings(state_dir: Path, *, without_pos: bool = False, **tables: Any) -> config.Config:
    """A till's settings for tests: any free port, no devices unless `tables` name some."""
    tables.setdefault("api", config.Api(port=0))
    return config.Config(till=config.Till(state_dir=str(state_dir), without_pos=without_pos), **tables)


@asynccontextmanager
async def real_till(
    state_dir: Path, factory: Factory | None = None, *, enrolled: bool = True, **tables: Any
) -> AsyncIterator[RealTill]:
    """An enrolled till, signed for real, open and answering."""
    factory = factory or Factory()
    if enrolled:
        factory.install(state_dir)
    timeout = aiohttp.ClientTimeout(total=WAIT_S)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        running(settings(state_dir, **tables)) as app,
        aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
    ):
        yield RealTill(app, factory, session)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


@dataclass
class Listener:
    """A reader of GET /v1/events."""

    answer: aiohttp.ClientResponse

    async def event(self, kind: str) -> dict[str, Any]:
        """The data of the next event of this kind."""
        async with asyncio.timeout(WAIT_S):
            name = ""
            async for line in self.answer.content:
                said = line.decode().rstrip("\n")
                if said.startswith("event: "):
                    name = said.removeprefix("event: ")
                elif said.startswith("data: ") and name == kind:
                    found = json.loads(said.removeprefix("data: "))
                    assert isinstance(found, dict)
                    return found
        raise AssertionError("the stream ended")


@asynccontextmanager
async def listening(till: RealTill, **headers: str) -> AsyncIterator[Listener]:
    async with till.session.get(till.url + "/v1/events", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        yield Listener(answer)


def refused(answer: Answer, status: int, code: str) -> None:
    """Check that it is this error, in the one form of all errors."""
    assert (answer.status, answer.code) == (status, code), answer.raw
    said = answer.json
    assert set(said) == {"type", "title", "status", "detail", "code", "zh", "en"}
    assert (said["type"], said["status"]) == (f"urn:redeemd:problem:{code}", status)
    assert answer.header("Content-Type") == "application/problem+json"
