"""What an ESC/POS job puts on paper: our own interpreter of the subset that receipts use.

It is stricter than most printers: Chinese mode is off until FS & (as in the firmware that turns missing FS & into
mojibake), unknown commands are reported, and a job that ends inside a command is reported. Knows nothing of how the
job was made. Source: Epson ESC/POS command reference.

Long because what a command leaves on paper is told from what all commands before it set.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.escpos_commands import Command, split_commands

COLUMN_DOTS = 12
LINE_DOTS = 30
TAB_COLUMNS = 8
_CODE_PAGES = {
    0: "cp437",
    2: "cp850",
    3: "cp860",
    4: "cp863",
    5: "cp865",
    16: "cp1252",
    17: "cp866",
    18: "cp852",
    19: "cp858",
}
_ALIGNMENTS = {0: "left", 1: "center", 2: "right"}
PICTURE = "\ufffc"  # OBJECT REPLACEMENT CHARACTER: stands for a bit image that nobody read
BARCODES: dict[int, tuple[str, bytes]] = {
    65: ("UPC-A", rb"[0-9]{12}"),
    67: ("EAN-13", rb"[0-9]{13}"),
    68: ("EAN-8", rb"[0-9]{8}"),
    69: ("CODE39", rb"[0-9A-Z .$/+%-]+"),
    70: ("ITF", rb"([0-9]{2})+"),
    73: ("CODE128", rb"(\{B([ -z|}~]|\{\{)+|\{C[\x00-\x63]+)+"),
}
"""By m of GS k: the kind, and what it takes."""
_QR_LEVELS = {48: "l", 49: "m", 50: "q", 51: "h"}


@dataclass(frozen=True, slots=True)
class Glyph:
    """One printed character. columns: 1 or 2 at width 1. width, height: multiples of the normal cell.

    dots: of a bit image (ESC * 33), three bytes a dot column; then character stands for as many columns as it has."""

    character: str
    columns: int
    bold: bool
    width: int
    height: int
    dots: bytes = b""


@dataclass(frozen=True, slots=True)
class TextLine:
    glyphs: tuple[Glyph, ...]
    align: str
    spacing_dots: int
    column_dots: int = COLUMN_DOTS

    @property
    def text(self) -> str:
        return "".join(glyph.character for glyph in self.glyphs)

    @property
    def columns(self) -> int:
        return sum(glyph.columns for glyph in self.glyphs)

    @property
    def dots(self) -> int:
        return sum(glyph.columns * self.column_dots * glyph.width for glyph in self.glyphs)


@dataclass(frozen=True, slots=True)
class QrSymbol:
    data: str
    level: str
    module_dots: int
    align: str


@dataclass(frozen=True, slots=True)
class BarcodeSymbol:
    """GS k, function B. kind: one of BARCODES. data: as sent: of CODE128 with its code sets."""

    kind: str
    data: bytes
    module_dots: int
    height: int
    align: str


@dataclass(frozen=True, slots=True)
class Raster:
    """GS v 0. rows: one bytes object a row, most significant bit left, 1 is black."""

    row_bytes: int
    rows: tuple[bytes, ...]
    align: str


@dataclass(frozen=True, slots=True)
class Gap:
    dots: int


@dataclass(frozen=True, slots=True)
class PaperCut:
    pass


Mark = TextLine | QrSymbol | BarcodeSymbol | Raster | Gap | PaperCut


@dataclass(frozen=True, slots=True)
class PrintedReceipt:
    """marks: what is on the paper, from top to bottom. problems: commands that were not understood or not whole."""

    marks: tuple[Mark, ...]
    dots: int
    problems: tuple[str, ...]
    column_dots: int = COLUMN_DOTS

    @property
    def text(self) -> str:
        """The text as it stands on the paper, sizes ignored; a QR code as its data, a barcode and a raster not
        at all."""
        lines: list[str] = []
        for mark in self.marks:
            lines.extend(_text_of(mark, self.dots // self.column_dots))
        return "".join(f"{line.rstrip(' ')}\n" for line in lines)

    @property
    def qr_codes(self) -> tuple[str, ...]:
        return tuple(mark.data for mark in self.marks if isinstance(mark, QrSymbol))


def read_receipt(
    job: bytes,
    dots: int = 576,
    charset: str = "gb18030",
    read_dots: Callable[[bytes], str] = lambda _dots: PICTURE,
    column_dots: int = COLUMN_DOTS,
) -> PrintedReceipt:
    """Interpret one job on paper `dots` wide. Never raises: whatever is wrong stands in `problems`.

    charset: the printer's multi-byte set, as Python names it. read_dots: the text that a bit image shows.
    column_dots: of one column of the printer's font."""
    commands, rest = split_commands(job)
    interpreter = _Interpreter(dots, charset, read_dots, column_dots)
    for command in commands:
        interpreter.do(command)
    interpreter.line_feed(only_if_text=True)
    if rest:
        interpreter.problems.append(f"the job ends inside a command: {rest[:8].hex(' ')} ({len(rest)} bytes)")
    return PrintedReceipt(tuple(interpreter.marks), dots, tuple(interpreter.problems), column_dots)


