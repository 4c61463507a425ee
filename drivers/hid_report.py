"""HID report descriptors, read for one thing: where a bar code scanner in HID POS mode puts what it scanned. Pure.

A descriptor (Device Class Definition for HID 1.11, section 6.2.2) is a small program that lays out the bits of each
report. Usage page 0x8C is the bar code scanner (HID Point of Sale Usage Tables 1.02, section 3). A descriptor comes
from whatever was plugged in, so every length is checked and everything it may make us build is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

DESCRIPTOR_MAX = 4096  # bytes, as the kernel bounds it
REPORT_MAX = 4096  # bytes of one report
_DEPTH_MAX = 32
_FIELDS_MAX = 1024

_BYTE_COUNT: Final = 0x01_003B
_SCANNER_PAGE: Final = 0x8C
_IDENTIFIER: Final = (0x8C_00FB, 0x8C_00FC, 0x8C_00FD)
_DATA: Final = 0x8C_00FE
_MORE: Final = 0x8C_00FF

_MAIN, _GLOBAL, _LOCAL = 0, 1, 2
_INPUT, _COLLECTION, _END_COLLECTION = 8, 10, 12
_USAGE_PAGE, _REPORT_SIZE, _REPORT_ID, _REPORT_COUNT, _PUSH, _POP = 0, 7, 8, 9, 10, 11
_USAGE, _USAGE_MIN, _USAGE_MAX = 0, 1, 2
_CONSTANT, _VARIABLE, _BUFFERED = 0x01, 0x02, 0x100


class DescriptorError(Exception):
    """The descriptor breaks its own rules, or is larger than any scanner's."""


class ReportError(Exception):
    """A report is not as the descriptor says."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Of one report. identifier: AIM symbology identifier, b"" if unknown. more: the same code goes on in the next."""

    identifier: bytes
    data: bytes
    more: bool


@dataclass(frozen=True, slots=True)
class ScanReport:
    """Where scanned data stands in a report; offsets in bytes from its start, the report id included.

    report_id: 0 when the device numbers none. length: offset and bytes of the count. more: offset and mask of the bit.
    """

    report_id: int
    size: int
    data: int
    capacity: int
    length: tuple[int, int] | None
    identifier: tuple[int, ...]
    more: tuple[int, int] | None

    def read(self, report: bytes) -> Piece | None:
        """None for a report of another kind. Raises ReportError."""
        if self.report_id and report[:1] != bytes([self.report_id]):
            return None
        if len(report) < self.size:
            raise ReportError(f"a report of {len(report)} bytes came, {self.size} were announced")
        data = report[self.data : self.data + self.capacity]
        if self.length is None:
            data = data.rstrip(b"\0")
        else:
            at, width = self.length
            count = int.from_bytes(report[at : at + width], "little")
            if count > self.capacity:
                raise ReportError(f"a report claims {count} bytes, it has room for {self.capacity}")
            data = data[:count]
        name = bytes(report[at] for at in self.identifier)
        more = self.more is not None and bool(report[self.more[0]] & self.more[1])
        return Piece(name if name[:1] == b"]" else b"", data, more)


def scan_report(descriptor: bytes) -> ScanReport | None:
    """The report that carries scanned data; None when the device is no such scanner. Raises DescriptorError."""
    reader = _Reader()
    for kind, tag, value in _items(descriptor):
        reader.take(kind, tag, value)
    for report_id in sorted({one.report_id for one in reader.fields if one.usage == _DATA}):
        if (found := _layout(report_id, reader)) is not None:
            return found
    return None


@dataclass(frozen=True, slots=True)
class _Field:
    report_id: int
    usage: int
    bit: int
    bits: int
    count: int


@dataclass(slots=True)
class _Globals:
    page: int = 0
    size: int = 0
    report_id: int = 0
    count: int = 0


