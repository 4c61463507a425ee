"""Tills that are born to be killed: forks a whole till, API and all, for each state directory on standard input.

Says `up PID PORT` once one answers, and `dead` when it is.
"""

from __future__ import annotations

import asyncio
import os
import sys

import config
from agent.app import running


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def live(folder: str) -> None:
    settings = config.Config(till=config.Till(state_dir=folder), api=config.Api(port=0))
    async with running(settings) as app:
        say(f"up {os.getpid()} {app.api.url.rpartition(':')[2]}")
        await asyncio.Event().wait()


def nursery() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(live(line.strip()))
            os._exit(0)
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    nursery()
