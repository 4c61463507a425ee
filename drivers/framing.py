"""Bytes of a scanner in, whole scans and faults out. Sans-I/O: the caller reads and tells the time.

A scanner sends a code and then a suffix (a line end as a rule), perhaps a prefix before it. The framer cuts at the
suffix, in whatever pieces the bytes arrive, and takes off what scanners put around a code (`symbology`). Where no
suffix is sent, silence ends a scan, or the device says itself where it ends (`finish`). A scan that lost its head or
its end is reported, not guessed.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Literal, get_args

from drivers.ports import MAX_SCAN_CHARS, Scan, ScanFault
from drivers.symbology import CONTROLS, UndecodableError, unwrap

Suffix = Literal["auto", "cr", "lf", "crlf", "tab", "etx", "none"]
SUFFIXES: tuple[str, ...] = get_args(Suffix)
"""What a scanner can be set to send after a code. none: silence ends it."""

REPORT = "report"
"""In place of a suffix: the device says where a scan ends, by `Framer.finish`."""

GAP_S = 0.5
"""Silence after which a scan without its suffix is given up. Scanners send a code in one burst."""

_SUFFIX: dict[str, re.Pattern[bytes] | None] = {
    "auto": re.compile(rb"[\r\n\t\x03]"),
    "cr": re.compile(rb"\r"),
    "lf": re.compile(rb"\n"),
    "crlf": re.compile(rb"\r\n"),
    "tab": re.compile(rb"\t"),
    "etx": re.compile(rb"\x03"),
    "none": None,
    REPORT: None,
}
_REMEDY = "set the scanner to send a line end after each code, or set `suffix` to what it sends"
_HEADLESS = "a scan came without the prefix: scan again, or set `prefix` to what the scanner sends"
_CUT = "a scan broke off before the next one began: scan it again"


class Framer:
    """Cuts one scanner's byte stream. Feed it pieces of any size; between pieces ask `expire`.

    source: the configured name, copied into scans and faults. encoding: how the scanner sends text. gap_s: silence
    that ends a scan (suffix none) or gives it up. prefix: what every scan begins with; it must stand in no code.
    typed: see `symbology.unwrap`. Raises ValueError for an unknown suffix, LookupError for an unknown encoding.
    """

    def __init__(
        self,
        source: str,
        suffix: str = "auto",
        encoding: str = "utf-8",
        gap_s: float = GAP_S,
        prefix: str = "",
        *,
        typed: bool = False,
    ):
        if suffix not in _SUFFIX:
            raise ValueError(f"suffix {suffix!r} is not one of {', '.join(SUFFIXES)}")
        codecs.lookup(encoding)
        self.gap_s = gap_s
        self._source = source
        self._prefix = prefix.encode(encoding)
        self._end = _SUFFIX[suffix]
        self._gap_ends = suffix == "none"
        if self._gap_ends and prefix:
            self._end = re.compile(
                b"(?=" + re.escape(self._prefix) + b")"
            )  # the next scan's begin is an end too
        self._encoding = encoding
        self._typed = typed
        self._partial = b""
        self._last_at = 0.0
        self._dropping = False  # until the next suffix; why was reported

    @property
    def pending(self) -> bool:
        """Whether the start of a scan waits for its suffix (so that `expire` has something to watch)."""
        return self._dropping or bool(self._partial.strip(CONTROLS))

    def feed(self, data: bytes, at: float) -> list[Scan | ScanFault]:
        """Take what was read at monotonic time `at`; return what it completed, in order."""
        out = self.expire(at)
        self._last_at = at
        data = self._partial + data
        *frames, self._partial = self._end.split(data) if self._end else [data]
        for frame in frames:
            out += self._finish(frame, at)
        if len(self._partial) > MAX_SCAN_CHARS + 1:  # one more may be the CR of a CR LF
            if not self._dropping:
                out.append(self._too_long(at))
            self._dropping = True
            self._partial = self._partial[-1:]  # it may be the first half of a CR LF
        return out

    def expire(self, now: float) -> list[Scan | ScanFault]:
        """End a scan after the gap if silence is what ends it (suffix none); else give it up."""
        if not self.pending or now - self._last_at < self.gap_s:
            return []
        return self.finish(self._last_at) if self._gap_ends else self.abandon(now)

    def finish(self, at: float) -> list[Scan | ScanFault]:
        """What was fed so far is one whole scan: the device said so."""
        frame, self._partial = self._partial, b""
        return list(self._finish(frame, at))

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
            self._dropping = False  # in step again from here, or from the next scan's begin
            begin = frame.rfind(self._prefix) if self._prefix else -1
            if begin < 0:
                return
            frame = frame[begin:]
        if len(frame) > MAX_SCAN_CHARS:
            yield self._too_long(at)
            return
        body, found = frame, b""
        if self._prefix and (frame.strip(CONTROLS) or self._prefix in frame):
            head, found, body = frame.rpartition(self._prefix)
            if not found or head.strip(CONTROLS):
                yield ScanFault(self._source, "incomplete", _HEADLESS if not found else _CUT, at)
            if not found:
                return
        try:
            text = unwrap(body, self._encoding, typed=self._typed)
        except UndecodableError as error:
            yield ScanFault(self._source, "undecodable", str(error), at)
            return
        if text:
            yield Scan(text, self._source, at)
        elif found:  # else the LF after a CR, or a scanner's empty keep-alive
            yield ScanFault(self._source, "incomplete", _CUT, at)

    def _too_long(self, at: float) -> ScanFault:
        detail = f"more than {MAX_SCAN_CHARS} bytes came without the suffix: {_REMEDY}"
        return ScanFault(self._source, "too_long", detail, at)
