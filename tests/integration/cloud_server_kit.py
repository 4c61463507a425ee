"""A real cloud on a real port, and a till that talks to it through the real uplink."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from agent.domain import bundle, campaign
from agent.domain.bundle import Manifest, Root
from agent.domain.parts import Contents, read_parts
from agent.domain.record import REDEMPTION_LANE
from cloud.access import ENROL_CONTEXT
from cloud.addresses import Network
from cloud.api.http import Cloud
from cloud.api.server import make_app
from cloud.main import init, open_cloud
from cloud.publish import ISSUER_PERCENT, Ages
from sync import wire
from sync.ports import Answer
from sync.uplink import HttpUplink, Identity
from tests import cloud_contract
from tests.unit import cloud_kit
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, STORE, TODAY, SealingTill, sealing_till

STORE_BODY = {
    "store": STORE.store,
    "number": STORE.number,
    "groups": sorted(STORE.groups),
    "merchant": STORE.merchant,
    "title": {"zh": STORE.title.zh, "en": STORE.title.en},
    "zone": STORE.zone,
    "currency": STORE.currency,
}
KEY_BODY = {"issuer": ISSUER, "not_before": 0, "expires": 60_000, "value_max_minor": 100_000}


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Running:
    """A cloud that listens. cloud: None when it runs in a process of its own."""

    url: str
    token: str
    session: aiohttp.ClientSession
    time: Time = field(default_factory=Time)
    cloud: Cloud | None = None

    async def admin(
        self, method: str, path: str, body: Any = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        """(status, JSON answer)."""
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        async with self.session.request(
            method, f"{self.url}/v1/admin/{path}", json=body, headers=headers
        ) as response:
            return response.status, await response.json(content_type=None)

    async def lines(self, query: str = "") -> list[dict[str, Any]]:
        """The cloud's ledger, page by page."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            headers = {"Authorization": f"Bearer {self.token}"}
            url = f"{self.url}/v1/admin/ledger?limit=50{query}{after}"
            async with self.session.get(url, headers=headers) as response:
                assert response.status == 200, await response.text()
                found += [json.loads(line) for line in (await response.text()).splitlines()]
                if "Next-After" not in response.headers:
                    return found
                after = f"&after={response.headers['Next-After']}"

    async def set_up(self, **changes: Any) -> None:
        """A store, an issuer, a campaign."""
        for path, body in (
            ("stores", STORE_BODY),
            ("issuers", KEY_BODY),
            ("campaigns", {"campaign": campaign.to_wire(cloud_kit.campaign(**changes))}),
        ):
            status, answer = await self.admin("POST", path, body)
            assert status == 201, answer

    async def tokens(self, count: int, campaign: int = CAMPAIGN, days: int = 30) -> list[str]:
        """Coupons that are valid from today, as a scanner reads them."""
        order = {"issuer": ISSUER, "campaign": campaign, "count": count}
        status, made = await self.admin(
            "POST", "coupons", order | {"not_before": TODAY, "expires": TODAY + days}
        )
        assert status == 201, made
        return [coupon["token"] for coupon in made["coupons"]]

    async def enrol(self, name: str, seed: int = 1) -> Client:
        """A new till of the store, enrolled."""
        status, made = await self.admin("POST", "tills", {"till": name, "store": STORE.store})
        assert status == 201, made
        till = sealing_till(name, seed)
        status, answer = await self.post_enrolment(enrolment(till, made["code"]))
        assert status == 200, answer
        assert (answer["till"], answer["store"]) == (name, STORE.store)
        root = bundle.read_root(base64.b64decode(answer["root"], validate=True), None)
        return Client(self.url, till, root)

    async def post_enrolment(self, body: dict[str, str]) -> tuple[int, Any]:
        async with self.session.post(f"{self.url}/v1/enrol", json=body) as response:
            return response.status, await response.json(content_type=None)


def enrolment(till: SealingTill, code: str) -> dict[str, str]:
    proof = till.key.sign(ENROL_CONTEXT + code.encode())
    return {"code": code, "till_public_key": base64url(till.key.public_key), "proof": base64url(proof)}


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Client:
    """An enrolled till's side of the line."""

    url: str
    till: SealingTill
    root: Root
    manifest: Manifest | None = None

    def uplink(self) -> HttpUplink:
        return HttpUplink(self.url, Identity(self.till.name, self.till.name, self.till.key.sign))

    async def post(self, *events: dict[str, Any], lane: str = REDEMPTION_LANE) -> list[wire.RecordResult]:
        body = cloud_kit.batch(events)
        async with self.uplink() as uplink:
            answer = await uplink.post_batch(lane, body, wire.idempotency_key(body))
        assert isinstance(answer, Answer), answer
        assert answer.status == 200, answer
        assert wire.media_type(answer.headers) == wire.RESULTS_TYPE
        results, faults = wire.decode_results(answer.body, [event["id"] for event in events])
        assert faults == []
        return results

    async def fetch(self, etag: str | None = None) -> Answer:
        async with self.uplink() as uplink:
            answer = await uplink.get(wire.bundle_path(self.till.name), etag)
        assert isinstance(answer, Answer), answer
        return answer

    async def refresh(self) -> Contents:
        """Fetch and verify the whole bundle, as a till does."""
        answer = await self.fetch()
        assert answer.status == 200, answer
        self.manifest = bundle.read_manifest(answer.body, self.root, self.till.name, self.manifest)
        parts: dict[str, bytes] = {}
        async with self.uplink() as uplink:
            for part in self.manifest.parts:
                content = await uplink.get(wire.part_path(part.sha256.hex()), max_bytes=part.length)
                assert isinstance(content, Answer), content
                assert content.status == 200, content
                bundle.check_part(part, content.body)
                parts[part.name] = content.body
        return read_parts(parts)

    def signed(self, method: str, path: str, body: bytes = b"", health: str | None = None) -> dict[str, str]:
        """Signature headers, for requests that the uplink would not make."""
        return wire.sign_headers(
            method,
            path,
            body,
            created=int(time.time()),
            nonce=secrets.token_urlsafe(),
            key_id=self.till.name,
            sign=self.till.key.sign,
            health=health,
        )


@asynccontextmanager
async def running_cloud(
    folder: Path,
    ages: Ages | None = None,
    limits: wire.Limits | None = None,
    database: str | None = None,
    webhook_networks: tuple[Network, ...] = (),
    issuer_percent: int = ISSUER_PERCENT,
) -> AsyncIterator[Running]:
    """A cloud in this process, on a free port of the loopback."""
    clock = Time()
    made = await asyncio.to_thread(init, folder, clock, database=database)
    cloud = replace(open_cloud(folder, ages, clock, issuer_percent), webhook_networks=webhook_networks)
    if limits is not None:
        cloud = replace(cloud, limits=limits)
    app = make_app(cloud)
    faults = cloud_contract.hold(app)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            yield Running(url, made["admin_token"], session, clock, cloud)
        assert not faults, "docs/cloud-openapi.yaml says otherwise:\n" + "\n".join(faults)
    finally:
        await runner.cleanup()
        await cloud.store.close()
