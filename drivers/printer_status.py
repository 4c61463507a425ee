"""What a printer's status bytes mean. Pure, table-driven.

Source: Epson ESC/POS command reference, DLE EOT (real-time status), GS r (status, answered in print order) and GS a
(automatic status back). Every kind of status byte has fixed bits, so a byte says by itself what it answers; that is how
an answer is told from XON/XOFF, from an automatic status and from line noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from drivers.ports import PrinterCause, PrinterStatus


class Ask(IntEnum):
    """n of DLE EOT n."""

    PRINTER = 1
    OFFLINE_CAUSE = 2
    ERROR_CAUSE = 3
    PAPER = 4


ASKED = (Ask.PRINTER, Ask.OFFLINE_CAUSE, Ask.PAPER)
"""What is asked before a job, in this order. ERROR_CAUSE is asked only when OFFLINE_CAUSE reports an error."""

PAPER_SENSOR = b"\x1dr\x01"
"""GS r 1: answered only after everything before it is printed, so it stands behind a job as a sentinel."""


def request(ask: Ask) -> bytes:
    """DLE EOT n: answered at once, even by a printer that is stopped."""
    return bytes((0x10, 0x04, ask))


@dataclass(frozen=True, slots=True)
class _Meaning:
    ask: Ask
    mask: int
    cause: PrinterCause
    detail: str


LOW_DETAIL = "the paper roll is nearly used up: have a new one ready"

_MEANINGS = (
    _Meaning(Ask.OFFLINE_CAUSE, 0x04, PrinterCause.COVER_OPEN, "the cover is open: close it"),
    _Meaning(Ask.OFFLINE_CAUSE, 0x20, PrinterCause.PAPER_OUT, "out of paper: put in a new roll"),
    _Meaning(Ask.PAPER, 0x60, PrinterCause.PAPER_OUT, "out of paper: put in a new roll"),
    _Meaning(
        Ask.ERROR_CAUSE,
        0x08,
        PrinterCause.OFFLINE,
        "the cutter is jammed: switch the printer off, clear it, switch on",
    ),
    _Meaning(
        Ask.ERROR_CAUSE, 0x20, PrinterCause.OFFLINE, "the printer reports a fault that needs a technician"
    ),
    _Meaning(Ask.ERROR_CAUSE, 0x40, PrinterCause.OFFLINE, "the print head is too hot: it goes on by itself"),
    _Meaning(
        Ask.OFFLINE_CAUSE, 0x40, PrinterCause.OFFLINE, "the printer reports an error: switch it off and on"
    ),
    _Meaning(Ask.OFFLINE_CAUSE, 0x08, PrinterCause.OFFLINE, "the feed button is held"),
    _Meaning(Ask.PRINTER, 0x08, PrinterCause.OFFLINE, "the printer is offline"),
    _Meaning(Ask.PAPER, 0x0C, PrinterCause.PAPER_LOW, LOW_DETAIL),
)
ERROR_BIT = 0x40  # of OFFLINE_CAUSE

_STATUS_MASK, _STATUS_FIXED = 0x93, 0x12
_SENSOR_MASK, _SENSOR_FIXED = 0x90, 0x00
_AUTOMATIC_MASK, _AUTOMATIC_FIXED = 0x93, 0x10
AUTOMATIC_BYTES = 4
_FLOW_CONTROL = (0x11, 0x13)


def is_status(byte: int) -> bool:
    """Whether this byte can answer DLE EOT."""
    return byte & _STATUS_MASK == _STATUS_FIXED


def is_sensor(byte: int) -> bool:
    """Whether this byte can answer GS r 1."""
    return byte & _SENSOR_MASK == _SENSOR_FIXED


def is_known(byte: int) -> bool:
    """Whether a printer sends such a byte: an answer, automatic status or flow control."""
    return is_status(byte) or is_sensor(byte) or is_automatic(byte) or byte in _FLOW_CONTROL


def is_automatic(byte: int) -> bool:
    """Whether this byte begins an automatic status of AUTOMATIC_BYTES bytes, which nobody here asked for."""
    return byte & _AUTOMATIC_MASK == _AUTOMATIC_FIXED


def is_text(byte: int) -> bool:
    """Whether this byte is of what people read: a printer sends a few such bytes, never a line of them."""
    return 0x20 <= byte < 0x7F or byte in b"\r\n\t"


def decode(answers: dict[Ask, int]) -> PrinterStatus:
    """The state from the answered status bytes. A question of ASKED without an answer means: not ready."""
    found = [meaning for meaning in _MEANINGS if answers.get(meaning.ask, 0) & meaning.mask]
    if any(meaning.cause is PrinterCause.PAPER_OUT for meaning in found):
        found = [meaning for meaning in found if meaning.cause is not PrinterCause.PAPER_LOW]
    causes = list(dict.fromkeys(meaning.cause for meaning in found))
    details = list(dict.fromkeys(meaning.detail for meaning in found))
    if any(cause not in (PrinterCause.OFFLINE, PrinterCause.PAPER_LOW) for cause in causes):
        # Offline is what follows from an open cover; the cashier needs the cause.
        details = [meaning.detail for meaning in found if meaning.ask is not Ask.PRINTER]
        causes = [cause for cause in causes if cause is not PrinterCause.OFFLINE or _is_error(answers)]
    unanswered = [ask for ask in ASKED if ask not in answers]
    if unanswered and not any(cause is not PrinterCause.PAPER_LOW for cause in causes):
        causes.append(PrinterCause.UNREACHABLE)
        details.append("the printer does not answer: check power, cable and cover")
    ready = all(cause is PrinterCause.PAPER_LOW for cause in causes)
    return PrinterStatus(ready, tuple(causes), "; ".join(dict.fromkeys(details)))


def _is_error(answers: dict[Ask, int]) -> bool:
    return bool(answers.get(Ask.OFFLINE_CAUSE, 0) & ERROR_BIT)


def paper_out_after_job(sensor: int) -> bool:
    """Whether the answer to GS r 1 says that the paper ended: what was printed last may not be on it."""
    assert is_sensor(sensor)
    return bool(sensor & 0x0C)


def paper_low_after_job(sensor: int) -> bool:
    """Whether the answer to GS r 1 says that the roll is nearly used up."""
    assert is_sensor(sensor)
    return bool(sensor & 0x03)
