"""GS1 coupon numbers: element strings and Digital Link URIs, read as far as a till needs them.

Of all application identifiers (AI) two are coupons: 255 (GCN, Global Coupon Number) and 8112 (North American coupon of
a positive offer file). The others are only stepped over. GS1 General Specifications sections 3.5, 7.8 and 7.11; GS1
Digital Link URI syntax 1.6; data of 8112: "GS1 AI (8112) Coupon Data Specification".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from urllib.parse import parse_qsl, unquote, urlsplit

FNC1 = "\x1d"
"""How a scanner hands over FNC1 between two elements: the control character GS."""
ELEMENTS_MAX = 32
GCN, OFFER, OLD_OFFER = "255", "8112", "8110"
GS1_SYMBOLOGIES = frozenset({"C1", "e0", "e1", "e2", "d2", "Q3", "J1"})
"""AIM symbology identifiers (ISO/IEC 15424) of element strings: GS1-128, DataBar, DataMatrix, QR, DotCode."""

_AI_DIGITS = {"23": 3, "24": 3, "25": 3, "39": 4, "40": 3, "41": 3, "42": 3, "43": 4, "71": 3}
_AI_DIGITS |= {str(start): 4 for start in (*range(31, 37), 70, 72, *range(80, 83))}
_AI_DIGITS |= {
    f"{start:02}": 2 for start in (*range(5), *range(10, 14), *range(15, 23), 30, 37, *range(90, 100))
}
_PREDEFINED = {"00": 18, "01": 14, "02": 14, "03": 14, "04": 16, "20": 2, "41": 13}
_PREDEFINED |= {str(start): 6 for start in (*range(11, 20), *range(31, 37))}
"""First two digits of an AI -> digits of its value, which then needs no FNC1 behind it (GenSpecs 7.8.5)."""
_CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"


class Gs1Fault(StrEnum):
    """Why a text is not the GS1 data it looks like."""

    UNKNOWN_AI = "gs1_unknown_ai"
    INCOMPLETE = "gs1_incomplete"
    BAD_VALUE = "gs1_bad_value"
    CHECK_DIGIT = "gs1_check_digit"
    CONTRADICTION = "gs1_contradiction"  # one AI with two values


class Gs1Error(ValueError):
    """GS1 data that cannot be what it says. The text is the fault's code."""

    def __init__(self, fault: Gs1Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Gs1Coupon:
    """ai: GCN or OFFER. value: its digits, checked: 13 with a check digit and up to 12 of serial, or the offer's."""

    ai: str
    value: str


def is_digits(text: str) -> bool:
    """True for ASCII digits alone, at least one."""
    return text.isascii() and text.isdigit()


def check_digit_ok(digits: str) -> bool:
    """The check digit of GTIN, GLN and GCN: weights 3 and 1 from the right (GenSpecs 7.9)."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def parse_elements(data: str) -> dict[str, str]:
    """AI -> value of an element string without its symbology identifier; Gs1Error if it is none."""
    found: dict[str, str] = {}
    rest = data.lstrip(FNC1)
    while rest:
        start = rest[:2]
        width = _AI_DIGITS.get(start, 0)
        ai = rest[:width]
        if not width or not is_digits(ai) or len(found) == ELEMENTS_MAX:
            raise Gs1Error(Gs1Fault.UNKNOWN_AI)
        if len(ai) < width:
            raise Gs1Error(Gs1Fault.INCOMPLETE)
        if start in _PREDEFINED:
            end = width + _PREDEFINED[start]
            value, rest = rest[width:end], rest[end:].removeprefix(FNC1)
            if len(value) < end - width:
                raise Gs1Error(Gs1Fault.INCOMPLETE)
            if not is_digits(value):
                raise Gs1Error(Gs1Fault.BAD_VALUE)
        else:
            value, _, rest = rest[width:].partition(FNC1)
        _add(found, ai, value)
    return found


def parse_brackets(text: str) -> dict[str, str]:
    """AI -> value of the form people read: (255)9501101530003(3900)100. Gs1Error if it is none."""
    found: dict[str, str] = {}
    rest = text
    while rest:
        ai, closed, tail = rest[1:6].partition(")")
        if rest[0] != "(" or not closed or _AI_DIGITS.get(ai[:2]) != len(ai) or not is_digits(ai):
            raise Gs1Error(Gs1Fault.UNKNOWN_AI)
        tail = rest[len(ai) + 2 :]
        end = _next_bracket(tail)
        value, rest = tail[:end], tail[end:]
        _add(found, ai, value.replace(" ", "") if ai in (GCN, OFFER) else value)
        if len(found) > ELEMENTS_MAX:
            raise Gs1Error(Gs1Fault.UNKNOWN_AI)
    return found


def _next_bracket(text: str) -> int:
    """Where the next bracketed AI begins, or the end: values may hold brackets of their own."""
    at = text.find("(")
    while at >= 0:
        ai, closed, _ = text[at + 1 : at + 6].partition(")")
        if closed and is_digits(ai) and _AI_DIGITS.get(ai[:2]) == len(ai):
            return at
        at = text.find("(", at + 1)
    return len(text)


def _add(found: dict[str, str], ai: str, value: str) -> None:
    if not value:
        raise Gs1Error(Gs1Fault.INCOMPLETE)
    if len(value) > 90 or value.strip(
        _CSET_82
    ):  # strip stops at the first stranger; none left means none at all
        raise Gs1Error(Gs1Fault.BAD_VALUE)
    if found.setdefault(ai, value) != value:
        raise Gs1Error(Gs1Fault.CONTRADICTION)


def coupon_of(elements: dict[str, str]) -> Gs1Coupon | None:
    """The coupon among these elements, checked; None without one, Gs1Error if it is damaged or there are two."""
    if GCN in elements and OFFER in elements:
        raise Gs1Error(Gs1Fault.CONTRADICTION)
    if GCN in elements:
        return Gs1Coupon(GCN, _gcn(elements[GCN]))
    return Gs1Coupon(OFFER, _offer(elements[OFFER])) if OFFER in elements else None


def _gcn(value: str) -> str:
    """13 digits, the last a check digit, and a serial of up to 12."""
    if not is_digits(value) or len(value) > 25:
        raise Gs1Error(Gs1Fault.BAD_VALUE)
    if len(value) < 13:
        raise Gs1Error(Gs1Fault.INCOMPLETE)
    if not check_digit_ok(value[:13]):
        raise Gs1Error(Gs1Fault.CHECK_DIGIT)
    return value


def _offer(value: str) -> str:
    """Format 0 or 1; funder: length less 6, then 6 to 12 digits; offer: 6; serial: length less 6, then 6 to 15.

    Other formats are bundles of coupons: their data is in the central file alone, so here they are only digits.
    """
    if not is_digits(value):
        raise Gs1Error(Gs1Fault.BAD_VALUE)
    if value[0] not in "01":
        return value
    funder = int(value[1:2] or 0) + 6
    serial_length = value[8 + funder : 9 + funder]
    if funder > 12:
        raise Gs1Error(Gs1Fault.BAD_VALUE)
    whole = 9 + funder + int(serial_length or 0) + 6
    if not serial_length or len(value) < whole:
        raise Gs1Error(Gs1Fault.INCOMPLETE)
    if len(value) > whole:
        raise Gs1Error(Gs1Fault.BAD_VALUE)
    return value


@dataclass(frozen=True, slots=True)
class Link:
    """A web address, seen as GS1 Digital Link. elements: what it names by AI. compressed: it hides them in one word."""

    elements: dict[str, str]
    compressed: bool = False


def parse_link(text: str) -> Link | None:
    """Read an http or https address; None for anything else. Gs1Error for one AI with two values.

    Keys and their values are neighbours in the path, attributes stand in the query; the domain is anybody's.
    """
    if text[:7].lower() != "http://" and text[:8].lower() != "https://":
        return None
    try:
        parts = urlsplit(text)
        attributes = parse_qsl(parts.query.replace(";", "&"), max_num_fields=ELEMENTS_MAX)
    except ValueError:  # a bad host or too many fields: an address all the same
        return Link({})
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    found: dict[str, str] = {}
    for ai, value in [*pairwise(segments), *attributes]:
        named = ai in (GCN, OFFER) or (ai == "01" and is_digits(value))
        if named and found.setdefault(ai, value) != value:
            raise Gs1Error(Gs1Fault.CONTRADICTION)
    return Link(found, compressed=not found and bool(segments) and _compressed(segments[-1]))


_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_WORD_CHARS = 10  # the least that a GCN takes


def _compressed(word: str) -> bool:
    """True if `word` is a coupon in the compressed form of Digital Link.

    It is base64url and begins with the digits of the AI, four bits each, or with the code of an agreed pair (C0 to CD:
    255 with an amount or a percentage); a GCN's 13 digits follow as a number of 44 bits, with a check digit that fits.
    """
    if len(word) < _WORD_CHARS or word.strip(_BASE64URL):
        return False
    bits = 0
    for character in word[:_WORD_CHARS]:
        bits = bits << 6 | _BASE64URL.index(character)
    if bits >> 44 == 0x8112:
        return True
    pair, key = 0xC0 <= bits >> 52 <= 0xCD, bits >> 48 == 0x255
    number = f"{bits >> (8 if pair else 4) & (1 << 44) - 1:013}"
    return (pair or key) and len(number) == 13 and check_digit_ok(number)
