"""From a receipt to lines that fit the paper: wrapping, two columns, sizes. Pure; the same for every output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.receipts.charset import Encoding, Pictures, cells, printable
from agent.receipts.model import (
    Align,
    Barcode,
    Columns,
    Cut,
    Element,
    Feed,
    Image,
    Qr,
    Receipt,
    ReceiptError,
    Rule,
    Text,
)

COLUMNS_MIN, COLUMNS_MAX = 24, 96
COLUMN_GAP = 2
LEFT_MIN = 8  # a narrower label column reads worse than a value on a line of its own

_OPENING = "（《〈「『【“‘("
_CLOSING = "，。、；：！？）》〉」』】”’…％"
# What must stay together: a Latin word or an amount with its sign, else one character; with the punctuation that may
# not begin or end a line.
_UNIT = re.compile(rf" +|[{_OPENING}]*(?:[!-~￥¥€£]+|[^ ])[{_CLOSING}]*")

_PAUSE = re.compile(rf"[，。、；：！？][{_CLOSING}]*|[,;:.!?] ")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text that fits: cells(text) * size <= columns."""

    text: str
    align: Align = Align.LEFT
    bold: bool = False
    size: int = 1


Block = Line | Qr | Barcode | Image | Feed | Cut


def layout(
    receipt: Receipt, columns: int, encoding: Encoding, pictures: Pictures | None = None
) -> Iterator[Block]:
    """The receipt's lines and blocks from top to bottom. columns: half-width cells across the paper. pictures: which
    characters may stay though the character set lacks them."""
    if not COLUMNS_MIN <= columns <= COLUMNS_MAX:
        raise ReceiptError(f"columns is {columns}; it must be {COLUMNS_MIN} to {COLUMNS_MAX}")
    for element in receipt.elements:
        yield from _lay_out(element, columns, encoding, pictures)


def _lay_out(
    element: Element, columns: int, encoding: Encoding, pictures: Pictures | None
) -> Iterator[Block]:
    match element:
        case Text():
            text = printable(element.text, encoding, pictures)
            size = _largest_size(cells(text, encoding), element.size, columns)
            broken = balanced if element.align is Align.CENTER else wrap
            for line in broken(text, columns // size, encoding):
                yield Line(line, element.align, element.bold, size)
        case Columns():
            left = printable(element.left, encoding, pictures)
            right = printable(element.right, encoding, pictures)
            width = cells(left, encoding) + COLUMN_GAP + cells(right, encoding)
            size = _largest_size(width, element.size, columns)
            for line in two_columns(left, right, columns // size, encoding):
                yield Line(line, Align.LEFT, element.bold, size)
        case Rule():
            yield Line(rule(columns, encoding))
        case Qr():
            yield element
            if element.caption:
                yield from _lay_out(Text(element.caption, Align.CENTER), columns, encoding, pictures)
        case Barcode() | Image() | Feed() | Cut():
            yield element


def _largest_size(width: int, wished: int, columns: int) -> int:
    """The largest size up to the wished one at which the text stays on one line; 1 if none does."""
    return max((size for size in range(2, wished + 1) if width * size <= columns), default=1)


def rule(columns: int, encoding: Encoding) -> str:
    """A line across the paper: ─ takes one or two columns, depending on the character set. Where that lacks it, "-" is
    one byte a column and a picture 36."""
    mark = printable("─", encoding)
    mark = mark if mark == "─" else "-"
    return mark * (columns // cells(mark, encoding))


def wrap(text: str, width: int, encoding: Encoding) -> list[str]:
    """Break a `printable` text into lines of at most `width` cells (at least 2): between Latin words, between any two
    Chinese characters but not before closing or after opening punctuation, inside a word only where it is too long.
    White space at a break is dropped; an empty text is one empty line."""
    assert width >= 2, width
    lines = [""]
    for unit in _UNIT.findall(text):
        if cells(lines[-1] + unit, encoding) <= width:
            lines[-1] += unit
        elif unit.startswith(" "):
            lines.append("")
        elif cells(unit, encoding) <= width:
            lines.append(unit)
        else:
            _append_by_character(lines, unit, width, encoding)
    return [line.rstrip(" ") for line in lines if line.strip(" ")] or [""]


def balanced(text: str, width: int, encoding: Encoding) -> list[str]:
    """`wrap` into as few lines, but about equally long, two of them parted at punctuation where they can be: a single
    character centred below a full line looks like a fault."""
    lines = wrap(text, width, encoding)
    if len(lines) == 1:
        return lines

    def widest(found: list[str]) -> int:
        return max(cells(line, encoding) for line in found)

    parted = [[text[: end.end()].strip(" "), text[end.end() :].strip(" ")] for end in _PAUSE.finditer(text)]
    if fitting := [two for two in parted if all(two) and widest(two) <= width and len(lines) == 2]:
        return min(fitting, key=widest)
    least = max(-(-cells(text, encoding) // len(lines)), 2)
    tried = (wrap(text, columns, encoding) for columns in range(least, width))
    return next((found for found in tried if len(found) == len(lines)), lines)


def _append_by_character(lines: list[str], unit: str, width: int, encoding: Encoding) -> None:
    for character in unit:
        if cells(lines[-1] + character, encoding) > width:
            lines.append("")
        lines[-1] += character


def two_columns(left: str, right: str, width: int, encoding: Encoding) -> list[str]:
    """Lines of a label and its value: the label wraps beside it, the value stands at the right end of the last line.
    Where too little room is left for the label, the value gets lines of its own, still to the right."""
    right_cells = cells(right, encoding)
    room = width - right_cells - COLUMN_GAP
    if right_cells == 0:
        return wrap(left, width, encoding)
    if room < min(LEFT_MIN, max(2, cells(left, encoding))):
        values = balanced(right, width, encoding)
        labels = wrap(left, width, encoding) if left.strip() else []
        return labels + [_pad(value, width, encoding) for value in values]
    *above, last = wrap(left, room, encoding)
    gap = width - cells(last, encoding) - right_cells
    return [*above, last + " " * gap + right]


def _pad(text: str, width: int, encoding: Encoding) -> str:
    return " " * (width - cells(text, encoding)) + text
