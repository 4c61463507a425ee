"""The router: every text has exactly one kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.fields import FieldError
from agent.domain.scan import RULES_MAX, Kind, Routed, Rule, read_rules, route, rule_to_wire
from tests.unit.domain_kit import examples, text
from tests.unit.test_domain_gs1 import GCN, OFFER, compressed

RULES = (
    Rule(Kind.MEMBER_CARD, "88", 16, 16, "digits"),
    Rule(Kind.MEMBER_CARD, "20", 13, 13, "digits"),
    Rule(Kind.STAFF_BADGE, "EMP-", 6, 12, "upper_digits"),
    Rule(Kind.PICKUP_CODE, "PU", 8, 10, "alphanumeric"),
    Rule(Kind.PAYMENT_CODE, "13", 18, 18, "digits"),
)


@pytest.mark.parametrize(
    ("scanned", "kind", "detail"),
    [
        (f"]C1255{GCN}", Kind.GCN, ""),
        (f"]d217261231255{GCN}", Kind.GCN, ""),
        (f"]Q3255{GCN}", Kind.GCN, ""),
        (f"\x1d255{GCN}", Kind.GCN, ""),
        (f"(255){GCN}", Kind.GCN, ""),
        (f"255{GCN}", Kind.GCN, ""),
        (f"https://id.gs1.org/255/{GCN}", Kind.GCN, ""),
        (f"]Q1https://id.gs1.org/255/{GCN}", Kind.GCN, ""),
        (f"]C18112{OFFER}", Kind.OFFER, ""),
        (f"8112{OFFER}\r\n", Kind.OFFER, ""),
        ("]C181128475839285610003748593748596", Kind.UNSUPPORTED, "gs1_8112_bundle"),
        ("]e08110106141416543213500110000310123196000", Kind.UNSUPPORTED, "gs1_8110"),
        ("https://x.example/" + compressed(12, 0x255, int(GCN), 1), Kind.UNSUPPORTED, "gs1_compressed"),
        ("9812345678902", Kind.UNSUPPORTED, "gs1_coupon_ean"),
        ("9912345678909", Kind.UNSUPPORTED, "gs1_coupon_ean"),
        (f"]C1255{GCN[:12]}4", Kind.DAMAGED, "gs1_check_digit"),
        (f"]C1255{GCN[:11]}", Kind.DAMAGED, "gs1_incomplete"),
        ("]Q3nothing", Kind.DAMAGED, "gs1_unknown_ai"),
        ("8800000000000001", Kind.MEMBER_CARD, ""),
        ("]C08800000000000001", Kind.MEMBER_CARD, ""),
        ("2000000000008", Kind.MEMBER_CARD, ""),  # a house number in EAN form: the rule comes first
        ("EMP-77", Kind.STAFF_BADGE, ""),
        ("PUab3456", Kind.PICKUP_CODE, ""),
        ("134567890123456789", Kind.PAYMENT_CODE, ""),
        ("6901234567892", Kind.PRODUCT, "ean"),
        ("96385074", Kind.PRODUCT, "ean"),
        ("036000291452", Kind.PRODUCT, "ean"),
        ("09501101530003", Kind.PRODUCT, "ean"),
        ("]E06901234567892", Kind.PRODUCT, "ean"),
        ("]C10109501101530003", Kind.PRODUCT, "gs1_no_coupon"),
        ("https://id.gs1.org/01/09501101530003", Kind.PRODUCT, "gs1_no_coupon"),
        ("https://example.org/menu?table=12", Kind.LINK, ""),
        ("HTTP://EXAMPLE.ORG", Kind.LINK, ""),
        ("6901234567893", Kind.OTHER, ""),  # the check digit is wrong
        (f"255{GCN[:12]}4", Kind.OTHER, ""),  # nothing announces it, so nothing is damaged
        ("88000000000000010", Kind.OTHER, ""),
        ("(hello)", Kind.OTHER, ""),
        ("SUMMER26", Kind.OTHER, ""),
        ("]", Kind.OTHER, ""),
        ("", Kind.OTHER, ""),
        ("x" * 5000, Kind.OTHER, ""),
    ],
)
def test_each_kind(scanned, kind, detail):
    routed = route(scanned, RULES)
    assert (routed.kind, routed.detail) == (kind, detail)


def test_what_is_judged_is_the_coupon_without_its_framing():
    assert route(f"]C117261231255{GCN}77\x1d3900100").text == GCN + "77"
    assert route(f"https://x.example/255/{GCN}").text == GCN
    assert route("]C0 SUMMER26\r\n").text == "SUMMER26"


def test_a_token_has_one_form():
    scanned = text()
    assert route(scanned) == Routed(Kind.TOKEN, scanned)
    assert route("]Q1" + scanned) == Routed(Kind.TOKEN, scanned), (
        "what a scanner puts before it is not its text"
    )
    assert route("]d2\x1d" + scanned) == Routed(Kind.TOKEN, scanned)
    assert route(scanned + "\n") == Routed(Kind.TOKEN, scanned + "\n")
    assert route(" " + scanned) == Routed(Kind.TOKEN, " " + scanned), "the parser refuses it"


def test_without_rules_nobody_is_a_member():
    assert route("8800000000000001").kind is Kind.OTHER


@given(
    st.text(max_size=100)
    | st.text("]CdQ0123456789()\x1d:/?&=%RC.", max_size=80).map(lambda end: "https://" + end)
)
@examples(1000)
def test_any_text_has_a_kind(scanned):
    routed = route(scanned, RULES)
    assert routed.kind in Kind
    assert scanned == "" or routed.detail not in scanned or not routed.detail, (
        "a detail is no piece of the text"
    )


@given(st.text("0123456789", min_size=14, max_size=14).map(lambda end: "88" + end))
@examples(100)
def test_a_member_card_is_nothing_else(card):
    assert route(card, RULES).kind is Kind.MEMBER_CARD
    assert route("]C0" + card, RULES).kind is Kind.MEMBER_CARD


def test_rules_come_back_from_the_wire():
    assert read_rules([rule_to_wire(rule) for rule in RULES]) == RULES


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "token"}, "kind"),
        ({"prefix": "x" * 33}, "prefix"),
        ({"least": 17}, "most"),
        ({"prefix": "8" * 16}, "most"),
        ({"prefix": "", "least": 4, "most": 16}, "prefix"),
        ({"alphabet": "hex"}, "alphabet"),
        ({"most": 257}, "most"),
        ({"regex": "(a+)+"}, "regex"),
    ],
)
def test_a_wrong_rule_names_its_field(changes, named):
    with pytest.raises(FieldError, match=named):
        read_rules([rule_to_wire(RULES[0]) | changes])


def test_rules_have_a_bound():
    with pytest.raises(FieldError, match="100"):
        read_rules([rule_to_wire(RULES[0])] * (RULES_MAX + 1))
