"""What a page or a POS may ask about receipts: which there are, how one looks, a copy of it, that it was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from agent.ports import PrintJob, Prints, PrintState
from agent.printing.queue import PrintQueue
from agent.printing.words import CAUSES, print_json
from agent.promos.handed_out import Promos
from drivers.ports import Delivery, PrinterCause


class UnknownJob(LookupError):
    """No such print job."""


class ReceiptGone(LookupError):
    """The receipt was kept as long as is configured and is erased."""


class NotUnconfirmed(Exception):
    """Only a receipt that is unconfirmed can be confirmed."""


class NotWaiting(Exception):
    """Only a receipt of which no printer took a byte can be given up."""


class DrawerShut(Exception):
    """Nothing was sent to the drawer. zh, en: why, for a cashier."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class ReceiptDesk:
    """shown: a receipt as (plain text, HTML). tell: called with every job that somebody here changed."""

    def __init__(
        self,
        prints: Prints,
        queue: PrintQueue | None,
        promos: Promos,
        shown: Callable[[PrintJob], tuple[str, str]],
        tell: Callable[[PrintJob], None],
    ) -> None:
        self._prints = prints
        self._queue = queue
        self._promos = promos
        self._shown = shown
        self._tell = tell
        self.told: Counter[PrintState] = Counter()
        """How often a receipt or a copy was told to be in each state since the start."""

    def said(self, job: PrintJob) -> dict[str, Any]:
        """The job as API and events tell it."""
        return print_json(job if self._queue is None else self._queue.named(job))

    async def show(self, job_id: str) -> dict[str, Any]:
        """State, text and HTML of a print job; UnknownJob, ReceiptGone."""
        job = await self._found(job_id, await self._prints.print_job(job_id))
        text, html = self._shown(job)
        return {**self.said(job), "text": text, "html": html}

    async def newest(self, limit: int, *, unconfirmed: bool) -> list[dict[str, Any]]:
        """The newest print jobs without their text, newest first."""
        jobs = await self._prints.list_prints(limit, unconfirmed=unconfirmed)
        return [self.said(job) for job in jobs]

    async def confirm(self, job_id: str) -> dict[str, Any]:
        """Somebody saw the unconfirmed receipt: it counts as printed. UnknownJob, ReceiptGone, NotUnconfirmed."""
        confirmed = await self._prints.confirm_print(job_id)
        job = await self._found(job_id, await self._prints.print_job(job_id))
        if not confirmed:
            raise NotUnconfirmed(job_id)
        await self._promos.settle(job.redemption_id)
        self._tell(job)
        return self.said(job)

    async def give_up(self, job_id: str) -> dict[str, Any]:
        """The receipt that waits for a printer is not wanted: it is not printed, and its promo code goes to another.
        UnknownJob, ReceiptGone, NotWaiting."""
        given_up = await self._promos.give_up(job_id)
        job = await self._found(job_id, await self._prints.print_job(job_id))
        if given_up:
            self._tell(job)
        elif (job.state, job.cause) != (PrintState.FAILED, "given_up"):
            raise NotWaiting(job_id)
        return self.said(job)

    async def reprint(self, job_id: str) -> dict[str, Any]:
        """Queue the receipt again, marked as a copy; UnknownJob, ReceiptGone.

        copy: its number. One that still waits is not queued twice: then `copy` is the number it has (0: no copy).
        """
        job = await self._found(job_id, await self._prints.copy_print(job_id))
        self._tell(job)
        if self._queue is not None:
            self._queue.wake()
        return {"job": job_id, "copy": job.copies, "state": job.state.value}

    async def open_drawer(self) -> dict[str, Any]:
        """Open the cash drawer, once. DrawerShut where no printer took the pulse."""
        if self._queue is None:
            raise DrawerShut("没有配置打印机", "no printer is configured")
        result = await self._queue.open_drawer()
        if result.delivery is Delivery.NOT_SENT:
            why = CAUSES[result.cause or PrinterCause.UNREACHABLE]
            raise DrawerShut(f"{why.zh}，{why.do_zh}", f"{why.en}: {why.do_en}")
        return {"confirmed": result.delivery is Delivery.CONFIRMED}

    async def _found(self, job_id: str, job: PrintJob | None) -> PrintJob:
        if job is not None:
            return job
        raise ReceiptGone(job_id) if await self._prints.had_print(job_id) else UnknownJob(job_id)
