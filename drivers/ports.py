"""What the agent asks of a device. Drivers know no coupon: they carry text in and bytes out.

A driver never raises out of ``run`` because a device is missing or breaks: it reports a `DeviceStatus`,
waits, and tries again until it is cancelled. Anything else that escapes is a bug.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MAX_SCAN_CHARS = 4096
"""Longest text one scan may carry; a device that sends more without an end is reported as a `ScanFault`."""


class DriverError(Exception):
    """Root of what this package raises while it is being set up; the message says what to do about it."""


class DeviceState(StrEnum):
    """Where a device stands. Only READY means that it works now."""

    STARTING = "starting"
    READY = "ready"
    LOST = "lost"  # was or should be there; the driver keeps trying
    DENIED = "denied"  # it is there and may not be opened (permissions, held by another program)
    MISCONFIGURED = "misconfigured"  # trying again cannot help: a setting or a missing library


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What `redeemd status` shows of one device.

    name: the configured name. kind: serial, wedge, camera, tcp, ... detail: one sentence for store IT, what
    is wrong and what to do; empty while all is well. since: `time.monotonic()` seconds of the last change of state.
    cause: what a printer names, a `PrinterCause`; "" for other devices. While READY there may be PAPER_LOW alone.
    """

    name: str
    kind: str
    state: DeviceState
    detail: str
    since: float
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """One whole scan. text: decoded characters without framing, at most MAX_SCAN_CHARS.

    at: `time.monotonic()` seconds at which the last byte (or the frame) arrived.
    """

    text: str
    source: str
    at: float


@dataclass(frozen=True, slots=True)
class ScanFault:
    """Something arrived that is not a whole scan; reported, never guessed.

    code: too_long, incomplete, undecodable. detail: what store IT can do; never the scanned text.
    """

    source: str
    code: str
    detail: str
    at: float


class ScanSource(Protocol):
    """A scanner or a camera. Both callbacks are called in the event loop's thread, in order of arrival."""

    @property
    def name(self) -> str: ...

    def status(self) -> DeviceStatus: ...

    async def run(self, on_scan: Callable[[Scan], None], on_fault: Callable[[ScanFault], None]) -> None:
        """Read until cancelled; open, lose and reopen the device by itself."""


class Delivery(StrEnum):
    """What is known of a job after `ReceiptPrinter.send`; never more than is known."""

    CONFIRMED = "confirmed"  # the printer answered after the last byte: it is on paper
    UNCONFIRMED = "unconfirmed"  # bytes left us and nothing proves what became of them
    NOT_SENT = "not_sent"  # not one byte reached the device: safe to send again


class PrinterCause(StrEnum):
    """Why a printer does not print, in words a cashier can act on. Silence is UNREACHABLE, never ready."""

    PAPER_OUT = "paper_out"
    PAPER_LOW = "paper_low"
    COVER_OPEN = "cover_open"
    OFFLINE = "offline"
    UNREACHABLE = "unreachable"
    MISCONFIGURED = "misconfigured"
    BUSY = "busy"  # with another job; only who would not wait is told so


@dataclass(frozen=True, slots=True)
class SendResult:
    delivery: Delivery
    cause: PrinterCause | None
    detail: str


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """ready: a job sent now would print. causes: all that is wrong or near (PAPER_LOW may come with it)."""

    ready: bool
    causes: tuple[PrinterCause, ...]
    detail: str


JOB_BYTES_MAX = 256 * 1024
"""Of one job: a receipt is 2 kB, a whole one as a picture 110 kB."""


class ReceiptPrinter(Protocol):
    """One printer. Every wait is bounded; nothing blocks the event loop; the connection is opened per job."""

    @property
    def name(self) -> str: ...

    def status(self) -> DeviceStatus: ...

    @property
    def answers(self) -> bool:
        """Whether it says how it is when it is asked, so that asking is worth its while."""

    async def query(self, silence_counts: bool = True) -> PrinterStatus:
        """Ask the printer now. Raises nothing: an unreachable printer is a status.

        silence_counts: whether `status` is to say so where it does not answer."""

    def expect_rest(self) -> None:
        """An earlier process may have begun a job and not ended it: the printer may still be inside a command of it or
        answer its questions."""

    async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
        """Send one whole job. Raises nothing: every end is a `SendResult`.

        turn_s: how long it waits for its turn before it is BUSY and nothing is sent; None: as long as it takes."""
