"""A cloud that loses a day: its data is copied, goes on, is killed, and the copy is put back. Real till, real lines."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import config
from agent.app import App, running
from agent.clock import SystemClock
from agent.commands.enrol import enrol
from agent.domain.record import LANES
from agent.domain.time import day_number
from agent.health import OUTDATED_ERROR_S
from cloud.api.http import utc_now
from cloud.api.server import make_app
from cloud.commands import restore
from cloud.errors import SetupError
from cloud.main import init, open_cloud
from cloud.publish import Ages
from tests import cloud_contract
from tests.core_kit import rows
from tests.integration.cloud_server_kit import STORE_BODY, Running
from tests.unit.cloud_kit import CAMPAIGN, ISSUER


def day() -> int:
    now = SystemClock().now()
    return day_number(now, now.tzinfo or now.astimezone().tzinfo)


@asynccontextmanager
async def serving(
    folder: Path, token: str, port: int = 0, ages: Ages | None = None
) -> AsyncIterator[Running]:
    """The cloud of a data directory that is there, on the port it had before."""
    cloud = open_cloud(folder, ages)
    app = make_app(cloud)
    faults = cloud_contract.hold(app)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            yield Running(url, token, session, cloud=cloud)
        assert not faults, "docs/cloud-openapi.yaml says otherwise:\n" + "\n".join(faults)
    finally:
        await runner.cleanup()
        await cloud.store.close()


async def issue(cloud: Running, count: int) -> list[dict[str, Any]]:
    status, made = await order(cloud, count)
    assert status == 201, made
    coupons: list[dict[str, Any]] = made["coupons"]
    return coupons


async def order(cloud: Running, count: int) -> tuple[int, Any]:
    days = {"not_before": day() - 1, "expires": day() + 50}
    return await cloud.admin(
        "POST", "coupons", {"issuer": ISSUER, "campaign": CAMPAIGN, "count": count, **days}
    )


async def command(folder: Path, *arguments: str) -> None:
    """`redeemd cloud restored`."""
    parser = argparse.ArgumentParser()
    restore.add_arguments(parser)
    await restore.run(parser.parse_args([str(folder), *arguments]), utc_now)


async def redeem(app: App, *coupons: dict[str, Any]) -> list[str]:
    return [(await app.till.redeem(one["token"], None, one["token"][-30:])).outcome.value for one in coupons]


def explained(app: App, coupon: dict[str, Any]) -> str:
    """What the till would say of it."""
    return app.till.explain(coupon["token"], None).outcome.value


async def until(app: App, holds: Callable[[], bool]) -> None:
    """Poll and send until something holds; the test's own time-out bounds it."""
    while not holds():
        app._line.poll_now()
        app._line.wake()
        app._line.back()
        await asyncio.sleep(0.02)


