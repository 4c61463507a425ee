"""`redeemd printer virtual`: a printer for trying a till by hand, and what goes wrong with it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from drivers.ports import Delivery, PrinterCause
from drivers.printers import NetworkPrinter, SerialPrinter

JOB = b"\x1b@" + "合计".encode("gb18030") + b"\n\x1dVB\x00"
COMMAND = (sys.executable, "-m", "agent.cli", "printer", "virtual", "--port")


class Program:
    """What runs, and what it said so far: pictures are drawn aside, so their lines come when they are done."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[str] = []

    async def says(self, words: str) -> str:
        """The first line with these words."""
        assert self.process.stdout is not None
        while not (found := [line for line in self.heard if words in line]):
            async with asyncio.timeout(30):
                line = (await self.process.stdout.readline()).decode().strip()
            assert line, self.heard
            self.heard.append(line)
        return found[0]

    async def type(self, line: str, answer: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.says(answer)


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Program]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield Program(process)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def test_it_prints_over_both_lines_and_goes_wrong_as_it_is_told(tmp_path: Path) -> None:
    line = tmp_path / "line"
    line.symlink_to("/dev/pts/9999")  # left over by one that was killed
    async with running("0", "--out", str(tmp_path / "paper"), "--serial", str(line)) as program:
        port = int((await program.says("virtual printer on")).split(":")[1].split(",")[0])
        await program.says(f"and on the serial line {line}")
        by_net = NetworkPrinter("p", "127.0.0.1", port)
        assert (await by_net.send(JOB)).delivery is Delivery.CONFIRMED
        await program.says("receipt 1: ")
        await program.type("paper_out", "paper_out from now on")
        by_line = SerialPrinter("p", str(line), 115200, "none")
        assert (await by_line.send(JOB)).cause is PrinterCause.PAPER_OUT
        await program.type("off", "all is well")
        await program.type("cover_open in", "cover_open within the next job")
        assert (await by_line.send(JOB)).cause is PrinterCause.COVER_OPEN
        await program.type("cover_open off", "cover_open no more")
        await program.says("receipt 2: ")  # the rest, once it is closed
        await program.type("on fire", "A fault alone")
    assert (tmp_path / "paper" / "1.escpos").read_bytes() == JOB


@pytest.mark.parametrize("what", ["served: Address already in use", "made: File exists"])
async def test_what_is_taken_is_named(what: str, tmp_path: Path) -> None:
    async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1] if "served" in what else 0
        async with running(str(port), "--out", str(tmp_path), "--serial", str(tmp_path)) as program:
            await program.says(f"cannot be {what}")
            assert await program.process.wait() == 1
