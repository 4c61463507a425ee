"""The composition root in this process: what its tasks do to the till's memory, and how they end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import config
from agent import app as app_module
from agent.app import App, running
from agent.bundles.carried import INBOX
from agent.bundles.refresh import Refresher
from agent.domain import bundle_file, cbor, status
from agent.domain.time import Anchor, BootTime
from agent.line.health_report import report
from agent.ports import LedgerUnavailable
from agent.store.bundle_cache import store_bundle
from agent.store.database import Database
from sync.till_health import read_header
from tests.core_kit import HandClock, rows
from tests.factory import Factory, amount_off, today

WAIT_S = 20.0


def settings(folder: Path) -> config.Config:
    return config.Config(till=config.Till(state_dir=str(folder)), api=config.Api(port=0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Factory(campaigns=[amount_off(size=1000)]).install(tmp_path / "state")
    return tmp_path / "state"


def use(folder: Path, index: int, forget_after: int) -> None:
    connection = sqlite3.connect(folder / "till.db")
    connection.execute(
        "INSERT INTO coupon_use VALUES ('acme', 1, ?, 'T-0001-1', '', ?, 1, 0)", (index, forget_after)
    )
    connection.commit()
    connection.close()


async def until(condition: Callable[[], bool], app: App) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            assert app.till.name == "T-0001"
            await asyncio.sleep(0.005)


async def test_a_clock_gone_ahead_forgets_no_use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark follows a clock for 90 days and the till believes it for 120: what lies between must not be forgotten,
    or a coupon used today would count again when the clock is set right."""
    use(folder, 1, today() - 1)
    use(folder, 2, today() + 100)
    use(folder, 3, today() + 30)  # before the mark that this clock will raise, and it can be lowered again
    ahead = HandClock()
    ahead.advance(timedelta(days=115))
    monkeypatch.setattr(app_module, "SystemClock", lambda: ahead)
    async with running(settings(folder)) as app:
        verdict = await app.till.scan("rubbish", "test")  # raises the mark as far as a clock may
        assert verdict.outcome == "not_a_coupon"
        tidied = asyncio.create_task(app._tidy())
        await until(lambda: rows(folder / "till.db", "SELECT idx FROM coupon_use") == [(2,), (3,)], app)
        tidied.cancel()
        assert app._state.mark is not None
        assert app._state.mark < ahead.now() - timedelta(days=20)


async def test_a_full_disk_does_not_end_housekeeping(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0

    async def full(*_arguments: object) -> None:
        nonlocal tried
        tried += 1
        raise LedgerUnavailable("the disk is full")

    monkeypatch.setattr(app_module, "tidy", full)
    monkeypatch.setattr(app_module, "TIDY_EVERY_S", 0.001)
    async with running(settings(folder)) as app:
        await until(lambda: tried > 3, app)


async def test_a_bug_in_a_task_reaches_whoever_runs_the_till(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bug(*_arguments: object) -> None:
        raise AssertionError("planted")

    monkeypatch.setattr(app_module, "tidy", bug)
    with pytest.raises(ExceptionGroup) as caught:
        async with running(settings(folder)):
            await asyncio.wait_for(asyncio.Event().wait(), WAIT_S)
    assert caught.group_contains(AssertionError, match="planted")


async def test_the_end_of_the_block_closes_everything(folder: Path) -> None:
    async with running(settings(folder)) as app:
        assert app.api.url.startswith("http://127.0.0.1:")
    async with running(settings(folder)) as again:  # the lock is free
        assert again.till.name == "T-0001"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_bundle_that_no_till_could_hold_keeps_none_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Sixty lists of fifty million coupons in 740 kB, signed with a stolen key and stored before lists were bounded
    together: the till starts without a bundle, says so, and takes the next one."""
    factory, folder = Factory(campaigns=[amount_off(size=1000)]), tmp_path / "till"
    factory.install(folder)
    bits = status.compress(status.make(status.COUNT_MAX, []))
    lists = {
        f"status/acme/{number}": cbor.encode(
            {"issuer": "acme", "campaign": number, "count": status.COUNT_MAX, "bits": bits}
        )
        for number in range(100, 160)
    }
    whole = factory.parts() | lists
    database = Database(folder / "till.db")
    database.open()
    try:
        await database.run(
            lambda db: store_bundle(
                db, factory.manifest(whole), whole, [], Anchor(factory.issued, BootTime("", 0.0))
            )
        )
    finally:
        database.close()
    async with running(settings(folder)) as app:
        assert "the lists hold more than 67108864 bytes" in caplog.text
        said = await app.till.status()
        assert [issue["code"] for issue in said["issues"] if issue["severity"] == "error"] == ["no_bundle"]
        coming = replace(factory, sequence=2)
        head = bundle_file.Head((coming.root(),), coming.manifest(coming.parts()))
        (folder / INBOX).write_bytes(b"".join(bundle_file.write(head, coming.parts().values())))
        assert (await app.till.bundles.take())["taken"] is True
        assert (await app.till.status())["healthy"] is True


async def test_a_till_without_a_cloud_needs_no_uplink(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_arguments: object) -> None:
        raise AssertionError("nobody fetches")

    monkeypatch.setattr(Refresher, "fetch", no)
    async with running(settings(folder)) as app:
        status = await app.till.status()
    assert (status["line"]["state"], status["healthy"]) == ("off", True)


async def test_what_the_till_says_of_itself_is_of_the_form_that_a_cloud_reads(folder: Path) -> None:
    async with running(settings(folder)) as app:
        status = await app.till.status()
        said = read_header(report(status, {"redemption": 3}))
        assert said is not None
        assert (said.version, said.epoch, said.sequence) == (
            status["version"],
            status["bundle"]["epoch"],
            status["bundle"]["sequence"],
        )
        assert said.issues == tuple(issue["code"] for issue in status["issues"])
        assert said.healthy == status["healthy"]
        assert said.delivered == (("redemption", 3),)
        doubtful = {**status, "clock": {"doubt": True, "zh": "", "en": "The till's clock is behind"}}
        again = read_header(report(doubtful, {}))
        assert again is not None
        assert again.doubt == "behind"
