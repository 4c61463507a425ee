"""What the scanner tests share: a running source whose scans and faults can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from drivers.ports import DeviceState, Scan, ScanFault, ScanSource

WAIT_S = 30.0
"""Bound on every wait; far above what any of it takes, so that a busy machine does not fail a test."""


class Running:
    """One source that is being run. Waiting raises whatever escapes from its `run`."""

    def __init__(
        self,
        source: ScanSource,
        on_scan: Callable[[Scan], None] | None,
        on_fault: Callable[[ScanFault], None] | None,
    ):
        self.source = source
        self.seen_to_end = False
        self.scans: asyncio.Queue[Scan] = asyncio.Queue()
        self.faults: asyncio.Queue[ScanFault] = asyncio.Queue()
        self.task = asyncio.create_task(
            source.run(on_scan or self.scans.put_nowait, on_fault or self.faults.put_nowait)
        )

    async def scan(self) -> Scan:
        return await asyncio.wait_for(self.scans.get(), WAIT_S)

    async def fault(self) -> ScanFault:
        return await asyncio.wait_for(self.faults.get(), WAIT_S)

    async def until(self, *states: DeviceState) -> str:
        """Wait for one of the states; return the detail that goes with it."""
        async with asyncio.timeout(WAIT_S):
            while (status := self.source.status()).state not in states:
                assert not self.task.done(), "run() ended by itself"
                await asyncio.sleep(0.005)
        return status.detail

    async def ended(self) -> None:
        """Wait until run() ends by itself, as it does only by a bug, and raise it."""
        self.seen_to_end = True
        await asyncio.wait_for(asyncio.shield(self.task), WAIT_S)


@asynccontextmanager
async def running(
    source: ScanSource,
    on_scan: Callable[[Scan], None] | None = None,
    on_fault: Callable[[ScanFault], None] | None = None,
) -> AsyncIterator[Running]:
    """Run the source; on leaving, cancel it and wait until it has ended."""
    run = Running(source, on_scan, on_fault)
    try:
        yield run
    finally:
        run.task.cancel()
        _, pending = await asyncio.wait([run.task], timeout=WAIT_S)
        assert not pending, "run() did not end when it was cancelled"
        if not run.seen_to_end:
            with suppress(asyncio.CancelledError):
                run.task.result()
