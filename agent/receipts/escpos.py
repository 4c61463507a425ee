"""A receipt as ESC/POS bytes.

The commands are those of python-escpos (`escpos.constants`; tests compare them with its Dummy printer). Its `Escpos`
class is not used at run time: importing it costs 0.4 s and 11 MB on a till, and its text() sends no FS &, prints lone
Chinese punctuation as "?", and wraps Chinese at the wrong width. So text is encoded here and commands are added to
it as bytes. Only what the printer's font lacks is drawn: a few characters within a line of text (ESC *), a whole line
where it is larger than normal (GS v 0).

Every job begins with ESC @ and ends where the paper is cut: nothing of one job leaks into the next.
Sources: Epson ESC/POS command reference; python-escpos 3.1.
"""

from __future__ import annotations

import logging
import re

import segno
from escpos import constants as command

from agent.domain import barcode
from agent.domain.image import read_image
from agent.domain.receipt_template import MODULE_DOTS_MIN
from agent.receipts.charset import Encoding, cells, character_cells, encode, printable, runs
from agent.receipts.layout import Line, layout, wrap
from agent.receipts.model import Align, Barcode, Cut, Feed, Image, Qr, Receipt
from agent.receipts.profile import PrinterProfile

log = logging.getLogger(__name__)

CHINESE_MODE_ON: bytes = command.FS + b"&"  # off at power-on in many models, so it is always said
CHINESE_MODE_OFF: bytes = command.FS + b"."
SHIFT_JIS: bytes = command.FS + b"C\x01"  # Japanese models begin with JIS
FEED_AND_CUT = command.GS + b"VB\x00"  # GS V 66 0: feed the last line past the cutter, then cut
FEED_LINES = command.ESC + b"d"
LEADING = (
    command.ESC + b"J\x0c"
)  # large text fills its line; 1 to 1.5 mm of air below it, depending on the model's unit
RASTER: bytes = command.GS + b"v0\x00"
BIT_IMAGE: bytes = command.ESC + b"*\x21"  # m = 33: 24 dots high, as dense across as down
TWO_D_CODE: bytes = command.GS + b"(k"
QUIET_MODULES = 4  # ISO/IEC 18004; neither printers nor python-escpos leave it
RASTER_BAND_ROWS = 48  # lost bytes spoil one band, not the rest of the roll
TAB_COLUMNS = 8
_BARCODE_NAMES = {
    "ean13": "EAN13",
    "ean8": "EAN8",
    "upca": "UPC-A",
    "code39": "CODE39",
    "itf": "ITF",
    "code128": "CODE128",
}
_LONG_GAP = re.compile("( {4,})")
_REAL_TIME = re.compile(rb"\x10([\x04\x05\x14])")
TYPED_CHARS_MAX = 84
"""Two lines: a link or a number. A signed coupon is longer, and its short code stands beside it."""
TEAR_LINES = 5  # from the print head to the tear bar of a printer without a cutter


def render_escpos(receipt: Receipt, profile: PrinterProfile) -> bytes:
    """The whole job. It leaves the printer as it found it after ESC @: left aligned, normal size, not bold."""
    writer = _Writer(profile)
    for block in layout(receipt, profile.columns, profile.encoding, profile.drawn):
        match block:
            case Line():
                writer.line(block)
            case Qr():
                writer.qr(block)
            case Barcode():
                writer.barcode(block)
            case Image():
                writer.image(block)
            case Feed():
                writer.feed(block.lines)
            case Cut():
                writer.cut()
    return writer.finish()


