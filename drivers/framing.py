"""Bytes of a scanner in, whole scans and faults out. Sans-I/O: the caller reads and tells the time.

A serial scanner sends a code and then a suffix (a line end as a rule). The framer cuts at the suffix, in
whatever pieces the bytes arrive, and takes off what scanners put around a code: control bytes (STX, the LF after a
CR) and the AIM symbology identifier ("]Q1", ISO/IEC 15424). What says that the text is GS1 data stays: the
identifiers of GS1 symbols, and the control character GS for FNC1. What never ends is reported, not guessed.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Literal, get_args

from drivers.ports import MAX_SCAN_CHARS, Scan, ScanFault

Suffix = Literal["auto", "cr", "lf", "crlf", "tab", "etx"]
SUFFIXES: tuple[str, ...] = get_args(Suffix)

GAP_S = 0.5
"""Silence after which a scan without its suffix is given up. Scanners send a code in one burst."""

_SUFFIX = {
    "auto": re.compile(rb"[\r\n\t\x03]"),
    "cr": re.compile(rb"\r"),
    "lf": re.compile(rb"\n"),
    "crlf": re.compile(rb"\r\n"),
    "tab": re.compile(rb"\t"),
    "etx": re.compile(rb"\x03"),
}
_REMEDY = "set the scanner to send a line end after each code, or set `suffix` to what it sends"
_GS = b"\x1d"
_CONTROLS = bytes(range(0x20)).replace(_GS, b"") + b"\x7f"
_AIM_IDENTIFIER = re.compile(rb"\](?!C1|e[0-2]|d2|Q3|J1)[A-Za-z][0-9A-Za-z]")


class Framer:
    """Cuts one scanner's byte stream. Feed it pieces of any size; between pieces ask `expire`.

    source: the configured name, copied into scans and faults. encoding: how the scanner sends text.
    Raises ValueError for an unknown suffix, LookupError for an unknown encoding.
    """

    def __init__(self, source: str, suffix: str = "auto", encoding: str = "utf-8", gap_s: float = GAP_S):
        if suffix not in _SUFFIX:
            raise ValueError(f"suffix {suffix!r} is not one of {', '.join(SUFFIXES)}")
        codecs.lookup(encoding)
        self._source = source
        self._suffix = _SUFFIX[suffix]
        self._encoding = encoding
        self._gap_s = gap_s
        self._partial = b""
        self._last_at = 0.0
        self._dropping = False  # until the next suffix; why was reported

    @property
    def pending(self) -> bool:
        """Whether the start of a scan waits for its suffix (so that `expire` has something to watch)."""
        return self._dropping or bool(self._partial.strip(_CONTROLS))

    def feed(self, data: bytes, at: float) -> list[Scan | ScanFault]:
        """Take what was read at monotonic time `at`; return what it completed, in order."""
        out = self.expire(at)
        self._last_at = at
        *frames, self._partial = self._suffix.split(self._partial + data)
        for frame in frames:
            out += self._finish(frame, at)
        if len(self._partial) > MAX_SCAN_CHARS + 1:  # one more may be the CR of a CR LF
            if not self._dropping:
                out.append(self._too_long(at))
            self._dropping = True
            self._partial = self._partial[-1:]  # it may be the first half of a CR LF
        return out

    def expire(self, now: float) -> list[Scan | ScanFault]:
        """Give up a scan whose suffix has not come within the gap."""
        if not self.pending or now - self._last_at < self._gap_s:
            return []
        return self.abandon(now)

    def abandon(self, now: float) -> list[Scan | ScanFault]:
        """Give up what is pending at once: the device is gone."""
        size, reported, pending = len(self._partial), self._dropping, self.pending
        self._partial, self._dropping = b"", False
        if reported or not pending:
            return []
        return [
            ScanFault(self._source, "incomplete", f"{size} bytes came without the suffix: {_REMEDY}", now)
        ]

    def spoil(self, code: str, detail: str, now: float) -> list[Scan | ScanFault]:
        """Something of the scan under way is missing or wrong: one fault, and the rest of it is dropped."""
        out = self.expire(now)
        if not self._dropping:
            out.append(ScanFault(self._source, code, detail, now))
        self._partial, self._dropping, self._last_at = b"", True, now
        return out

    def _finish(self, frame: bytes, at: float) -> Iterator[Scan | ScanFault]:
        if self._dropping:
            self._dropping = False  # in step again from here
            return
        if len(frame) > MAX_SCAN_CHARS:
            yield self._too_long(at)
            return
        body = strip_decoration(frame)
        if not body:
            return  # the LF after a CR, or a scanner's empty keep-alive
        try:
            yield Scan(body.decode(self._encoding), self._source, at)
        except UnicodeDecodeError as error:
            detail = (
                f"byte {error.start + 1} of {len(body)} is not {self._encoding}:"
                " check the line's speed and parity, and `encoding`"
            )
            yield ScanFault(self._source, "undecodable", detail, at)

    def _too_long(self, at: float) -> ScanFault:
        detail = f"more than {MAX_SCAN_CHARS} bytes came without the suffix: {_REMEDY}"
        return ScanFault(self._source, "too_long", detail, at)


def strip_decoration(frame: bytes) -> bytes:
    """Take off control bytes but GS at both ends and one AIM identifier, unless it is of GS1, at the front."""
    body = frame.strip(_CONTROLS)
    identifier = _AIM_IDENTIFIER.match(body)
    return body[identifier.end() :].strip(_CONTROLS) if identifier else body
