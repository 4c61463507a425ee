"""The parts of the demo: processes of the `redeemd` command, and a listener on the till's events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

WAIT_S = 30.0


class DemoError(Exception):
    """A step of the story did not hold. The text says what was expected and what was seen."""


_claims: list[socket.socket] = []


def free_port(wished: int) -> int:
    """`wished` if nothing listens there and no other demo has it, otherwise any free TCP port of the loopback.

    It stays ours until this process ends, also while the till that listens there is killed and started again: its name
    stands in the abstract namespace (unix(7)), which nobody has to clean up.
    """
    for port in (wished, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found = int(probe.getsockname()[1])
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(f"\0redeemd-demo-{found}")
            except OSError:
                claim.close()
                raise
            _claims.append(claim)
            return found
    raise DemoError("no free TCP port on the loopback")


async def command(*arguments: str) -> str:
    """Run `redeemd ARGUMENTS` to its end; returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(WAIT_S):
        out, errors = await process.communicate()
    if process.returncode:
        raise DemoError(
            f"redeemd {' '.join(arguments)} ended with {process.returncode}: {errors.decode()[-2000:]}"
        )
    return out.decode()


class Daemon:
    """A long-running `redeemd` command whose output goes to a log file. url: where it answers; probe: what to ask."""

    def __init__(self, log: Path, url: str, probe: str, *arguments: str) -> None:
        self.url = url
        self._log = log
        self._probe = probe
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent.cli", *self._arguments, stdout=log, stderr=log
            )
        process = self._process
        try:
            async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as http:
                while True:
                    if process.returncode is not None:
                        raise DemoError(f"redeemd {self._arguments[0]} ended at once: see {self._log}")
                    with contextlib.suppress(aiohttp.ClientError):
                        async with http.get(self.url + self._probe):
                            return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise DemoError(f"redeemd {self._arguments[0]} does not answer: see {self._log}") from None

    def kill(self) -> None:
        """SIGKILL: what a power cut is to a process."""
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM and wait; returns the exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(WAIT_S):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()


class TillClient:
    """The till's local API, as a POS and the cashier page use it. verdicts: every one that was told, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.verdicts: list[dict[str, Any]] = []
        self._told = asyncio.Event()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._http.close()

    async def _listen(self) -> None:
        """Follow the server-sent events; after a restart of the till, again."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with self._http.get(self.url + "/v1/events") as stream:
                    await self._follow(stream)
            await asyncio.sleep(0.05)

    async def _follow(self, stream: aiohttp.ClientResponse) -> None:
        kind = ""
        async for raw in stream.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind == "verdict":
                self.verdicts.append(json.loads(value))
                self._told.set()

    async def wait_verdict(self, source: str, after: int) -> dict[str, Any]:
        """The first verdict of `source` at or behind position `after` of `verdicts`."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for verdict in self.verdicts[after:]:
                    if verdict["source"] == source:
                        return verdict
                self._told.clear()
                await self._told.wait()

    async def wait_count(self, source: str, count: int) -> list[dict[str, Any]]:
        """All verdicts of `source` once there are `count`."""
        async with asyncio.timeout(WAIT_S):
            while len(found := [told for told in self.verdicts if told["source"] == source]) < count:
                self._told.clear()
                await self._told.wait()
        return found

    async def status(self) -> dict[str, Any]:
        async with self._http.get(self.url + "/v1/status") as answer:
            said: dict[str, Any] = await answer.json()
            return said

    async def wait_status(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Poll the status until `holds`; DemoError names `what` was waited for."""
        seen: dict[str, Any] = {}
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    with contextlib.suppress(aiohttp.ClientError):
                        seen = await self.status()
                        if holds(seen):
                            return seen
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DemoError(
                f"waited {WAIT_S:.0f} s for: {what}; last status {json.dumps(seen)[:1000]}"
            ) from None

    async def redeem(self, text: str, key: str, sale: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST /v1/redeem; raises aiohttp.ClientError when the till goes down meanwhile."""
        body = {"text": text} if sale is None else {"text": text, "sale": sale}
        async with self._http.post(
            self.url + "/v1/redeem", json=body, headers={"Idempotency-Key": key}
        ) as answer:
            said: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise DemoError(f"POST /v1/redeem: {answer.status} {said}")
            return said

    async def put_sale(self, total_minor: int) -> None:
        async with self._http.put(self.url + "/v1/sale", json={"total_minor": total_minor}) as answer:
            answer.raise_for_status()
