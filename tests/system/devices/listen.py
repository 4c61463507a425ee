"""Runs in the guest, in the sandbox of redeemd.service: the till's own scan sources, and a line for all they say.

Lines are JSON objects: {"name", "scan"}, {"name", "fault"} or {"name", "state", "detail"}. Unlike redeemd, which keeps
the text of a coupon to itself, it tells what was scanned.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import config
from agent.devices import scan_sources
from drivers.ports import DeviceStatus, Scan, ScanFault

LOOK_EVERY_S = 0.02


def say(**what: str) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(path: Path) -> None:
    sources = [source for _, source in scan_sources(config.load(path))]

    def scanned(scan: Scan) -> None:
        say(name=scan.source, scan=scan.text)

    def failed(fault: ScanFault) -> None:
        say(name=fault.source, fault=fault.code)

    runs = [asyncio.create_task(source.run(scanned, failed)) for source in sources]
    told: dict[str, DeviceStatus] = {}
    while not any(run.done() for run in runs):
        for source in sources:
            status = source.status()
            if (was := told.get(source.name)) is None or was.state is not status.state:
                say(name=source.name, state=status.state.value, detail=status.detail)
            told[source.name] = status
        await asyncio.sleep(LOOK_EVERY_S)
    for run in runs:
        if run.done():
            run.result()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
