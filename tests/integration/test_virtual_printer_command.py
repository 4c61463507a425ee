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
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def said(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return (await self.process.stdout.readline()).decode().strip()

    async def type(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        return await self.said()


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
        port = int((await program.said()).split(":")[1].split(",")[0])
        assert await program.said() == f"and on the serial line {line}"
        by_net = NetworkPrinter("p", "127.0.0.1", port)
        assert (await by_net.send(JOB)).delivery is Delivery.CONFIRMED
        assert (await program.said()).startswith("receipt 1")
        assert await program.type("paper_out") == "paper_out from now on"
        by_line = SerialPrinter("p", str(line), 115200, "none")
        assert (await by_line.send(JOB)).cause is PrinterCause.PAPER_OUT
        assert await program.type("off") == "all is well"
        assert await program.type("cover_open in") == "cover_open within the next job"
        assert (await by_line.send(JOB)).cause is PrinterCause.COVER_OPEN
        assert await program.type("cover_open off") == "cover_open no more"
        assert (await program.said()).startswith("receipt 2"), "the rest, once it is closed"
        assert (await program.type("on fire")).startswith("A fault alone")
    assert (tmp_path / "paper" / "1.escpos").read_bytes() == JOB


@pytest.mark.parametrize("what", ["port", "line"])
async def test_what_is_taken_is_named(what: str, tmp_path: Path) -> None:
    async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1] if what == "port" else 0
        async with running(str(port), "--out", str(tmp_path), "--serial", str(tmp_path)) as program:
            said = await program.said()
            if what == "line":
                said = await program.said()
            assert "cannot be served: Address already in use" in said or "cannot be made: File exists" in said
            assert await program.process.wait() == 1
