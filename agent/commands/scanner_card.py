"""The test card as PDF: one A4 page with its three codes, and what each of them tells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from agent.commands.coupon_files import whole_file
from agent.commands.errors import CommandError
from agent.commands.sheets import MM, PAGE_MM, QUIET_MODULES, dark_runs
from drivers.card import GS1, KEYS, LETTERS

MODULE_MM = 0.8
_LEFT_MM = 25.0


def codes() -> Iterator[tuple[Any, str, tuple[str, ...]]]:
    """(rows of modules, title, lines) of each code."""
    import segno

    yield (
        _rows(segno.make_qr(KEYS, error="m")),
        "1  Keys",
        (
            "Run: redeemd scanner test   and scan this code.",
            "It tells the keyboard layout, the prefix, the suffix and the speed that the scanner is set to,",
            "and shows the lines for till.toml.",
        ),
    )
    yield (
        _rows(segno.make_qr(LETTERS, error="m", encoding="utf-8", eci=True)),
        "2  Letters",
        (
            "With the till running the page says: not a coupon.",
            "A serial scanner that shows damaged signs instead is set to another encoding than till.toml says.",
        ),
    )
    yield (
        _gs1_rows(),
        "3  GS1",
        (
            "With the till running the page says: no such code.",
            "If it says that the code is damaged, set the scanner to send FNC1 as GS, or its AIM identifier.",
        ),
    )


def _rows(symbol: Any) -> list[bytes]:
    return [bytes(row) for row in symbol.matrix]


def _gs1_rows() -> list[bytes]:
    """FNC1 in first position (ISO/IEC 18004), which segno does not write."""
    try:
        import zxingcpp
    except ModuleNotFoundError:
        raise CommandError("the card needs more packages: pip install 'redeemd[camera]'") from None
    made = zxingcpp.create_barcode(GS1, zxingcpp.BarcodeFormat.QRCode, gs1=True)
    picture = memoryview(made.to_image(scale=1, add_quiet_zones=False)).tobytes()
    side = math.isqrt(len(picture))
    return [bytes(int(dot < 128) for dot in picture[y * side : (y + 1) * side]) for y in range(side)]


def write_card(path: Path) -> None:
    """CommandError where the packages for it are missing or the file is there."""
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ModuleNotFoundError:
        raise CommandError("the card needs more packages: pip install 'redeemd[issuer]'") from None
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=(PAGE_MM[0] * MM, PAGE_MM[1] * MM), invariant=1)
    canvas.setTitle("redeemd scanner test card")
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(_LEFT_MM * MM, (PAGE_MM[1] - 25) * MM, "redeemd: scanner test card")
    canvas.setFont("Helvetica", 9)
    canvas.drawString(
        _LEFT_MM * MM,
        (PAGE_MM[1] - 31) * MM,
        "Print at 100 %. The bar below is 50 mm long if the size is right.",
    )
    canvas.setLineWidth(1.5)
    canvas.line(_LEFT_MM * MM, (PAGE_MM[1] - 35) * MM, (_LEFT_MM + 50) * MM, (PAGE_MM[1] - 35) * MM)
    top = PAGE_MM[1] - 45.0
    for rows, title, lines in codes():
        top = _draw(canvas, rows, title, lines, top)
    canvas.save()
    with whole_file(path) as file:
        file.write(buffer.getvalue())


def _draw(canvas: Any, rows: list[bytes], title: str, lines: tuple[str, ...], top: float) -> float:
    """One code with its words; returns where the next one begins, in mm from the bottom of the page."""
    side = (len(rows) + 2 * QUIET_MODULES) * MODULE_MM
    canvas.saveState()
    canvas.translate((_LEFT_MM + QUIET_MODULES * MODULE_MM) * MM, (top - QUIET_MODULES * MODULE_MM) * MM)
    canvas.scale(MODULE_MM * MM, -MODULE_MM * MM)
    shape = canvas.beginPath()
    for y, row in enumerate(rows):
        for x, length in dark_runs(row):
            shape.rect(x, y, length, 1)
    canvas.drawPath(shape, stroke=0, fill=1)
    canvas.restoreState()
    left = _LEFT_MM + side + 6
    canvas.setFont("Helvetica-Bold", 12)
    canvas.drawString(left * MM, (top - 10) * MM, title)
    canvas.setFont("Helvetica", 8)
    width = (PAGE_MM[0] - left - 12) * MM
    baseline = top - 17.0
    for text in lines:
        for piece in _broken(canvas, text, width):
            canvas.drawString(left * MM, baseline * MM, piece)
            baseline -= 4
    return top - max(side, 30) - 12


def _broken(canvas: Any, text: str, width: float) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and canvas.stringWidth(longer, "Helvetica", 8) > width:
            yield line
            line = word
        else:
            line = longer
    yield line
