"""A line of 50 kbit/s with a round trip of 2 s that loses a tenth still drains: the worst one, ten times as fast."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.store.outbox import SqlOutbox
from benchmarks import slow_line as line_module
from benchmarks.slow_line import Quality, slow_line
from benchmarks.step06_sync import LANE, TILL, fill, receiver
from sync.lanes import LaneRunner
from sync.uplink import HttpUplink, Timeouts
from tests.integration.uplink_kit import IDENTITY

RECORDS = 200
QUICK = 10


async def test_the_worst_line_drains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shaped as `benchmarks/slow_line.py` shapes it; this kernel has no netem."""
    monkeypatch.setattr(line_module, "RESEND_S", 1 / QUICK)
    database = await asyncio.to_thread(fill, tmp_path, RECORDS)
    try:
        outbox = SqlOutbox(database, TILL)
        quality = Quality(50e3 * QUICK, 1.0 / QUICK, 0.1)
        async with receiver() as (port, sizes), slow_line(port, quality) as far:
            base, waits = f"http://127.0.0.1:{far}", Timeouts(connect_s=15, idle_s=30, total_s=300)
            async with HttpUplink(base, IDENTITY, timeouts=waits) as uplink:
                lane = LaneRunner(LANE, outbox, uplink)
                work = asyncio.create_task(lane.run())
                while await outbox.waiting(LANE, 1, 1):  # noqa: ASYNC110  a database has no event
                    await asyncio.sleep(0.05)
                state = lane.state()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        assert (state.failure, state.consecutive_failures) == (None, 0), "slow is no failure"
        assert len(sizes) <= 5, "each batch is larger than the one before: round trips are what costs here"
    finally:
        database.close()
