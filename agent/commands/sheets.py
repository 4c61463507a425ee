"""Printable sheets: A4, two columns of seven coupons with cut marks, as PDF.

A module of the QR code is 0.55 mm wide, above the 0.396 mm that GS1 asks for at a till; codes are drawn as shapes, not
as pictures, so that every printer has sharp edges. Text is set in a font that is embedded: WenQuanYi Micro Hei unless
another TrueType font is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path
from typing import Any

from agent.commands.coupon_files import Coupon, Output, symbol, whole_file
from agent.commands.errors import CommandError
from agent.domain.benefit import lowered
from agent.domain.campaign import Campaign, Words
from agent.domain.offer_words import benefit_words
from agent.domain.time import day_text
from agent.domain.token import TEXT_PREFIX

COUPONS_MAX = 10_000
"""Of one file: more than anyone prints on an office printer, and the file is built in memory."""
MM = 72 / 25.4
PAGE_MM = (210.0, 297.0)
COLUMNS, ROWS = 2, 7
CARD_MM = (95.0, 38.0)
MARGIN_MM = ((PAGE_MM[0] - COLUMNS * CARD_MM[0]) / 2, (PAGE_MM[1] - ROWS * CARD_MM[1]) / 2)
MODULE_MM = 0.55
CODE_MM = 27.0
"""Least side of a code with its quiet zone: short codes have larger modules."""
QUIET_MODULES = 4
CUT_MARK_MM = 4.0
_PADDING_MM = 2.5
_EDGE_MM = 0.5
LEADING = 1.25
_SCALES = (1.0, 0.9, 0.8, 0.7, 0.6)
"""Of the letters, where texts are long."""
_FONT = "coupon"
_ELLIPSIS = "…"
_TOKEN_CHARS = 192  # of a usual coupon, behind its prefix


@dataclass(frozen=True, slots=True)
class Line:
    """One text of a card. size: of the letters, in points. most: lines it may take; what is longer is cut."""

    text: str
    size: float
    most: int = 1


def card_lines(campaign: Campaign, coupon: Coupon) -> list[Line]:
    """What stands beside the code, from top to bottom."""
    offer = benefit_words(lowered(campaign.offer.benefit, coupon.value_minor), campaign.currency)
    days = f"{coupon.not_before} – {coupon.expires}"
    place = (
        Words("", "")
        if coupon.store is None
        else Words(f"限 {coupon.store} 号店", f"store {coupon.store} only")
    )
    lines = [
        Line(campaign.title.zh, 12, 2),
        Line(campaign.title.en, 8.5, 2),
        Line(f"{offer.zh} / {offer.en}", 8, 2),
        Line(f"有效期 Valid {days}", 6.5),
        Line("  ".join(part for part in (place.zh, place.en) if part), 6.5),
        Line(campaign.conditions.zh, 6, 2),
        Line(campaign.conditions.en, 6, 2),
        Line("" if coupon.token.startswith(TEXT_PREFIX) else coupon.token, 10),  # a code can be typed
        Line(f"{coupon.issuer} {coupon.number}", 6.5),
    ]
    return [line for line in lines if line.text]


@contextmanager
def sheets(
    path: Path, campaign: Campaign, font: Path | None = None, *, shorten: bool = False
) -> Iterator[Output]:
    """The sheets as one PDF file. CommandError if the font cannot be used or lacks a character, and, unless `shorten`,
    for a text that does not fit on the card even in the smallest print: conditions that are cut are none."""
    with ExitStack() as stack:
        font_file = font or stack.enter_context(_our_font())
        file = stack.enter_context(whole_file(path))
        drawn = _Sheets(campaign, font_file, shorten=shorten)
        yield drawn
        file.write(drawn.finish())


@contextmanager
def _our_font() -> Iterator[Path]:
    try:
        found = files("paperang_p2_fonts_cjk").joinpath("fonts", "wqy-microhei.ttc")
    except ModuleNotFoundError:
        raise CommandError("--pdf needs more packages: pip install 'redeemd[issuer]'") from None
    with as_file(found) as path:
        yield path


class _Sheets:
    def __init__(self, campaign: Campaign, font: Path, *, shorten: bool) -> None:
        try:
            from reportlab import rl_config
            from reportlab.pdfbase import pdfmetrics
            from reportlab.pdfbase.ttfonts import TTFError, TTFont
            from reportlab.pdfgen.canvas import Canvas
        except ModuleNotFoundError:
            raise CommandError("--pdf needs more packages: pip install 'redeemd[issuer]'") from None
        rl_config.useA85 = 0  # binary streams: a quarter smaller
        try:
            loaded = TTFont(_FONT, str(font))
        except (TTFError, OSError) as error:
            raise CommandError(
                f"the font {font} cannot be used: {error}. Name a TrueType font (.ttf, .ttc)"
            ) from None
        pdfmetrics.registerFont(loaded)
        self._glyphs = loaded.face.charToGlyph
        self._width = pdfmetrics.stringWidth
        self._campaign = campaign
        self._shorten = shorten
        self._buffer = BytesIO()
        self._canvas: Any = Canvas(
            self._buffer, pagesize=(PAGE_MM[0] * MM, PAGE_MM[1] * MM), pageCompression=1, invariant=1
        )
        self._canvas.setTitle(f"{campaign.issuer} {campaign.number} {campaign.title.zh} {campaign.title.en}")
        self._canvas.setCreator("redeemd")
        self._count = 0
        self._try_out()

    def _try_out(self) -> None:
        """What the campaign's texts lack is found before a coupon is issued: on the card of one that has it all."""
        number = self._campaign.size - 1
        days = day_text(self._campaign.starts), day_text(self._campaign.ends)
        name = f"{self._campaign.number}-{number}"
        token = TEXT_PREFIX + "A" * _TOKEN_CHARS
        coupon = Coupon(self._campaign.issuer, self._campaign.number, number, name, *days, 0, None, token)
        self._fitted(
            card_lines(self._campaign, coupon),
            (CARD_MM[0] - 2 * _PADDING_MM - _side(len(symbol(token).matrix))[1]) * MM,
        )

    def add(self, coupon: Coupon) -> None:
        if self._count == COUPONS_MAX:
            raise CommandError(
                f"one PDF holds {COUPONS_MAX} coupons: issue fewer at once, or use --csv for a print shop"
            )
        place = self._count % (COLUMNS * ROWS)
        if place == 0:
            if self._count:
                self._canvas.showPage()
            self._cut_marks()
        row, column = divmod(place, COLUMNS)
        left = MARGIN_MM[0] + column * CARD_MM[0]
        top = PAGE_MM[1] - MARGIN_MM[1] - row * CARD_MM[1]
        side = self._code(coupon.token, left + _PADDING_MM, top - CARD_MM[1] / 2)
        text_left = left + _PADDING_MM + side
        self._text(
            card_lines(self._campaign, coupon), text_left, top, left + CARD_MM[0] - _PADDING_MM - text_left
        )
        self._count += 1

    def finish(self) -> bytes:
        self._canvas.save()
        return self._buffer.getvalue()

    def _cut_marks(self) -> None:
        """Short lines in the margins, where nothing of a coupon is."""
        self._canvas.setLineWidth(0.25)
        right, top = PAGE_MM[0] - MARGIN_MM[0], PAGE_MM[1] - MARGIN_MM[1]
        for column in range(COLUMNS + 1):
            x = MARGIN_MM[0] + column * CARD_MM[0]
            for y in (top, MARGIN_MM[1] - CUT_MARK_MM):
                self._canvas.line(x * MM, y * MM, x * MM, (y + CUT_MARK_MM) * MM)
        for row in range(ROWS + 1):
            y = MARGIN_MM[1] + row * CARD_MM[1]
            for x in (MARGIN_MM[0] - CUT_MARK_MM, right):
                self._canvas.line(x * MM, y * MM, (x + CUT_MARK_MM) * MM, y * MM)

    def _code(self, text: str, left: float, middle: float) -> float:
        """Draw the QR code; returns its side with the quiet zone, in mm."""
        rows = [bytes(row) for row in symbol(text).matrix]
        module, side = _side(len(rows))
        canvas = self._canvas
        canvas.saveState()
        quiet = QUIET_MODULES * module
        canvas.translate((left + quiet) * MM, (middle + side / 2 - quiet) * MM)
        canvas.scale(module * MM, -module * MM)  # one unit is one module, downwards
        path = canvas.beginPath()
        for y, row in enumerate(rows):
            for x, length in dark_runs(row):
                path.rect(x, y, length, 1)
        canvas.drawPath(path, stroke=0, fill=1)
        canvas.restoreState()
        return side

    def _text(self, lines: list[Line], left: float, top: float, width: float) -> None:
        placed = self._fitted(lines, width * MM)
        free = CARD_MM[1] * MM - _height(placed)
        y = top * MM - free / 2
        for piece, size in placed:
            y -= size * LEADING
            self._canvas.setFont(_FONT, size)
            self._canvas.drawString(left * MM, y + size * (LEADING - 1), piece)

    def _fitted(self, lines: list[Line], width: float) -> list[tuple[str, float]]:
        """(text, size) of every line, as large as the card allows; whole, or cut in the smallest print."""
        placed: list[tuple[str, float]] = []
        room = (CARD_MM[1] - 2 * _EDGE_MM) * MM
        for scale in _SCALES:
            scaled = [replace(line, size=line.size * scale) for line in lines]
            broken = [(line, self.wrapped(line, width)) for line in scaled]
            cut = next((line for line, pieces in broken if len(pieces) > line.most), None)
            placed = [
                (piece, line.size) for line, pieces in broken for piece in self._cut(line, pieces, width)
            ]
            if cut is None and _height(placed) <= room:
                return placed
        assert _height(placed) <= room, "the texts of a card are bounded and fit at the smallest scale"
        if cut is not None and not self._shorten:
            raise CommandError(
                f"{cut.text[:40]!r} ... does not fit on the card in {cut.most} lines: "
                "shorten it in the campaign, or say --shorten to end it with …"
            )
        return placed

    def wrapped(self, line: Line, width: float) -> list[str]:
        """`line` broken to `width` points: between words, and between any two Chinese characters."""
        missing = sorted({char for char in line.text if ord(char) not in self._glyphs})
        if missing:
            signs = " ".join(f"{char} (U+{ord(char):04X})" for char in missing[:5])
            raise CommandError(
                f"the font has no sign for {signs}: leave it out, or name another font with --font"
            )
        return wrap(line.text, lambda text: self._width(text, _FONT, line.size) <= width)

    def _cut(self, line: Line, pieces: list[str], width: float) -> list[str]:
        """What is beyond the line's share of the card ends in an ellipsis."""
        if len(pieces) <= line.most:
            return pieces
        last = pieces[line.most - 1]
        while last and self._width(last + _ELLIPSIS, _FONT, line.size) > width:
            last = last[:-1]
        return [*pieces[: line.most - 1], last.rstrip() + _ELLIPSIS]


