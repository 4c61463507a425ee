"""Run beside a mocked scanner: `python -m tests.integration.wedge_program SETTINGS COUNT [late]`.

Prints COUNT scans and faults, one JSON object a line, then every state the source went through. With `late` the
scanner is hidden until the source has reported it missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict

from drivers.ports import DeviceState, Scan, ScanFault
from drivers.wedge import WedgeScanner, WedgeSettings
from tests.integration.scanner_kit import running


async def main(settings: WedgeSettings, count: int, late: bool) -> None:
    entry = os.environ["UMOCKDEV_DIR"] + "/sys/class/input/event5"
    target = os.readlink(entry)
    if late:
        os.unlink(entry)
    source = WedgeScanner(settings)
    found: asyncio.Queue[Scan | ScanFault] = asyncio.Queue()
    async with running(source, found.put_nowait, found.put_nowait) as run:
        if late:
            print(json.dumps({"detail": await run.until(DeviceState.LOST)}))
            os.symlink(target, entry)
        await run.until(DeviceState.READY)
        for _ in range(count):
            print(json.dumps(asdict(await asyncio.wait_for(found.get(), 30))))


asyncio.run(main(WedgeSettings(**json.loads(sys.argv[1])), int(sys.argv[2]), sys.argv[3:] == ["late"]))
