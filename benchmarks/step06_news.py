"""Step 6: how long a revocation takes to a till with a line, against a till that is told to ask at that very moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from statistics import median
from time import perf_counter
from typing import Any

import uvloop

import config
from agent.app import App, running
from agent.commands.enrol import enrol
from benchmarks.common import Benchmark, Figure, Options
from cloud.main import init
from tests.integration.api_kit import until
from tests.integration.cloud_server_kit import STORE_BODY, Running
from tests.integration.test_cloud_restored import day, issue, serving
from tests.unit.cloud_kit import CAMPAIGN, ISSUER

BAR_S = 2.0


def news(options: Options) -> Iterator[Figure]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pushed, asked = runner.run(_measured(options, options.rounds(20)))
    took, floor = median(pushed), median(asked)
    yield Figure(
        "06 news: from a revocation to a till that waits",
        round(took, 3),
        "s",
        round(floor, 3),
        round(took / floor, 2),
        None,
        max(pushed) <= BAR_S,
        "ratio",
        round(min(pushed), 3),
        round(max(pushed), 3),
    )


async def _measured(options: Options, rounds: int) -> tuple[list[float], list[float]]:
    token = init(options.folder / "cloud")["admin_token"]
    async with serving(options.folder / "cloud", token) as cloud:
        await cloud.set_up(starts=day() - 10, ends=day() + 60)
        _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
        settings = config.Config(
            till=config.Till(state_dir=str(options.folder / "till")),
            api=config.Api(port=0),
            cloud=config.Cloud(url=cloud.url),
            sync=config.Sync(bundle_interval_s=3600),
        )
        await enrol(settings, made["code"])
        coupons = await issue(cloud, 2 * rounds)
        async with running(settings) as app:
            pushed = [await _took(cloud, app, coupon, ask=False) for coupon in coupons[:rounds]]
            asked = [await _took(cloud, app, coupon, ask=True) for coupon in coupons[rounds:]]
    return pushed, asked


async def _took(cloud: Running, app: App, coupon: dict[str, Any], *, ask: bool) -> float:
    assert cloud.cloud is not None, "it runs here"
    waiting = cloud.cloud.news
    await until(lambda: waiting.waiting > 0)
    body = {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [coupon["index"]]}
    await cloud.admin("POST", "revocations", body)
    started = perf_counter()
    if ask:
        app._line.poll_now()
    await until(lambda: app.till.explain(coupon["token"], None).outcome.value == "revoked")
    return perf_counter() - started


BENCHMARKS: dict[str, Benchmark] = {"06 news": news}
