"""The room on the disk: its levels, what each gives up, and a disk that is really small."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent.disk
from agent.disk import RESERVE_BYTES, DiskLevel, Room, disk_levels, free_bytes, keep_reserve
from agent.store.housekeeping import Retention
from agent.store.inspect import used_bytes
from tests.core_kit import core, install
from tests.factory import Factory
from tests.faults.test_commit import small_disk

MB = 1 << 20
PLENTY = 100_000 * MB


@pytest.mark.parametrize(
    ("used", "free", "level"),
    [
        (0, PLENTY, DiskLevel.ENOUGH),
        (79, PLENTY, DiskLevel.ENOUGH),
        (80, PLENTY, DiskLevel.TIGHT),
        (95, PLENTY, DiskLevel.SCARCE),
        (100, PLENTY, DiskLevel.FULL),
        (130, PLENTY, DiskLevel.FULL),
        (1, 4 * 64 * MB, DiskLevel.ENOUGH),
        (1, 4 * 64 * MB - 1, DiskLevel.TIGHT),
        (1, 64 * MB - 1, DiskLevel.SCARCE),
        (1, RESERVE_BYTES - 1, DiskLevel.FULL),
        (0, 0, DiskLevel.FULL),
    ],
)
def test_the_levels(used: int, free: int, level: DiskLevel) -> None:
    assert Room(used * MB, 100 * MB, free, 64 * MB).level is level


@given(st.integers(0, 1 << 40), st.integers(1, 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_more_room_never_makes_it_worse(used: int, budget: int, free: int, least: int) -> None:
    room = Room(used, budget, free, least)
    assert 0 <= room.filled_percent <= 100
    assert Room(used, budget, free + MB, least).level <= room.level
    assert Room(used, budget + MB, free, least).level <= room.level


def test_short_of_room_only_what_was_delivered_is_kept_for_less() -> None:
    usual = Retention(400, 100_000)
    assert usual.tight() == Retention(400, 1000, timedelta(days=1), timedelta(days=1))
    assert Retention(400, 200).tight().evidence_max_rows == 200


async def test_refused_scans_are_answered_and_counted_but_not_recorded(tmp_path: Path) -> None:
    factory = Factory()
    with core(install(tmp_path, factory), factory) as till:
        good = factory.coupon(1)
        till.state.disk = DiskLevel.SCARCE
        refused = await till.redeem("RC1JUNK", request_id="first")
        assert not refused.to_json()["accepted"]
        assert (await till.redeem(good)).to_json()["accepted"], "redemptions go on"
        assert (await till.redeem(good)).outcome.value == "already_redeemed", "and are remembered"
        assert (await till.redeem("RC1JUNK", request_id="first")).scan_id == refused.scan_id
        assert till.rows("SELECT count(*) FROM evidence_record") == [(0,)]
        assert till.state.unrecorded == 2
        till.state.disk = DiskLevel.TIGHT
        await till.redeem("RC1JUNK")
        await till.redeem("RC1JUNK")
        events = [json.loads(text) for (text,) in till.rows("SELECT event FROM evidence_record")]
        assert [event["data"].get("unrecorded") for event in events] == [2, None]
        assert till.state.unrecorded == 0


async def test_a_small_disk_gives_up_its_reserve_and_gets_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.disk, "LOOK_EVERY_S", 0.01)
    factory = Factory()
    with small_disk(tmp_path / "disk", 64_000) as disk:
        folder = disk / "till"
        with core(install(folder, factory), factory) as till:
            levels = disk_levels(folder, lambda: till.database.run(used_bytes), 100 * MB, 4 * MB)

            async def next_level() -> DiskLevel:
                return await asyncio.wait_for(anext(levels), 10)

            assert keep_reserve(folder, DiskLevel.ENOUGH) is False
            assert (folder / "reserve").stat().st_blocks * 512 >= RESERVE_BYTES, "it is real room"
            filler = disk / "filler"
            filler.write_bytes(bytes(free_bytes(disk) - 3 * MB))
            assert await next_level() is DiskLevel.FULL
            assert not (folder / "reserve").exists()
            till.state.disk = DiskLevel.FULL
            assert (await till.redeem(factory.coupon(1))).to_json()["accepted"]
            assert free_bytes(disk) >= 3 * MB, "what was given up is there to be written"
            filler.unlink()
            assert await next_level() is DiskLevel.ENOUGH
            assert (folder / "reserve").exists()


def test_no_room_for_the_reserve_is_no_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1_000) as disk:
        assert keep_reserve(disk, DiskLevel.TIGHT) is False
        assert not (disk / "reserve").exists(), "no part of it either"
