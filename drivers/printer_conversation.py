"""How a job is handed to a printer, over whatever line, so that we know what became of it.

Sent is not printed, so one conversation serves all printers:
1. open (nothing is kept open between jobs: printers drop idle connections without a word);
2. ask DLE EOT 1, 2, 4: a stopped printer would keep the job and print it later, so it does not get it;
3. send the job and, behind it, GS r 1, which a printer answers only when all before it is done;
4. while that answer is awaited, ask DLE EOT again: a printer that has stopped names its cause within seconds;
5. the answer makes the job CONFIRMED; no answer leaves it UNCONFIRMED, with the cause if the printer names one.

An answer does not say which question it belongs to, and a printer that kept an earlier job answers for it when that is
printed, minutes later and on whatever connection there is. So questions are counted: where at most n answers to earlier
ones may still come, n + 1 are asked behind the job, side by side, and n + 1 answers confirm it. One of them must be its
own, however late the others are and whether or not they come at all.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from drivers import printer_status
from drivers.ports import (
    JOB_BYTES_MAX,
    Delivery,
    DeviceState,
    DeviceStatus,
    PrinterCause,
    PrinterStatus,
    SendResult,
)
from drivers.printer_link import Link
from drivers.printer_status import PAPER_SENSOR, Ask

BYTES_PER_S_MIN = 480  # 4800 baud, the slowest line that is served
ANSWER_S_MAX = 1.5  # real-time status is answered within milliseconds, over a bad network within a second
PATIENCE_S = 0.8  # silence or standstill after which we ask, and say what is wrong while we go on waiting
STALE_BYTES_MAX = 4096  # read and passed over before we stop listening to noise
OWED_MAX = (
    64  # five receipts in a row that a ready printer did not confirm; its next answer makes an end of them
)
OWED_AFTER_RESTART = 6  # two such receipts
SIDE_BY_SIDE_S = 5.0  # between the answers to questions that stand side by side lie milliseconds
ROUNDS_BEFORE_SECOND = 2  # of PATIENCE_S, then a second sentinel is sent
FILLING = bytes(8192)  # NUL prints nothing; more than any picture band that receipts send
TEXT_LEAST = 8  # characters in a row of answers, of which a printer out of paper sends three
FOREIGN_LEAST = 3  # bytes that no printer sends; one or two are noise on the line
QUIET_S = 0.3  # after one of two answers: long enough to say that the job was forgotten, not to say that it was printed


_STOPPED = (PrinterCause.PAPER_OUT, PrinterCause.COVER_OPEN, PrinterCause.OFFLINE)


_NO_PRINTER = PrinterStatus(
    False,
    (PrinterCause.MISCONFIGURED,),
    "what answers is no receipt printer, or at another speed: check address, device and baud",
)
_TAKES_NOTHING = "the printer takes no data: check that it is on and not busy"
_FORGOTTEN = PrinterStatus(
    True, (), "the printer was switched off and on, or lost a part of the job; look at what is printed"
)


BUSY = SendResult(Delivery.NOT_SENT, PrinterCause.BUSY, "the printer is busy with another job")


@asynccontextmanager
async def turn(lock: asyncio.Lock, wait_s: float | None) -> AsyncIterator[bool]:
    """Hold `lock`; False, without it, where it did not become free in time."""
    try:
        async with asyncio.timeout(wait_s):
            await lock.acquire()
    except TimeoutError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


class PrinterUnavailableError(Exception):
    """The device cannot be opened. Never leaves this module: it becomes a status or a result."""

    def __init__(self, cause: PrinterCause, state: DeviceState, detail: str) -> None:
        super().__init__(detail)
        self.cause, self.state, self.detail = cause, state, detail


class Conversation(ABC):
    """The conversation. Subclasses open the device.

    two_way: False for a device that never answers: it is sent to unasked and never confirms.
    """

    kind: str
    silence = "the printer does not answer: check power, cable and cover"

    def __init__(self, name: str, timeout_s: float, two_way: bool) -> None:
        assert timeout_s > 0, timeout_s
        self._name = name
        self._timeout_s = timeout_s
        self._two_way = two_way
        self._turn = asyncio.Lock()
        self._owed = 0  # the most answers to sentinels that may still come, whatever was asked before
        self._owed_until = math.inf  # when those that are owed are known to come no more
        self._sensor = 0  # the last answer to a sentinel
        self._foreign = 0  # bytes read since the last question that no printer sends
        self._text = 0  # characters in a row among what was read
        self._cut_off = False  # whether the printer may still be inside a command of an earlier job
        self._status = DeviceStatus(name, self.kind, DeviceState.STARTING, "not asked yet", time.monotonic())

    @property
    def name(self) -> str:
        return self._name

    def status(self) -> DeviceStatus:
        return self._status

    @abstractmethod
    async def _open(self) -> Link:
        """Open the device within the timeout. Raises PrinterUnavailableError."""

    @property
    def answers(self) -> bool:
        return self._two_way

    async def query(self, silence_counts: bool = True) -> PrinterStatus:
        async with self._turn:
            before = self._status
            status = await self._query()
            if not silence_counts and status.causes == (PrinterCause.UNREACHABLE,):
                self._status = before
            return status

    async def _query(self) -> PrinterStatus:
        try:
            link = await self._open()
        except PrinterUnavailableError as error:
            self._note(error.state, error.detail, error.cause)
            return PrinterStatus(False, (error.cause,), error.detail)
        try:
            return await self._ask_status(link)
        finally:
            link.close()

    def expect_rest(self) -> None:
        self._cut_off = True
        self._owed = OWED_AFTER_RESTART

    async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
        if not 0 < len(job) <= JOB_BYTES_MAX:
            detail = f"the job has {len(job)} bytes; it must have 1 to {JOB_BYTES_MAX}"
            return SendResult(Delivery.NOT_SENT, PrinterCause.MISCONFIGURED, detail)
        async with turn(self._turn, turn_s) as ours:
            if not ours:
                return BUSY
            try:
                link = await self._open()
            except PrinterUnavailableError as error:
                self._note(error.state, error.detail, error.cause)
                return SendResult(Delivery.NOT_SENT, error.cause, error.detail)
            try:
                return await self._deliver(link, job)
            finally:
                link.close()

    async def _deliver(self, link: Link, job: bytes) -> SendResult:
        before = await self._ask_status(link)
        if not before.ready:
            return SendResult(Delivery.NOT_SENT, before.causes[0], before.detail)
        line_s = self._timeout_s + len(job) / BYTES_PER_S_MIN
        if not self._two_way:
            return await self._deliver_blind(link, job, line_s)
        if not await self._fill_up(link):
            return await self._cut_short(link, 0, len(job))
        if time.monotonic() > self._owed_until:
            self._owed = 0
        owed = min(self._owed, OWED_MAX)
        questions = PAPER_SENSOR * (owed + 1)
        self._owed, self._owed_until = (
            owed + owed + 1,
            math.inf,
        )  # until it is known better; also where we are cancelled
        sent = await self._write_job(link, job + questions, line_s)
        if sent == len(job) + len(questions):
            return await self._confirm(link, line_s, owed)
        if sent <= len(job):
            self._owed = owed
        return await self._cut_short(link, sent, len(job))

    async def _deliver_blind(self, link: Link, job: bytes, line_s: float) -> SendResult:
        """To a device that never answers: all that can be seen is whether the line took the bytes."""
        sent = await self._write_job(link, job, line_s) if await self._fill_up(link) else 0
        if sent < len(job):
            return await self._cut_short(link, sent, len(job))
        self._note(DeviceState.READY, "")
        if await link.drain(line_s):
            detail = "the line did not take the whole job; look at the paper"
        else:
            detail = "this printer cannot answer; look at the paper"
        return SendResult(Delivery.UNCONFIRMED, None, detail)

    async def _write_job(self, link: Link, data: bytes, total_s: float) -> int:
        """Bytes of the job that went."""
        self._cut_off = True  # until it is all written; being cancelled counts as well
        sent = await self._write(link, data, total_s)
        self._cut_off = 0 < sent < len(data)
        return sent

    async def _fill_up(self, link: Link) -> bool:
        """Whether the printer can take a new job. Where an earlier one was cut off or lost bytes, perhaps inside a
        picture, its end is filled up first: the printer would take the new job's ESC @ for dots."""
        if not self._cut_off:
            return True
        filling_s = self._timeout_s + len(FILLING) / BYTES_PER_S_MIN
        return await self._write(link, FILLING, filling_s) == len(FILLING)

    async def _write(self, link: Link, data: bytes, total_s: float) -> int:
        """Bytes that went. A standstill is noted soon, and given up only after the whole timeout."""
        deadline = time.monotonic() + total_s
        written = 0
        while written < len(data):
            patience_s = min(PATIENCE_S, self._timeout_s)
            written += await link.write(data[written:], patience_s, deadline - time.monotonic())
            if written == len(data):
                break
            self._note(DeviceState.LOST, _TAKES_NOTHING, PrinterCause.UNREACHABLE)
            more = await link.write(data[written:], self._timeout_s - patience_s, deadline - time.monotonic())
            if more == 0:
                break
            written += more
        return written

    async def _cut_short(self, link: Link, sent: int, size: int) -> SendResult:
        if sent == 0:
            self._note(DeviceState.LOST, _TAKES_NOTHING, PrinterCause.UNREACHABLE)
            return SendResult(Delivery.NOT_SENT, PrinterCause.UNREACHABLE, self._status.detail)
        result = await self._unconfirmed(link, f"the line took {min(sent, size)} of {size} bytes")
        # What is known of the line outweighs a status that was answered around the full buffer.
        return SendResult(result.delivery, result.cause or PrinterCause.UNREACHABLE, result.detail)

    async def _confirm(self, link: Link, timeout_s: float, owed: int) -> SendResult:
        """Wait for the answer to the job's questions. owed: what earlier ones may still bring among them."""
        stopped = await self._await_sentinel(link, timeout_s, owed)
        if stopped is _FORGOTTEN:
            return SendResult(Delivery.UNCONFIRMED, None, stopped.detail)
        if self._owed > owed:
            detail = "the printer took the job and does not say that it is printed"
            if stopped is not None:
                return SendResult(Delivery.UNCONFIRMED, stopped.causes[0], f"{detail}; {stopped.detail}")
            self._cut_off = True  # bytes that were lost on the way may have been the end of a picture
            return await self._unconfirmed(link, detail)
        # What is still owed stands beside a question that was answered: it comes now, or never.
        self._owed_until = time.monotonic() + SIDE_BY_SIDE_S
        last = self._sensor
        if printer_status.paper_out_after_job(last):
            self._note(DeviceState.LOST, "out of paper: put in a new roll", PrinterCause.PAPER_OUT)
            return SendResult(
                Delivery.UNCONFIRMED, PrinterCause.PAPER_OUT, "the paper ended; look at what is printed"
            )
        # Some printers tell of a low roll in one of the two answers only, and it does not come and go within a job.
        low = printer_status.paper_low_after_job(last) or self._status.cause == PrinterCause.PAPER_LOW
        self._note_ready(low)
        return SendResult(Delivery.CONFIRMED, PrinterCause.PAPER_LOW if low else None, "")

    async def _await_sentinel(self, link: Link, timeout_s: float, owed: int) -> PrinterStatus | None:
        """Return when no more than `owed` answers are missing or the time is over; at once, with its status, when the
        printer says that it has stopped or shows that it has forgotten the job. Nothing is asked while a slow line
        moves, for the question would stand behind the job; silence is noted and waited out."""
        deadline = time.monotonic() + timeout_s
        asking, rounds, left = True, 0, link.waiting()
        while self._owed > owed and link.readable and (left_s := deadline - time.monotonic()) > 0:
            slice_s = min(PATIENCE_S, left_s) if asking else left_s
            if await self._next(link, printer_status.is_sensor, slice_s) is not None:
                if owed == 0 and self._owed and await self._is_quiet(link):
                    return _FORGOTTEN
                continue
            before, left = left, link.waiting()
            if not asking or 0 < left < before:
                continue
            status = await self._ask_status(link)
            if self._owed > owed and status.causes and status.causes[0] in _STOPPED:
                return status
            # A second question would be mixed up with the late answer to this one.
            asking = PrinterCause.UNREACHABLE not in status.causes
            rounds += 1
            if asking and owed == 0 and rounds == ROUNDS_BEFORE_SECOND:
                # A printer that is still printing answers both when it is done; one that was switched off and on, this.
                self._owed += 1
                await link.write(PAPER_SENSOR, self._timeout_s, self._timeout_s)
        return None

    async def _is_quiet(self, link: Link) -> bool:
        return await self._next(link, printer_status.is_sensor, QUIET_S) is None

    async def _unconfirmed(self, link: Link, detail: str) -> SendResult:
        now = await self._ask_status(link)
        cause = next((cause for cause in now.causes if cause is not PrinterCause.PAPER_LOW), None)
        return SendResult(Delivery.UNCONFIRMED, cause, f"{detail}; {now.detail}" if now.detail else detail)

    async def _ask_status(self, link: Link) -> PrinterStatus:
        """DLE EOT 1, 2, 4 one after the other; silence is not ready."""
        if not self._two_way:
            return self._blind_status()
        self._text = 0  # a server may greet before it is asked
        await self._pass_over(link)
        self._foreign = 0
        status = printer_status.decode(await self._ask(link, printer_status.ASKED))
        await self._pass_over(link)
        if self._is_no_printer(status):
            status = _NO_PRINTER
        elif status.causes == (PrinterCause.UNREACHABLE,):
            status = replace(status, detail=self.silence)
        if status.ready:
            self._note_ready(PrinterCause.PAPER_LOW in status.causes)
        else:
            self._note(DeviceState.LOST, status.detail, status.causes[0])
        return status

    async def _pass_over(self, link: Link) -> None:
        """Read what is there already, as far as its end or text that no printer sends."""
        for _ in range(STALE_BYTES_MAX):
            if self._text >= TEXT_LEAST or await self._next(link, lambda _byte: True, 0) is None:
                break

    def _is_no_printer(self, status: PrinterStatus) -> bool:
        """Bytes of a server's greeting look like status bytes; so it is judged by all that it said."""
        least = 1 if status.causes == (PrinterCause.UNREACHABLE,) else FOREIGN_LEAST
        return self._text >= TEXT_LEAST or (not status.ready and self._foreign >= least)

    def _blind_status(self) -> PrinterStatus:
        if self._status.detail != _TAKES_NOTHING:  # that it takes data again is seen by sending alone
            self._note(DeviceState.READY, "")
        return PrinterStatus(True, (), "this printer cannot tell its state")

    async def _ask(self, link: Link, asks: tuple[Ask, ...]) -> dict[Ask, int]:
        answers: dict[Ask, int] = {}
        timeout_s = min(self._timeout_s, ANSWER_S_MAX)
        for ask in asks:
            asked = printer_status.request(ask)
            if await link.write(asked, idle_s=timeout_s, total_s=timeout_s) < len(asked):
                break
            answer = await self._next(link, printer_status.is_status, timeout_s, talker=False)
            if answer is None:
                break
            answers[ask] = answer
        if answers.get(Ask.OFFLINE_CAUSE, 0) & printer_status.ERROR_BIT:
            answers |= await self._ask(link, (Ask.ERROR_CAUSE,))
        return answers

    async def _next(
        self, link: Link, wanted: Callable[[int], bool], timeout_s: float, *, talker: bool = True
    ) -> int | None:
        """The next byte that is wanted; None when none came in time. Keeps account of sentinels answered late and
        steps over automatic status, XON/XOFF and noise. talker: whether to go on after text that no printer sends."""
        deadline = time.monotonic() + timeout_s
        skip = 0
        for _ in range(STALE_BYTES_MAX):
            if not talker and self._text >= TEXT_LEAST:
                return None
            byte = await link.read_byte(deadline - time.monotonic())
            if byte is None:
                return None
            if self._text < TEXT_LEAST:
                self._text = self._text + 1 if printer_status.is_text(byte) else 0
            if skip:
                skip -= 1
            elif printer_status.is_automatic(byte):
                skip = printer_status.AUTOMATIC_BYTES - 1
            else:
                if printer_status.is_sensor(byte) and self._owed:
                    self._owed -= 1
                    self._sensor = byte
                self._foreign += not printer_status.is_known(byte)
                if wanted(byte):
                    return byte
        return None

    def _note_ready(self, low: bool) -> None:
        if low:
            self._note(DeviceState.READY, printer_status.LOW_DETAIL, PrinterCause.PAPER_LOW)
        else:
            self._note(DeviceState.READY, "")

    def _note(self, state: DeviceState, detail: str, cause: str = "") -> None:
        since = self._status.since if self._status.state is state else time.monotonic()
        self._status = DeviceStatus(self._name, self.kind, state, detail, since, cause)
