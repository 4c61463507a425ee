"""What tests of attacks share: a real cloud, a till enrolled with it, and an attacker who holds the line between."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import config
from agent.bundles.refresh import Refresher
from agent.commands import enrol as enrolling
from agent.domain import bundle
from agent.domain.bundle import Manifest, Part, Root
from agent.domain.keys import SigningKey
from agent.domain.sale import Sale
from agent.domain.statement import Revocation, sign_revocation
from agent.folder import key_path, make_key
from cloud.keyring import MANIFEST, Keyring
from cloud.main import new_manifest_key
from cloud.roots import publish
from sync.ports import Failure
from sync.uplink import HttpUplink, Identity
from sync.wire import REVOCATION_HEADER, bundle_path, part_path
from tests.core_kit import Core, HandClock, core
from tests.factory import Factory
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER

TILL = "T-1"
BUNDLE = bundle_path(TILL)
SALE = Sale("s", "CNY", 20_000, ())
Forge = Callable[[bytes], bytes]
_PASSED = ("Content-Type", "ETag", REVOCATION_HEADER)


@dataclass
class Line:
    """An HTTP proxy between till and cloud, held by the attacker. forged: path -> what becomes of the true answer.

    instead: path -> status and headers of the attacker's own; the cloud is not asked. recorded: every answer that
    passed, by path. asked, read: requests and bytes of bodies since they were cleared.
    """

    url: str = ""
    cut: bool = False
    forged: dict[str, Forge] = field(default_factory=dict)
    recorded: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    read: int = 0
    endless: set[str] = field(default_factory=set)
    instead: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    sent: int = 0

    async def carry(self, request: web.Request, cloud: Running) -> web.StreamResponse:
        if self.cut:
            return web.Response(status=503)
        path = request.path
        self.asked.append(path)
        if path in self.instead:
            status, made = self.instead[path]
            return web.Response(status=status, headers=made)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        body = await request.read()
        async with cloud.session.request(
            request.method, cloud.url + request.raw_path, data=body, headers=headers
        ) as true:
            answer, status = await true.read(), true.status
            passed = {name: true.headers[name] for name in _PASSED if name in true.headers}
        if path in self.endless:
            return await self._pour(request)
        if path in self.forged:
            status, answer = 200, self.forged[path](answer)
            passed = {"Content-Type": "application/octet-stream"}
        self.recorded.setdefault(path, answer)
        self.read += len(answer)
        return web.Response(status=status, body=answer, headers=passed)

    @asynccontextmanager
    async def served(self, cloud: Running) -> AsyncIterator[None]:
        """On a free port of the loopback, named by `url`."""

        async def carry(request: web.Request) -> web.StreamResponse:
            return await self.carry(request, cloud)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", carry)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()

    async def _pour(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(64 * 1024))
                self.sent += 64 * 1024
        except (ConnectionError, aiohttp.ClientError):
            return response


@dataclass
class Played:
    """A cloud, a line that an attacker holds, and an enrolled till behind it."""

    cloud: Running
    line: Line
    till: Core
    refresher: Refresher
    folder: Path
    keepers: list[SigningKey] = field(default_factory=list)

    @property
    def manifest(self) -> Manifest:
        assert self.till.state.trust is not None, "a bundle is in force"
        return self.till.state.trust.manifest

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and sequence in force."""
        return self.manifest.epoch, self.manifest.sequence

    async def refused(self) -> str:
        """What the till says of a bundle it does not take; the one in force stays, in memory and on disk."""
        before, stored = self.manifest, await self.till.cache.manifest()
        answer = await self.refresher.fetch()
        assert isinstance(answer, Failure), "it was taken"
        assert self.manifest == before
        assert await self.till.cache.manifest() == stored
        return answer.detail

    async def revoke(self, index: int) -> None:
        """Something changes at the cloud: the next manifest is another one."""
        body = {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [index]}
        assert (await self.cloud.admin("POST", "revocations", body))[0] == 200

    async def coupon(self) -> str:
        (token,) = await self.cloud.tokens(1)
        return token

    def pass_time(self, by: timedelta) -> None:
        """At the till and at the cloud."""
        self.till.clock.advance(by)
        self.cloud.time.at += by

    async def coming(self) -> Manifest:
        """The manifest that the cloud would give now."""
        assert self.cloud.cloud is not None
        till = await self.cloud.cloud.store.till(TILL)
        assert till is not None
        return bundle.open_manifest((await self.cloud.cloud.publisher.bundle(till)).manifest)

    # what a thief has

    def manifest_key(self) -> SigningKey:
        """The online key, as somebody who broke into the server finds it."""
        assert self.cloud.cloud is not None
        return self.cloud.cloud.roots.newest().manifest_key

    def root_key(self) -> SigningKey:
        (path,) = (self.folder / "cloud" / "keys").glob("root-*.pem")
        kid = bytes.fromhex(path.stem.removeprefix("root-"))
        return Keyring(path.parent).load("root", kid)

    def root(self) -> Root:
        assert self.cloud.cloud is not None
        return self.cloud.cloud.roots.newest().root

    def forged_revocation(self) -> tuple[int, dict[str, str]]:
        """The answer that stops this till, signed with the online key."""
        key = self.till.factory.till_key.public_key
        word = sign_revocation(Revocation(TILL, key, self.cloud.time.at), self.manifest_key())
        return 403, {REVOCATION_HEADER: base64.b64encode(word).decode()}

    # what the honest owner does about it

    def rotate(self) -> SigningKey:
        """Root keys sign a root with a fresh manifest key instead of the stolen one; returns the fresh one."""
        folder = self.folder / "cloud"
        kid = bytes.fromhex(new_manifest_key(folder)["manifest_kid"])
        keyring = Keyring(folder / "keys")
        fresh = keyring.load(MANIFEST, kid)
        following = replace(self.root(), epoch=self.root().epoch + 1, manifest_keys={kid: fresh.public_key})
        publish(folder / "roots", keyring, bundle.sign_root(following, [self.root_key()]))
        return fresh


