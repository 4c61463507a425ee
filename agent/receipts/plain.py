"""A receipt as text for a screen, a log of the demo or a test."""

from __future__ import annotations

from agent.domain.barcode import KINDS
from agent.receipts.charset import Encoding, Pictures, cells, printable
from agent.receipts.layout import Line, layout, wrap
from agent.receipts.model import Align, Barcode, Cut, Feed, Image, Qr, Receipt


def render_text(
    receipt: Receipt, columns: int = 48, encoding: Encoding = "utf-8", pictures: Pictures | None = None
) -> str:
    """The receipt in lines of at most `columns` columns, each ended by a newline; sizes and bold are not shown.

    encoding: as what printer to show it (a printer's own characters and widths); "utf-8" is the screen itself.
    pictures: which characters that printer would be sent as pictures.
    """
    lines: list[str] = []
    for block in layout(receipt, columns, encoding, pictures):
        match block:
            case Line():
                lines.append(_aligned(block, columns, encoding))
            case Qr():
                lines += _code("QR", block.data, columns)
            case Barcode():
                lines += _code(KINDS[block.symbology].title, block.data, columns)
            case Image():
                shown = printable(f"[{block.words}]", encoding, pictures)
                centred = (Line(text, Align.CENTER) for text in wrap(shown, columns, encoding))
                lines += [_aligned(line, columns, encoding) for line in centred]
            case Feed():
                lines.extend([""] * block.lines)
            case Cut():
                lines.append("- " * (columns // 2 - 1) + "-")
    return "".join(f"{line.rstrip(' ')}\n" for line in lines)


def _code(title: str, data: str, columns: int) -> list[str]:
    shown = f"[{title}] {data}"
    return ["", *(shown[start : start + columns] for start in range(0, len(shown), columns)), ""]


def _aligned(line: Line, columns: int, encoding: Encoding) -> str:
    spare = columns - cells(line.text, encoding)
    if line.size > 1 and line.align is Align.LEFT and "  " in line.text:
        # Two columns at double size are laid out for half the columns: let the value end where the others do.
        label, _, value = line.text.rpartition("  ")
        return label + " " * (spare + 2) + value
    indent = {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[line.align]
    return " " * indent + line.text
