"""Reads drawn characters back from the dots of a job, as a person reads them from the paper."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from agent.receipts.charset import Encoding, character_cells, runs
from drivers import glyphs
from drivers.escpos_reader import PrintedReceipt, Raster

RARE = "".join(character for character in "䶮𠮷㐂鿬" if glyphs.has(character))
"""Those that a font of this machine has: package fonts-noto-cjk has all four, the font that we install has none."""
MODEL = (
    "合计 ￥612.50",
    "，。￥（）：",
    "“满减”——《公告》…",
    "罕见字：" + RARE,
    "café €3 × 2 ñandú",
    "中文 English 混排 123，好的",
    "满一百元减三十元，任意门店可用",
)
MODEL_TEXT = (
    "".join(MODEL)
    + "好□满100减3ü"
    + "优惠核销凭证重打第次编号收银台时间活动内容消费抵扣应付金额本为您节省已离线联网后自动登记"
)


def _blackened(dots: bytes) -> bytes:
    """As `without_real_time` may have left it, whether it had to or not."""
    return dots.replace(b"\x10", b"\x18")


@cache
def _known() -> dict[bytes, str]:
    """Dots of the characters that tests print, among 300 common ones that they do not."""
    common = "".join(
        bytes((row, cell)).decode("gb2312") for row in range(0xB0, 0xB4) for cell in range(0xA1, 0xEF)
    )
    found: dict[bytes, str] = {}
    for character in dict.fromkeys(MODEL_TEXT + common + RARE + "".join(map(chr, range(0x21, 0x7F)))):
        found.setdefault(_blackened(glyphs.column_bytes(character, _columns(character))), character)
    found[bytes(3 * glyphs.COLUMN_DOTS)] = " "
    return found


def read_dots(dots: bytes) -> str:
    """The text of one bit image; ? for what is no known character."""
    text, at = "", 0
    while at < len(dots):
        wide, narrow = (_blackened(dots[at : at + 3 * glyphs.COLUMN_DOTS * columns]) for columns in (2, 1))
        known = wide in _known() and len(wide) == 2 * len(narrow)
        text += _known()[wide] if known else _known().get(narrow, "?")
        at += len(wide if known else narrow)
    return text


def read_drawn_lines(receipt: PrintedReceipt, size: int) -> str:
    """The text of lines that were drawn whole, `size` times as large; their bands are put together first."""
    rows: list[bytes] = []
    for mark in receipt.marks:
        if isinstance(mark, Raster):
            rows += mark.rows
    tall = glyphs.CELL_DOTS * size
    return "\n".join(_read_rows(rows[top : top + tall], size) for top in range(0, len(rows), tall))


def _read_rows(rows: list[bytes], size: int) -> str:
    width = len(rows[0]) * 8
    picture = [f"{int.from_bytes(row, 'big'):0{width}b}" for row in rows]
    best = ""
    at, step = 0, glyphs.COLUMN_DOTS * size
    while at + step <= width:
        for columns in (2, 1):
            cut = tuple(row[at : at + step * columns] for row in picture)
            if (found := _drawn(size).get(cut)) is not None:
                best += found
                at += step * columns
                break
        else:
            best, at = best + "?", at + step
    return best


@cache
def _drawn(size: int) -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {}
    for character in set(_known().values()) - {" "}:
        columns = _columns(character)
        row, rows = glyphs.row_bytes([(character, columns)], size)
        bits = (f"{int.from_bytes(line, 'big'):0{row * 8}b}" for line in rows)
        found[tuple(line[: columns * glyphs.COLUMN_DOTS * size] for line in bits)] = character
    found[(("0" * glyphs.COLUMN_DOTS * size),) * (glyphs.CELL_DOTS * size)] = " "
    return found


def runs_as_dots(lines: Iterable[str], encoding: Encoding) -> tuple[dict[bytes, str], str]:
    """For texts of any characters, two of which may look the same: what each drawn run of `lines` is called (by its
    dots, bold or not), and the lines with that name in the run's place."""
    names: dict[bytes, str] = {}
    shown: list[str] = []
    for line in lines:
        pieces: list[str] = []
        for lacking, text in runs(line, encoding):
            if not lacking:
                pieces.append(text)
                continue
            plain, bold = (
                _blackened(b"".join(glyphs.column_bytes(c, _columns(c), bold) for c in text))
                for bold in (False, True)
            )
            names[plain] = names[bold] = f"<{plain.hex()}>"
            pieces.append(names[plain])
        shown.append("".join(pieces))
    return names, "".join(f"{line}\n" for line in shown)


def named(names: dict[bytes, str], dots: bytes) -> str:
    return names.get(_blackened(dots), "<unknown>")


def _columns(character: str) -> int:
    return (
        1 if character == " " else character_cells(character, "none" if ord(character) > 0x7E else "gb18030")
    )
