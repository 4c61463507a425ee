"""The cash drawer: one pulse, by the first printer that takes it, while somebody stands there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.printing import queue as printing
from agent.printing.queue import Device, PrintQueue
from drivers.escpos_commands import DRAWER_PULSE
from drivers.ports import Delivery, PrinterCause, ReceiptPrinter
from drivers.printers import NetworkPrinter
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.core_kit import core, install
from tests.factory import Factory
from tests.fake_printer import FakePrinter

RECEIPT = "合计 98.00".encode("gb18030") + b"\n\x1dVB\0"


@pytest.fixture
def queue_of(tmp_path: Path) -> Iterator[Callable[..., PrintQueue]]:
    factory = Factory()
    with core(install(tmp_path / "till", factory), factory) as till:

        def made(*printers: ReceiptPrinter) -> PrintQueue:
            devices = [Device(printer, lambda _receipt, _copies: RECEIPT) for printer in printers]
            return PrintQueue(till.prints, devices, lambda _job: None)

        yield made


async def test_it_is_opened_once_by_the_first_printer_that_takes_the_pulse(
    queue_of: Callable[..., PrintQueue],
) -> None:
    first, second = FakePrinter("first"), FakePrinter("second")
    queue = queue_of(first, second)
    first.cause = PrinterCause.PAPER_OUT
    assert (await queue.open_drawer()).delivery is Delivery.CONFIRMED
    assert (first.printed, second.printed) == ([], [DRAWER_PULSE])
    first.cause, first.delivery = None, Delivery.UNCONFIRMED
    assert (await queue.open_drawer()).delivery is Delivery.UNCONFIRMED
    assert len(second.printed) == 1, "it may have opened"
    first.cause, second.cause = PrinterCause.PAPER_OUT, PrinterCause.UNREACHABLE
    assert (await queue.open_drawer()).cause is PrinterCause.PAPER_OUT


async def test_it_does_not_open_long_after_it_was_asked_for(
    queue_of: Callable[..., PrintQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt that hangs would have kept the pulse back for minutes."""
    monkeypatch.setattr(printing, "DRAWER_TURN_S", 0.05)
    done = asyncio.Event()
    async with VirtualPrinter(on_job=lambda _job: done.set()) as virtual:
        virtual.set_fault(Fault.SILENT, in_job=True)
        printer = NetworkPrinter("p", "127.0.0.1", virtual.port, 2.0)
        queue = queue_of(printer)
        async with asyncio.TaskGroup() as group:
            hanging = group.create_task(printer.send(RECEIPT))
            await done.wait()
            drawer = await queue.open_drawer()
            assert (drawer.delivery, drawer.cause) == (Delivery.NOT_SENT, PrinterCause.BUSY)
        assert hanging.result().delivery is Delivery.UNCONFIRMED
        virtual.set_fault(Fault.SILENT, on=False)
        assert (await queue.open_drawer()).delivery is Delivery.CONFIRMED
        receipt, pulse = await virtual.wait_for_jobs(2)
    assert (receipt, pulse.lstrip(b"\0")) == (RECEIPT, DRAWER_PULSE), "after NULs that end a cut-off picture"
