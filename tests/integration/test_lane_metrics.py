"""What a running till says of its lanes, by API, by command and to Prometheus, while its cloud fails one of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

import config
from agent.commands.show import fetch_status, status_lines
from sync import wire
from sync.news import NEWS_TYPE
from tests.integration.api_kit import WAIT_S, RealTill, real_till, settings
from tests.integration.uplink_kit import http_server
from tests.unit.test_metrics import read

QUICK = config.Sync(backoff_base_s=0.05, backoff_cap_s=0.1, bundle_interval_s=60)


async def stored(request: web.Request) -> web.Response:
    sent = await request.read()
    plain = wire.gunzip_bounded(sent, 1 << 20) if request.headers.get("Content-Encoding") else sent
    results = [{"id": event["id"], "status": "stored"} for event in json.loads(plain)]
    return web.Response(body=json.dumps({"results": results}).encode(), content_type=wire.RESULTS_TYPE)


class Cloud:
    """Takes redemptions, is too busy for evidence, has no bundle for anybody, and knows no news."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.evidence_too = False
        self.retry_after = "0"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        place = request.path.removeprefix("/v1/tills/T-0001/")
        self.asked[place] += 1
        if place == "batches/redemption" or (place == "batches/evidence" and self.evidence_too):
            return await stored(request)
        if place == "batches/evidence":
            return web.Response(status=503, headers={"Retry-After": self.retry_after})
        if place == "bundle":
            return web.Response(status=403)
        if place == "news":
            said = json.dumps({"mark": "1", "spread_ms": 0}).encode()
            return web.Response(body=said, content_type=NEWS_TYPE)
        return web.Response(status=404)


async def lanes(till: RealTill) -> dict[str, Any]:
    return {lane["name"]: lane for lane in (await till.call("GET", "/v1/lanes")).json["lanes"]}


async def test_each_lane_tells_of_itself(tmp_path: Path) -> None:
    cloud = Cloud()
    async with (
        http_server(cloud.answer) as url,
        real_till(tmp_path / "till", cloud=config.Cloud(url=url), sync=QUICK) as till,
        asyncio.timeout(WAIT_S),
    ):
        assert (await till.redeem(till.coupon(), total_minor=20_000)).json["accepted"]
        assert not (await till.redeem("hello")).json["accepted"]
        while True:
            found = await lanes(till)
            if (
                found["evidence"]["consecutive_failures"] > 2
                and found["redemption"]["records"]["acknowledged"]
            ):
                break
        assert list(found) == ["redemption", "evidence", "bundle", "verdicts", "news"]
        good, bad = found["redemption"], found["evidence"]
        assert (good["circuit"], good["failures"], good["last_failure"]) == ("closed", {}, None)
        assert good["last_success"] is not None
        assert (good["records"]["waiting"], good["records"]["oldest"]) == (0, None)
        assert good["sent_bytes"] > 300
        assert good["received_bytes"] > 30
        assert bad["circuit"] in ("open", "half_open")
        assert bad["failures"] == {"busy": bad["attempts"]} or bad["circuit"] == "half_open"
        assert (bad["last_success"], bad["last_failure"]["cause"]) == (None, "busy")
        assert bad["records"]["waiting"] == 1
        assert bad["records"]["oldest"] is not None
        assert found["bundle"]["failures"].keys() == {"not_admitted"}
        assert found["verdicts"]["circuit"] == "closed", "a cloud may have none"
        assert all(found[name]["records"] is None for name in ("bundle", "verdicts", "news"))
        cloud.evidence_too = True
        while (await lanes(till))["evidence"]["circuit"] != "closed":
            pass
        mended = (await lanes(till))["evidence"]
        assert (mended["consecutive_failures"], mended["last_failure"]["cause"]) == (0, "busy")
        assert mended["failures"]["busy"] >= 3, "what was counted stays counted"


async def test_an_open_circuit_waits_as_long_as_the_cloud_asked_for(tmp_path: Path) -> None:
    """And the same in the words of the command and of Prometheus."""
    cloud = Cloud()
    cloud.retry_after = "900"
    async with (
        http_server(cloud.answer) as url,
        real_till(tmp_path / "till", cloud=config.Cloud(url=url), sync=QUICK) as till,
        asyncio.timeout(WAIT_S),
    ):
        assert not (await till.redeem("hello")).json["accepted"]
        while (await lanes(till))["evidence"]["circuit"] != "open":
            pass
        asked = cloud.asked["batches/evidence"]
        till.app._line.wake()
        till.app._line.back()
        assert (await till.redeem(till.coupon(), total_minor=20_000)).json["accepted"]
        while not (await lanes(till))["redemption"]["records"]["acknowledged"]:
            pass
        assert cloud.asked["batches/evidence"] == asked, "its Retry-After holds, and holds up no other lane"
        answer = await till.call("GET", "/metrics")
        assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        found = read(answer.raw.decode())
        assert 890 < found['redeemd_lane_next_attempt_seconds{lane="evidence"}'] < 901
        assert found['redeemd_lane_circuit{lane="evidence",state="open"}'] == 1
        assert found['redeemd_lane_circuit{lane="redemption",state="closed"}'] == 1
        assert found['redeemd_lane_failures_total{lane="evidence",cause="busy"}'] == asked
        assert found['redeemd_lane_attempts_total{lane="evidence"}'] == asked
        assert found['redeemd_lane_waiting_records{lane="evidence"}'] == 1
        assert found['redeemd_lane_acknowledged_records_total{lane="redemption"}'] == 1
        assert found['redeemd_lane_last_success_age_seconds{lane="redemption"}'] < WAIT_S
        assert 'redeemd_lane_last_success_age_seconds{lane="evidence"}' not in found
        known = settings(tmp_path / "till", api=config.Api(port=till.port))
        status = await asyncio.to_thread(fetch_status, known)
        assert [lane["name"] for lane in status["lanes"]][:2] == ["redemption", "evidence"]
        (line,) = [line for line in status_lines(status) if line.startswith("lane      evidence")]
        assert "1 failures in a row (busy: HTTP 503), next attempt 20" in line
