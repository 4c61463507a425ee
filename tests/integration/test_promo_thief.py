"""The thief at promo codes: seen too early, spent here and at another till, copied, printed twice, read over the API.

Two tills run with their printers and a cloud; the line between can be cut. What a till believes of a code alone is
decision 0028: paper in the customer's hand outweighs a missing record.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import config
from agent.app import running
from agent.commands.enrol import enrol
from agent.domain import campaign as campaigns
from agent.domain.campaign import OfflineClass
from drivers.escpos_reader import read_receipt
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.core_kit import rows
from tests.integration.api_kit import WAIT_S, RealTill, until
from tests.integration.attack_kit import Line, hand_clock
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud
from tests.unit import cloud_kit
from tests.unit.cloud_kit import ISSUER, TODAY

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

    async def waits_for_paper(self, job: str) -> None:
        """The printer said so: the job is not tried again before that changes."""
        told = "SELECT 1 FROM print_job WHERE job_id = ? AND state = 'queued' AND cause = 'paper_out'"
        await until(lambda: bool(self.rows(told, job)))

    async def act(self, job: str, what: str) -> Any:
        """reprint, confirm or give-up; asked again while the printer is at it just now."""
        async with asyncio.timeout(WAIT_S):
            while (answer := await self.till.call("POST", f"/v1/prints/{job}/{what}", {})).status == 409:
                pass
        assert answer.status == 200, answer.raw
        return answer.json

    def code_of(self, job: str) -> tuple[str, str]:
        """(token, short name) that the ledger gave to a receipt."""
        ((token, short),) = self.rows("SELECT token, short FROM promo WHERE redemption_id = ?", job)
        return token, short

    async def delivered(self) -> None:
        """Every record is at the cloud."""
        waits = "SELECT 1 FROM record WHERE state = 'waiting'"
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
        hand_clock(monkeypatch, cloud)
        await cloud.set_up(offline_class=OfflineClass.OPEN)
        offer = campaigns.to_wire(cloud_kit.campaign(number=PROMO, offline_class=OfflineClass.OPEN))
        body = {"campaign": offer, "promo": {"per_till": PER_TILL, "valid_days": 20}}
        assert (await cloud.admin("POST", "campaigns", body))[0] == 201
        coupons = await cloud.tokens(20, days=50)
        await stack.enter_async_context(line.served(cloud))
        yield Shop(cloud, line, tmp_path, stack, coupons)


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
    await here.waits_for_paper(job)
    pages = [await here.till.call("GET", path) for path in (*EVERYTHING, f"/v1/prints/{job}")]
    assert not any(token.encode() in page.raw or short.encode() in page.raw for page in pages)
    assert "qr" not in pages[-1].json["html"]
    assert "T-1-1" in pages[-1].json["text"], "all else of it is shown"
    await here.act(job, "give-up")
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


@pytest.mark.parametrize("online", [True, False], ids=["cloud", "no cloud"])
@pytest.mark.parametrize(
    ("fault", "act", "here_says"),
    [
        (None, "", "accepted"),
        (None, "reprint", "accepted"),
        (Fault.SILENT, "", "accepted"),  # in doubt: it may be on paper
        (Fault.SILENT, "confirm", "accepted"),
        (Fault.SILENT, "reprint", "accepted"),
        (Fault.PAPER_OUT, "", "never_issued"),
        (Fault.PAPER_OUT, "give-up", "never_issued"),
    ],
    ids=["printed", "copy", "in doubt", "confirmed", "copy of one in doubt", "queued", "given up"],
)
async def test_a_code_is_spent_once_here_and_known_elsewhere(
    fault: Fault | None, act: str, here_says: str, online: bool, shop: Shop
) -> None:
    here, there = await shop.till("T-1"), await shop.till("T-2")
    if fault is not None:
        here.printers[0].set_fault(fault, in_job=fault is Fault.SILENT)
    job = (await here.redeem(shop.coupon()))["print_job"]
    token, _ = here.code_of(job)
    if fault is Fault.PAPER_OUT:
        await here.waits_for_paper(job)
    else:
        await here.state(job, "printed" if fault is None else "unconfirmed")
    if act:
        await here.act(job, act)
    shop.line.cut = not online
    if fault is None and act == "reprint":
        first, copy = await here.printers[0].wait_for_jobs(2)
        assert read_receipt(first).qr_codes == read_receipt(copy).qr_codes == (token,)
        assert "COPY 1" in read_receipt(copy).text
    assert (await here.outcome(token))[0] == here_says
    if here_says == "never_issued":
        return
    assert (await here.outcome(token))[0] == "already_redeemed"
    if online:
        await here.delivered()
        seen = there.till.app._state
        before = seen.trust
        assert before is not None
        await until(lambda: seen.trust is not None and _used(seen.trust, token))
        assert await there.outcome(token) == ("already_redeemed", "elsewhere")
        assert await shop.conflicts() == []
        return
    assert (await there.outcome(token))[0] == "accepted", "nobody could tell it"
    shop.line.cut = False
    await here.delivered()
    await there.delivered()
    (conflict,) = await shop.conflicts()
    assert conflict["campaign"] == PROMO, "and head office knows which two"


def _used(trust: Any, token: str) -> bool:
    from agent.domain.status import Status
    from agent.domain.token import parse

    claims = parse(token).claims
    return trust.contents.status[ISSUER, claims.campaign][claims.index] is Status.USED


async def test_a_code_stolen_from_the_pool_is_handed_to_nobody_once_the_cloud_knows(shop: Shop) -> None:
    """A copied database holds codes on no paper: another till cannot tell. What is lost is the pool, until the till is
    revoked; the customers of this till get good ones."""
    here, there = await shop.till("T-1"), await shop.till("T-2")
    stolen = [token for (token,) in here.rows("SELECT token FROM promo ORDER BY short")]
    assert len(stolen) == PER_TILL
    assert await here.outcome(stolen[0]) == ("never_issued", "not_printed")
    assert (await there.outcome(stolen[0]))[0] == "accepted"
    await there.delivered()
    await until(lambda: not here.rows("SELECT 1 FROM promo WHERE token = ?", stolen[0]))
    job = (await here.redeem(shop.coupon()))["print_job"]
    assert here.code_of(job)[0] != stolen[0]
    assert (await shop.cloud.admin("POST", "tills/T-1/revoke"))[0] == 200
    trust = there.till.app._state
    await until(lambda: trust.trust is not None and _revoked(trust.trust, stolen[2]))
    assert (await there.outcome(stolen[2]))[0] == "revoked"


def _revoked(trust: Any, token: str) -> bool:
    from agent.domain.status import Status
    from agent.domain.token import parse

    claims = parse(token).claims
    return trust.contents.status[ISSUER, claims.campaign][claims.index] is Status.REVOKED


async def test_a_receipt_comes_out_of_one_printer(shop: Shop) -> None:
    """In doubt at the first it goes to no second; out of the second it is one receipt with one code."""
    here = await shop.till("T-1", printers=2)
    first, second = here.printers
    first.set_fault(Fault.SILENT, in_job=True)
    job = (await here.redeem(shop.coupon()))["print_job"]
    await here.state(job, "unconfirmed")
    first.set_fault(Fault.SILENT, on=False)
    first.set_fault(Fault.PAPER_OUT)
    other = (await here.redeem(shop.coupon()))["print_job"]
    await here.state(other, "printed")
    printed = [read_receipt(one).qr_codes for one in (*first.jobs, *second.jobs)]
    assert printed == [(here.code_of(job)[0],), (here.code_of(other)[0],)]
    assert len(second.jobs) == 1
    assert (await here.outcome(here.code_of(other)[0]))[0] == "accepted"
    assert (await here.outcome(here.code_of(other)[0]))[0] == "already_redeemed"


async def test_a_copy_asked_for_a_thousand_times_is_one_that_waits(shop: Shop) -> None:
    here = await shop.till("T-1")
    job = (await here.redeem(shop.coupon()))["print_job"]
    await here.state(job, "printed")
    here.printers[0].set_fault(Fault.PAPER_OUT)
    path = f"/v1/prints/{job}/reprint"
    answers: list[Any] = []
    for _ in range(20):
        answers += await asyncio.gather(*(here.till.call("POST", path, {}) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["copy"] for answer in answers} == {1}
    assert here.rows("SELECT count(*), max(copies) FROM print_job") == [(1, 1)]
    here.printers[0].set_fault(Fault.PAPER_OUT, on=False)
    await here.state(job, "printed")
    first, copy = here.printers[0].jobs
    assert "COPY" not in read_receipt(first).text
    assert read_receipt(copy).text.count("COPY 1") == 2
    assert here.rows("SELECT count(*) FROM promo WHERE redemption_id IS NOT NULL") == [(1,)]


async def test_whoever_edits_the_pool_makes_paper_and_no_coupon(shop: Shop) -> None:
    """Who may write the till's database can print anything; no till takes what no key signed, or takes it twice."""
    import sqlite3
    from contextlib import closing

    from agent.domain import token as tokens
    from agent.domain.keys import new_signing_key
    from agent.domain.token import Claims

    here, there = await shop.till("T-1"), await shop.till("T-2")
    codes = here.rows("SELECT short, token FROM promo ORDER BY short")
    forged = tokens.to_text(tokens.sign(Claims(PROMO, 77, TODAY, TODAY + 9), new_signing_key()))
    with closing(sqlite3.connect(here.path)) as other:
        other.execute("UPDATE promo SET token = ? WHERE short = ?", (forged, codes[0][0]))
        other.execute("UPDATE promo SET token = ? WHERE short = ?", (codes[2][1], codes[1][0]))
        other.commit()
    papers: list[str] = []
    for _ in range(3):
        job = (await here.redeem(shop.coupon()))["print_job"]
        await here.state(job, "printed")
        papers += read_receipt(here.printers[0].jobs[-1]).qr_codes
    assert papers == [forged, codes[2][1], codes[2][1]]
    for place in (here, there):
        assert (await place.outcome(forged))[0] == "unknown_key"
    assert [(await here.outcome(one))[0] for one in papers[1:]] == ["accepted", "already_redeemed"]


GUESSED = (
    *("T-1-2", "T-1-0", "T-1--1", "T-1-01", "T-1-1%00", "T-2-1", "t-1-1", "1", "", "..%2fstatus"),
    *("T-1-99999999999999999999", "T-1-1;DROP", "T-1-1'--", "T-1-%EF%BC%91", "*", "x" * 4000),
)  # fmt: skip


async def test_a_guessed_receipt_is_none(shop: Shop) -> None:
    here = await shop.till("T-1")
    await here.redeem(shop.coupon())
    for name in GUESSED:
        answer = await here.till.call("GET", f"/v1/prints/{name}")
        assert answer.status in (400, 404, 414), (name, answer.raw)
        assert b"html" not in answer.raw
        assert (await here.till.call("POST", f"/v1/prints/{name}/reprint", {})).status in (400, 404, 405, 414)
    assert json.loads((await here.till.call("GET", "/v1/prints")).raw)["prints"][0]["job"] == "T-1-1"
