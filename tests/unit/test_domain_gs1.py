"""GS1 element strings and links: what is a coupon, what is damaged, what is stepped over."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import gs1
from agent.domain.gs1 import (
    Gs1Error,
    Gs1Fault,
    check_digit_ok,
    coupon_of,
    parse_brackets,
    parse_elements,
    parse_link,
)
from tests.unit.domain_kit import examples

GCN = "9501101530003"  # 950110153000 and its check digit 3
OFFER = "001234561234560123456"  # funder 123456, offer 123456, serial 123456


def fault(call, *arguments):
    with pytest.raises(Gs1Error) as caught:
        call(*arguments)
    return caught.value.fault


def coupon(elements):
    found = coupon_of(elements)
    assert found is not None
    return found


def link_of(text):
    found = parse_link(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("data", "elements"),
    [
        (f"255{GCN}", {"255": GCN}),
        (f"255{GCN}123456789012", {"255": GCN + "123456789012"}),
        (f"17261231255{GCN}42", {"17": "261231", "255": GCN + "42"}),
        (f"255{GCN}42\x1d3900100", {"255": GCN + "42", "3900": "100"}),
        (f"\x1d10AB-1\x1d255{GCN}", {"10": "AB-1", "255": GCN}),
        (f"8112{OFFER}", {"8112": OFFER}),
        ("0109501101530003", {"01": "09501101530003"}),
        ("4109501101530003\x1d21x", {"410": "9501101530003", "21": "x"}),  # FNC1 where none is needed
        ("3103001750", {"3103": "001750"}),
        ("", {}),
    ],
)
def test_element_strings_are_taken_apart(data, elements):
    assert parse_elements(data) == elements


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("25", Gs1Fault.INCOMPLETE),
        ("255", Gs1Fault.INCOMPLETE),
        ("0195011015300", Gs1Fault.INCOMPLETE),
        ("01095011015x0003", Gs1Fault.BAD_VALUE),
        ("05123", Gs1Fault.UNKNOWN_AI),
        ("hello", Gs1Fault.UNKNOWN_AI),
        ("２５５123", Gs1Fault.UNKNOWN_AI),
        ("10A#B", Gs1Fault.BAD_VALUE),  # not one of the 82 characters
        ("10A\x1d10B", Gs1Fault.CONTRADICTION),
        ("10A\x1d" * 40, None),
        ("21" + "A" * 91, Gs1Fault.BAD_VALUE),
        ("".join(f"9{ai % 10}{ai}\x1d21{ai}\x1d" for ai in range(40)), Gs1Fault.CONTRADICTION),
    ],
)
def test_what_is_no_element_string_says_why(data, expected):
    if expected is None:
        assert parse_elements(data) == {"10": "A"}
    else:
        assert fault(parse_elements, data) is expected


def test_brackets_are_for_people():
    assert parse_brackets("(255)950110153000 3(3900)100") == {"255": GCN, "3900": "100"}
    assert parse_brackets("(10)A(1)B(21)x") == {"10": "A(1)B", "21": "x"}, "a value may hold brackets"
    for text in ("(2555)1", "(255", "()1", "x(255)1", "(aa)1", "(99)1(", "(10)A)"):
        assert parse_brackets(text) if text in ("(99)1(", "(10)A)") else fault(parse_brackets, text)


def test_a_gcn_is_checked():
    assert coupon({"255": GCN}).value == GCN
    assert fault(coupon_of, {"255": GCN[:12]}) is Gs1Fault.INCOMPLETE
    assert fault(coupon_of, {"255": GCN[:12] + "4"}) is Gs1Fault.CHECK_DIGIT
    assert fault(coupon_of, {"255": GCN + "1" * 13}) is Gs1Fault.BAD_VALUE
    assert fault(coupon_of, {"255": GCN + "A"}) is Gs1Fault.BAD_VALUE
    assert fault(coupon_of, {"255": GCN, "8112": OFFER}) is Gs1Fault.CONTRADICTION
    assert coupon_of({"01": "0" * 14}) is None


@pytest.mark.parametrize("at", range(12))
def test_one_wrong_digit_in_a_gcn_is_found(at):
    for digit in "0123456789".replace(GCN[at], ""):
        assert not check_digit_ok(GCN[:at] + digit + GCN[at + 1 :])


# The lengths of the published reference tests: format, length of the funder, offer, length of the serial.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("001234561234560123456", None),
        ("101234561234560123456", None),
        ("001234561234569123456789012345", None),
        ("061234567890121234569123456789012345", None),
        ("8475839285610003748593748596", None),  # a bundle: only the central file can read it
        ("0", Gs1Fault.INCOMPLETE),
        ("00123456", Gs1Fault.INCOMPLETE),
        ("00123456123456", Gs1Fault.INCOMPLETE),
        ("00123456123456012345", Gs1Fault.INCOMPLETE),
        ("07", Gs1Fault.BAD_VALUE),
        ("0012345612345601234567", Gs1Fault.BAD_VALUE),
        ("00123456123456012345a", Gs1Fault.BAD_VALUE),
    ],
)
def test_an_offer_is_as_long_as_it_says(value, expected):
    if expected is None:
        assert coupon({"8112": value}).value == value
    else:
        assert fault(coupon_of, {"8112": value}) is expected


@pytest.mark.parametrize(
    "link",
    [
        f"https://id.gs1.org/255/{GCN}",
        f"HTTPS://EXAMPLE.COM/some/where/255/{GCN}/",
        f"http://shop.example/255/{GCN}?3940=0050",
        f"https://shop.example/go?x=1&255={GCN}",
        f"https://shop.example/go?x=1;255={GCN}#top",
        "https://shop.example/255/950110153000%33",
    ],
)
def test_a_link_names_its_coupon(link):
    assert link_of(link).elements == {"255": GCN}


def test_other_links_are_links():
    assert parse_link("example.com/255/1") is None
    assert link_of("https://shop.example/menu?table=12").elements == {}
    assert link_of("https://[::1/255/1").elements == {}, "no host, no elements"
    assert link_of("https://x.example/?" + "&".join(f"a{n}=1" for n in range(99))).elements == {}
    assert link_of("https://x.example/8112/" + OFFER).elements == {"8112": OFFER}
    assert fault(parse_link, f"https://x.example/255/{GCN}?255=1") is Gs1Fault.CONTRADICTION


def compressed(prefix_bits, prefix, number, tail=0):
    """A Digital Link in compressed form: the AI, 13 digits in 44 bits, whatever follows."""
    bits = f"{prefix:0{prefix_bits}b}{number:044b}{tail:016b}"
    bits += "0" * (-len(bits) % 6)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return "".join(letters[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def test_a_compressed_link_is_seen_and_others_are_not_taken_for_one():
    for bits, prefix in ((12, 0x255), (8, 0xC0), (8, 0xCD)):
        assert link_of("https://x.example/" + compressed(bits, prefix, int(GCN), 99)).compressed
        assert not link_of("https://x.example/" + compressed(bits, prefix, int(GCN) + 1, 99)).compressed
    assert link_of("https://x.example/" + compressed(16, 0x8112, 5)).compressed
    for word in ("promotions", "wechat-pay-landing", "xmas-2026-sale", "J", "JVx"):
        assert not link_of(f"https://shop.example/{word}").compressed


@given(st.text(max_size=60) | st.text("()0123456789AB\x1d", max_size=60))
@examples(500)
def test_any_text_is_taken_apart_or_refused(text):
    for parse in (parse_elements, parse_brackets):
        with contextlib.suppress(Gs1Error):  # and nothing else
            coupon_of(parse(text))
    with contextlib.suppress(Gs1Error):
        assert link_of("https://" + text) is not None


@given(
    st.lists(st.sampled_from(["00", "01", "17", "10", "21", "255", "3900", "410", "8112", "99"]), unique=True)
)
@examples(200)
def test_what_is_put_together_comes_apart_again(ais):
    fixed = {"00": "1" * 18, "01": "2" * 14, "17": "261231", "410": "3" * 13}
    elements = {ai: fixed.get(ai, "12345") for ai in ais}
    text = "".join(ai + value + ("" if ai in fixed else gs1.FNC1) for ai, value in elements.items())
    assert parse_elements(text) == elements
    assert parse_brackets("".join(f"({ai}){value}" for ai, value in elements.items())) == elements
