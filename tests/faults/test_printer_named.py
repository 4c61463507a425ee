"""A receipt that is being sent names what keeps it as soon as its printer does, seconds before it is known what became
of it: to whoever listens and to whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.printing import queue
from drivers import printer_conversation
from drivers.ports import PrinterCause, SendResult
from drivers.printers import NetworkPrinter, SerialPrinter
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.core_kit import Core, core, install
from tests.factory import Factory
from tests.fake_printer import FakePrinter
from tests.faults.printer_kit import TEXT, Desk

TIMEOUT_S = 2.0


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """With waits in proportion: what is the matter is known long before the job is given up."""
    monkeypatch.setattr(queue, "LOOK_S", 0.01)
    monkeypatch.setattr(printer_conversation, "PATIENCE_S", 0.1)
    monkeypatch.setattr(printer_conversation, "ANSWER_S_MAX", 0.2)
    monkeypatch.setattr(printer_conversation, "BYTES_PER_S_MIN", 10_000)
    factory = Factory()
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


@pytest.mark.parametrize(
    ("fault", "cause"),
    [(Fault.STALL, "unreachable"), (Fault.SILENT, "unreachable"), (Fault.NOISE, "misconfigured")],
)
@pytest.mark.parametrize("line", ["tcp", "pty"])
async def test_a_receipt_that_is_being_sent_names_what_keeps_it(
    line: str, fault: Fault, cause: str, till: Core
) -> None:
    async with VirtualPrinter() as virtual:
        printer = (
            NetworkPrinter("p", "127.0.0.1", virtual.port, TIMEOUT_S)
            if line == "tcp"
            else SerialPrinter("p", await virtual.open_pty(), 115200, "none", TIMEOUT_S)
        )
        desk = Desk(till, printer, TEXT)
        try:
            virtual.set_fault(fault, in_job=True)
            await desk.redeem(1)
            assert (await desk.until_told("T-0001-1", "sending"))[2] == cause
            asked = await till.prints.print_job("T-0001-1")
            assert asked is not None
            assert (asked.state.value, asked.cause) == ("sending", cause)
            assert (await desk.until_told("T-0001-1", "unconfirmed", "printed"))[1] == "unconfirmed"
            virtual.set_fault(fault, on=False)
            await desk.redeem(2)
            await desk.until_told("T-0001-2", "printed")
        finally:
            await desk.stop()


class Slow(FakePrinter):
    """Knows how it is at once, and takes a job when `turn` has come."""

    def __init__(self, cause: PrinterCause) -> None:
        super().__init__(cause)
        self.cause, self.turn = cause, asyncio.Event()

    async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
        await self.query()
        await self.turn.wait()
        return await super().send(job)


async def test_what_goes_to_the_second_printer_names_the_first_ones_cause_no_longer(till: Core) -> None:
    first, second = Slow(PrinterCause.UNREACHABLE), Slow(PrinterCause.PAPER_LOW)
    desk = Desk(till, first, TEXT, second)
    try:
        await desk.redeem(1)
        await desk.until(lambda: desk.told == [("T-0001-1", "sending", "unreachable")])
        first.turn.set()
        await desk.until(lambda: desk.told[1:] == [("T-0001-1", "sending", "")])
        second.turn.set()
        await desk.until_told("T-0001-1", "printed")
        assert len(desk.told) == 3
    finally:
        await desk.stop()


async def test_receipts_that_wait_behind_another_name_what_keeps_it(
    till: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest sale's receipt is the one on the page: it said nothing while an older one was told to wait."""
    monkeypatch.setattr(queue, "RETRY_LEAST_S", 0.05)
    monkeypatch.setattr(queue, "RETRY_MOST_S", 0.1)
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.PAPER_OUT)
        desk = Desk(till, NetworkPrinter("p", "127.0.0.1", virtual.port, TIMEOUT_S), TEXT)
        try:
            for index in (1, 2, 3):
                await desk.redeem(index)
            jobs = ("T-0001-1", "T-0001-2", "T-0001-3")
            await desk.until(lambda: all(desk.told_now(job) == ("queued", "paper_out") for job in jobs))
            stored = await till.prints.print_job("T-0001-3")
            assert stored is not None
            assert desk.queue.named(stored).cause == "paper_out"
            virtual.set_fault(Fault.PAPER_OUT, on=False)
            await desk.until(lambda: all(desk.told_now(job) == ("printed", "") for job in jobs))
            assert desk.queue.named(stored).cause == "", "nothing keeps it any more"
        finally:
            await desk.stop()
