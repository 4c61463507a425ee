"""The print queue over the real store, with a printer in memory and with the virtual one behind a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agent.ports import LedgerUnavailable, PrintJob
from agent.printing import queue as printing
from agent.printing import watch as printer_watch
from agent.printing.queue import Device, PrintQueue
from drivers.ports import (
    JOB_BYTES_MAX,
    Delivery,
    DeviceState,
    DeviceStatus,
    PrinterCause,
    PrinterStatus,
    SendResult,
)
from drivers.printers import NetworkPrinter
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.core_kit import Core, core, install
from tests.factory import Factory
from tests.fake_printer import FakePrinter

WAIT_S = 20.0


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    monkeypatch.setattr(printing, "RETRY_LEAST_S", 0.01)
    monkeypatch.setattr(printing, "RETRY_MOST_S", 0.02)
    factory = Factory()
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


def render(receipt: str, copies: int) -> bytes:
    return f"copy {copies}: {receipt}".encode()


class Desk:
    """A running print queue and what it told."""

    def __init__(self, till: Core, *devices: Device) -> None:
        self.till = till
        self.told: list[tuple[str, str, str]] = []
        self.task: asyncio.Task[None] | None = None
        self.queue = PrintQueue(till.prints, devices, self.tell)

    def tell(self, job: PrintJob) -> None:
        self.told.append((job.job_id, job.state.value, job.cause))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                assert self.task is None or not self.task.done(), "the queue's task ended"
                await asyncio.sleep(0.005)

    async def redeem(self, *indexes: int) -> None:
        for index in indexes:
            assert (await self.till.redeem(self.till.factory.coupon(index))).outcome == "accepted"
            self.queue.wake()


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[None]:
    task = desk.task = asyncio.create_task(desk.queue.run())
    try:
        yield
    finally:
        assert not task.done(), task
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def fake(printer: FakePrinter) -> Device:
    return Device(printer, render)


async def test_a_copy_is_what_was_printed_whatever_became_of_the_template(till: Core) -> None:
    """Words and codes are laid out once, before the first byte, also for the copy of one that no printer took."""
    printer = FakePrinter()
    desk = Desk(till, fake(printer))
    words = ["first"]
    desk.queue = PrintQueue(
        till.prints, [fake(printer)], desk.tell, lambda stored: f"{words[0]} {len(stored)}"
    )
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: ("T-0001-1", "printed", "") in desk.told)
        words[0] = "second"
        assert await till.prints.copy_print("T-0001-1") is not None
        desk.queue.wake()
        await desk.until(lambda: len(printer.printed) == 2)
        await desk.redeem(2)
        await desk.until(lambda: len(printer.printed) == 3)
    first, copy, other = (job.decode() for job in printer.printed)
    assert first.startswith("copy 0: first ")
    assert copy == first.replace("copy 0", "copy 1")
    assert other.startswith("copy 0: second ")


async def test_each_redemption_is_printed_once_in_order(till: Core) -> None:
    printer = FakePrinter()
    desk = Desk(till, fake(printer))
    async with running(desk):
        await desk.redeem(1, 2, 3)
        await desk.until(lambda: len(desk.told) == 3)
    assert [job for job, *_ in desk.told] == ["T-0001-1", "T-0001-2", "T-0001-3"]
    assert {state for _, state, _ in desk.told} == {"printed"}
    assert [job[:8] for job in printer.printed] == [b"copy 0: "] * 3


async def test_an_absent_printer_is_noticed_before_the_first_receipt(till: Core) -> None:
    async with VirtualPrinter() as gone:
        port = gone.port
    absent = NetworkPrinter("absent", "127.0.0.1", port, 1.0)
    async with VirtualPrinter() as virtual:
        there = NetworkPrinter("there", "127.0.0.1", virtual.port, 1.0)
        desk = Desk(till, Device(absent, render), Device(there, render))
        async with running(desk):
            await desk.until(lambda: absent.status().state is DeviceState.LOST)
            await desk.until(lambda: there.status().state is DeviceState.READY)
        assert virtual.jobs == []


async def test_a_printer_that_never_answers_the_first_question_delays_no_job(till: Core) -> None:
    asked = asyncio.Event()

    class Mute(FakePrinter):
        async def query(self, silence_counts: bool = True) -> PrinterStatus:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
            self.printed.append(job)
            return SendResult(Delivery.CONFIRMED, None, "")

    printer = Mute()
    desk = Desk(till, fake(printer))
    async with running(desk):
        await asyncio.wait_for(asked.wait(), WAIT_S)
        await desk.redeem(1)
        await desk.until(lambda: len(printer.printed) == 1)


async def test_what_was_committed_before_the_start_is_printed(till: Core) -> None:
    printer = FakePrinter()
    desk = Desk(till, fake(printer))
    await desk.redeem(1, 2)
    async with running(desk):
        await desk.until(lambda: len(printer.printed) == 2)


async def test_an_unconfirmed_job_is_repeated_only_when_asked_for_and_as_a_copy(till: Core) -> None:
    printer = FakePrinter()
    printer.delivery = Delivery.UNCONFIRMED
    desk = Desk(till, fake(printer))
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: len(desk.told) == 1)
        printer.delivery = Delivery.CONFIRMED
        await desk.redeem(2)  # the queue goes on with the next and leaves the first alone
        await desk.until(lambda: len(desk.told) == 2)
        assert desk.told == [("T-0001-1", "unconfirmed", "unconfirmed"), ("T-0001-2", "printed", "")]
        await till.prints.copy_print("T-0001-1")
        desk.queue.wake()
        await desk.until(lambda: len(desk.told) == 3)
    assert desk.told[2] == ("T-0001-1", "printed", "")
    assert printer.printed[-1].startswith(b"copy 1: ")


async def test_a_printer_without_paper_is_asked_again_without_writing(till: Core) -> None:
    printer = FakePrinter()
    printer.cause = PrinterCause.PAPER_OUT
    asked = 0

    class Counting(FakePrinter):
        async def query(self, silence_counts: bool = True) -> PrinterStatus:
            nonlocal asked
            asked += 1
            return await printer.query()

        async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
            return await printer.send(job)

    desk = Desk(till, fake(Counting()))
    log = till.path.with_name("till.db-wal")
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: bool(desk.told))
        assert desk.told == [("T-0001-1", "queued", "paper_out")]
        before, start = log.stat(), asked
        await desk.until(lambda: asked >= start + 10)
        after = log.stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        printer.cause = None
        await desk.until(lambda: bool(printer.printed))
    assert len(printer.printed) == 1


async def test_the_second_printer_is_the_fallback_of_the_first(till: Core) -> None:
    first, second = FakePrinter("first"), FakePrinter("second")
    first.cause = PrinterCause.COVER_OPEN
    desk = Desk(till, fake(first), fake(second))
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: len(second.printed) == 1)
        first.cause = None
        await desk.redeem(2)
        await desk.until(lambda: len(first.printed) == 1)
        first.delivery = Delivery.UNCONFIRMED
        await desk.redeem(3)
        await desk.until(lambda: len(desk.told) == 3)
    assert len(second.printed) == 1, "what may be on paper is not sent to another printer"


async def test_the_cause_is_one_that_somebody_at_the_till_can_mend(till: Core) -> None:
    first, second = FakePrinter("first"), FakePrinter("second")
    first.cause, second.cause = PrinterCause.PAPER_OUT, PrinterCause.COVER_OPEN
    desk = Desk(till, fake(first), fake(second))
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: len(desk.told) == 1)
        second.cause = None
        await desk.until(lambda: len(desk.told) == 2)
        first.cause, second.cause = PrinterCause.UNREACHABLE, PrinterCause.COVER_OPEN
        await desk.redeem(2)
        await desk.until(lambda: len(desk.told) == 3)
    assert [told[1:] for told in desk.told] == [
        ("queued", "paper_out"),
        ("printed", "other_printer"),
        ("queued", "cover_open"),
    ]


async def test_a_receipt_that_no_printer_takes_is_printed_shorter_and_blocks_nobody(till: Core) -> None:
    printer = FakePrinter()
    desk = Desk(till)

    def drawn(document: str, _copies: int) -> bytes:
        return document.encode() * (JOB_BYTES_MAX if document in ("pictures", "long") else 1)

    shorter: list[Callable[[str], str]] = [lambda _: "long", lambda _: "number"]
    desk.queue = PrintQueue(
        till.prints, [Device(printer, drawn)], desk.tell, lambda _: "pictures", instead=shorter
    )
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: len(desk.told) == 1)
        shorter.pop()
        await desk.redeem(2)
        await desk.until(lambda: len(desk.told) == 2)
    assert printer.printed == [b"number"]
    assert [told[1:] for told in desk.told] == [("printed", ""), ("failed", "misconfigured")]


async def test_a_store_that_fails_for_a_while_is_waited_for(
    till: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the state nor the look at the job afterwards may end the process."""
    printer = FakePrinter()
    desk = Desk(till, fake(printer))
    failures = {"next_print": 2, "finish_print": 2, "print_job": 2}
    for name in failures:

        def wrap(name: str = name) -> object:
            real = getattr(till.prints, name)

            async def flaky(*arguments: object) -> object:
                if failures[name]:
                    failures[name] -= 1
                    raise LedgerUnavailable("the disk is full")
                return await real(*arguments)

            return flaky

        monkeypatch.setattr(till.prints, name, wrap())
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: bool(desk.told))
    assert desk.told == [("T-0001-1", "printed", "")]
    assert len(printer.printed) == 1
    assert set(failures.values()) == {0}


