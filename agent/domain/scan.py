"""The router: which kind of thing was scanned, from its text alone.

Every text has exactly one kind. Looking a code up, verifying and deciding come after (`decide.verify_scan`).
Which prefixes mean a member card or a badge is the store's own business: the bundle's part `scan_rules` says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from agent.domain import gs1
from agent.domain.fields import FieldError, Fields
from agent.domain.gs1 import Gs1Error, is_digits
from agent.domain.member_card import CARD_PREFIX
from agent.domain.token import TEXT_PREFIX

TEXT_MAX = 4096
"""Characters of one scan, as the drivers bound it."""
RULES_MAX = 100


class Kind(StrEnum):
    """What a scan is. The first three may be coupons; the next ones are somebody else's business."""

    TOKEN = "token"
    GCN = "gcn"
    OFFER = "offer"
    MEMBER_CARD = "member_card"
    STAFF_BADGE = "staff_badge"
    PICKUP_CODE = "pickup_code"
    PAYMENT_CODE = "payment_code"
    PRODUCT = "product"
    LINK = "link"
    UNSUPPORTED = "unsupported"  # a coupon of a form that cannot be taken here
    DAMAGED = "damaged"  # GS1 data that is cut or wrong
    OTHER = "other"  # a code that somebody typed, or anything at all


class Routed(NamedTuple):
    """text: what is judged: the token's text, the digits of a GCN or offer, else the scan without its framing.

    detail: a stable code, never a piece of the text.
    """

    kind: Kind
    text: str
    detail: str = ""


ALPHABETS: Mapping[str, str] = {
    "digits": "0123456789",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "upper_digits": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "alphanumeric": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "visible": "".join(map(chr, range(0x21, 0x7F))),
}
RULE_KINDS: Mapping[str, Kind] = {
    kind.value: kind for kind in (Kind.MEMBER_CARD, Kind.STAFF_BADGE, Kind.PICKUP_CODE, Kind.PAYMENT_CODE)
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Texts that begin with `prefix`, have `least` to `most` characters in all and hold only those of `alphabet`."""

    kind: Kind
    prefix: str
    least: int
    most: int
    alphabet: str

    def matches(self, text: str) -> bool:
        """True if `text` is of this kind."""
        if not self.least <= len(text) <= self.most or not text.startswith(self.prefix):
            return False
        return not text[len(self.prefix) :].strip(
            ALPHABETS[self.alphabet]
        )  # strip stops at the first stranger


def rule_to_wire(rule: Rule) -> dict[str, Any]:
    """One item of part "scan_rules"."""
    return {
        "kind": rule.kind.value,
        "prefix": rule.prefix,
        "least": rule.least,
        "most": rule.most,
        "alphabet": rule.alphabet,
    }


def read_rules(items: Sequence[Any]) -> tuple[Rule, ...]:
    """Part "scan_rules"; FieldError names what is wrong. The first rule that matches is the answer."""
    if len(items) > RULES_MAX:
        raise FieldError(f"more than {RULES_MAX} scan rules")
    return tuple(_read_rule(item) for item in items)


def _read_rule(item: Any) -> Rule:
    fields = Fields(item, "scan rule")
    rule = Rule(
        fields.choice("kind", RULE_KINDS),
        fields.text("prefix", 32),
        fields.integer("least", 1, 256),
        fields.integer("most", 1, 256),
        fields.choice("alphabet", {name: name for name in ALPHABETS}),
    )
    fields.done()
    if not len(rule.prefix) < rule.most >= rule.least:
        raise fields.error("most", "leaves no room behind the prefix, or is below least")
    if not rule.prefix and rule.most - rule.least > 8:
        raise fields.error("prefix", "is empty and the length nearly free: this would catch everything")
    return rule


def route(text: str, rules: Sequence[Rule] = ()) -> Routed:
    """The kind of any text whatsoever; never raises."""
    if text.startswith(TEXT_PREFIX):
        return Routed(Kind.TOKEN, text)
    if len(text) > TEXT_MAX:
        return Routed(Kind.OTHER, text[:TEXT_MAX])
    symbology, framed = _framing(text)
    text = framed.strip(" \t\r\n")
    if text.startswith(CARD_PREFIX):
        return Routed(Kind.MEMBER_CARD, text)
    if text.lstrip(gs1.FNC1).startswith(TEXT_PREFIX):
        return Routed(Kind.TOKEN, framed.lstrip(gs1.FNC1))  # blanks around a token are its parser's business
    try:
        return (
            _announced_gs1(symbology, text)
            or next((Routed(rule.kind, text) for rule in rules if rule.matches(text)), None)
            or _silent_gs1(text)
            or _product(symbology, text)
            or _link(text)
            or Routed(Kind.OTHER, text)
        )
    except Gs1Error as error:
        return Routed(Kind.DAMAGED, text, error.fault.value)


def _framing(text: str) -> tuple[str, str]:
    """An AIM symbology identifier (]C1 and its like), "" without one, and the text behind it."""
    if len(text) >= 3 and text[0] == "]" and text[:3].isascii() and text[1].isalpha() and text[2].isalnum():
        return text[1:3], text[3:]
    return "", text


def _announced_gs1(symbology: str, text: str) -> Routed | None:
    """Element strings that say so: by symbology identifier, by a leading FNC1, or in brackets."""
    if symbology in gs1.GS1_SYMBOLOGIES or text.startswith(gs1.FNC1):
        return _of_elements(gs1.parse_elements(text), text)
    if text.startswith("("):
        try:
            elements = gs1.parse_brackets(text)
        except Gs1Error:
            return None  # brackets are nobody's property
        return _of_elements(elements, text)
    return None


def _silent_gs1(text: str) -> Routed | None:
    """A coupon's element string from a scanner that drops all marks: taken only if it is perfect."""
    if not text.startswith((gs1.GCN, gs1.OFFER)):
        return None
    try:
        elements = gs1.parse_elements(text)
        return None if gs1.coupon_of(elements) is None else _of_elements(elements, text)
    except Gs1Error:
        return None