def _side(rows: int) -> tuple[float, float]:
    """(side of a module, of the code with its quiet zone) of a symbol of so many rows, in mm."""
    modules = rows + 2 * QUIET_MODULES
    module = max(MODULE_MM, CODE_MM / modules)
    return module, modules * module


def _height(placed: list[tuple[str, float]]) -> float:
    return sum(size * LEADING for _, size in placed)


def dark_runs(row: bytes) -> Iterator[tuple[int, int]]:
    """(first, length) of each run of dark modules in a row of 0 (light) and 1 (dark)."""
    start = row.find(1)
    while start >= 0:
        end = row.find(0, start)
        end = len(row) if end < 0 else end
        yield start, end - start
        start = row.find(1, end)


def wrap(text: str, fits: Any) -> list[str]:
    """Greedy lines of `text` for which `fits(line)` holds; a word that fits nowhere is broken."""
    lines = [""]
    for word in words(text):
        if fits(lines[-1] + word.rstrip()):
            lines[-1] += word
            continue
        if lines[-1]:
            lines.append("")
        for char in word:
            if lines[-1] and not fits(lines[-1] + char):
                lines.append("")
            lines[-1] += char
    return [line.rstrip() for line in lines if line.strip()]


def words(text: str) -> Iterator[str]:
    """What is not broken: a run of letters with the spaces behind it, or one wide character with its punctuation."""
    word = ""
    for char in text:
        ends = char == " " or _is_wide(char)
        starts = _is_wide(char) and char not in "，。；：！？、）】》"
        if word and (starts or (word[-1] == " " and char != " ")):
            yield word
            word = ""
        word += char
        if ends and _is_wide(char) and char in "，。；：！？、）】》":
            yield word
            word = ""
    if word:
        yield word


def _is_wide(char: str) -> bool:
    return char >= "\u2e80"
