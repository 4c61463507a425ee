"""The Internet Printing Protocol as far as one raw job needs it: requests as bytes, answers as typed values.

Source: RFC 8010 (encoding), RFC 8011 (model). Written here because it is a hundred lines: pyipp reads printers and
cannot print, and pycups has no wheel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

ANSWER_BYTES_MAX = 64 * 1024
_VERSION = b"\x01\x01"  # what every printer and CUPS speaks
_OPERATION_GROUP, _END = b"\x01", b"\x03"
_NO_VALUE, _INTEGER, _BOOLEAN, _ENUM = 0x13, 0x21, 0x22, 0x23
_NAME, _KEYWORD, _URI, _CHARSET, _LANGUAGE, _MIME = 0x42, 0x44, 0x45, 0x47, 0x48, 0x49
_TEXTS = range(0x40, 0x60)
_GROUP_TAGS_MAX = 0x0F


class Operation(IntEnum):
    PRINT_JOB = 0x0002
    CANCEL_JOB = 0x0008
    GET_JOB_ATTRIBUTES = 0x0009
    GET_PRINTER_ATTRIBUTES = 0x000B


class JobState(IntEnum):
    """RFC 8011, section 5.3.7."""

    PENDING = 3
    HELD = 4
    PROCESSING = 5
    STOPPED = 6
    CANCELED = 7
    ABORTED = 8
    COMPLETED = 9


class PrinterState(IntEnum):
    """RFC 8011, section 5.4.11."""

    IDLE = 3
    PROCESSING = 4
    STOPPED = 5


class IppError(ValueError):
    """An answer that is no IPP. The text says where it breaks."""


Value = int | str | bool
Attributes = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """status: below 0x0100 it was done. attributes: of all groups together, "" for no value; types that we do not ask
    for are left out."""

    status: int
    attributes: Attributes

    @property
    def done(self) -> bool:
        return self.status < 0x0100

    def number(self, name: str) -> int | None:
        value = self.attributes.get(name, (None,))[0]
        return value if type(value) is int else None

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(value for value in self.attributes.get(name, ()) if isinstance(value, str))


def request(
    operation: Operation,
    printer_uri: str,
    *,
    job_id: int | None = None,
    job_name: str = "",
    document_format: str = "",
    wanted: tuple[str, ...] = (),
) -> bytes:
    """The bytes of a request; a document follows them. wanted: names of attributes to be told."""
    parts = [_VERSION, int(operation).to_bytes(2, "big"), (1).to_bytes(4, "big"), _OPERATION_GROUP]
    parts += [
        _attribute(_CHARSET, "attributes-charset", "utf-8"),
        _attribute(_LANGUAGE, "attributes-natural-language", "en"),
        _attribute(_URI, "printer-uri", printer_uri),
    ]
    if job_id is not None:
        parts.append(_attribute(_INTEGER, "job-id", job_id.to_bytes(4, "big")))
    parts.append(_attribute(_NAME, "requesting-user-name", "redeemd"))
    if job_name:
        parts.append(_attribute(_NAME, "job-name", job_name))
    if document_format:
        parts.append(_attribute(_MIME, "document-format", document_format))
    for place, name in enumerate(wanted):
        parts.append(_attribute(_KEYWORD, "" if place else "requested-attributes", name))
    return b"".join((*parts, _END))


def _attribute(tag: int, name: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    key = name.encode("ascii")
    return bytes((tag,)) + len(key).to_bytes(2, "big") + key + len(raw).to_bytes(2, "big") + raw


def read_answer(data: bytes) -> Answer:
    """Read an answer; IppError for bytes that are none."""
    if len(data) < 8:
        raise IppError(f"an answer of {len(data)} bytes")
    found: dict[str, list[Value]] = {}
    for name, value in _values(data, 8):
        found.setdefault(name, []).append(value)
    return Answer(int.from_bytes(data[2:4], "big"), {name: tuple(values) for name, values in found.items()})


def _values(data: bytes, at: int) -> Iterator[tuple[str, Value]]:
    name = ""
    while True:
        if at >= len(data):
            raise IppError("it ends without its end")
        tag = data[at]
        at += 1
        if tag == _END[0]:
            return
        if tag <= _GROUP_TAGS_MAX:
            name = ""
            continue
        key, at = _take(data, at)
        raw, at = _take(data, at)
        name = key.decode("ascii", "replace") if key else name  # without a name: one more value of the last
        if tag in (_INTEGER, _ENUM) and len(raw) == 4:
            yield name, int.from_bytes(raw, "big", signed=True)
        elif tag == _BOOLEAN and len(raw) == 1:
            yield name, raw != b"\0"
        elif tag == _NO_VALUE:
            yield name, ""
        elif tag in _TEXTS:
            yield name, raw.decode("utf-8", "replace")


def _take(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    if at + 2 > len(data) or end > len(data):
        raise IppError(f"a value beyond its end at byte {at}")
    return data[at + 2 : end], end
