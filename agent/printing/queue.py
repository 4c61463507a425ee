"""Printing: takes committed print jobs one by one to a printer. It never delays a verdict and never prints twice
without saying so: a job whose end is not known waits for somebody to ask for a copy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from agent.ports import CommitUnknown, LedgerUnavailable, PrintJob, Prints, PrintState
from agent.printing.watch import watch
from drivers.escpos_commands import DRAWER_PULSE
from drivers.ports import (
    JOB_BYTES_MAX,
    Delivery,
    DeviceState,
    PrinterCause,
    PrinterStatus,
    ReceiptPrinter,
    SendResult,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_LEAST_S, RETRY_MOST_S = 0.5, 1.0
"""Waits before a printer that took nothing is asked again, while a receipt waits for it."""
WAITING_TOLD = 50
"""Of so many receipts, the newest ones, it is told at once what keeps them; of all when they are asked for."""
LOOK_S = 0.25
"""How often it is looked what a printer names while a receipt is sent to it."""
DRAWER_TURN_S = 5.0
"""How long a drawer waits for the receipt before it: one that opens long after nobody stands there is a risk."""


class Device(NamedTuple):
    """A printer and how a kept document becomes its bytes."""

    printer: ReceiptPrinter
    render: Callable[[str, int], bytes]
    """(the document as JSON text, copy number) -> bytes"""
    ask_every_s: float = 0
    """See `watch.watch`."""


class PrintQueue:
    """Runs the queue. Devices are tried in order: the second is the fallback of the first.

    lay_out: the document of a receipt's facts, both as JSON text. It is kept before the first byte goes out, so that a
    copy has the same words and codes whatever changes meanwhile. printed: told of every job that is on paper.
    instead: shorter documents of the same facts, for a template that makes more of them than a printer takes.
    """

    def __init__(
        self,
        prints: Prints,
        devices: Sequence[Device],
        tell: Callable[[PrintJob], None],
        lay_out: Callable[[str], str] = str,
        printed: Callable[[str], Awaitable[object]] | None = None,
        instead: Sequence[Callable[[str], str]] = (),
    ) -> None:
        self._prints = prints
        self._devices = devices
        self._tell = tell
        self._lay_out = lay_out
        self._printed = printed
        self._instead = instead
        self._wake = asyncio.Event()
        self._idle = False
        self._named = ""  # what the job that is being sent says keeps it
        self._keeps = ""  # what keeps those that wait

    def wake(self) -> None:
        """A job was committed."""
        self._wake.set()

    def named(self, job: PrintJob) -> PrintJob:
        """The job as it is told: one that waits behind another waits for the same."""
        waits = job.state is PrintState.QUEUED and not job.cause
        return replace(job, cause=self._keeps) if waits else job

    async def open_drawer(self) -> SendResult:
        """One pulse between receipts, never repeated: a drawer that opens twice is a loss. It goes to the first printer
        that takes it, for what took no byte opened nothing; where none does, what the first says."""
        results = []
        for device in self._devices:
            results.append(await device.printer.send(DRAWER_PULSE, DRAWER_TURN_S))
            if results[-1].delivery is not Delivery.NOT_SENT:
                return results[-1]
        return results[0]

    async def run(self) -> None:
        """Print until cancelled. Meanwhile each printer is watched, so that what is the matter is seen before the next
        customer. No job waits for that; a printer takes its turns itself, and bounds them."""
        async with asyncio.TaskGroup() as tasks:
            for device in self._devices:
                tasks.create_task(watch(device.printer, device.ask_every_s, lambda: self._idle))
            await self._work()

    async def _work(self) -> None:
        while True:
            try:
                job = await self._prints.next_print()
            except (LedgerUnavailable, CommitUnknown) as error:
                log.error("print queue: %s", error)
                await asyncio.sleep(RETRY_LEAST_S)
                continue
            if job is None:
                self._idle = True
                await self._woken_within(None)
                self._idle = False
            elif not await self._print(job):
                await self._until_ready()

    async def _print(self, job: PrintJob) -> bool:
        """Send one job; False if no printer took a byte of it, so that it stays queued."""
        document = await self._document(job)
        tried: list[tuple[str, SendResult]] = []
        self._named = ""
        for device in self._devices:
            data = await self._bytes(job, device, document)
            if data is not None:
                tried.append((device.printer.name, await self._send(job, device.printer, data)))
                if tried[-1][1].delivery is not Delivery.NOT_SENT:
                    break
        state, cause, detail = _outcome(tried)
        await self._finish(job, state, cause)
        await self._keep(job, cause if state is PrintState.QUEUED else "")
        if state is PrintState.PRINTED and self._printed is not None:
            await self._printed(job.redemption_id)
        log.info("print", extra={"job": job.job_id, "state": state.value, "cause": cause, "detail": detail})
        return state is not PrintState.QUEUED

    async def _keep(self, first: PrintJob, cause: str) -> None:
        if cause == self._keeps:
            return
        self._keeps = cause
        for job in await self._surely(lambda: self._prints.list_prints(WAITING_TOLD)):
            if job.state is PrintState.QUEUED and job.job_id != first.job_id:
                self._tell(self.named(job))

    async def _send(self, job: PrintJob, printer: ReceiptPrinter, data: bytes) -> SendResult:
        async with asyncio.TaskGroup() as tasks:
            naming = tasks.create_task(self._name_causes(job, printer))
            result = await printer.send(data)
            naming.cancel()
        return result

    async def _name_causes(self, job: PrintJob, printer: ReceiptPrinter) -> None:
        """What keeps a job that is being sent is known seconds before it is known what became of it: the job names it
        from then on, and no longer than the printer does."""
        while True:
            await asyncio.sleep(LOOK_S)
            status = printer.status()
            cause = "" if status.state is DeviceState.READY else status.cause
            if cause != self._named:
                self._named = cause
                await self._surely(partial(self._prints.name_cause, job.job_id, cause))
                self._tell(replace(job, cause=cause))

    async def _bytes(self, job: PrintJob, device: Device, document: str) -> bytes | None:
        """What `device` is sent of the job; None where even the shortest is more than a printer takes."""
        for other in (None, *self._instead):
            made = document if other is None else other(job.receipt)
            # Characters that are drawn take milliseconds each: no verdict waits for that.
            data = await asyncio.to_thread(device.render, made, job.copies)
            if len(data) <= JOB_BYTES_MAX:
                return data
            log.error("receipt %s: %d bytes are more than a printer takes", job.job_id, len(data))
        return None

    async def _document(self, job: PrintJob) -> str:
        if job.document is not None:
            return job.document
        document = await asyncio.to_thread(self._lay_out, job.receipt)
        await self._surely(lambda: self._prints.keep_document(job.job_id, document))
        return document

    async def _until_ready(self) -> None:
        """Ask the printers now and then until one would print or says another cause, which the job is then to name.
        Nothing is written meanwhile: flash wears."""
        wait_s, causes = RETRY_LEAST_S, self._causes()
        while True:
            await self._woken_within(wait_s)
            # All at once: one that is not there takes its time to say so.
            if any(status.ready for status in await self._ask(self._devices)) or self._causes() != causes:
                return
            wait_s = min(wait_s * 2, RETRY_MOST_S)

    def _causes(self) -> list[str]:
        return [device.printer.status().cause for device in self._devices]

    async def _ask(self, devices: Sequence[Device]) -> list[PrinterStatus]:
        return await asyncio.gather(*(device.printer.query() for device in devices))

    async def _woken_within(self, wait_s: float | None) -> bool:
        """Whether somebody came before the time was over: a sale, or one who asked for a receipt again."""
        try:
            await asyncio.wait_for(self._wake.wait(), wait_s)
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    async def _finish(self, job: PrintJob, state: PrintState, cause: str) -> None:
        await self._surely(lambda: self._prints.finish_print(job.job_id, state, cause))
        told = await self._surely(lambda: self._prints.print_job(job.job_id))
        if told is not None:
            self._tell(told)

    async def _surely(self, work: Callable[[], Awaitable[T]]) -> T:
        """Until the ledger has done it; all that is asked of it here may be done twice."""
        while True:
            try:
                return await work()
            except (LedgerUnavailable, CommitUnknown) as error:
                log.error("print queue: %s", error)
                await asyncio.sleep(RETRY_LEAST_S)


def _outcome(tried: Sequence[tuple[str, SendResult]]) -> tuple[PrintState, str, str]:
    """(state, cause, detail) of a job by what its printers said, in their order. The cause is one that somebody at the
    till can mend, of the first printer where that can be; a printer that is not there says least."""
    if not tried:
        return PrintState.FAILED, PrinterCause.MISCONFIGURED.value, "no printer takes so long a receipt"
    detail = "; ".join(f"{name}: {result.detail}" for name, result in tried if result.detail)
    last = tried[-1][1]
    if last.delivery is Delivery.CONFIRMED:
        # A low roll is the printer's affair and ends with it; the receipt is whole.
        return PrintState.PRINTED, "other_printer" if len(tried) > 1 else "", detail
    if last.delivery is Delivery.UNCONFIRMED:
        return PrintState.UNCONFIRMED, last.cause.value if last.cause else "unconfirmed", detail
    causes = [result.cause for _, result in tried if result.cause is not None]
    there = [cause for cause in causes if cause is not PrinterCause.UNREACHABLE]
    return PrintState.QUEUED, (there or causes)[0].value if causes else "", detail
