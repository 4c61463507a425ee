"""1-D barcodes: what each kind may hold, and its bars and spaces. Pure; every table is from its standard.

A symbol is a row of elements, bar and space in turn, a bar first: the width of each as a digit in modules, or `w` for
the wide one of kinds that know two widths. Sources: ISO/IEC 15420 (EAN/UPC), 16388 (Code 39), 16390 (Interleaved 2 of
5), 15417 (Code 128); GS1 General Specifications 7.9 (check digit).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

CHARS_MAX = 80
MODULE_DOTS_MIN, MODULE_DOTS_MAX = 2, 4
HEIGHT_DOTS = 80
"""10 mm at 203 dpi."""
PAPER_DOTS_MIN = 384
"""Printable width of 58 mm paper, the narrowest."""
QUIET_MODULES = 11
"""On both sides: what EAN-13 wants on its left; every other kind wants 10 or fewer."""
_WIDE_DOTS = {2: 5, 3: 8, 4: 10}
"""Of kinds with two widths, as printers draw them at each module (Epson, GS w): a picture is what they would print."""


class BarcodeError(ValueError):
    """Data that the kind cannot hold, or a symbol that the paper cannot. The text says why and never the data, which
    may be a coupon."""


def elements(kind: str, data: str) -> str:
    """The symbol, start and stop included and quiet zones not. BarcodeError for data that the kind cannot hold."""
    chosen = KINDS[kind]
    if len(data) > CHARS_MAX or not re.fullmatch(chosen.form, data):
        raise BarcodeError(f"{chosen.title} holds {chosen.says}")
    if chosen.checked and data[-1] != (due := check_digit(data[:-1])):
        raise BarcodeError(f"the check digit of the {chosen.title} is wrong: {data[-1]}, not {due}")
    return chosen.draw(data)


def widths(symbol: str, module_dots: int) -> tuple[int, ...]:
    """The width of each element of a symbol in dots."""
    wide = _WIDE_DOTS[module_dots]
    return tuple(wide if element == "w" else int(element) * module_dots for element in symbol)


def fitting_module_dots(symbol: str, wished: int, paper_dots: int) -> int:
    """The largest module up to the wished one at which symbol and quiet zones fit across the paper; 0 if none does."""
    return max(
        (dots for dots in range(MODULE_DOTS_MIN, wished + 1) if _across(symbol, dots) <= paper_dots),
        default=0,
    )


def check(kind: str, data: str, paper_dots: int) -> None:
    """BarcodeError unless the kind can hold the data and paper of this width the symbol."""
    symbol = elements(kind, data)
    if not fitting_module_dots(symbol, MODULE_DOTS_MIN, paper_dots):
        least = _across(symbol, MODULE_DOTS_MIN)
        raise BarcodeError(
            f"the {KINDS[kind].title} is {least} dots wide at least, quiet zones included, the paper {paper_dots}"
        )


def _across(symbol: str, module_dots: int) -> int:
    return sum(widths(symbol, module_dots)) + 2 * QUIET_MODULES * module_dots


def check_digit(digits: str) -> str:
    """Of a GS1 number without it: weights 3 and 1 in turn from the right."""
    return str(
        -sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits))) % 10
    )


_EAN = ("3211", "2221", "2122", "1411", "1132", "1231", "1114", "1312", "1213", "3112")
"""Set A of each digit, which begins with a space, and set C, which begins with a bar. Set B is set A backwards."""
_EAN_SETS = (
    "AAAAAA",
    "AABABB",
    "AABBAB",
    "AABBBA",
    "ABAABB",
    "ABBAAB",
    "ABBBAA",
    "ABABAB",
    "ABABBA",
    "ABBABA",
)
"""How the left half of EAN-13 says its first digit."""


def _ean(left: str, sets: str, right: str) -> str:
    begun = "".join(_EAN[int(one)][:: 1 if of == "A" else -1] for one, of in zip(left, sets, strict=True))
    return "111" + begun + "11111" + "".join(_EAN[int(one)] for one in right) + "111"


def _ean13(data: str) -> str:
    return _ean(data[1:7], _EAN_SETS[int(data[0])], data[7:])


def _ean8(data: str) -> str:
    return _ean(data[:4], "AAAA", data[4:])


def _upca(data: str) -> str:
    return _ean13("0" + data)


_TWO_OF_FIVE = ("11ww1", "w111w", "1w11w", "ww111", "11w1w", "w1w11", "1ww11", "111ww", "w11w1", "1w1w1")
"""Two wide ones of five: the digits of ITF, and the bars of Code 39."""
_CODE39_ROWS = (
    ("0123456789", "1w11"),
    ("JABCDEFGHI", "11w1"),
    ("TKLMNOPQRS", "111w"),
    ("*UVWXYZ-. ", "w111"),
)
"""Characters in the order of their bars, and the spaces of the row."""


def _woven(first: str, second: str) -> str:
    """One of each in turn; the first may have one more."""
    return "".join(one + other for one, other in zip(first, second.ljust(len(first)), strict=True)).rstrip()


_CODE39 = {
    character: _woven(bars, spaces)
    for characters, spaces in _CODE39_ROWS
    for character, bars in zip(characters, _TWO_OF_FIVE, strict=True)
} | {
    character: _woven("11111", spaces)
    for character, spaces in zip("$/+%", ("www1", "ww1w", "w1ww", "1www"), strict=True)
}


def _code39(data: str) -> str:
    return "1".join(_CODE39[character] for character in f"*{data}*")


def _itf(data: str) -> str:
    pairs = zip(data[::2], data[1::2], strict=True)
    return (
        "1111" + "".join(_woven(_TWO_OF_FIVE[int(one)], _TWO_OF_FIVE[int(two)]) for one, two in pairs) + "w11"
    )


_CODE128 = re.findall(
    "[1-4]{6}",
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232",
)
_START = {"B": 104, "C": 105}
_CHANGE = {"B": 100, "C": 99}
_STOP = "2331112"


def code128_runs(data: str) -> list[tuple[str, str]]:
    """Printable ASCII as (code set B or C, its part of the data), in as few symbol characters as can be."""
    # Of what follows a place, by the set in force there.
    cost = {"B": [0] * (len(data) + 2), "C": [0] * (len(data) + 2)}
    for at in reversed(range(len(data))):
        pair = 1 + cost["C"][at + 2] if _is_pair(data, at) else 3 * CHARS_MAX
        single = 1 + cost["B"][at + 1]
        cost["B"][at], cost["C"][at] = min(single, 1 + pair), min(pair, 1 + single)
    at, used = 0, "C" if cost["C"][0] <= cost["B"][0] and _is_pair(data, 0) else "B"
    runs = [(used, "")]
    while at < len(data):
        single = 1 + cost["B"][at + 1]
        if _is_pair(data, at) and cost[used][at] == 1 + cost["C"][at + 2] + (used == "B"):
            chosen, size = "C", 2
        else:
            chosen, size = "B", 1
        if chosen != used:
            runs.append((chosen, ""))
        runs[-1] = (chosen, runs[-1][1] + data[at : at + size])
        at, used = at + size, chosen
    return [run for run in runs if run[1]]


def _is_pair(data: str, at: int) -> bool:
    return len(pair := data[at : at + 2]) == 2 and pair.isdigit()


def code128_values(used: str, part: str) -> list[int]:
    """The symbol characters of one run."""
    if used == "C":
        return [int(part[at : at + 2]) for at in range(0, len(part), 2)]
    return [ord(character) - 32 for character in part]


def _code128(data: str) -> str:
    values: list[int] = []
    for used, part in code128_runs(data):
        values += [(_CHANGE if values else _START)[used], *code128_values(used, part)]
    total = values[0] + sum(place * value for place, value in enumerate(values))
    return "".join(_CODE128[value] for value in (*values, total % 103)) + _STOP


DIGITS = "[0-9]"


class Kind(NamedTuple):
    """form: of the whole data. says: the same in words. letters: what a character of it may be. checked: the last digit
    is a GS1 check digit."""

    title: str
    form: str
    says: str
    letters: str
    draw: Callable[[str], str]
    checked: bool = False


KINDS: Mapping[str, Kind] = {
    "ean13": Kind("EAN-13", "[0-9]{13}", "13 digits", DIGITS, _ean13, True),
    "ean8": Kind("EAN-8", "[0-9]{8}", "8 digits", DIGITS, _ean8, True),
    "upca": Kind("UPC-A", "[0-9]{12}", "12 digits", DIGITS, _upca, True),
    "code39": Kind(
        "CODE39",
        "[0-9A-Z .$/+%-]+",
        f"0-9 A-Z - . $ / + % and spaces, at most {CHARS_MAX}",
        "[0-9A-Z .$/+%-]",
        _code39,
    ),
    "itf": Kind("ITF", "([0-9]{2})+", f"an even number of digits, at most {CHARS_MAX}", DIGITS, _itf),
    "code128": Kind(
        "CODE128", "[ -~]+", f"printable ASCII characters, at most {CHARS_MAX}", "[ -~]", _code128
    ),
}