class Shop:
    """A till and the files that say what it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app: App

    def settings(self, url: str) -> config.Config:
        return config.Config(
            till=config.Till(state_dir=str(self.folder)),
            api=config.Api(port=0),
            cloud=config.Cloud(url=url, total_timeout_s=20),
        )

    async def sent(self) -> None:
        waiting = "SELECT count(*) FROM record WHERE state = 'waiting'"
        await until(self.app, lambda: rows(self.folder / "till.db", waiting) == [(0,)])

    def ledger(self) -> list[tuple[str, int, str]]:
        return rows(
            self.folder / "till.db", "SELECT lane, sequence, hash FROM record ORDER BY lane, sequence"
        )

    async def issues(self) -> dict[str, str]:
        return {issue["code"]: issue["severity"] for issue in (await self.app.till.status())["issues"]}

    def sequence(self) -> int:
        trust = self.app._state.trust
        return 0 if trust is None else trust.manifest.sequence


async def ledger(cloud: Running) -> list[tuple[str, int, str]]:
    return [(line["lane"], line["sequence"], line["hash"]) for line in await cloud.lines()]


async def test_a_restored_cloud_issues_no_coupon_twice_revokes_and_gets_its_records_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, backup, shop = tmp_path / "cloud", tmp_path / "backup", Shop(tmp_path / "till")
    token = init(folder)["admin_token"]
    async with serving(folder, token) as cloud:
        port = int(cloud.url.rpartition(":")[2])
        await cloud.set_up(starts=day() - 10, ends=day() + 60)
        _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
        assert await enrol(shop.settings(cloud.url), made["code"]) == ("T-1", "")
        coupons = await issue(cloud, 20)
    async with asyncio.timeout(120), running(shop.settings(cloud.url)) as shop.app:
        async with serving(folder, token, port) as cloud:
            await until(shop.app, lambda: shop.sequence() > 0)
            assert await redeem(shop.app, *coupons[:3]) == ["accepted"] * 3
            await redeem(shop.app, {"token": "no coupon"})
            await shop.sent()
        shutil.copytree(folder, backup)
        async with serving(folder, token, port) as cloud:
            assert await redeem(shop.app, *coupons[3:6]) == ["accepted"] * 3
            await redeem(shop.app, {"token": "no coupon either"}, {"token": "nor this"})
            await shop.sent()
            lost = await issue(cloud, 5)
            before = shop.sequence()
            await revoke(cloud, lost[0])
            await until(shop.app, lambda: shop.sequence() > before)
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)

        async with serving(folder, token, port):
            await somebody_forgot_the_command(shop)
        await command(folder)
        said = capsys.readouterr().out
        assert f"{ISSUER}/{CAMPAIGN}  20 of" in said, "what the copy knows"

        async with serving(folder, token, port) as cloud:
            await until(shop.app, lambda: shop.sequence() > 1_000_000)
            assert "cloud_outdated" not in await shop.issues()
            status, refused = await order(cloud, 5)
            assert (status, refused["code"]) == (409, "restored")
            await command(folder, "--issued", f"{ISSUER}/{CAMPAIGN}=25")
            assert "issues again" in capsys.readouterr().out
            fresh = await issue(cloud, 5)
            given = [one["index"] for one in (*coupons, *lost, *fresh)]
            assert len(set(given)) == len(given), "no two customers have one coupon"

            await revoke(cloud, fresh[0])
            await until(shop.app, lambda: explained(shop.app, fresh[0]) == "revoked")
            assert await redeem(shop.app, fresh[0]) == ["revoked"], "revocations arrive again"

            assert await redeem(shop.app, coupons[6]) == ["accepted"]
            await equal(shop, cloud)
            assert len(shop.ledger()) == 7 + 4, "seven redemptions, four refused scans"


async def test_records_come_back_though_nothing_is_sold(tmp_path: Path) -> None:
    """The till says how much it delivered when it asks for its bundle: no later record is needed, and none is made."""
    folder, backup, shop = tmp_path / "cloud", tmp_path / "backup", Shop(tmp_path / "till")
    token = init(folder)["admin_token"]
    async with serving(folder, token) as cloud:
        port = int(cloud.url.rpartition(":")[2])
        await cloud.set_up(starts=day() - 10, ends=day() + 60)
        _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
        assert await enrol(shop.settings(cloud.url), made["code"]) == ("T-1", "")
        coupons = await issue(cloud, 9)
    shutil.copytree(folder, backup)
    async with asyncio.timeout(120), running(shop.settings(cloud.url)) as shop.app:
        async with serving(folder, token, port):
            await until(shop.app, lambda: shop.sequence() > 0)
            assert await redeem(shop.app, *coupons[:5]) == ["accepted"] * 5
            await redeem(shop.app, {"token": "no coupon"}, {"token": "nor this"})
            await shop.sent()
        had = shop.ledger()
        assert len(had) == 7
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        await command(folder)
        async with serving(folder, token, port) as cloud:
            assert await ledger(cloud) == []
            while await ledger(cloud) != had:
                shop.app._line.poll_now()
                shop.app._line.back()
                await asyncio.sleep(0.02)
            assert shop.ledger() == had
            await equal(shop, cloud)
            assert (await cloud.admin("GET", "gaps"))[1]["gaps"] == []
        with contextlib.closing(sqlite3.connect(folder / "cloud.db")) as db:
            lanes = db.execute("SELECT lane, first FROM lost_end ORDER BY lane").fetchall()
        assert lanes == [("evidence", 1), ("redemption", 1)], (
            "they were listed as soon as they were asked for"
        )


async def somebody_forgot_the_command(shop: Shop) -> None:
    """The till says so at once, and that it cannot stay so after an hour."""
    await until(shop.app, lambda: shop.app._state.outdated_since is not None)
    assert (await shop.issues())["cloud_outdated"] == "warning"
    assert (await shop.app.till.status())["healthy"]
    shop.app._state.outdated_since = SystemClock().monotonic() - OUTDATED_ERROR_S
    assert not (await shop.app.till.status())["healthy"]


async def equal(shop: Shop, cloud: Running) -> None:
    """Till and cloud hold the same records in the end, and nothing is wrong with any."""
    while await ledger(cloud) != shop.ledger():
        await shop.sent()
        await asyncio.sleep(0.02)
    for what in ("gaps", "refusals", "conflicts"):
        assert (await cloud.admin("GET", what))[1][what] == []
    assert {lane for lane, _, _ in shop.ledger()} == set(LANES)


async def revoke(cloud: Running, coupon: dict[str, Any]) -> None:
    body = {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [coupon["index"]]}
    assert (await cloud.admin("POST", "revocations", body))[0] == 200


async def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="put the backup back first"):
        await command(tmp_path / "none")
    init(tmp_path / "cloud")
    for stated in ("acme", "acme/7", "acme/7=x", "/7=1", "acme/7=-1", "acme/99999999999=1"):
        with pytest.raises(SystemExit):
            await command(tmp_path / "cloud", "--issued", stated)
    with pytest.raises(SetupError, match="there is no campaign acme/7"):
        await command(tmp_path / "cloud", "--issued", "acme/7=1")
    await command(tmp_path / "cloud")
    await command(tmp_path / "cloud")