def _of_elements(elements: Mapping[str, str], text: str) -> Routed:
    coupon = gs1.coupon_of(dict(elements))
    if coupon is None:
        if gs1.OLD_OFFER in elements:
            return Routed(Kind.UNSUPPORTED, text, "gs1_8110")
        return Routed(Kind.PRODUCT if "01" in elements else Kind.OTHER, text, "gs1_no_coupon")
    if coupon.ai == gs1.GCN:
        return Routed(Kind.GCN, coupon.value)
    if coupon.value[0] not in "01":
        return Routed(Kind.UNSUPPORTED, text, "gs1_8112_bundle")
    return Routed(Kind.OFFER, coupon.value)


def _product(symbology: str, text: str) -> Routed | None:
    """EAN-8, UPC-A, EAN-13, GTIN-14. Prefixes 981 to 984 and 99 are old coupons (GenSpecs 1.4.2), not products."""
    if not is_digits(text) or len(text) not in (8, 12, 13, 14) or not gs1.check_digit_ok(text):
        return Routed(Kind.PRODUCT, text, "ean") if symbology[:1] == "E" and is_digits(text) else None
    if len(text) == 13 and (text[:2] == "99" or text[:3] in ("981", "982", "983", "984")):
        return Routed(Kind.UNSUPPORTED, text, "gs1_coupon_ean")
    return Routed(Kind.PRODUCT, text, "ean")


def _link(text: str) -> Routed | None:
    link = gs1.parse_link(text)
    if link is None:
        return None
    if link.compressed:
        return Routed(Kind.UNSUPPORTED, text, "gs1_compressed")
    routed = _of_elements(link.elements, text)
    return Routed(Kind.LINK, text) if routed.kind is Kind.OTHER else routed
