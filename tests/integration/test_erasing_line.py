"""From a request at the cloud to a till that runs: told over the line, erased, said so, and proved."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

import config
from agent.app import running
from agent.commands.enrol import enrol
from agent.domain import campaign as campaigns
from agent.domain.campaign import OfflineClass
from tests.core_kit import rows
from tests.integration.api_kit import WAIT_S, RealTill, until
from tests.integration.attack_kit import hand_clock
from tests.integration.cloud_server_kit import STORE_BODY, running_cloud
from tests.unit import cloud_kit

ANN = "a1a2a3a4a5a6a7a8"
CAMPAIGN = 9


async def test_a_running_till_is_told_and_says_that_it_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.app.LOOK_EVERY_S", 0.05)
    async with running_cloud(tmp_path / "cloud") as cloud:
        hand_clock(monkeypatch, cloud)
        await cloud.set_up()
        offer = cloud_kit.campaign(number=CAMPAIGN, offline_class=OfflineClass.OPEN)
        assert (await cloud.admin("POST", "campaigns", {"campaign": campaigns.to_wire(offer)}))[0] == 201
        first, second = await cloud.tokens(2, CAMPAIGN, days=50)
        _, till_made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
        settings = config.Config(
            till=config.Till(state_dir=str(tmp_path / "till"), language="en"),
            api=config.Api(port=0),
            cloud=config.Cloud(url=cloud.url),
            sync=config.Sync(backoff_base_s=0.1, backoff_cap_s=0.2),
        )
        assert await enrol(settings, till_made["code"]) == ("T-1", "")
        assert cloud.cloud is not None
        store = cloud.cloud.store
        async with running(settings) as app, aiohttp.ClientSession() as session:
            till = RealTill(app, None, session)  # type: ignore[arg-type]  # the cloud issues its coupons
            await until(lambda: app._state.online and app._state.trust is not None)

            async def redeem(text: str) -> None:
                sale = {"total_minor": 20_000, "sale_id": text[-8:]}
                body = {"text": text, "sale": sale, "member": {"pseudonym": ANN, "consent": True}}
                answer = await till.call("POST", "/v1/redeem", body, Idempotency_Key=text[-8:])
                assert answer.json["outcome"] == "accepted", answer.json

            await redeem(first)
            async with asyncio.timeout(WAIT_S):
                while not await store.disclosing(ANN, 1):  # noqa: ASYNC110 - the other side tells nobody
                    await asyncio.sleep(0.02)
            status, erasure = await cloud.admin("POST", "erasures", {"pseudonym": ANN})
            assert (status, erasure["disclosures"], erasure["open"]) == (201, 1, ["T-1"])
            async with asyncio.timeout(WAIT_S):
                while (await cloud.admin("GET", "erasures"))[1]["erasures"][0]["open"]:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
            await redeem(second)
            async with asyncio.timeout(WAIT_S):
                while len(await store.events_of("T-1", "redemption", 0, 10)) < 2:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)
        assert await store.disclosing(ANN, 10) == []
        assert rows(tmp_path / "till" / "till.db", "SELECT * FROM disclosure") == []
        _, proof = await cloud.admin("GET", "erasures/1/proof")
        (done,) = proof["proof"]["tills"]
        assert (done["till"], done["record_id"]) == ("T-1", "T-1-E1")
