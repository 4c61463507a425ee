"""A printer that is asked while nothing is printed, over a real socket, beside another program that prints on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from agent.printing import watch as printer_watch
from agent.printing.watch import SILENT_MOST, watch
from drivers.ports import DeviceState, PrinterCause, PrinterStatus
from drivers.printer_conversation import Conversation
from drivers.printers import NetworkPrinter, SerialPrinter
from drivers.virtual_printer import Fault, VirtualPrinter

WAIT_S = 30.0


class Watched(Conversation):
    """seen: after each question whether it was answered, and the state that the page shows then."""

    def __init__(self, *address: Any, **settings: Any) -> None:
        super().__init__("watched", *address, **settings)
        self.seen: list[tuple[bool, DeviceState]] = []
        self._asked = asyncio.Event()

    async def query(self, silence_counts: bool = True) -> PrinterStatus:
        status = await super().query(silence_counts)
        self.seen.append((PrinterCause.UNREACHABLE not in status.causes, self.status().state))
        self._asked.set()
        return status

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._asked.clear()
                await self._asked.wait()

    async def until_asked_again(self) -> None:
        questions = len(self.seen)
        await self.until(lambda: len(self.seen) > questions)


class OnTcp(Watched, NetworkPrinter): ...


class OnPty(Watched, SerialPrinter): ...


@asynccontextmanager
async def watched(
    virtual: VirtualPrinter, every_s: float = 0.01, line: str = "tcp"
) -> AsyncIterator[Watched]:
    printer: Watched = (
        OnTcp("127.0.0.1", virtual.port, timeout_s=0.2)
        if line == "tcp"
        else OnPty(await virtual.open_pty(), flow="none", timeout_s=0.2)
    )
    watching = asyncio.create_task(watch(printer, every_s, lambda: True))
    try:
        yield printer
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printer_watch, "TICK_S", 0.01)
    monkeypatch.setattr(printer_watch, "ABSENT_MOST_S", 0.05)


async def test_paper_that_ends_while_nothing_is_printed_is_seen_before_the_next_customer() -> None:
    async with VirtualPrinter() as virtual, watched(virtual) as printer, watched(virtual, 0) as left_alone:
        await printer.until(lambda: printer.status().state is DeviceState.READY)
        virtual.set_fault(Fault.PAPER_OUT)
        await printer.until(lambda: printer.status().cause == PrinterCause.PAPER_OUT)
        virtual.set_fault(Fault.PAPER_OUT, on=False)
        await printer.until(lambda: printer.status().state is DeviceState.READY)
        assert virtual.jobs == []
        assert all(state is DeviceState.LOST for _, state in left_alone.seen[:-1]), (
            "one that is well is not asked again"
        )


@pytest.mark.parametrize("line", ["tcp", "pty"])
async def test_paper_that_is_low_while_nothing_is_printed_is_seen_until_there_is_a_new_roll(
    line: str,
) -> None:
    async with VirtualPrinter() as virtual, watched(virtual, line=line) as printer:
        await printer.until(lambda: printer.status().state is DeviceState.READY)
        assert printer.status().cause == ""
        virtual.set_fault(Fault.PAPER_LOW)
        await printer.until(lambda: printer.status().cause == PrinterCause.PAPER_LOW)
        virtual.set_fault(Fault.PAPER_LOW, on=False)
        await printer.until(lambda: printer.status().cause == "")
        assert {state for _, state in printer.seen} == {DeviceState.READY}, "one that is low prints"


async def test_no_question_holds_the_printer_between_the_receipts_of_another_program() -> None:
    async with VirtualPrinter() as virtual, watched(virtual) as printer:
        for number in range(1, 4):
            await printer.until_asked_again()
            _, pos = await asyncio.open_connection("127.0.0.1", virtual.port)
            pos.write(b"of the POS\n\x1dV\x00")
            await virtual.wait_for_jobs(number, WAIT_S)
            pos.close()
            await pos.wait_closed()
        await printer.until(lambda: printer.seen[-1] == (True, DeviceState.READY))
        assert virtual.jobs == [b"of the POS\n\x1dV\x00"] * 3


async def test_who_waits_behind_another_programs_receipt_is_not_gone_until_that_has_lasted() -> None:
    """A printer serves one connection and lets the others wait."""
    async with VirtualPrinter() as virtual, watched(virtual) as printer:
        await printer.until(lambda: printer.seen[-1:] == [(True, DeviceState.READY)])
        _, pos = await asyncio.open_connection("127.0.0.1", virtual.port)
        pos.write(b"half a receipt")
        await printer.until(lambda: printer.status().state is DeviceState.LOST)
        lost = printer.seen.index((False, DeviceState.LOST))
        assert printer.seen[lost - SILENT_MOST : lost] == [(False, DeviceState.READY)] * SILENT_MOST
        pos.close()
        await pos.wait_closed()
        await printer.until(lambda: printer.status().state is DeviceState.READY)