def hand_clock(monkeypatch: pytest.MonkeyPatch, cloud: Running) -> None:
    """Tills that are enrolled and run from here on go by the cloud's time, and stand still with it."""
    clock = HandClock(wall=cloud.time.at)
    for where in ("agent.app", "agent.commands.enrol"):
        monkeypatch.setattr(f"{where}.SystemClock", lambda: clock)


@asynccontextmanager
async def played(folder: Path) -> AsyncIterator[Played]:
    """The real enrolment over the attacked line, then the till's real store, refresher and redeemer."""
    line = Line()
    async with running_cloud(folder / "cloud") as cloud, line.served(cloud):
        await cloud.set_up(size=100_000)
        async with _till(folder / "till", cloud, line) as till:
            yield till


@asynccontextmanager
async def another_till(scene: Played, name: str) -> AsyncIterator[Played]:
    """A second till of the store, behind the same line, with the bundle in force."""
    async with _till(scene.folder / name, scene.cloud, scene.line, name) as till:
        assert not isinstance(await till.refresher.fetch(), Failure)
        yield till


@asynccontextmanager
async def _till(folder: Path, cloud: Running, line: Line, name: str = TILL) -> AsyncIterator[Played]:
    status, made = await cloud.admin("POST", "tills", {"till": name, "store": STORE_BODY["store"]})
    assert status == 201
    settings = config.Config(
        till=config.Till(state_dir=str(folder)), cloud=config.Cloud(url=line.url, total_timeout_s=20)
    )
    assert await enrolling.enrol(settings, made["code"]) == (name, "")
    key = make_key(key_path(settings))
    clock = HandClock(wall=cloud.time.at)
    with core(folder / "till.db", Factory(till_key=key), clock) as till:
        async with HttpUplink(line.url, Identity(name, name, key.sign)) as uplink:
            till.state.till = name
            refresher = Refresher(till.cache, uplink, till.state, clock, key.public_key)
            await refresher.load()
            yield Played(cloud, line, till, refresher, folder.parent)


def path_of(part: Part) -> str:
    return part_path(part.sha256.hex())


def always(data: bytes) -> Forge:
    """The same answer whatever the cloud says."""
    return lambda _: data