@dataclass(slots=True)
class _Reader:
    """What the items before the current one have set (section 6.2.2.1), and the input fields met so far."""

    fields: list[_Field] = field(default_factory=list)
    lengths: dict[int, int] = field(default_factory=dict)  # bits of each report, by id
    _now: _Globals = field(default_factory=_Globals)
    _stack: list[_Globals] = field(default_factory=list)
    _usages: list[int] = field(default_factory=list)
    _range_from: int | None = None
    _collections: list[bool] = field(default_factory=list)  # of the scanner's page?

    def take(self, kind: int, tag: int, value: tuple[int, int]) -> None:
        """One item. value: the number and how many bytes it was written with."""
        if kind == _GLOBAL:
            self._global(tag, value[0])
        elif kind == _LOCAL:
            self._local(tag, *value)
        elif kind == _MAIN:
            self._main(tag, value[0])
            self._usages, self._range_from = [], None

    def _global(self, tag: int, value: int) -> None:
        if tag == _USAGE_PAGE:
            self._now.page = value
        elif tag == _REPORT_SIZE:
            self._now.size = value
        elif tag == _REPORT_COUNT:
            self._now.count = value
        elif tag == _REPORT_ID:
            if not 1 <= value <= 255:
                raise DescriptorError(f"report id {value}")
            self._now.report_id = value
        elif tag == _PUSH:
            _bounded("pushes", len(self._stack) + 1, _DEPTH_MAX)
            self._stack.append(replace(self._now))
        elif tag == _POP:
            if not self._stack:
                raise DescriptorError("a pop without a push")
            self._now = self._stack.pop()

    def _local(self, tag: int, value: int, width: int) -> None:
        usage = value if width == 4 else self._now.page << 16 | value
        if tag == _USAGE:
            self._usages.append(usage)
        elif tag == _USAGE_MIN:
            self._range_from = usage
        elif tag == _USAGE_MAX and self._range_from is not None:
            _bounded("usages", usage - self._range_from, _FIELDS_MAX)
            self._usages += range(self._range_from, usage + 1)
        _bounded("usages", len(self._usages), _FIELDS_MAX)

    def _main(self, tag: int, flags: int) -> None:
        if tag == _COLLECTION:
            _bounded("collections", len(self._collections) + 1, _DEPTH_MAX)
            inside = bool(self._collections and self._collections[-1])
            self._collections.append(inside or any(u >> 16 == _SCANNER_PAGE for u in self._usages))
        elif tag == _END_COLLECTION:
            if not self._collections:
                raise DescriptorError("a collection ends that did not begin")
            self._collections.pop()
        elif tag == _INPUT:
            self._input(flags)

    def _input(self, flags: int) -> None:
        now = self._now
        _bounded("bits of a field", now.size, 8 * REPORT_MAX)
        _bounded("fields", now.count, 8 * REPORT_MAX)
        start = self.lengths.get(now.report_id, 0)
        _bounded("bits of a report", start + now.size * now.count, 8 * REPORT_MAX)
        self.lengths[now.report_id] = start + now.size * now.count
        scanner = bool(self._collections and self._collections[-1])
        if flags & _CONSTANT or not flags & _VARIABLE or not scanner or not self._usages:
            return
        usages = self._usages[:1] if flags & _BUFFERED else self._usages[: now.count]
        for number, usage in enumerate(usages):
            count = 1 if number < len(usages) - 1 else now.count - number  # the last usage holds for the rest
            self.fields.append(_Field(now.report_id, usage, start + number * now.size, now.size, count))
        _bounded("fields", len(self.fields), _FIELDS_MAX)


def _layout(report_id: int, reader: _Reader) -> ScanReport | None:
    """The fields of one report put together; None if its data are not whole bytes."""
    first = 8 if reader.lengths.keys() != {0} else 0  # the id stands before the fields
    by_usage: dict[int, _Field] = {}
    for one in reader.fields:
        if one.report_id == report_id:
            by_usage.setdefault(one.usage, one)
    data, count, more = by_usage[_DATA], by_usage.get(_BYTE_COUNT), by_usage.get(_MORE)
    if data.bits != 8 or (data.bit + first) % 8:
        return None
    if count is not None and (count.bits not in (8, 16) or (count.bit + first) % 8):
        return None
    names = [by_usage[usage] for usage in _IDENTIFIER if usage in by_usage]
    if len(names) != 3 or any(name.bits != 8 or (name.bit + first) % 8 for name in names):
        names = []
    return ScanReport(
        report_id=report_id,
        size=(first + reader.lengths[report_id] + 7) // 8,
        data=(data.bit + first) // 8,
        capacity=data.count,
        length=None if count is None else ((count.bit + first) // 8, count.bits // 8),
        identifier=tuple((name.bit + first) // 8 for name in names),
        more=None if more is None else ((more.bit + first) // 8, 1 << (more.bit + first) % 8),
    )


def _items(descriptor: bytes) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """(type, tag, (value, bytes it was written with)) of each short item; long items are passed over."""
    _bounded("bytes", len(descriptor), DESCRIPTOR_MAX)
    at = 0
    while at < len(descriptor):
        head = descriptor[at]
        if head == 0xFE:  # long item: its size stands in the next byte, its tag after that
            at += 3 + (descriptor[at + 1] if at + 1 < len(descriptor) else 0)
            if at > len(descriptor):
                raise DescriptorError("it ends inside an item")
            continue
        width = (0, 1, 2, 4)[head & 3]
        value = descriptor[at + 1 : at + 1 + width]
        if len(value) < width:
            raise DescriptorError("it ends inside an item")
        yield head >> 2 & 3, head >> 4, (int.from_bytes(value, "little"), width)
        at += 1 + width


def _bounded(what: str, number: int, most: int) -> None:
    if not 0 <= number <= most:
        raise DescriptorError(f"{number} {what}, at most {most} are read")