class _Writer:
    """Collects the job's bytes and sends a style command only where the style changes."""

    def __init__(self, profile: PrinterProfile) -> None:
        self._profile = profile
        self._style: tuple[Align, bool, int] = (Align.LEFT, False, 1)
        self._job = bytearray(command.HW_INIT + character_mode(profile))

    def line(self, line: Line) -> None:
        pieces = list(runs(line.text, self._profile.encoding))
        if line.size > 1 and any(lacking for lacking, _ in pieces):
            self._drawn_line(line)
        else:
            self._set(line.align, line.bold, line.size)
            # Tab stops are counted in the printer's own cells, so only where it sets every character itself.
            plain = line.align is Align.LEFT and line.size == 1 and len(pieces) == 1
            for lacking, text in pieces:
                if lacking:
                    self._job += self._bit_image(text, line.bold)
                elif plain:
                    self._job += with_tabs(text, self._profile.encoding)
                else:
                    self._job += encode(text, self._profile.encoding)
            self._job += command.CTL_LF
        if line.size > 1:
            self._job += LEADING

    def _bit_image(self, text: str, bold: bool) -> bytes:
        """Characters as dots within a line of text, which stands at the same height."""
        from drivers import glyphs  # a picture library: only where it is needed

        width = self._profile.column_dots
        dots = b"".join(
            glyphs.column_bytes(character, character_cells(character, self._profile.encoding), bold, width)
            for character in text
        )
        return BIT_IMAGE + (len(dots) // 3).to_bytes(2, "little") + without_real_time(dots)

    def _drawn_line(self, line: Line) -> None:
        """A whole line as dots: a bit image has one height, and this text is larger."""
        from drivers import glyphs

        placed = [(character, character_cells(character, self._profile.encoding)) for character in line.text]
        _, rows = glyphs.row_bytes(placed, line.size, line.bold, self._profile.column_dots)
        self._set(line.align, False, 1)
        self._job += raster(rows)

    def feed(self, lines: int) -> None:
        self._job += FEED_LINES + bytes((lines,))

    def cut(self) -> None:
        self._set(Align.LEFT, False, 1)
        if self._profile.cutter:
            self._job += FEED_AND_CUT
        else:
            self.feed(TEAR_LINES)

    def qr(self, qr: Qr) -> None:
        """The code; by a printer that can neither make nor draw one, its data, where a person can type that."""
        if not (self._profile.native_qr or self._profile.draws):
            log.warning("a QR code is not printed: the printer draws nothing")
            if len(qr.data) <= TYPED_CHARS_MAX:
                self._words(qr.data)
            return
        code = segno.make_qr(qr.data, error="m", boost_error=False)
        modules = len(code.matrix)
        module_dots = fitting_module_dots(modules, qr.module_dots, self._profile.dots)
        quiet_lines = -(-QUIET_MODULES * module_dots // self._profile.line_dots)
        self._set(Align.CENTER, False, 1)
        self.feed(quiet_lines)
        if self._profile.native_qr:
            self._job += native_qr(qr.data, module_dots)
        else:
            self._job += raster_qr(code, module_dots)
        self.feed(quiet_lines)

    def barcode(self, code: Barcode) -> None:
        """The bars, where the paper has room for them, and the data as text. It was laid out for the narrowest printer
        there was: only a copy, later, can meet a narrower one."""
        symbol = barcode.elements(code.symbology, code.data)
        module_dots = barcode.fitting_module_dots(symbol, code.module_dots, self._profile.dots)
        native = native_barcode(code.symbology, code.data, module_dots) if module_dots else b""
        # Digit pairs of CODE128 are raw bytes: some are a real-time command (1604 is DLE EOT), and are drawn.
        if native and self._profile.native_barcode and not _REAL_TIME.search(native):
            self._set(Align.CENTER, False, 1)
            self._job += native
        elif native and self._profile.draws:
            self._set(Align.CENTER, False, 1)
            self._job += raster_barcode(symbol, module_dots)
        else:
            log.warning("a barcode is printed as text: %s", self._why_not(self._profile.draws))
        self._words(code.data)

    def image(self, image: Image) -> None:
        """The dots, or its words where the paper has no room for them (as for a barcode) or the printer draws none."""
        dots = read_image(image.png)
        draws = self._profile.pictures and self._profile.draws
        if draws and dots.paper_dots <= self._profile.dots:
            self._set(Align.CENTER, False, 1)
            self._job += raster(list(dots.rows))
        else:
            log.warning("an image is printed as its words: %s", self._why_not(draws))
            self._words(image.words)

    def _why_not(self, draws: bool) -> str:
        return (
            f"a printer with {self._profile.dots} dots has no room" if draws else "the printer draws nothing"
        )

    def _words(self, words: str) -> None:
        text = printable(words, self._profile.encoding, self._profile.drawn)
        for line in wrap(text, self._profile.columns, self._profile.encoding):
            self.line(Line(line, Align.CENTER))

    def finish(self) -> bytes:
        self._set(Align.LEFT, False, 1)
        return bytes(self._job)

    def _set(self, align: Align, bold: bool, size: int) -> None:
        was_align, was_bold, was_size = self._style
        if align is not was_align:
            self._job += command.TXT_STYLE["align"][align.value]
        if bold is not was_bold:
            self._job += command.TXT_STYLE["bold"][bold]
        if size != was_size:
            # GS !, not ESC !: it is the one that Chinese characters obey on every model.
            scale = command.TXT_STYLE["width"][size] + command.TXT_STYLE["height"][size]
            self._job += command.TXT_SIZE + bytes((scale,))
        self._style = (align, bold, size)


def character_mode(profile: PrinterProfile) -> bytes:
    """What selects the character set: FS & or FS . with the page."""
    page = profile.code_page
    if page is not None:
        select_page: bytes = command.CODEPAGE_CHANGE
        return CHINESE_MODE_OFF + select_page + bytes((page,))
    return CHINESE_MODE_ON + (SHIFT_JIS if profile.encoding == "shift_jis" else b"")


def with_tabs(text: str, encoding: Encoding) -> bytes:
    """The bytes of a line with HT in place of long runs of spaces: a third of a receipt's bytes are such spaces. After
    ESC @ every printer has a tab stop at each eighth column."""
    line = bytearray()
    at = 0
    for piece in _LONG_GAP.split(text):
        if not _LONG_GAP.fullmatch(piece):
            line += encode(piece, encoding)
            at += cells(piece, encoding)
            continue
        end = at + len(piece)
        while at < end:
            stop = (at // TAB_COLUMNS + 1) * TAB_COLUMNS
            line += command.CTL_HT if stop <= end else b" "
            at = stop if stop <= end else at + 1
    return bytes(line)


def without_real_time(dots: bytes) -> bytes:
    """The same picture, one dot blacker, where its bytes would be a real-time command (DLE EOT, DLE ENQ, DLE DC4):
    printers obey those wherever they stand, even inside a picture, and one of them opens the cash drawer."""
    safe: bytes = _REAL_TIME.sub(b"\x18\\1", dots)
    return safe


def fitting_module_dots(modules: int, wished: int, paper_dots: int) -> int:
    """The largest module up to the wished one at which code and quiet zone fit across the paper."""
    module_dots = min(wished, paper_dots // (modules + 2 * QUIET_MODULES))
    assert module_dots >= MODULE_DOTS_MIN, "the bound on QR data keeps every code on the narrowest paper"
    return module_dots


def native_qr(data: str, module_dots: int) -> bytes:
    """GS ( k, functions 165, 167, 169, 180, 181: model 2, module size, level M, store, print. The printer chooses the
    mode and version; RC1 tokens are alphanumeric."""
    return b"".join(
        _two_d_code(function, parameters)
        for function, parameters in (
            (65, bytes((48 + command.QR_MODEL_2, 0))),
            (67, bytes((module_dots,))),
            (69, bytes((48 + command.QR_ECLEVEL_M,))),
            (80, b"0" + data.encode("ascii")),
            (81, b"0"),
        )
    )


def _two_d_code(function: int, parameters: bytes) -> bytes:
    body = b"1" + bytes((function,)) + parameters
    return TWO_D_CODE + len(body).to_bytes(2, "little") + body


def raster_qr(code: segno.QRCode, module_dots: int) -> bytes:
    """As narrow as the code: the printer centres it (ESC a 1)."""
    row_bytes = -(-len(code.matrix) * module_dots // 8)
    rows: list[bytes] = []
    for matrix_row in code.matrix:
        bits = "".join(("1" if module else "0") * module_dots for module in matrix_row)
        rows += [int(bits.ljust(row_bytes * 8, "0"), 2).to_bytes(row_bytes, "big")] * module_dots
    return raster(rows)


def native_barcode(symbology: str, data: str, module_dots: int) -> bytes:
    """GS h, GS w, GS H (no text: we print it ourselves) and GS k, function B, which says how long its data is."""
    content = data.encode("ascii")
    if symbology == "code128":
        content = b"".join(
            b"{" + used.encode() + _code128_bytes(used, part) for used, part in barcode.code128_runs(data)
        )
    begin: bytes = (
        command.BARCODE_HEIGHT
        + bytes((barcode.HEIGHT_DOTS,))
        + command.BARCODE_WIDTH
        + bytes((module_dots,))
        + command.BARCODE_TXT_OFF
        + command.BARCODE_TYPES["B"][_BARCODE_NAMES[symbology]]
    )
    return begin + bytes((len(content),)) + content


def _code128_bytes(used: str, part: str) -> bytes:
    if used == "C":
        return bytes(barcode.code128_values(used, part))
    return part.encode("ascii").replace(b"{", b"{{")


def raster_barcode(symbol: str, module_dots: int) -> bytes:
    """As narrow as the symbol: the printer centres it, and the paper beside it is its quiet zone."""
    bits = "".join(
        ("0" if place % 2 else "1") * width for place, width in enumerate(barcode.widths(symbol, module_dots))
    )
    row_bytes = -(-len(bits) // 8)
    row = int(bits.ljust(row_bytes * 8, "0"), 2).to_bytes(row_bytes, "big")
    return raster([row] * barcode.HEIGHT_DOTS)


def raster(rows: list[bytes]) -> bytes:
    """GS v 0 in bands. rows: from the top, all equally long, most significant bit left, 1 is black."""
    width = len(rows[0]).to_bytes(2, "little")
    bands = [rows[start : start + RASTER_BAND_ROWS] for start in range(0, len(rows), RASTER_BAND_ROWS)]
    return b"".join(
        RASTER + width + len(band).to_bytes(2, "little") + without_real_time(b"".join(band)) for band in bands
    )
