"""The thief at promo codes: seen too early, spent here and at another till, copied, printed twice, read over the API.

Two tills run with their printers and a cloud; the line between can be cut. What a till believes of a code alone is
decision 0028: paper in the customer's hand outweighs a missing record.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import config
from agent.app import running
from agent.commands.enrol import enrol
from agent.domain import campaign as campaigns
from agent.domain.campaign import OfflineClass
from drivers.escpos_reader import read_receipt
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.core_kit import HandClock, rows
from tests.integration.api_kit import RealTill, until
from tests.integration.attack_kit import Line
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud
from tests.unit import cloud_kit
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, TODAY

PROMO = 9
PER_TILL = 3
SALE = {"total_minor": 20_000}


@dataclass
class Place:
    """A till that runs, and its printers."""

    till: RealTill
    printers: list[VirtualPrinter]
    keys: int = 0

    @property
    def path(self) -> Path:
        return Path(self.till.app._database.path)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return rows(self.path, statement, *parameters)

    async def redeem(self, text: str) -> Any:
        self.keys += 1
        body = {"text": text, "sale": SALE}
        answer = await self.till.call("POST", "/v1/redeem", body, Idempotency_Key=f"k{self.keys}")
        assert answer.status == 200, answer.raw
        return answer.json

    async def outcome(self, text: str) -> tuple[str, str | None]:
        said = await self.redeem(text)
        return said["outcome"], said["detail"]

    async def state(self, job: str, *states: str) -> Any:
        """The job, once it is in one of these states."""
        await until(lambda: self.rows("SELECT state FROM print_job WHERE job_id = ?", job)[0][0] in states)
        return (await self.till.call("GET", f"/v1/prints/{job}")).json

    def code_of(self, job: str) -> tuple[str, str]:
        """(token, short name) that the ledger gave to a receipt."""
        ((token, short),) = self.rows("SELECT token, short FROM promo WHERE redemption_id = ?", job)
        return token, short

    async def delivered(self) -> None:
        """Every record is at the cloud."""
        waits = "SELECT 1 FROM record WHERE state != 'acknowledged'"
        await until(lambda: not self.rows(waits))


@dataclass
class Shop:
    cloud: Running
    line: Line
    folder: Path
    stack: AsyncExitStack
    coupons: list[str] = field(default_factory=list)

    async def till(self, name: str, printers: int = 1) -> Place:
        """A till that runs; its first contact with the cloud is over."""
        status, made = await self.cloud.admin("POST", "tills", {"till": name, "store": STORE_BODY["store"]})
        assert status == 201, made
        paper = [await self.stack.enter_async_context(VirtualPrinter()) for _ in range(printers)]
        devices = tuple(
            config.TcpPrinter(name=f"p{n}", host="127.0.0.1", port=one.port, timeout_s=0.5)
            for n, one in enumerate(paper)
        )
        settings = config.Config(
            till=config.Till(state_dir=str(self.folder / name), language="en"),
            api=config.Api(port=0),
            cloud=config.Cloud(url=self.line.url),
            sync=config.Sync(
                upload_interval_s=0.05,
                backoff_base_s=0.05,
                backoff_cap_s=0.1,
                bundle_interval_s=0.1,
                push=False,
            ),
            printer=devices,
        )
        assert await enrol(settings, made["code"]) == (name, "")
        app = await self.stack.enter_async_context(running(settings))
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        await until(lambda: app._state.online)
        return Place(RealTill(app, None, session), paper)  # type: ignore[arg-type]  # the cloud issues its coupons

    def coupon(self) -> str:
        return self.coupons.pop()

    async def conflicts(self) -> list[Any]:
        status, said = await self.cloud.admin("GET", "conflicts")
        assert status == 200, said
        found: list[Any] = said["conflicts"]
        return found


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    line = Line()
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(running_cloud(tmp_path / "cloud"))
        clock = HandClock(wall=cloud.time.at)
        monkeypatch.setattr("agent.app.SystemClock", lambda: clock)
        monkeypatch.setattr("agent.commands.enrol.SystemClock", lambda: clock, raising=False)
        await cloud.set_up(offline_class=OfflineClass.OPEN)
        offer = campaigns.to_wire(cloud_kit.campaign(number=PROMO, offline_class=OfflineClass.OPEN))
        body = {"campaign": offer, "promo": {"per_till": PER_TILL, "valid_days": 20}}
        assert (await cloud.admin("POST", "campaigns", body))[0] == 201
        order = {
            "issuer": ISSUER,
            "campaign": CAMPAIGN,
            "count": 20,
            "not_before": TODAY,
            "expires": TODAY + 50,
        }
        status, made = await cloud.admin("POST", "coupons", order)
        assert status == 201, made
        await stack.enter_async_context(_served(line, cloud))
        yield Shop(cloud, line, tmp_path, stack, [coupon["token"] for coupon in made["coupons"]])


@asynccontextmanager
async def _served(line: Line, cloud: Running) -> AsyncIterator[None]:
    app = web.Application()

    async def carry(request: web.Request) -> web.StreamResponse:
        return await line.carry(request, cloud)

    app.router.add_route("*", "/{path:.*}", carry)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        line.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()


EVERYTHING = (
    "/v1/prints",
    "/v1/verdicts",
    "/v1/status",
    "/v1/health",
    "/v1/outbox",
    "/v1/risk",
    "/metrics",
    "/v1/sale",
)


async def test_nobody_sees_a_code_before_it_is_on_paper(shop: Shop) -> None:
    """It could be photographed from the screen, the receipt given up, and the next customer would get it."""
    here, there = await shop.till("T-1"), await shop.till("T-2")
    here.printers[0].set_fault(Fault.PAPER_OUT)
    job = (await here.redeem(shop.coupon()))["print_job"]
    token, short = here.code_of(job)
    pages = [await here.till.call("GET", path) for path in (*EVERYTHING, f"/v1/prints/{job}")]
    assert not any(token.encode() in page.raw or short.encode() in page.raw for page in pages)
    assert "qr" not in pages[-1].json["html"]
    assert "T-1-1" in pages[-1].json["text"], "all else of it is shown"
    assert (await here.till.call("POST", f"/v1/prints/{job}/give-up", {})).status == 200
    assert token.encode() not in (await here.till.call("GET", f"/v1/prints/{job}")).raw
    here.printers[0].set_fault(Fault.PAPER_OUT, on=False)
    assert await here.outcome(token) == ("never_issued", "not_printed"), "it lies in the pool again"
    second = (await here.redeem(shop.coupon()))["print_job"]
    shown = await here.state(second, "printed")
    assert here.code_of(second) == (token, short), "the next customer has it"
    assert token in shown["html"]
    assert short in shown["text"]
    assert read_receipt(here.printers[0].jobs[-1]).qr_codes == (token,)
    again = (await here.till.call("POST", f"/v1/prints/{job}/reprint", {})).json
    assert (await here.state(again["job"], "printed"))["html"].count("qr") == 0, (
        "the one given up goes without"
    )
    assert await there.outcome(token) == ("accepted", None)
