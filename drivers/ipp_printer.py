"""A receipt printer behind IPP: a raw queue of CUPS, or a printer that speaks it itself.

A queue takes a job whole and prints it when it can, so "taken" means little: what became of the job is asked until it
is done. A job that has not ended when our patience does is cancelled there. If it never began it is known that no byte
of it went out, and it may go to another printer; else it is unconfirmed. "Completed" at CUPS says that its backend has
ended, no more: a backend that could not even open its file "completes" too. `confirms` says that it means paper, as it
does at a printer's own address.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from drivers.ipp import (
    ANSWER_BYTES_MAX,
    Answer,
    IppError,
    JobState,
    Operation,
    PrinterState,
    read_answer,
    request,
)
from drivers.ports import (
    JOB_BYTES_MAX,
    Delivery,
    DeviceState,
    DeviceStatus,
    PrinterCause,
    PrinterStatus,
    SendResult,
)
from drivers.printer_conversation import BUSY, BYTES_PER_S_MIN, turn

if TYPE_CHECKING:
    import aiohttp

POLL_S = 0.2
RAW = "application/vnd.cups-raw"
PLAIN = "application/octet-stream"
_PORTS = {"ipp": 631, "ipps": 631}
_PRINTER_WANTED = ("printer-state", "printer-state-reasons", "printer-is-accepting-jobs")
_BEGAN = "time-at-processing"
# The beginning of a printer-state-reason (RFC 8011, section 5.4.12; CUPS adds offline and connecting), the worst first.
_REASONS = (
    ("media-empty", PrinterCause.PAPER_OUT),
    ("media-needed", PrinterCause.PAPER_OUT),
    ("cover-open", PrinterCause.COVER_OPEN),
    ("door-open", PrinterCause.COVER_OPEN),
    ("offline", PrinterCause.OFFLINE),
    ("shutdown", PrinterCause.OFFLINE),
    ("paused", PrinterCause.OFFLINE),
    ("media-jam", PrinterCause.OFFLINE),
    ("connecting-to-device", PrinterCause.UNREACHABLE),
    ("timed-out", PrinterCause.UNREACHABLE),
    ("media-low", PrinterCause.PAPER_LOW),
)
_NO_SERVER = "what answers is no print server"
_NAME_IT = "name the queue, such as ipp://localhost/printers/receipts"
_REFUSED = "the print server does not let this till print: allow it there"
_STATUSES = {401: _REFUSED, 403: _REFUSED, 426: "it wants an encrypted line: write ipps://"}
ASK_S_MAX = 2.5  # a print server answers in milliseconds; nothing is lost by asking again
_OVER = (JobState.CANCELED, JobState.ABORTED, JobState.COMPLETED)


class _Unreachable(Exception):
    """Nobody answered as a print server does. began: whether the request may have been taken."""

    def __init__(self, detail: str, cause: PrinterCause, began: bool) -> None:
        super().__init__(detail)
        self.cause = cause
        self.began = began


class IppPrinter:
    """`ReceiptPrinter` over IPP. url: ipp, ipps, http or https; the printer's or the queue's address."""

    kind = "ipp"

    def __init__(self, name: str, url: str, timeout_s: float = 5.0, confirms: bool = False) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._confirms = confirms
        parts = urlsplit(url)
        scheme = {"ipp": "http", "ipps": "https"}.get(parts.scheme, parts.scheme)
        port = parts.port or _PORTS.get(parts.scheme)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self._url = f"{scheme}://{host}{f':{port}' if port else ''}{parts.path or '/'}"
        self._uri = url if parts.scheme in _PORTS else f"ipp{url.removeprefix('http')}"
        self._turn = asyncio.Lock()
        self._status = DeviceStatus(name, self.kind, DeviceState.STARTING, "not asked yet", time.monotonic())

    @property
    def name(self) -> str:
        return self._name

    def status(self) -> DeviceStatus:
        return self._status

    @property
    def answers(self) -> bool:
        """A print server answers for itself: what it says of the printer is of the last job."""
        return False

    async def query(self, silence_counts: bool = True) -> PrinterStatus:
        async with self._turn, self._session() as session:
            return await self._ask(session)

    def expect_rest(self) -> None:
        """The print server has whole jobs or none."""

    async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
        if not 0 < len(job) <= JOB_BYTES_MAX:
            detail = f"the job has {len(job)} bytes; it must have 1 to {JOB_BYTES_MAX}"
            return SendResult(Delivery.NOT_SENT, PrinterCause.MISCONFIGURED, detail)
        async with turn(self._turn, turn_s) as ours, self._session() as session:
            if not ours:
                return BUSY
            before = await self._ask(session)
            if not before.ready:
                return SendResult(Delivery.NOT_SENT, before.causes[0], before.detail)
            return await self._print(session, job)

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(auto_decompress=False, trust_env=False)

    async def _ask(self, session: aiohttp.ClientSession) -> PrinterStatus:
        asked = request(Operation.GET_PRINTER_ATTRIBUTES, self._uri, wanted=_PRINTER_WANTED)
        try:
            answer = await self._post(session, asked, min(self._timeout_s, ASK_S_MAX))
        except _Unreachable as error:
            self._note(DeviceState.LOST, str(error), error.cause)
            return PrinterStatus(False, (error.cause,), str(error))
        status = _printer_status(answer, self._url)
        state = DeviceState.READY if status.ready else DeviceState.LOST
        self._note(state, status.detail if status.causes else "", next(iter(status.causes), ""))
        return status

    async def _print(self, session: aiohttp.ClientSession, job: bytes) -> SendResult:
        answer = None
        for document_format in (RAW, PLAIN):  # CUPS passes the first on as it is; printers know the second
            head = request(
                Operation.PRINT_JOB, self._uri, job_name="receipt", document_format=document_format
            )
            try:
                answer = await self._post(session, head + job)
            except _Unreachable as error:
                self._note(DeviceState.LOST, str(error), error.cause)
                delivery = Delivery.UNCONFIRMED if error.began else Delivery.NOT_SENT
                return SendResult(delivery, error.cause, str(error))
            if answer.done:
                break
        assert answer is not None, "there are formats"
        job_id = answer.number("job-id")
        if not answer.done or job_id is None:
            detail = f"{self._url}: the print server refuses the job (IPP status {answer.status:#06x})"
            return SendResult(Delivery.NOT_SENT, PrinterCause.MISCONFIGURED, detail)
        return await self._follow(session, job_id, self._timeout_s + len(job) / BYTES_PER_S_MIN)

    async def _follow(self, session: aiohttp.ClientSession, job_id: int, patience_s: float) -> SendResult:
        """Ask what became of the job until it is done or our patience ends."""
        deadline = time.monotonic() + patience_s
        state = await self._job_state(session, job_id)
        while state not in _OVER and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            state = await self._job_state(session, job_id)
        after = await self._ask(session)
        if state is JobState.COMPLETED and self._confirms:
            return SendResult(Delivery.CONFIRMED, next(iter(after.causes), None), "")
        cause = next((cause for cause in after.causes if cause is not PrinterCause.PAPER_LOW), None)
        match state:
            case JobState.COMPLETED:
                detail = "the print server has passed it on and cannot say that it is on paper; look"
                return SendResult(Delivery.UNCONFIRMED, cause, detail)
            case JobState.CANCELED | JobState.ABORTED:
                detail = f"the print server gave the job up; {after.detail}".rstrip("; ")
                return SendResult(Delivery.UNCONFIRMED, cause, detail)
        return await self._take_back(session, job_id, after)

    async def _take_back(
        self, session: aiohttp.ClientSession, job_id: int, after: PrinterStatus
    ) -> SendResult:
        """Cancel what did not come to its end: it must not be printed later beside its copy. A job that was cancelled
        and has no time at which it began is known not to have begun."""
        try:
            cancel = request(Operation.CANCEL_JOB, self._uri, job_id=job_id)
            cancelled = (await self._post(session, cancel)).done
            job = await self._job(session, job_id) if cancelled else None
        except _Unreachable:
            cancelled, job = False, None
        stopping = [cause for cause in after.causes if cause is not PrinterCause.PAPER_LOW]
        cause = stopping[0] if stopping else PrinterCause.UNREACHABLE
        if job is not None and job.attributes.get(_BEGAN) == ("",):
            return SendResult(Delivery.NOT_SENT, cause, f"it waited at the print server; {after.detail}")
        detail = "the print server has not finished it" + ("" if cancelled else " and may still print it")
        return SendResult(Delivery.UNCONFIRMED, cause, detail)

    async def _job_state(self, session: aiohttp.ClientSession, job_id: int) -> JobState | None:
        try:
            found = (await self._job(session, job_id)).number("job-state")
        except _Unreachable:
            return None
        return JobState(found) if found in tuple(JobState) else None

    async def _job(self, session: aiohttp.ClientSession, job_id: int) -> Answer:
        asked = request(Operation.GET_JOB_ATTRIBUTES, self._uri, job_id=job_id, wanted=("job-state", _BEGAN))
        return await self._post(session, asked)

    async def _post(
        self, session: aiohttp.ClientSession, body: bytes, timeout_s: float | None = None
    ) -> Answer:
        import aiohttp

        began, timeout = False, aiohttp.ClientTimeout(total=timeout_s or self._timeout_s, connect=ASK_S_MAX)
        try:
            async with session.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/ipp"},
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                began = True
                status, data = response.status, await response.content.read(ANSWER_BYTES_MAX + 1)
                while len(data) <= ANSWER_BYTES_MAX and (
                    more := await response.content.read(ANSWER_BYTES_MAX)
                ):
                    data += more
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            detail = f"{self._url}: {_reason(error)}; is the print server on, and is this its address?"
            raise _Unreachable(detail, PrinterCause.UNREACHABLE, False) from error
        except aiohttp.ClientResponseError as error:
            raise _Unreachable(f"{self._url}: {_NO_SERVER}", PrinterCause.MISCONFIGURED, True) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            detail = f"{self._url}: {_reason(error)}; check the print server"
            connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
            raise _Unreachable(detail, PrinterCause.UNREACHABLE, not connecting) from error
        if status != 200:
            detail = f"{self._url}: HTTP status {status}; {_STATUSES.get(status, _NAME_IT)}"
            raise _Unreachable(detail, PrinterCause.MISCONFIGURED, began and status >= 500)
        try:
            if len(data) > ANSWER_BYTES_MAX:
                raise IppError(f"more than {ANSWER_BYTES_MAX} bytes")
            return read_answer(data)
        except IppError as error:
            detail = f"{self._url}: {_NO_SERVER} ({error})"
            raise _Unreachable(detail, PrinterCause.MISCONFIGURED, True) from error

    def _note(self, state: DeviceState, detail: str, cause: str = "") -> None:
        since = self._status.since if self._status.state is state else time.monotonic()
        self._status = DeviceStatus(self._name, self.kind, state, detail, since, cause)


def _reason(error: Exception) -> str:
    """Why no answer came, in words of people and not of aiohttp."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "this name is not known here"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not trusted here"
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number > 0 else "no answer"