def _gs1_sum(digits: bytes) -> int:
    return sum((digit - 48) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))


def _text_of(mark: Mark, columns: int) -> list[str]:
    match mark:
        case TextLine():
            indent = {"left": 0, "center": (columns - mark.columns) // 2, "right": columns - mark.columns}[
                mark.align
            ]
            return [" " * indent + mark.text]
        case QrSymbol():
            shown = f"[QR] {mark.data}"
            return [shown[start : start + columns] for start in range(0, len(shown), columns)]
        case Gap():
            return [""] * (mark.dots // LINE_DOTS)
        case PaperCut():
            return ["- " * (columns // 2 - 1) + "-"]
        case BarcodeSymbol() | Raster():
            return []


@dataclass(slots=True)
class _Interpreter:
    dots: int
    charset: str
    read_dots: Callable[[bytes], str]
    column_dots: int
    marks: list[Mark] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    glyphs: list[Glyph] = field(default_factory=list)
    align: str = "left"
    bold: bool = False
    width: int = 1
    height: int = 1
    chinese: bool = False
    code_page: str = "cp437"
    spacing_dots: int = LINE_DOTS
    qr_module_dots: int = 3
    qr_level: str = "l"
    qr_data: str = ""
    barcode_module_dots: int = 3
    barcode_height: int = 162

    def do(self, command: Command) -> None:
        """Carry out one command; the table below says which method does it."""
        if not command.known:
            self.problems.append(f"unknown command {command.name.hex(' ')}")
        elif command.name == b"":
            self._print(command.data)
        elif command.name in _ACTIONS:
            _ACTIONS[command.name](self, command.data)
        elif command.name not in _WITHOUT_INK:
            self.problems.append(f"command without effect here: {command.raw[:8].hex(' ')}")

    def initialize(self, _data: bytes) -> None:
        self.glyphs.clear()  # ESC @ clears the print buffer: text without a line feed is lost
        self.align, self.bold, self.width, self.height = "left", False, 1, 1
        self.chinese, self.code_page, self.spacing_dots = False, "cp437", LINE_DOTS
        self.qr_module_dots, self.qr_level, self.qr_data = 3, "l", ""
        self.barcode_module_dots, self.barcode_height = 3, 162

    def _print(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            size = _character_size(data, at, self.charset) if self.chinese else 1
            encoding = self.charset if self.chinese else self.code_page
            character = data[at : at + size].decode(encoding, errors="replace")
            if "�" in character:
                self.problems.append(f"no character in {encoding}: {data[at : at + size].hex(' ')}")
            at += size
            self._place(Glyph(character, 2 if size > 1 else 1, self.bold, self.width, self.height))

    def _place(self, glyph: Glyph) -> None:
        taken = sum(placed.columns * placed.width for placed in self.glyphs) * self.column_dots
        if taken + glyph.columns * glyph.width * self.column_dots > self.dots:
            self.line_feed()  # a printer breaks a line that is too long wherever it stands
        self.glyphs.append(glyph)

    def line_feed(self, _data: bytes = b"", only_if_text: bool = False) -> None:
        if self.glyphs or not only_if_text:
            self.marks.append(TextLine(tuple(self.glyphs), self.align, self.spacing_dots, self.column_dots))
            self.glyphs = []

    def tab(self, _data: bytes) -> None:
        """HT: to the next eighth column, if there is one."""
        taken = sum(placed.columns * placed.width for placed in self.glyphs)
        stop = (taken // TAB_COLUMNS + 1) * TAB_COLUMNS
        if stop * self.column_dots <= self.dots:
            for _ in range(stop - taken):
                self._place(Glyph(" ", 1, self.bold, 1, 1))

    def feed_lines(self, data: bytes) -> None:
        self.line_feed(only_if_text=True)
        self.marks.append(Gap(data[0] * self.spacing_dots))

    def feed_dots(self, data: bytes) -> None:
        self.line_feed(only_if_text=True)
        self.marks.append(Gap(data[0]))

    def bit_image(self, data: bytes) -> None:
        """ESC * m nL nH d1...: it stands in the line of text like a character."""
        if data[0] != 33:
            self.problems.append(f"a bit image of mode {data[0]} is not known here")
            return
        dots = data[3:]
        columns = len(dots) // 3 // self.column_dots
        if columns:
            self._place(Glyph(self.read_dots(dots), columns, False, 1, 1, dots))

    def select_code_system(self, data: bytes) -> None:
        """FS C n: 1 is Shift JIS; without it a Japanese printer reads JIS."""
        if data[0] != 1:
            self.problems.append(f"code system {data[0]} is not known here")

    def set_align(self, data: bytes) -> None:
        if not self.glyphs:  # ESC a counts at the beginning of a line only
            self.align = _ALIGNMENTS.get(data[0] % 48, self.align)

    def set_bold(self, data: bytes) -> None:
        self.bold = bool(data[0] & 1)

    def set_size(self, data: bytes) -> None:
        self.width, self.height = (data[0] >> 4 & 7) + 1, (data[0] & 7) + 1

    def set_mode(self, data: bytes) -> None:
        self.bold = bool(data[0] & 0x08)
        self.width, self.height = (2 if data[0] & 0x20 else 1), (2 if data[0] & 0x10 else 1)

    def set_spacing(self, data: bytes) -> None:
        self.spacing_dots = data[0] if data else LINE_DOTS

    def set_code_page(self, data: bytes) -> None:
        if data[0] in _CODE_PAGES:
            self.code_page = _CODE_PAGES[data[0]]
        else:
            self.problems.append(f"code page {data[0]} is not known here")

    def chinese_on(self, _data: bytes) -> None:
        self.chinese = True

    def chinese_off(self, _data: bytes) -> None:
        self.chinese = False

    def raster(self, data: bytes) -> None:
        """GS v 0 m xL xH yL yH d1...: data begins with "0" m."""
        row_bytes, height = data[2] | data[3] << 8, data[4] | data[5] << 8
        self.line_feed(only_if_text=True)
        if row_bytes * 8 > self.dots:
            self.problems.append(f"a raster of {row_bytes * 8} dots does not fit {self.dots} dots of paper")
            return
        rows = tuple(data[6 + row * row_bytes : 6 + (row + 1) * row_bytes] for row in range(height))
        self.marks.append(Raster(row_bytes, rows, self.align))

    def extended(self, data: bytes) -> None:
        """GS ( fn pL pH ...: only GS ( k for QR codes (cn 49) leaves ink."""
        if data[:1] != b"k" or data[3:4] != b"1":
            self.problems.append(f"command without effect here: 1d 28 {data[:6].hex(' ')}")
            return
        function, parameters = data[4], data[5:]
        if function == 67:
            self.qr_module_dots = parameters[0]
        elif function == 69:
            self.qr_level = _QR_LEVELS.get(parameters[0], "l")
        elif function == 80:
            self.qr_data = parameters[1:].decode("utf-8", errors="replace")
        elif function == 81 and self.qr_data:
            self.line_feed(only_if_text=True)
            self.marks.append(QrSymbol(self.qr_data, self.qr_level, self.qr_module_dots, self.align))

    def set_barcode_height(self, data: bytes) -> None:
        self.barcode_height = data[0]

    def set_barcode_module(self, data: bytes) -> None:
        if 2 <= data[0] <= 6:
            self.barcode_module_dots = data[0]
        else:
            self.problems.append(f"a barcode module of {data[0]} dots is not known here")

    def set_barcode_text(self, data: bytes) -> None:
        if data[0] % 48:
            self.problems.append("text of a barcode is not drawn here")

    def barcode(self, data: bytes) -> None:
        """GS k m n d1...dn."""
        kind, content = BARCODES.get(data[0]), data[2:]
        if kind is None or not re.fullmatch(kind[1], content, re.DOTALL):
            self.problems.append(f"a barcode {data[0]} of {content[:40]!r} is not known here")
            return
        if data[0] in (65, 67, 68) and _gs1_sum(content) % 10:
            self.problems.append(
                f"a barcode {kind[0]} with a wrong check digit, of which printers print nothing"
            )
            return
        self.line_feed(only_if_text=True)
        self.marks.append(
            BarcodeSymbol(kind[0], content, self.barcode_module_dots, self.barcode_height, self.align)
        )

    def cut(self, _data: bytes) -> None:
        self.line_feed(only_if_text=True)
        self.marks.append(PaperCut())


_ACTIONS: dict[bytes, Callable[[_Interpreter, bytes], None]] = {
    b"\n": _Interpreter.line_feed,
    b"\t": _Interpreter.tab,
    b"\x1b@": _Interpreter.initialize,
    b"\x1ba": _Interpreter.set_align,
    b"\x1bE": _Interpreter.set_bold,
    b"\x1b!": _Interpreter.set_mode,
    b"\x1bt": _Interpreter.set_code_page,
    b"\x1bd": _Interpreter.feed_lines,
    b"\x1bJ": _Interpreter.feed_dots,
    b"\x1b2": _Interpreter.set_spacing,
    b"\x1b3": _Interpreter.set_spacing,
    b"\x1b*": _Interpreter.bit_image,
    b"\x1cC": _Interpreter.select_code_system,
    b"\x1c&": _Interpreter.chinese_on,
    b"\x1c.": _Interpreter.chinese_off,
    b"\x1d!": _Interpreter.set_size,
    b"\x1dv": _Interpreter.raster,
    b"\x1d(": _Interpreter.extended,
    b"\x1dh": _Interpreter.set_barcode_height,
    b"\x1dw": _Interpreter.set_barcode_module,
    b"\x1dH": _Interpreter.set_barcode_text,
    b"\x1dk": _Interpreter.barcode,
    b"\x1dV": _Interpreter.cut,
    b"\x1bi": _Interpreter.cut,
    b"\x1bm": _Interpreter.cut,
}

_WITHOUT_INK = frozenset({b"\0", b"\r", b"\x10\x04", b"\x10\x05", b"\x1dr", b"\x1da", b"\x1dI", b"\x1bp"})
"""Padding, status requests and the drawer: understood, nothing to see on paper."""


def _character_size(data: bytes, at: int, charset: str) -> int:
    """Bytes of the character at `at`."""
    lead = data[at]
    if lead < 0x81 or (charset == "cp932" and 0xA0 <= lead < 0xE0):  # half-width katakana
        return 1
    second = data[at + 1] if at + 1 < len(data) else 0
    return 4 if charset == "gb18030" and 0x30 <= second <= 0x39 else 2
