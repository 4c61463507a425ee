"""Class A and probes: tills that run, a cloud that runs, and a line that is there, silent or cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import config
from agent.app import App, running
from agent.commands.enrol import enrol
from agent.domain import campaign as campaigns
from agent.domain.campaign import OfflineClass, Risk
from agent.line.online import REST_S, RETRY_S
from tests.core_kit import HandClock, rows
from tests.integration.api_kit import Answer, RealTill, until
from tests.integration.attack_kit import Line, always, hand_clock
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud
from tests.unit import cloud_kit
from tests.unit.cloud_kit import ISSUER

ONLINE, PROBED, PLAIN, TWICE = 7, 8, 9, 10
PATIENT_MS, SHORT_MS = 10_000, 150
SALE = {"total_minor": 20_000, "sale_id": "S1"}


@dataclass
class Telephone(Line):
    """A line that can be silent: who asks about coupons is not answered, and all else goes through."""

    silent: bool = False
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry(self, request: web.Request, cloud: Running) -> web.StreamResponse:
        if self.silent and request.path.endswith("/checks"):
            self.asked.append(request.path)
            await self.let_go.wait()
        return await super().carry(request, cloud)

    @property
    def checks(self) -> int:
        return sum(path.endswith("/checks") for path in self.asked)


@dataclass
class Shop:
    cloud: Running
    line: Telephone
    folder: Path
    stack: AsyncExitStack

    async def till(
        self, name: str, wait_ms: int = PATIENT_MS, *, alone: bool = False, without_pos: bool = False
    ) -> RealTill:
        """A till that runs; its first contact with the cloud is over."""
        status, made = await self.cloud.admin("POST", "tills", {"till": name, "store": STORE_BODY["store"]})
        assert status == 201, made
        settings = config.Config(
            till=config.Till(state_dir=str(self.folder / name), language="en", without_pos=without_pos),
            api=config.Api(port=0),
            cloud=config.Cloud(url=self.line.url, check_wait_ms=wait_ms),
            sync=config.Sync(backoff_base_s=0.1, backoff_cap_s=0.2, push=False),
        )
        assert await enrol(settings, made["code"]) == (name, "")
        if alone:
            settings = config.Config(till=settings.till, api=settings.api)
        app = await self.stack.enter_async_context(running(settings))
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        if not alone:
            await until(lambda: app._state.online)
        return RealTill(app, None, session)  # type: ignore[arg-type]  # the cloud issues its coupons

    async def coupons(self, campaign: int, count: int) -> list[str]:
        return await self.cloud.tokens(count, campaign, days=50)


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    line = Telephone()
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(running_cloud(tmp_path / "cloud"))
        hand_clock(monkeypatch, cloud)
        await cloud.set_up(number=ONLINE, offline_class=OfflineClass.ONLINE, budget=None)
        for number, changes in (
            (PROBED, {"offline_class": OfflineClass.OPEN, "risk": Risk(probe_percent=100)}),
            (PLAIN, {"offline_class": OfflineClass.OPEN}),
            (TWICE, {"offline_class": OfflineClass.ONLINE, "uses": 2, "budget": None}),
        ):
            offer = cloud_kit.campaign(number=number, **changes)
            body = {"campaign": campaigns.to_wire(offer)}
            assert (await cloud.admin("POST", "campaigns", body))[0] == 201
        await stack.enter_async_context(line.served(cloud))
        yield Shop(cloud, line, tmp_path, stack)
        line.let_go.set()


async def redeem(till: RealTill, text: str, **more: Any) -> Any:
    till.keys += 1
    body = {"text": text, "sale": SALE} | more
    answer = await till.call("POST", "/v1/redeem", body, Idempotency_Key=f"k{till.keys}")
    assert answer.status == 200, answer.raw
    return answer.json


def last(app: App, lane: str = "redemption") -> Any:
    found = rows(Path(app._database.path), f"SELECT event FROM {lane}_record ORDER BY sequence DESC LIMIT 1")
    return json.loads(found[0][0])["data"]


async def post(till: RealTill, path: str, body: Any) -> Answer:
    till.keys += 1
    return await till.call("POST", path, body, Idempotency_Key=f"p{till.keys}")


async def test_without_a_pos_a_silent_cloud_is_said_before_the_total(shop: Shop) -> None:
    till = await shop.till("T-1", SHORT_MS, without_pos=True)
    (text,) = await shop.coupons(ONLINE, 1)
    shop.line.silent = True
    verdict = (await till.call("POST", "/v1/scan", {"text": text})).json
    assert verdict["outcome"] == "online_needed", "nobody keyed in a total that could be too small"
    shop.line.let_go.set()


async def test_class_a_is_accepted_at_one_till_and_no_other(shop: Shop) -> None:
    one, two = await shop.till("T-1"), await shop.till("T-2")
    first, second = await shop.coupons(ONLINE, 2)
    found = await asyncio.gather(redeem(one, first), redeem(two, first))
    outcomes = sorted(said["outcome"] for said in found)
    assert outcomes[0] == "accepted"
    assert outcomes[1] in ("held", "already_redeemed"), "reserved, or its redemption arrived meanwhile"
    winner = one if found[0]["accepted"] else two
    assert last(winner.app)["checked"] == "yes"
    await until(
        lambda: not rows(Path(winner.app._database.path), "SELECT 1 FROM record WHERE state = 'waiting'")
    )
    loser = two if winner is one else one
    assert (await redeem(loser, first))["outcome"] == "already_redeemed"
    # what is refused anyway is not asked about, and nothing of it is reserved
    before = shop.line.checks
    small = await redeem(one, second, sale={"total_minor": 9_000})
    assert small["outcome"] == "sale_too_small"
    assert shop.line.checks == before
    assert (await redeem(two, second))["accepted"]


async def test_without_an_answer_in_time_class_a_waits_for_the_line(shop: Shop) -> None:
    till = await shop.till("T-1", SHORT_MS)
    (coupon,) = await shop.coupons(ONLINE, 1)
    shop.line.silent = True
    refused = await redeem(till, coupon)
    assert (refused["outcome"], refused["transient"], refused["tone"]) == ("online_needed", True, "warn")
    assert last(till.app, "evidence")["checked"] == "silent"
    shop.line.silent = False
    assert (await redeem(till, coupon))["accepted"], "the line is back"


async def test_where_the_line_is_known_to_be_down_it_is_tried_now_and_then(shop: Shop) -> None:
    till = await shop.till("T-1", SHORT_MS)
    first, second = await shop.coupons(ONLINE, 2)
    shop.line.silent, till.app._state.online = True, False
    clock = till.app._clock
    assert isinstance(clock, HandClock)
    assert (await redeem(till, first))["outcome"] == "online_needed"
    asked = shop.line.checks
    till.app._state.online = False
    assert (await redeem(till, second))["outcome"] == "online_needed"
    assert shop.line.checks == asked, "it was silent just now"
    shop.line.silent = False
    clock.seconds += RETRY_S
    assert (await redeem(till, second))["accepted"]


async def test_a_till_without_a_cloud_says_that_it_cannot_ask(shop: Shop) -> None:
    till = await shop.till("T-1", alone=True)
    (coupon,) = await shop.coupons(ONLINE, 1)
    assert (await redeem(till, coupon))["outcome"] == "online_only"


async def test_a_probe_finds_what_the_bundle_does_not_know_yet(shop: Shop) -> None:
    one, two = await shop.till("T-1"), await shop.till("T-2")
    first, second = await shop.coupons(PROBED, 2)
    assert (await redeem(one, first))["accepted"]
    assert last(one.app)["checked"] == "yes"
    await until(
        lambda: not rows(Path(one.app._database.path), "SELECT 1 FROM record WHERE state = 'waiting'")
    )
    found = await redeem(two, first)
    assert (found["outcome"], found["detail"]) == ("already_redeemed", "elsewhere")
    index = (await redeem(two, second, sale={"total_minor": 1}))["coupon"]["index"]
    body = {"issuer": ISSUER, "campaign": PROBED, "indexes": [index]}
    assert (await shop.cloud.admin("POST", "revocations", body))[0] == 200
    assert (await redeem(two, second))["outcome"] == "revoked"
    (plain,) = await shop.coupons(PLAIN, 1)
    before = shop.line.checks
    assert (await redeem(two, plain))["accepted"]
    assert shop.line.checks == before, "no other campaign asks"


async def test_silence_changes_nothing_for_a_probe_and_ends_probing(shop: Shop) -> None:
    till = await shop.till("T-1", SHORT_MS)
    coupons = await shop.coupons(PROBED, 4)
    shop.line.silent = True
    assert (await redeem(till, coupons[0]))["accepted"]
    assert last(till.app)["checked"] == "silent"
    asked = shop.line.checks
    assert (await redeem(till, coupons[1]))["accepted"]
    assert "checked" not in last(till.app)
    clock = till.app._clock
    assert isinstance(clock, HandClock)
    clock.seconds += REST_S
    assert (await redeem(till, coupons[2]))["accepted"]
    assert shop.line.checks == asked + 1, "it is tried again later"
    clock.seconds += REST_S
    till.app._state.online = False
    assert (await redeem(till, coupons[3]))["accepted"]
    assert shop.line.checks == asked + 1, "not while the lanes say that the line is down"


NO_ANSWERS = [
    b"",
    b"{}",
    b"[" * 100,
    b'{"coupons": [{"issuer": "acme", "campaign": 7, "index": 0, "word": "perhaps", "until": null}]}',
    b'{"coupons": [{"issuer": "acme", "campaign": 7, "index": 0, "word": "silent", "until": null}]}',
    b'{"coupons": [{"issuer": "acme", "campaign": 7, "index": 0, "word": "reserved", "until": null}]}',
    b'{"coupons": [{"issuer": "acme", "campaign": 7, "index": 999999, "word": "yes", "until": null}]}',
    b'{"coupons": []}',
]


async def test_an_answer_that_is_none_is_silence(shop: Shop) -> None:
    till = await shop.till("T-1")
    (coupon,) = await shop.coupons(ONLINE, 1)
    for answer in NO_ANSWERS:
        shop.line.forged["/v1/tills/T-1/checks"] = always(answer)
        assert (await redeem(till, coupon))["outcome"] == "online_needed", answer
    del shop.line.forged["/v1/tills/T-1/checks"]
    assert (await redeem(till, coupon))["accepted"]


async def test_a_cloud_that_knows_no_checks_is_silence(shop: Shop) -> None:
    till = await shop.till("T-1")
    (coupon,) = await shop.coupons(ONLINE, 1)
    shop.line.instead["/v1/tills/T-1/checks"] = (404, {})
    assert (await redeem(till, coupon))["outcome"] == "online_needed"


async def test_the_same_request_again_is_answered_as_the_first_time(shop: Shop) -> None:
    till = await shop.till("T-1")
    (coupon,) = await shop.coupons(ONLINE, 1)
    body = {"text": coupon, "sale": SALE}
    first, again = [
        (await till.call("POST", "/v1/redeem", body, Idempotency_Key="once")).json for _ in range(2)
    ]
    assert (first["accepted"], again["replayed"], again["redemption_id"]) == (
        True,
        True,
        first["redemption_id"],
    )
    shop.line.cut = True
    third = (await till.call("POST", "/v1/redeem", body, Idempotency_Key="once")).json
    assert third["redemption_id"] == first["redemption_id"]


async def test_a_hold_keeps_class_a_at_the_cloud_too(shop: Shop) -> None:
    one, two = await shop.till("T-1"), await shop.till("T-2")
    first, second = await shop.coupons(ONLINE, 2)
    sale = {"sale": SALE, "coupons": [first]}
    quoted = (await one.call("POST", "/v1/quotes", sale)).json
    assert len(quoted["applied"]) == 1
    assert (await redeem(two, second))["accepted"], "and a quote reserves nothing"
    held = (await post(one, "/v1/holds", sale)).json
    assert len(held["applied"]) == 1, held
    other = await redeem(two, first)
    assert (other["outcome"], other["detail"]) == ("held", "elsewhere")
    assert other["works_from"] > held["expires_at"]
    (refused,) = (await post(two, "/v1/holds", sale)).json["refused"]
    assert refused["reason"] == "held"
    total = {"total_minor": SALE["total_minor"], "tenders": ["cash"]}
    shop.line.cut = True  # what was promised needs no line
    done = (await post(one, f"/v1/holds/{held['hold_id']}/commit", total)).json
    assert (len(done["applied"]), done["conflicts"]) == (1, [])
    assert last(one.app)["checked"] == "yes"
    (cut,) = await shop.coupons(ONLINE, 1)
    (unheard,) = (await post(one, "/v1/holds", {"sale": SALE, "coupons": [cut]})).json["refused"]
    assert unheard["reason"] == "online_needed"


async def test_a_late_commit_counts_while_the_cloud_keeps_the_coupon(shop: Shop) -> None:
    till = await shop.till("T-1")
    first, second = await shop.coupons(ONLINE, 2)
    clock = till.app._clock
    assert isinstance(clock, HandClock)
    total = {"total_minor": SALE["total_minor"], "tenders": ["cash"]}
    for coupon, late_s, counts in ((first, 599, True), (second, 601, False)):
        held = (await post(till, "/v1/holds", {"sale": SALE, "coupons": [coupon], "lasts_s": 60})).json
        clock.wall += timedelta(seconds=60 + late_s)
        done = (await post(till, f"/v1/holds/{held['hold_id']}/commit", total)).json
        assert done["late"] is True
        assert (len(done["applied"]) == 1) is counts, done
        if not counts:
            assert [one["reason"] for one in done["conflicts"]] == ["online_needed"]


async def test_of_two_uses_each_is_asked_for(shop: Shop) -> None:
    one, two = await shop.till("T-1"), await shop.till("T-2")
    (coupon,) = await shop.coupons(TWICE, 1)
    assert (await redeem(one, coupon))["accepted"]
    assert (await redeem(two, coupon))["accepted"]
    assert (await redeem(one, coupon))["outcome"] in ("held", "already_redeemed")