def _printer_status(answer: Answer, url: str) -> PrinterStatus:
    """What a queue says of itself and of its printer."""
    if not answer.done:
        detail = f"{url}: there is no such queue (IPP status {answer.status:#06x})"
        return PrinterStatus(False, (PrinterCause.MISCONFIGURED,), detail)
    reasons = [word for word in answer.words("printer-state-reasons") if word != "none"]
    causes = tuple(
        dict.fromkeys(cause for start, cause in _REASONS for word in reasons if word.startswith(start))
    )
    if answer.attributes.get("printer-is-accepting-jobs", (True,))[0] is False:
        low = (PrinterCause.PAPER_LOW,) if PrinterCause.PAPER_LOW in causes else ()
        causes = (*causes[: len(causes) - len(low)], PrinterCause.MISCONFIGURED, *low)
    stopping = [cause for cause in causes if cause is not PrinterCause.PAPER_LOW]
    if answer.number("printer-state") == PrinterState.STOPPED and not stopping:
        stopping, causes = [PrinterCause.OFFLINE], (PrinterCause.OFFLINE, *causes)
    said = f"the print server says: {', '.join(reasons)}" if reasons else ""
    if not stopping:
        return PrinterStatus(True, causes, said)
    return PrinterStatus(False, causes, said or f"{url}: the queue is stopped or takes no jobs; resume it")
