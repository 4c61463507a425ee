"""Whose answer is it? An answer of a printer is a byte without a name, and a printer that kept a job answers for it
whenever it gets to it: on the same serial line, or on the next connection where a box stands between. Whatever it
keeps, loses and answers late, a job that counts as printed is on paper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import random
import re
import tty
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Enum
from functools import partial

import pytest

from drivers import printer_conversation
from drivers.ports import Delivery, ReceiptPrinter
from drivers.printers import NetworkPrinter, SerialPrinter

READY = b"\x12"
WELL = b"\x00"
TIMEOUT_S = 0.3
_WORD = re.compile(rb"\x10\x04[\x01-\x04]|\x1dr\x01|job \d+\n|\0+")


Connect = Callable[[], ReceiptPrinter]


def job(number: int) -> bytes:
    return b"job %d\n" % number


def nothing(*_: object) -> None:
    """Does nothing."""


class Mood(Enum):
    WORKS = "prints and answers in order"
    KEEPS = "takes all and does nothing yet"
    LOSES = "takes all and forgets it"


class KeepingPrinter:
    """A printer that always says that it is ready, and does with jobs and questions what its mood is.

    printed: jobs on paper. on_job, on_status: called when a job begins and when the status is asked, before either is
    looked at: nothing changes between a job and the questions right behind it.
    """

    def __init__(self) -> None:
        self.printed: list[bytes] = []
        self.mood = Mood.WORKS
        self.on_status: Callable[[], None] = nothing
        self.on_job: Callable[[], None] = nothing
        self._kept: deque[bytes] = deque()
        self._raw = bytearray()
        self._answer: Callable[[bytes], object] = nothing

    def work_off(self, most: int = 1 << 20) -> None:
        """The oldest `most` that are kept, jobs and questions alike."""
        for _ in range(min(most, len(self._kept))):
            word = self._kept.popleft()
            if word.startswith(b"job"):
                self.printed.append(word)
            else:
                self._answer(WELL)

    def lose_power(self) -> None:
        self._kept.clear()

    def receive(self, data: bytes) -> None:
        self._raw += data
        end = 0
        for found in _WORD.finditer(self._raw):
            word, end = found[0], found.end()
            if word.startswith(b"job"):
                self.on_job()
            if word.startswith(b"\x10"):
                self.on_status()
                self._answer(READY)
            elif not word.startswith(b"\0"):
                if self.mood is not Mood.LOSES:
                    self._kept.append(word)
                if self.mood is Mood.WORKS:
                    self.work_off()
        del self._raw[:end]

    @asynccontextmanager
    async def serial_line(self) -> AsyncIterator[Connect]:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self._answer = partial(os.write, ours)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, lambda: self.receive(os.read(ours, 4096)))
        try:
            yield partial(SerialPrinter, "p", os.ttyname(theirs), flow="none", timeout_s=TIMEOUT_S)
        finally:
            loop.remove_reader(ours)
            os.close(ours)
            os.close(theirs)

    @asynccontextmanager
    async def print_server(self) -> AsyncIterator[Connect]:
        """Behind a box that gives each answer to whoever is connected then."""
        ended: list[asyncio.Task[None] | None] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ended.append(asyncio.current_task())
            self._answer = writer.write
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(4096):
                    self.receive(data)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        try:
            async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                yield partial(NetworkPrinter, "p", "127.0.0.1", port, TIMEOUT_S)
        finally:
            await asyncio.gather(*(task for task in ended if task is not None))


Line = Callable[[KeepingPrinter], AbstractAsyncContextManager[Connect]]
LINES: list[Line] = [KeepingPrinter.serial_line, KeepingPrinter.print_server]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printer_conversation, "BYTES_PER_S_MIN", 1_000_000)
    monkeypatch.setattr(printer_conversation, "PATIENCE_S", 0.1)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("before", [0, 1, 2, 3])
async def test_late_answers_to_earlier_jobs_do_not_confirm_a_later_one(line: Line, before: int) -> None:
    """Two jobs are kept, with their questions. Some of that is worked off before the third job comes, the rest while
    it is under way, and the third is lost."""
    printer = KeepingPrinter()
    async with line(printer) as connect:
        ours = connect()
        printer.mood = Mood.KEEPS
        for number in (1, 2):
            assert (await ours.send(job(number))).delivery is Delivery.UNCONFIRMED
        printer.work_off(before)

        def catch_up() -> None:
            printer.mood = Mood.LOSES
            printer.work_off()

        printer.on_job = catch_up
        assert (await ours.send(job(3))).delivery is Delivery.UNCONFIRMED
        assert printer.printed == [job(1), job(2)]
        printer.on_job, printer.mood = nothing, Mood.WORKS
        assert (await ours.send(job(4))).delivery is Delivery.CONFIRMED
        assert printer.printed == [job(1), job(2), job(4)]


@pytest.mark.parametrize("line", LINES)
async def test_answers_to_a_process_that_has_ended_confirm_nothing(line: Line) -> None:
    printer = KeepingPrinter()
    async with line(printer) as connect:
        printer.mood = Mood.KEEPS
        assert (await connect().send(job(1))).delivery is Delivery.UNCONFIRMED

        def catch_up() -> None:
            printer.mood = Mood.LOSES
            printer.work_off()

        printer.on_job = catch_up
        ours = connect()
        ours.expect_rest()
        assert (await ours.send(job(2))).delivery is Delivery.UNCONFIRMED
        assert printer.printed == [job(1)]
        printer.on_job, printer.mood = nothing, Mood.WORKS
        assert (await ours.send(job(3))).delivery is Delivery.CONFIRMED


@pytest.mark.parametrize("seed", [4, 5, 6, 7])
@pytest.mark.parametrize("line", LINES)
async def test_whatever_is_kept_lost_and_late_what_is_confirmed_is_on_paper(line: Line, seed: int) -> None:
    chance = random.Random(seed)
    printer = KeepingPrinter()

    def by_chance() -> None:
        if chance.random() < 0.5:
            printer.mood = chance.choice(list(Mood))
        if chance.random() < 0.3:
            printer.work_off(chance.randrange(1, 4))
        elif chance.random() < 0.2:
            printer.lose_power()

    async with line(printer) as connect:
        ours = connect()
        printer.on_job = printer.on_status = by_chance
        for number in range(1, 9):
            result = await ours.send(job(number))
            assert result.delivery is not Delivery.CONFIRMED or job(number) in printer.printed
        printer.on_job, printer.on_status, printer.mood = nothing, nothing, Mood.WORKS
        printer.work_off()
        assert (await ours.send(job(9))).delivery is Delivery.CONFIRMED, (
            "a printer that is well is believed again"
        )
