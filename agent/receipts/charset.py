"""What a printer's character set can show, how wide it is and which bytes say it.

In a Chinese, Japanese or Korean character set (FS & mode) a printer gives every multi-byte character a full cell, two
columns, and every single byte a half cell, whatever Unicode says: “ ” · × α take two columns there and one on a screen.
Widths are therefore counted from the bytes; text for a screen ("utf-8") and characters that are drawn because the
printer's font lacks them are counted by East Asian width (UAX #11).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Literal, NamedTuple, get_args

from wcwidth import wcwidth

from agent.receipts.model import REPLACEMENT, clean

Encoding = Literal[
    "gb18030", "gbk", "big5", "shift_jis", "ksx1001", "cp437", "cp850", "cp852", "cp858", "cp866",
    "cp1252", "none", "utf-8",
]  # fmt: skip
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

Pictures = Callable[[str], bool]
"""Whether a character can be drawn where the printer's font lacks it (`drivers.glyphs.has`)."""


class _Set(NamedTuple):
    """codec: Python's name for it. code_page: n of ESC t in Epson's numbering; None for a multi-byte set."""

    codec: str
    code_page: int | None


_SETS: dict[Encoding, _Set] = {
    "gb18030": _Set("gb18030", None),
    "gbk": _Set("gbk", None),
    "big5": _Set("big5", None),
    "shift_jis": _Set("cp932", None),  # Microsoft's variant: what Japanese printers hold
    "ksx1001": _Set("euc_kr", None),
    "cp437": _Set("cp437", 0),
    "cp850": _Set("cp850", 2),
    "cp852": _Set("cp852", 18),
    "cp858": _Set("cp858", 19),
    "cp866": _Set("cp866", 17),
    "cp1252": _Set("cp1252", 16),
    "none": _Set("ascii", 0),  # nothing is known of the printer but that it has ASCII
    "utf-8": _Set("utf-8", None),
}

# The same sign under two code points. GB 2312 has ￥ as A3 A4 on every Chinese printer; ¥ exists in GB 18030 only as
# four bytes, which GBK fonts print as digits and garbage. A Western page has it the other way round.
_TWINS = {"¥": "￥", "￥": "¥"}

# Read the same and cost one byte: taken before a picture is drawn.
_LIGHT = {"—": "-", "–": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "×": "x"}

# Taken where nothing can be drawn.
_POOR = {
    "€": "EUR", "¥": "Y", "￥": "Y", "、": ",", "。": ".", "《": "<", "》": ">", "【": "[", "】": "]", REPLACEMENT: "?",
}  # fmt: skip

# On Japanese printers these two bytes show ¥ and an overline.
_NOT_AS_ASCII: dict[Encoding, dict[str, str]] = {"shift_jis": {"\\": "＼", "~": "～"}}


@lru_cache(maxsize=8192)
def _bytes_of(character: str, encoding: Encoding) -> bytes | None:
    """The character's bytes if the printer's font can be expected to have it."""
    try:
        code = character.encode(_SETS[encoding].codec)
    except UnicodeEncodeError:
        return None
    if character in _NOT_AS_ASCII.get(encoding, ()) or code.decode(_SETS[encoding].codec) != character:
        return None  # Microsoft's tables encode ¢ as its full-width twin, for one
    if encoding == "ksx1001" and len(code) > 2:
        return None  # Python spells a syllable that the set lacks by its letters; a printer would print these
    if encoding == "gb18030" and len(code) == 4:
        # GB 18030 has a code for all of Unicode. Printers have glyphs for what the standard of 2000 demands: the
        # Chinese characters of the basic plane (extension A), none beyond it.
        return code if "\u3400" <= character <= "\u9fff" else None
    return code


@lru_cache(maxsize=8192)
def _nearest(character: str, encoding: Encoding, pictures: Pictures | None) -> str:
    """The character, else what reads nearest to it, else a visible replacement. Never empty."""
    read = _readable(character, encoding, pictures)
    if read is not None:
        return read
    return REPLACEMENT if character == REPLACEMENT else _nearest(REPLACEMENT, encoding, pictures)


