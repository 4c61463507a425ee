"""A receipt as data: what is printed, not how. The document is stored with its print job and rendered later, so a
change of printer, paper width or template never changes what a redemption promised to print.

Nothing in a receipt can command a printer: every character that is not text is shown as □ before it is stored.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Literal

import msgspec

from agent.domain import barcode
from agent.domain.image import ImageError, read_image
from agent.domain.receipt_template import (
    FEED_LINES_MAX,
    MODULE_DOTS_MAX,
    MODULE_DOTS_MIN,
    QR_CHARS_MAX,
    SIZE_MAX,
    TEXT_CHARS_MAX,
)

ELEMENTS_MAX = 500
JSON_CHARS_MAX = 1024 * 1024

REPLACEMENT = "□"
"""Stands where a character cannot be printed. In GB 2312, so that every Chinese printer has it."""

_NOT_TEXT = frozenset(
    {"Cc", "Cf", "Cs", "Co", "Cn"}
)  # controls, invisible formats, lone surrogates, private, unassigned
_SPACES = frozenset({"Zs", "Zl", "Zp"})


class ReceiptError(ValueError):
    """A receipt, a profile or an amount that cannot be printed as it stands. The message says which and why.

    setting: the key of a [[printer]] block that is wrong, where one is; empty for the profile's own name.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class Align(StrEnum):
    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


def clean(text: str) -> str:
    """The text with white space as single-width spaces and everything that is not visible text as □. Idempotent."""
    if text.isprintable() and unicodedata.is_normalized("NFC", text):
        return text  # as nearly every text is: isprintable knows no separator but the space, and nothing of _NOT_TEXT
    return "".join(_clean_character(character) for character in unicodedata.normalize("NFC", text))


def _clean_character(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\t\n\r" or (category in _SPACES and character != "　"):
        return " "
    return REPLACEMENT if category in _NOT_TEXT else character


def _cleaned(text: str, field: str) -> str:
    if len(text) > TEXT_CHARS_MAX:
        raise ReceiptError(f"{field} has {len(text)} characters; at most {TEXT_CHARS_MAX} are allowed")
    # Normal form C may lengthen a text a little; the bound must hold for what is stored, or it could not be read back.
    return clean(text)[:TEXT_CHARS_MAX]


def _check_size(size: int) -> None:
    if not 1 <= size <= SIZE_MAX:
        raise ReceiptError(f"size is {size}; it must be 1 to {SIZE_MAX}")


class _Element(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"):
    """Base of the closed set of elements."""


class Text(_Element, frozen=True, tag="text"):
    """One paragraph. size: 1 is the printer's normal cell, 2 twice as wide and high; shrinks rather than wraps."""

    text: str
    align: Align = Align.LEFT
    bold: bool = False
    size: int = 1

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "text", _cleaned(self.text, "text"))
        _check_size(self.size)


class Columns(_Element, frozen=True, tag="columns"):
    """A label and its value: left wraps, right ends the last line."""

    left: str
    right: str
    bold: bool = False
    size: int = 1

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "left", _cleaned(self.left, "left"))
        msgspec.structs.force_setattr(self, "right", _cleaned(self.right, "right"))
        _check_size(self.size)


class Rule(_Element, frozen=True, tag="rule"):
    """A line across the paper."""


class Qr(_Element, frozen=True, tag="qr"):
    """A QR code of printable ASCII, level M, centred, with its quiet zone.

    module_dots: wished edge of one module in printer dots (8 dots are 1 mm at 203 dpi); less where the paper is narrow.
    """

    data: str
    caption: str = ""
    module_dots: int = 6

    def __post_init__(self) -> None:
        if not 1 <= len(self.data) <= QR_CHARS_MAX:
            raise ReceiptError(f"QR data must have 1 to {QR_CHARS_MAX} characters")
        if strange := next((sign for sign in self.data if not " " <= sign <= "~"), ""):
            raise ReceiptError(f"QR data must be printable ASCII characters; {strange!r} is none")
        msgspec.structs.force_setattr(self, "caption", _cleaned(self.caption, "caption"))
        if not MODULE_DOTS_MIN <= self.module_dots <= MODULE_DOTS_MAX:
            raise ReceiptError(
                f"module_dots is {self.module_dots}; it must be {MODULE_DOTS_MIN} to {MODULE_DOTS_MAX}"
            )


class Barcode(_Element, frozen=True, tag="barcode"):
    """A 1-D barcode, centred, its data below it as text. symbology: one of barcode.KINDS, which says what it may hold.

    module_dots: wished width of one module in printer dots; less where the paper is narrow."""

    data: str
    symbology: str
    module_dots: int = 3

    def __post_init__(self) -> None:
        if self.symbology not in barcode.KINDS:
            raise ReceiptError(
                f"barcode symbology is {self.symbology[:40]!r}; it must be one of {', '.join(barcode.KINDS)}"
            )
        try:
            barcode.elements(self.symbology, self.data)
        except barcode.BarcodeError as error:
            raise ReceiptError(str(error)) from error
        if not barcode.MODULE_DOTS_MIN <= self.module_dots <= barcode.MODULE_DOTS_MAX:
            raise ReceiptError(
                f"module_dots is {self.module_dots}; "
                f"it must be {barcode.MODULE_DOTS_MIN} to {barcode.MODULE_DOTS_MAX}"
            )


class Image(_Element, frozen=True, tag="image"):
    """Dots as they are, centred. png: as `read_image` takes it. words: what is printed where it cannot be."""

    png: bytes
    words: str

    def __post_init__(self) -> None:
        try:
            read_image(self.png)
        except ImageError as error:
            raise ReceiptError(f"an image of the receipt: {error}") from error
        msgspec.structs.force_setattr(self, "words", _cleaned(self.words, "words"))


class Feed(_Element, frozen=True, tag="feed"):
    """Blank lines."""

    lines: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.lines <= FEED_LINES_MAX:
            raise ReceiptError(f"lines is {self.lines}; it must be 1 to {FEED_LINES_MAX}")


class Cut(_Element, frozen=True, tag="cut"):
    """Feed past the cutter and cut (or feed to the tear bar)."""


Element = Text | Columns | Rule | Qr | Barcode | Image | Feed | Cut


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All papers of one job, at most ELEMENTS_MAX elements. version: of this document form. language: of what is
    added to it, such as the mark of a copy."""

    elements: tuple[Element, ...]
    version: int = 1
    language: Literal["zh", "en"] = "zh"

    def __post_init__(self) -> None:
        if len(self.elements) > ELEMENTS_MAX:
            raise ReceiptError(
                f"the receipt has {len(self.elements)} elements; at most {ELEMENTS_MAX} are allowed"
            )
        if self.version != 1:
            raise ReceiptError(f"receipt version {self.version} is not known; this program knows version 1")

    def to_json(self) -> str:
        """The document as it is stored. `receipt_from_json` gives back an equal receipt."""
        return msgspec.json.encode(self).decode()


def receipt_from_json(text: str) -> Receipt:
    """Read a stored document. Raises ReceiptError for anything but a receipt of this form within its bounds."""
    if len(text) > JSON_CHARS_MAX:
        raise ReceiptError(f"the receipt document has more than {JSON_CHARS_MAX} characters")
    try:
        return msgspec.json.decode(text, type=Receipt)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise ReceiptError(f"not a receipt document: {error}") from error
