"""A till that redeems until it is told to stop or dies, as a process of its own: faults are injected into it.

    python -m tests.faults.redeeming FOLDER COUPONS     redeem the coupons of a file, one `INDEX TEXT` a line
    python -m tests.faults.redeeming                    fork such a till for each `FOLDER COUPONS` on standard input

It prints `INDEX OUTCOME REDEMPTION_ID` for each answer, each with one os.write after the answer was given: a line that
arrived is an acknowledged answer. A line `limit BYTES` among the coupons bounds the size of files from there on.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

from agent.domain.keys import signing_key_from_pem
from tests.core_kit import core
from tests.factory import Factory


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def serve(folder: Path, coupons: list[str]) -> None:
    factory = Factory(till_key=signing_key_from_pem((folder / "till.key").read_bytes()))
    with core(folder / "till.db", factory) as till:
        say("open")
        for line in coupons:
            index, text = line.split()
            if index == "limit":  # from here on files may not grow beyond so many bytes; 0: no limit
                limit = int(text) or resource.RLIM_INFINITY
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                continue
            verdict = await till.redeem(text)
            say(f"{index} {verdict.outcome.value} {verdict.redemption_id}")
    say("closed")


def nursery() -> None:
    """Fork a till for each order and say its process id, and when it is dead."""
    for line in sys.stdin:
        folder, coupons = line.split()
        child = os.fork()
        if child == 0:
            live(folder, coupons)
            os._exit(0)
        say(f"born {child}")
        os.waitpid(child, 0)
        say("dead")


def live(folder: str, coupons: str) -> None:
    asyncio.run(serve(Path(folder), Path(coupons).read_text("ascii").splitlines()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        live(*sys.argv[1:])
    else:
        nursery()