@lru_cache(maxsize=8192)
def _readable(character: str, encoding: Encoding, pictures: Pictures | None) -> str | None:
    """The character, else what reads nearest to it; None where nothing does."""
    if encoding == "utf-8":
        return character if wcwidth(character) > 0 else None
    substitute = _NOT_AS_ASCII.get(encoding, {}).get(character)
    if substitute is not None:
        return substitute
    if _bytes_of(character, encoding) is not None:
        return character
    twin = _TWINS.get(character)
    if twin is not None and _bytes_of(twin, encoding) is not None:
        return twin
    if character in _LIGHT:
        return _LIGHT[character]
    if pictures is not None and _drawn_cells(character) and pictures(character):
        return character
    if character in _POOR and _bytes_of(_POOR[character], encoding) is not None:
        return _POOR[character]
    for form in ("NFKC", "NFKD"):
        plain = "".join(c for c in unicodedata.normalize(form, character) if not unicodedata.combining(c))
        plain = "".join(c if _bytes_of(c, encoding) else {**_LIGHT, **_POOR}.get(c, c) for c in plain)
        if plain and plain.isprintable() and all(_bytes_of(c, encoding) is not None for c in plain):
            return plain
    return None


def printable(text: str, encoding: Encoding, pictures: Pictures | None = None) -> str:
    """What the printer will show for this text: same order, nothing dropped, no control character. Idempotent.

    pictures: which characters may stay though the printer's font lacks them, because they will be drawn."""
    return "".join(_nearest(character, encoding, pictures) for character in clean(text))


def lost(text: str, encoding: Encoding, pictures: Pictures | None = None) -> str:
    """The characters in whose place `printable` shows a replacement, each once."""
    return "".join(
        character
        for character in dict.fromkeys(unicodedata.normalize("NFC", text))
        if character != REPLACEMENT and _readable(clean(character), encoding, pictures) in (None, REPLACEMENT)
    )


def cells(text: str, encoding: Encoding) -> int:
    """Columns that a `printable` text takes at size 1."""
    return sum(character_cells(character, encoding) for character in text)


@lru_cache(maxsize=8192)
def character_cells(character: str, encoding: Encoding) -> int:
    """Columns of one character of a `printable` text: 1 or 2."""
    if encoding == "utf-8":
        return wcwidth(character)
    code = _bytes_of(character, encoding)
    return _drawn_cells(character) if code is None else 1 if len(code) == 1 else 2


@lru_cache(maxsize=8192)
def _drawn_cells(character: str) -> int:
    """Signs such as … and □, of ambiguous width in UAX #11, are drawn full width, as they stand in Chinese text."""
    if unicodedata.east_asian_width(character) == "A" and not character.isalpha():
        return 2 if wcwidth(character) > 0 else 0
    return max(0, wcwidth(character))


def runs(text: str, encoding: Encoding) -> Iterator[tuple[bool, str]]:
    """A `printable` text in pieces: (whether it is to be drawn, characters)."""
    for lacking, characters in groupby(text, lambda character: _bytes_of(character, encoding) is None):
        yield lacking, "".join(characters)


def encode(text: str, encoding: Encoding) -> bytes:
    """The bytes of a `printable` text that needs no picture. None of them is a control byte."""
    code = text.encode(_SETS[encoding].codec)
    assert all(byte >= 0x20 and byte != 0x7F for byte in code), "a control byte would reach the printer"
    return code


def python_codec(encoding: Encoding) -> str:
    """Python's name of the character set."""
    return _SETS[encoding].codec


def code_page(encoding: Encoding) -> int | None:
    """n of ESC t for a single-byte character set, as Epson numbers them; None for a multi-byte set."""
    return _SETS[encoding].code_page
