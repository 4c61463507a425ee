"""What a printer's character set can show, how wide it is and which bytes say it.

In a Chinese character set (FS & mode) a printer gives every multi-byte character a full cell, two columns, and every
single byte a half cell, whatever Unicode says: “ ” · × α take two columns there and one on a screen. Widths are
therefore counted from the bytes; only text for a screen ("utf-8") is counted by East Asian width (UAX #11).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Literal, get_args

from wcwidth import wcwidth

from agent.receipts.model import REPLACEMENT, clean

Encoding = Literal["gb18030", "gbk", "cp437", "utf-8"]
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

# GB 2312 has ￥ as A3 A4 on every Chinese printer; ¥ exists in GB 18030 only as four bytes, which GBK fonts print as
# digits and garbage. A Western page has it the other way round.
_SUBSTITUTES: dict[Encoding, dict[str, str]] = {
    "gb18030": {"¥": "￥"},
    "gbk": {"¥": "￥", "€": "EUR"},
    "cp437": {
        "￥": "¥", "€": "EUR", "—": "-", "–": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "×": "x",
        "、": ",", "。": ".", "《": "<", "》": ">", "【": "[", "】": "]", REPLACEMENT: "?",
    },
    "utf-8": {},
}  # fmt: skip


@lru_cache(maxsize=8192)
def _bytes_of(character: str, encoding: Encoding) -> bytes | None:
    """The character's bytes if the printer's font can be expected to have it."""
    try:
        code = character.encode(encoding)
    except UnicodeEncodeError:
        return None
    if encoding == "gb18030" and len(code) == 4:
        # GB 18030 has a code for all of Unicode; printers have glyphs for its Chinese characters only.
        return code if unicodedata.name(character, "").startswith("CJK UNIFIED IDEOGRAPH") else None
    return code


@lru_cache(maxsize=8192)
def _nearest(character: str, encoding: Encoding) -> str:
    """The character, else what reads nearest to it, else a visible replacement. Never empty."""
    if encoding == "utf-8":
        return character if wcwidth(character) > 0 else REPLACEMENT
    substitute = _SUBSTITUTES[encoding].get(character)
    if substitute is not None:
        return substitute
    if _bytes_of(character, encoding) is not None:
        return character
    for form in ("NFKC", "NFKD"):
        plain = "".join(c for c in unicodedata.normalize(form, character) if not unicodedata.combining(c))
        plain = "".join(_SUBSTITUTES[encoding].get(c, c) for c in plain)
        if plain and plain.isprintable() and all(_bytes_of(c, encoding) is not None for c in plain):
            return plain
    return _SUBSTITUTES[encoding].get(REPLACEMENT, REPLACEMENT)


def printable(text: str, encoding: Encoding) -> str:
    """What the printer will show for this text: same order, nothing dropped, no control character. Idempotent."""
    return "".join(_nearest(character, encoding) for character in clean(text))


def cells(text: str, encoding: Encoding) -> int:
    """Columns that a `printable` text takes at size 1."""
    return sum(_character_cells(character, encoding) for character in text)


@lru_cache(maxsize=8192)
def _character_cells(character: str, encoding: Encoding) -> int:
    if encoding == "utf-8":
        return wcwidth(character)
    code = _bytes_of(character, encoding)
    assert code is not None, f"not printable in {encoding}: {character!r}"
    return 1 if len(code) == 1 else 2


def encode(text: str, encoding: Encoding) -> bytes:
    """The bytes of a `printable` text. None of them is a control byte."""
    code = text.encode(encoding)
    assert all(byte >= 0x20 and byte != 0x7F for byte in code), "a control byte would reach the printer"
    return code
