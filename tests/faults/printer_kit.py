"""A print queue at work, with waits that tests can afford, and the virtual printer over either line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from agent.ports import PrintJob
from agent.printing import queue as printing
from agent.printing.queue import Device, PrintQueue
from agent.receipts.escpos import render_escpos
from agent.receipts.model import Cut, Receipt, Text
from agent.receipts.profile import PrinterProfile
from agent.receipts.redemption import marked_copy
from drivers import printer_conversation, virtual_printer
from drivers.ports import ReceiptPrinter
from drivers.printers import NetworkPrinter, SerialPrinter
from drivers.virtual_printer import VirtualPrinter
from tests.core_kit import Core

WAIT_S = 30.0
TIMEOUT_S = 0.4  # of the printer: these tests let it run out on purpose
TEXT = PrinterProfile("text", 48, 576)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits, in proportion."""
    monkeypatch.setattr(printing, "RETRY_LEAST_S", 0.05)
    monkeypatch.setattr(printing, "RETRY_MOST_S", 0.1)
    monkeypatch.setattr(printer_conversation, "BYTES_PER_S_MIN", 10_000)
    monkeypatch.setattr(virtual_printer, "SLOW_BYTES_PER_S", 20_000)
    monkeypatch.setattr(virtual_printer, "LATE_S", 2 * TIMEOUT_S)


async def printer_on(line: str, virtual: VirtualPrinter) -> ReceiptPrinter:
    if line == "tcp":
        return NetworkPrinter("p", "127.0.0.1", virtual.port, TIMEOUT_S)
    return SerialPrinter("p", await virtual.open_pty(), 115200, "none", TIMEOUT_S)


class Desk:
    """The queue at work; told: (job, state, cause) in order."""

    def __init__(
        self, till: Core, printer: ReceiptPrinter, profile: PrinterProfile, *others: ReceiptPrinter
    ) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.till = till
        self.profile = profile
        self.queue = PrintQueue(
            till.prints, [Device(one, self.render) for one in (printer, *others)], self.tell
        )
        self.task = asyncio.create_task(self.queue.run())

    def render(self, document: str, copies: int) -> bytes:
        number = document.partition("T-0001-")[2][:1]
        receipt = Receipt(
            (Text(f"RECEIPT {number}"), *(Text("谢谢惠顾" * 4) for _ in range(30)), Cut()), language="en"
        )
        return render_escpos(marked_copy(receipt, copies) if copies else receipt, self.profile)

    def tell(self, job: PrintJob) -> None:
        self.told.append((job.job_id, job.state.value, job.cause))

    def told_now(self, job: str) -> tuple[str, str] | None:
        """(state, cause) as it was told last."""
        said = [(state, cause) for of, state, cause in self.told if of == job]
        return said[-1] if said else None

    async def redeem(self, index: int) -> None:
        assert (await self.till.redeem(self.till.factory.coupon(index))).outcome == "accepted"
        self.queue.wake()

    async def until_told(self, job: str, *states: str) -> tuple[str, str, str]:
        def found() -> list[tuple[str, str, str]]:
            return [said for said in self.told if said[0] == job and said[1] in states]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                assert not self.task.done(), "the queue's task ended"
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
