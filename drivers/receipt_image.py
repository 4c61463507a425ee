"""Draws a printed receipt dot for dot, as a printer would whose font is 24 dots high. Needs the extra `demo`."""

from __future__ import annotations

import io

import segno
from PIL import Image, ImageOps

from drivers import barcode_picture
from drivers.escpos_reader import (
    BarcodeSymbol,
    Gap,
    Glyph,
    Mark,
    PaperCut,
    PrintedReceipt,
    QrSymbol,
    Raster,
    TextLine,
)
from drivers.glyphs import CELL_DOTS, cell

PAPER_DOTS_MAX = 20_000  # 2.5 m of paper
MARGIN_DOTS = 16  # above the first and below the last line, so that the picture looks like torn paper
_BLACK, _WHITE = 0, 255


def draw_png(receipt: PrintedReceipt, side_dots: int = 0) -> bytes:
    """A 1-bit PNG as wide as the printed area and `side_dots` on both sides, at most PAPER_DOTS_MAX high."""
    height = min(2 * MARGIN_DOTS + sum(_height(mark) for mark in receipt.marks), PAPER_DOTS_MAX)
    paper = Image.new("L", (receipt.dots, height), _WHITE)
    top = MARGIN_DOTS
    for mark in receipt.marks:
        _draw(paper, mark, top)
        top += _height(mark)
    if side_dots:
        paper = ImageOps.expand(paper, (side_dots, 0), _WHITE)
    out = io.BytesIO()
    paper.convert("1", dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _height(mark: Mark) -> int:
    match mark:
        case TextLine():
            tallest = max((glyph.height for glyph in mark.glyphs), default=1)
            return max(mark.spacing_dots, tallest * CELL_DOTS)
        case QrSymbol():
            return len(_symbol(mark.data, mark.level).matrix) * mark.module_dots
        case BarcodeSymbol():
            return mark.height
        case Raster():
            return len(mark.rows)
        case Gap():
            return mark.dots
        case PaperCut():
            return 0


def _draw(paper: Image.Image, mark: Mark, top: int) -> None:
    match mark:
        case TextLine():
            left = _left(mark.align, mark.dots, paper.width)
            base = max((glyph.height for glyph in mark.glyphs), default=1)
            for glyph in mark.glyphs:
                paper.paste(_glyph(glyph, mark.column_dots), (left, top + (base - glyph.height) * CELL_DOTS))
                left += glyph.columns * mark.column_dots * glyph.width
        case QrSymbol():
            picture = _qr_picture(mark)
            paper.paste(picture, (_left(mark.align, picture.width, paper.width), top))
        case BarcodeSymbol():
            picture = barcode_picture.picture(mark)
            paper.paste(picture, (_left(mark.align, picture.width, paper.width), top))
        case Raster():
            bits = Image.frombytes(
                "1", (mark.row_bytes * 8, len(mark.rows)), b"".join(mark.rows), "raw", "1;I"
            )
            paper.paste(bits.convert("L"), (_left(mark.align, bits.width, paper.width), top))
        case Gap() | PaperCut():
            pass


def _left(align: str, width: int, paper_width: int) -> int:
    return {"left": 0, "center": (paper_width - width) // 2, "right": paper_width - width}[align]


def _symbol(data: str, level: str) -> segno.QRCode:
    return segno.make_qr(data, error=level, boost_error=False)


def _qr_picture(mark: QrSymbol) -> Image.Image:
    code = _symbol(mark.data, mark.level)
    modules = len(code.matrix)
    picture = Image.new("L", (modules, modules), _WHITE)
    picture.putdata([_BLACK if module else _WHITE for row in code.matrix for module in row])
    edge = modules * mark.module_dots
    return picture.resize((edge, edge), Image.Resampling.NEAREST)


def _glyph(glyph: Glyph, column_dots: int) -> Image.Image:
    """The character in its cell, or the dots that were sent for it."""
    if glyph.dots:
        columns = Image.frombytes("1", (CELL_DOTS, len(glyph.dots) // 3), glyph.dots, "raw", "1;I")
        return columns.convert("L").transpose(Image.Transpose.TRANSPOSE)
    width, height = glyph.columns * column_dots * glyph.width, CELL_DOTS * glyph.height
    return cell(glyph.character, width, height, glyph.width if glyph.bold else 0)
