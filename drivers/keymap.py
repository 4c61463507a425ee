"""Key events of a scanner that acts as a keyboard ("wedge") into text. Pure: no device, no clock.

A wedge sends the positions of keys, not characters, as if a keyboard of the layout it is set to were typed on.
Nothing of the till's own keyboard settings matters: the same layout, set here, turns the positions back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

# Numbers of linux/input-event-codes.h.
EV_SYN, EV_KEY, EV_LED = 0, 1, 17
SYN_DROPPED = 3
LED_CAPSL = 1
KEY_ENTER, KEY_TAB, KEY_SPACE, KEY_CAPSLOCK = 28, 15, 57, 58
UP, DOWN, REPEAT = 0, 1, 2

_SHIFT: Final = frozenset({42, 54})
_CONTROL: Final = frozenset({29, 97})
_ALT, _ALTGR = 56, 100
# Keys that say nothing about the text: the other locks, the Windows and menu keys.
_SILENT: Final = frozenset({69, 70, 125, 126, 127})
_KEYPAD: Final = dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True))
_KEYPAD_PLUS = 78
# What stands for a hexadecimal digit after Alt and the keypad's plus, beside the keypad's own digits.
_HEX: Final = dict(zip((*range(2, 12), 30, 48, 46, 32, 18, 33), "1234567890abcdef", strict=True))
_ALT_CODE_MAX = 8

_FIXED: Final = {
    KEY_ENTER: "\r",
    96: "\r",  # the keypad's
    KEY_TAB: "\t",
    KEY_SPACE: " ",
    1: "\x1b",
    # The keypad, as with Num Lock on: scanners use it for digits and nothing else.
    **_KEYPAD,
    83: ".",
    55: "*",
    74: "-",
    _KEYPAD_PLUS: "+",
    98: "/",
}

# The four rows of a keyboard, left to right: key codes of the positions that carry characters.
_ROWS: Final = (
    (41, *range(2, 14)),
    tuple(range(16, 28)),
    (*range(30, 41), 43),
    (86, *range(44, 54)),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """plain, shifted: the characters of the four rows. altgr: what AltGr makes of a plain character.

    A key whose Caps Lock form differs from its plain one is one that carries a letter.
    """

    plain: tuple[str, str, str, str]
    shifted: tuple[str, str, str, str]
    altgr: dict[str, str] = field(default_factory=dict)

    def keys(self) -> dict[int, tuple[str, str, str]]:
        """Key code to its plain, shifted and AltGr characters ("" for none)."""
        table = {}
        for codes, plain, shifted in zip(_ROWS, self.plain, self.shifted, strict=True):
            for code, low, high in zip(codes, plain, shifted, strict=True):
                table[code] = (low, high, self.altgr.get(low, ""))
        return table


LAYOUTS: Final = {
    "us": Layout(
        ("`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", "\\zxcvbnm,./"),
        ("~!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"|', "|ZXCVBNM<>?"),
    ),
    "uk": Layout(
        ("`1234567890-=", "qwertyuiop[]", "asdfghjkl;'#", "\\zxcvbnm,./"),
        ('¬!"£$%^&*()_+', "QWERTYUIOP{}", "ASDFGHJKL:@~", "|ZXCVBNM<>?"),
        {"`": "¦", "4": "€"},
    ),
    "de": Layout(
        ("^1234567890ß´", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-"),
        ('°!"§$%&/()=?`', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_"),
        dict(zip("237890ßqe+<m", "²³{[]}\\@€~|µ", strict=True)),
    ),
    "fr": Layout(
        ("²&é\"'(-è_çà)=", "azertyuiop^$", "qsdfghjklmù*", "<wxcvbn,;:!"),
        ("~1234567890°+", "AZERTYUIOP¨£", "QSDFGHJKLM%µ", ">WXCVBN?./§"),
        dict(zip("é\"'(-è_çà)=e", "~#{[|`\\^@]}€", strict=True)),
    ),
    "es": Layout(
        ("º1234567890'¡", "qwertyuiop`+", "asdfghjklñ´ç", "<zxcvbnm,.-"),
        ('ª!"·$%&/()=?¿', "QWERTYUIOP^*", "ASDFGHJKLÑ¨Ç", ">ZXCVBNM;:_"),
        dict(zip("º1234`+´çe", "\\|@#~[]{}€", strict=True)),
    ),
    "it": Layout(
        ("\\1234567890'ì", "qwertyuiopè+", "asdfghjklòàù", "<zxcvbnm,.-"),
        ('|!"£$%&/()=?^', "QWERTYUIOPé*", "ASDFGHJKLç°§", ">ZXCVBNM;:_"),
        dict(zip("èeòà+", "[€@#]", strict=True)),
    ),
}
"""Layouts a scanner can be set to. An accent that is a dead key on a keyboard stands for itself."""


class UnknownKeyError(Exception):
    """A key was pressed that has no character in the layout: what is being typed cannot be told."""


class KeyDecoder:
    """Follows the keys of one device and tells what they type. Raises ValueError for an unknown layout."""

    def __init__(self, layout: str = "us"):
        if layout not in LAYOUTS:
            raise ValueError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}")
        self._layout = layout
        self._keys = LAYOUTS[layout].keys()
        self.reset()

    def reset(self) -> None:
        """Begin anew, as after plugging in: nothing held, Caps Lock off."""
        self._held: set[int] = set()
        self._caps = False
        self._alt: str | None = None  # what was typed while Alt is held; None while it is not

    def feed(self, kind: int, code: int, value: int) -> str:
        """Take one event as the kernel gives it; return what it types, mostly one character or none.

        Raises UnknownKeyError. A key that is held down types once: scanners press every character anew, so a
        repetition is the kernel's own.
        """
        if kind == EV_LED and code == LED_CAPSL:
            self._caps = bool(value)
        if kind != EV_KEY or value == REPEAT:
            return ""
        if code in _SHIFT or code in _CONTROL or code == _ALTGR:
            (self._held.discard if value == UP else self._held.add)(code)
            return ""
        if code == _ALT:
            typed, self._alt = self._alt, "" if value == DOWN else None
            return _alt_character(typed) if typed and value == UP else ""
        if value == UP or code in _SILENT:
            return ""
        if code == KEY_CAPSLOCK:
            self._caps = not self._caps
            return ""
        return self._typed(code) if self._alt is None else self._alt_digit(code)

    def _alt_digit(self, code: int) -> str:
        """A key while Alt is held is one digit of a character's number; a plus first says that they are hexadecimal."""
        assert self._alt is not None
        digit = "+" if code == _KEYPAD_PLUS and not self._alt else _KEYPAD.get(code)
        if digit is None and self._alt.startswith("+"):
            digit = _HEX.get(code)
        if digit is None or len(self._alt) >= _ALT_CODE_MAX:
            self._alt = ""  # what follows is no number either
            raise UnknownKeyError(f"key {code} is no digit of an Alt code")
        self._alt += digit
        return ""

    def _typed(self, code: int) -> str:
        if code in _FIXED:
            return _FIXED[code]
        plain, shifted, altgr = self._keys.get(code, ("", "", ""))
        if self._held & _CONTROL and _ALTGR not in self._held:
            character = _control_character(plain)
        elif _ALTGR in self._held:
            character = altgr
        else:
            is_letter = plain.upper() == shifted and plain != shifted
            shift = bool(self._held & _SHIFT) != (self._caps and is_letter)
            character = shifted if shift else plain
        if not character:
            raise UnknownKeyError(f"key {code} has no character in layout {self._layout}")
        return character


def _control_character(plain: str) -> str:
    """What Ctrl makes of a key: Ctrl+] is GS, Ctrl+M is CR (ISO 646, columns 4 and 5 less 64)."""
    upper = plain.upper()
    return chr(ord(upper) - 64) if len(upper) == 1 and "@" <= upper <= "_" else ""


def _alt_character(typed: str) -> str:
    """What Windows makes of Alt and digits, as scanners use it for characters that their layout lacks.

    A leading zero: Windows-1252; none: code page 437 up to 255, beyond it Unicode; a plus: Unicode in hexadecimal.
    """
    number = int(typed[1:] or "0", 16) if typed.startswith("+") else int(typed)
    try:
        if number < 128 or number > 255 or typed.startswith("+"):
            character = chr(number)
            character.encode()  # a surrogate is no character
        else:
            character = bytes([number]).decode("cp1252" if typed.startswith("0") else "cp437")
    except (ValueError, OverflowError):
        character = ""
    if not character or number == 0:
        raise UnknownKeyError("an Alt code names no character")
    return character
