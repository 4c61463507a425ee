"""A receipt printer that exists in memory: for the demo, for tests and for trying a set-up without paper.

It behaves as real ones do where it matters to a till: real-time status is answered even while it is stopped, all else
waits its turn; what it took while stopped it keeps and prints later; faults can be switched on and off at any time.

    redeemd printer virtual --port 9100 --out DIR      writes N.escpos, N.txt and N.png for every job
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import socket
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from drivers.escpos_commands import Command, next_command
from drivers.escpos_reader import read_receipt

RECEIVE_BYTES = 4096
BUFFER_BYTES = 64 * 1024  # taken while stopped; beyond it the line stands still
JOBS_MAX = 1000
SLOW_BYTES_PER_S = 960  # 9600 baud
JOB_BYTES_MAX = 1 << 20
LOST_BYTES = 300
LATE_S = 1.0
NOISE = b"\xff\x11"


class Fault(StrEnum):
    PAPER_OUT = "paper_out"
    PAPER_LOW = "paper_low"
    COVER_OPEN = "cover_open"
    OFFLINE = "offline"
    STALL = "stall"  # takes no data and answers nothing
    SLOW = "slow"  # takes data at 9600 baud
    DROP = "drop"  # cuts the connection in the middle of a job and keeps what it has
    SILENT = "silent"  # prints and answers nothing, as a one-way line
    HANG_UP = "hang_up"  # closes each connection as soon as it is there
    LOSE = "lose"  # loses LOST_BYTES in the middle of a job, as a full buffer without flow control does
    LATE = "late"  # answers after LATE_S
    NOISE = "noise"  # answers with bytes that mean nothing
    POWER = "power"  # is switched off and on in a job: what it had taken is gone, and nobody is told


_STOPPING = (Fault.PAPER_OUT, Fault.COVER_OPEN, Fault.OFFLINE)

# Answers to DLE EOT 1, 2, 3, 4, as an independent emulator (emupos 0.4.0, TM-T20III profile) gives them.
_STATUS: dict[Fault | None, bytes] = {
    None: bytes((0x16, 0x12, 0x12, 0x12)),
    Fault.PAPER_LOW: bytes((0x16, 0x12, 0x12, 0x1E)),
    Fault.PAPER_OUT: bytes((0x1E, 0x32, 0x12, 0x7E)),
    Fault.COVER_OPEN: bytes((0x1E, 0x16, 0x12, 0x12)),
    Fault.OFFLINE: bytes((0x1E, 0x12, 0x12, 0x12)),
}
_REAL_TIME = re.compile(rb"\x10\x04[\x01-\x04]")


@dataclass(slots=True, eq=False)
class _Line:
    """One connection. raw: what may still become a real-time request. inbox: not yet a whole command."""

    answer: Callable[[bytes], None]
    hang_up: Callable[[], None]
    raw: bytearray = field(default_factory=bytearray)
    inbox: bytearray = field(default_factory=bytearray)


class VirtualPrinter:
    """jobs: every finished job's bytes, oldest first; a job ends with the cut or with its connection.

    on_job: called with each finished job.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, on_job: Callable[[bytes], None] | None = None
    ) -> None:
        self.jobs: list[bytes] = []
        self._host, self._port = host, port
        self._on_job = on_job
        self._faults: set[Fault] = set()
        self._queue: deque[tuple[_Line, Command | None]] = deque()  # None: the line was closed
        self._queued_bytes = 0
        self._job = bytearray()
        self._in_job: set[Fault] = set()
        self._changed = asyncio.Event()
        self._one_connection = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pty_slaves: list[int] = []

    @property
    def port(self) -> int:
        """The TCP port it listens on (after `start`)."""
        assert self._server is not None, "start the printer first"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def is_stopped(self) -> bool:
        """Whether a fault keeps it from printing now."""
        return not self._faults.isdisjoint(_STOPPING)

    async def start(self) -> None:
        listener = socket.create_server((self._host, self._port))
        # A printer's network card takes a few kB, not the megabytes of a loopback connection.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._server = await asyncio.start_server(self._serve_tcp, sock=listener, limit=RECEIVE_BYTES)

    async def open_pty(self) -> str:
        """A serial line to this printer: the path to open, valid until `stop`. Jobs on it end with the cut."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        self._pty_slaves.append(slave)  # held open, so that the line outlives the till's connections
        reader = asyncio.StreamReader(limit=RECEIVE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(master, "rb", buffering=0)
        )
        line = _Line(lambda data: _write_all(master, data), lambda: None)
        self._tasks.add(asyncio.create_task(self._serve_pty(reader, line, transport)))
        return os.ttyname(slave)

    async def stop(self) -> None:
        """Close the port, every connection and every pseudo-terminal."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._server = None
        for slave in self._pty_slaves:
            os.close(slave)
        self._pty_slaves.clear()

    async def __aenter__(self) -> VirtualPrinter:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def set_fault(self, fault: Fault, on: bool = True, in_job: bool = False) -> None:
        """Switch a fault, at once or (in_job) when the next job's first byte has come. Switching off paper_out,
        cover_open or offline prints what was kept."""
        if on:
            (self._in_job if in_job else self._faults).add(fault)
        else:
            self._in_job.discard(fault)
            self._faults.discard(fault)
        self._work()
        self._changed.set()

    async def wait_for_jobs(self, count: int, timeout_s: float = 10.0) -> list[bytes]:
        """The jobs, as soon as there are `count`. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while len(self.jobs) < count:
                await self._change()
        return self.jobs

    async def wait_until_stopped(self, timeout_s: float = 10.0) -> None:
        """Return once a fault keeps it from printing. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not self.is_stopped:
                await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        line = _Line(writer.write, writer.transport.abort)
        try:
            async with self._one_connection:
                await self._read(reader, line)
                self._close_line(line)
        except ConnectionError:
            self._close_line(line)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve_pty(
        self, reader: asyncio.StreamReader, line: _Line, transport: asyncio.BaseTransport
    ) -> None:
        try:
            await self._read(reader, line)
        finally:
            transport.close()

    async def _read(self, reader: asyncio.StreamReader, line: _Line) -> None:
        while True:
            if Fault.HANG_UP in self._faults:
                line.hang_up()
            while Fault.STALL in self._faults or self._queued_bytes > BUFFER_BYTES:
                await self._change()
            data = await reader.read(64 if Fault.SLOW in self._faults else RECEIVE_BYTES)
            if not data:
                return
            self._receive(line, data)
            if Fault.SLOW in self._faults:
                await asyncio.sleep(len(data) / SLOW_BYTES_PER_S)

    def _receive(self, line: _Line, data: bytes) -> None:
        """Answer real-time requests now, even inside a picture; keep the rest in order."""
        line.raw += data
        for asked in _REAL_TIME.finditer(line.raw):
            self._answer(line, self._real_time_status(asked[0][2]))
        rest = _REAL_TIME.sub(b"", line.raw)
        held = len(rest) - len(rest.rstrip(b"\x10")) or 2 * rest.endswith(
            b"\x10\x04"
        )  # may be half a request
        line.inbox += rest[: len(rest) - held]
        line.raw = bytearray(rest[len(rest) - held :])
        at = 0
        while at < len(line.inbox) and (found := next_command(line.inbox, at)) is not None:
            start, (command, at) = at, found
            if command.name != b"\x1dr" and command.name != b"\0":
                self._begin_in_job_faults()
            if Fault.LOSE in self._faults:
                self._faults.discard(Fault.LOSE)
                del line.inbox[at : at + LOST_BYTES]
            if Fault.POWER in self._faults:
                self._lose_power(line)
                return
            if Fault.DROP in self._faults:
                self._faults.discard(Fault.DROP)
                line.inbox = line.inbox[start : (start + len(line.inbox)) // 2]
                line.hang_up()
                return
            self._queue.append((line, command))
            self._queued_bytes += len(command.raw)
        del line.inbox[:at]
        self._work()

    def _lose_power(self, line: _Line) -> None:
        self._faults.discard(Fault.POWER)
        self._queue.clear()
        self._queued_bytes = 0
        self._job.clear()
        line.inbox.clear()
        line.raw.clear()
        line.hang_up()

    def _begin_in_job_faults(self) -> None:
        self._faults |= self._in_job
        self._in_job.clear()

    def _close_line(self, line: _Line) -> None:
        line.inbox += line.raw
        if line.inbox:
            self._queue.append((line, Command(bytes(line.inbox), b"", known=False)))
            line.inbox.clear()
        self._queue.append((line, None))
        self._work()

    def _work(self) -> None:
        """Print what is waiting, unless something stops the printer."""
        while self._queue and not self.is_stopped:
            line, command = self._queue.popleft()
            if command is None:
                self._finish_job()
                continue
            self._queued_bytes -= len(command.raw)
            if command.name == b"\x1dr":
                self._answer(line, self._sensor_status())
                continue
            self._job += command.raw
            if command.name == b"\x1dV" or len(self._job) > JOB_BYTES_MAX:
                self._finish_job()
        self._changed.set()

    def _finish_job(self) -> None:
        if not self._job:
            return
        job = bytes(self._job)
        self._job.clear()
        self.jobs.append(job)
        del self.jobs[:-JOBS_MAX]
        if self._on_job is not None:
            self._on_job(job)

    def _answer(self, line: _Line, status: int) -> None:
        if not self._faults.isdisjoint((Fault.SILENT, Fault.STALL, Fault.HANG_UP)):
            return
        answer = NOISE if Fault.NOISE in self._faults else bytes((status,))
        if Fault.LATE in self._faults:
            asyncio.get_running_loop().call_later(LATE_S, line.answer, answer)
        else:
            line.answer(answer)

    def _real_time_status(self, n: int) -> int:
        status = 0
        for fault in (None, *self._faults):
            status |= _STATUS.get(fault, _STATUS[None])[(n - 1) % 4]
        return status

    def _sensor_status(self) -> int:
        """GS r 1: bits 0 and 1 near end, bits 2 and 3 end."""
        return 0x03 if Fault.PAPER_LOW in self._faults else 0x00


def _write_all(fd: int, data: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        os.write(fd, data)  # one byte of status; a till that does not read loses it, as on a real line


@dataclass(frozen=True, slots=True)
class SavedReceipt:
    """Where a job's files are. text and png show what stands on the paper."""

    escpos: Path
    text: Path
    png: Path


def save_receipt(job: bytes, folder: Path, number: int, dots: int = 576) -> SavedReceipt:
    """Write NUMBER.escpos, NUMBER.txt and NUMBER.png. dots: width of the printed area (576: 80 mm, 384: 58 mm)."""
    from drivers.receipt_image import draw_png  # heavy: a picture library and a font of 5 MB

    folder.mkdir(parents=True, exist_ok=True)
    saved = SavedReceipt(*(folder / f"{number}.{ending}" for ending in ("escpos", "txt", "png")))
    printed = read_receipt(job, dots)
    saved.escpos.write_bytes(job)
    saved.text.write_text(printed.text, encoding="utf-8")
    saved.png.write_bytes(draw_png(printed, side_dots=32))
    return saved