async def test_a_dead_printer_never_delays_a_verdict(till: Core) -> None:
    sending = asyncio.Event()

    class Dead(FakePrinter):
        async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
            sending.set()
            await asyncio.Event().wait()  # for ever
            raise AssertionError

    desk = Desk(till, fake(Dead()))
    async with running(desk):
        await desk.redeem(1)
        await asyncio.wait_for(sending.wait(), WAIT_S)
        async with asyncio.timeout(WAIT_S):
            await desk.redeem(*range(2, 12))
    assert till.rows("SELECT state, count(*) FROM print_job GROUP BY state ORDER BY state") == [
        ("queued", 10),
        ("sending", 1),
    ]


async def test_through_a_real_socket_to_the_virtual_printer(till: Core) -> None:
    async with VirtualPrinter() as virtual:
        device = Device(
            NetworkPrinter("p", "127.0.0.1", virtual.port, 1.0),
            lambda receipt, copies: render(receipt, copies) + b"\n\x1dV\x00",
        )
        desk = Desk(till, device)
        virtual.set_fault(Fault.PAPER_OUT)
        async with running(desk):
            await desk.redeem(1)
            await desk.until(lambda: desk.told == [("T-0001-1", "queued", "paper_out")])
            virtual.set_fault(Fault.PAPER_OUT, on=False)
            await desk.until(lambda: len(desk.told) == 2)
            virtual.set_fault(Fault.DROP, in_job=True)
            await desk.redeem(2)
            await desk.until(lambda: len(desk.told) == 3)
        assert desk.told[1] == ("T-0001-1", "printed", "")
        assert desk.told[2][:2] == ("T-0001-2", "unconfirmed"), "cut off in the middle: nobody knows"
        assert b"T-0001-1" in virtual.jobs[0]


