"""What every `ReceiptPrinter` promises, whatever the device: the same tests over TCP, a serial line, a device file and
the fake that other tests use. Behind the first three stands the virtual printer, on a real socket or a real pty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest

from drivers.ports import Delivery, DeviceState, PrinterCause, ReceiptPrinter
from drivers.printers import FilePrinter, NetworkPrinter, SerialPrinter
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.fake_printer import FakePrinter

JOB = b"\x1b@\x1c&" + "合计 ￥98.00".encode("gb18030") + b"\n\x1dVB\x00"
FAULTS = {
    PrinterCause.PAPER_OUT: Fault.PAPER_OUT,
    PrinterCause.COVER_OPEN: Fault.COVER_OPEN,
    PrinterCause.OFFLINE: Fault.OFFLINE,
    PrinterCause.PAPER_LOW: Fault.PAPER_LOW,
}


@dataclass
class Bench:
    """A printer under test, what came out of it and a switch for its faults."""

    printer: ReceiptPrinter
    jobs: Callable[[], Sequence[bytes]]
    fail: Callable[[PrinterCause | None], None]


def _fail_virtual(virtual: VirtualPrinter, cause: PrinterCause | None) -> None:
    for fault in FAULTS.values():
        virtual.set_fault(fault, on=fault is FAULTS.get(cause) if cause else False)


@pytest.fixture(params=["tcp", "serial", "file", "fake"])
async def bench(request) -> AsyncIterator[Bench]:
    if request.param == "fake":
        fake = FakePrinter("till printer")

        def fail(cause: PrinterCause | None) -> None:
            fake.cause = cause

        yield Bench(fake, lambda: fake.printed, fail)
        return
    async with VirtualPrinter() as virtual:
        printer: ReceiptPrinter
        if request.param == "tcp":
            printer = NetworkPrinter("till printer", "127.0.0.1", virtual.port, timeout_s=5)
        elif request.param == "serial":
            printer = SerialPrinter("till printer", await virtual.open_pty(), 115200, "none", timeout_s=5)
        else:
            printer = FilePrinter("till printer", await virtual.open_pty(), timeout_s=5)
        await printer.query()  # a device file shows by its first answer that it can be read
        yield Bench(printer, lambda: virtual.jobs, lambda cause: _fail_virtual(virtual, cause))


async def test_a_ready_printer_says_so(bench):
    status = await bench.printer.query()
    assert (status.ready, status.causes) == (True, ())
    assert bench.printer.name == "till printer"
    assert bench.printer.status().state is DeviceState.READY
    assert bench.printer.status().detail == ""


async def test_a_confirmed_job_is_on_paper_byte_for_byte(bench):
    result = await bench.printer.send(JOB)
    assert (result.delivery, result.cause) == (Delivery.CONFIRMED, None)
    assert list(bench.jobs()) == [JOB]


@pytest.mark.parametrize("cause", [PrinterCause.PAPER_OUT, PrinterCause.COVER_OPEN, PrinterCause.OFFLINE])
async def test_a_stopped_printer_gets_nothing_and_names_the_cause(bench, cause):
    bench.fail(cause)
    status = await bench.printer.query()
    assert not status.ready
    assert status.causes[0] is cause
    result = await bench.printer.send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, cause)
    assert result.detail
    assert bench.printer.status().state is DeviceState.LOST

    bench.fail(None)
    assert (await bench.printer.send(JOB)).delivery is Delivery.CONFIRMED
    assert list(bench.jobs()) == [JOB], "what was refused must not be printed later"


async def test_low_paper_stands_beside_ready(bench):
    bench.fail(PrinterCause.PAPER_LOW)
    status = await bench.printer.query()
    assert (status.ready, status.causes) == (True, (PrinterCause.PAPER_LOW,))
    told = bench.printer.status()
    assert (told.state, told.cause) == (DeviceState.READY, PrinterCause.PAPER_LOW)
    assert told.detail
    result = await bench.printer.send(JOB)
    assert (result.delivery, result.cause) == (Delivery.CONFIRMED, PrinterCause.PAPER_LOW)
    assert bench.printer.status().cause == PrinterCause.PAPER_LOW, (
        "the receipt is on paper, and the roll as low"
    )
    bench.fail(None)  # a new roll
    assert (await bench.printer.send(JOB)).cause is None
    told = bench.printer.status()
    assert (told.state, told.cause, told.detail) == (DeviceState.READY, "", "")


async def test_jobs_sent_at_once_are_printed_whole_and_in_order(bench):
    jobs = [JOB.replace(b"98", str(number).encode()) for number in range(10, 14)]
    results = await asyncio.gather(*(bench.printer.send(job) for job in jobs))
    assert [result.delivery for result in results] == [Delivery.CONFIRMED] * len(jobs)
    assert list(bench.jobs()) == jobs


async def test_an_empty_job_is_refused(bench):
    result = await bench.printer.send(b"")
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED)
    assert not bench.jobs()
