"""The test card: codes whose texts are known, so that what a scanner makes of them tells how it is set. Pure.

The first code has every character that keyboards of different countries put in different places. A keyboard scanner
types it by the layout it is set to; only one layout turns its keys back into the text. What stands before and behind
the text is the scanner's prefix and suffix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from drivers.keymap import EV_KEY, LAYOUTS, KeyDecoder, UnknownKeyError

KEYS = "KEYS qwertyazm QWERTYAZM 0123456789 -_/.,:;'#@&()[]?!\"=+"
LETTERS = "LETTERS 优惠 €"
GS1 = "(255)950110153000312345(3922)12345"
"""An element string as people write it (GS1 General Specifications): AI 255 with a serial number, then another one."""

_IDENTIFIER = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_ENDS = "\r\n\t\x03"
_ENCODINGS = ("utf-8", "gb18030", "latin-1")


@dataclass(frozen=True, slots=True)
class Framing:
    """How a scanner frames a code. suffix: what came behind; "" for none. identifier: whether it names the symbol."""

    prefix: str
    suffix: str
    identifier: bool

    @property
    def ends(self) -> bool:
        """Whether `suffix = "auto"` finds the end of a scan."""
        return bool(self.suffix) and self.suffix[0] in _ENDS


@dataclass(frozen=True, slots=True)
class Typed:
    """What a keyboard scanner is set to."""

    layout: str
    framing: Framing


def framing_of(text: str) -> Framing | None:
    """How the first code of the card is framed in what came; None if it is not there whole."""
    before, found, behind = text.partition(KEYS)
    if not found:
        return None
    said = _IDENTIFIER.search(before)
    prefix = before if said is None else before[: said.start()] + before[said.end() :]
    return Framing(prefix, behind, said is not None)


def layout_of(events: Iterable[tuple[int, int, int]]) -> Typed | None:
    """The layout by which these key events (kind, code, value) are the first code; None where it is by none.

    A character that a layout does not know stands as a blank: it is then not the layout.
    """
    keys = list(events)
    for layout in LAYOUTS:
        framing = framing_of(typed_by(layout, keys))
        if framing is not None:
            return Typed(layout, framing)
    return None


def typed_by(layout: str, events: Iterable[tuple[int, int, int]]) -> str:
    """What these key events type on a keyboard of this layout; U+FFFD for a key that has no character there."""
    decoder, text = KeyDecoder(layout), ""
    for kind, code, value in events:
        try:
            text += decoder.feed(kind, code, value)
        except UnknownKeyError:
            text += "\ufffd"
    return text


def keys_pressed(events: Iterable[tuple[int, int, int]]) -> int:
    """How many keys went down: whether this was typing at all."""
    return sum(1 for kind, _, value in events if kind == EV_KEY and value == 1)


def encoding_of(raw: bytes) -> str | None:
    """In which encoding these bytes hold the second code; None if in none that we read."""
    return next(
        (name for name in _ENCODINGS if LETTERS.encode(name, "replace") in raw and b"?" not in raw), None
    )


def sends_gs1(text: str) -> bool:
    """Whether the third code came with what says that it is GS1 data: its identifier, or GS between fields."""
    return any(mark in text for mark in ("]Q3", "]C1", "]d2", "]e0")) or "\x1d" in text