async def test_whoever_asks_again_is_not_kept_waiting(till: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "RETRY_LEAST_S", 3600.0)
    printer = FakePrinter()
    printer.cause = PrinterCause.PAPER_OUT
    desk = Desk(till, fake(printer))
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: bool(desk.told))
        printer.cause = None
        desk.queue.wake()
        await desk.until(lambda: bool(printer.printed))


async def test_a_job_that_waits_names_what_is_the_matter_now(till: Core) -> None:
    """A printer that was off, and is out of paper once it is on."""
    printer = FakePrinter()
    printer.cause = PrinterCause.UNREACHABLE
    desk = Desk(till, fake(printer))
    async with running(desk):
        await desk.redeem(1)
        await desk.until(lambda: desk.told == [("T-0001-1", "queued", "unreachable")])
        printer.cause = PrinterCause.PAPER_OUT
        await desk.until(lambda: desk.told[1:] == [("T-0001-1", "queued", "paper_out")])


@pytest.mark.parametrize("state", [DeviceState.LOST, DeviceState.DENIED])
async def test_a_lost_printer_is_seen_to_be_mended_while_nothing_waits(
    till: Core, monkeypatch: pytest.MonkeyPatch, state: DeviceState
) -> None:
    monkeypatch.setattr(printer_watch, "TICK_S", 0.01)

    class Printer(FakePrinter):
        def status(self) -> DeviceStatus:
            told = super().status()
            return replace(told, state=state) if told.state is DeviceState.LOST else told

    printer = Printer()
    printer.cause = PrinterCause.COVER_OPEN
    desk = Desk(till, fake(printer))
    await printer.query()
    async with running(desk):
        assert printer.status().state is state
        printer.cause = None
        await desk.until(lambda: printer.status().state is DeviceState.READY)
