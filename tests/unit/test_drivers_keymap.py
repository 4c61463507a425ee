"""Key events to text: recorded events, every layout, and what is not a character."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.discover import InputDevice
from drivers.framing import Framer
from drivers.keymap import (
    DOWN,
    EV_KEY,
    EV_LED,
    EV_SYN,
    KEY_CAPSLOCK,
    KEY_TAB,
    LAYOUTS,
    LED_CAPSL,
    REPEAT,
    UP,
    KeyDecoder,
    UnknownKeyError,
)
from drivers.wedge import WedgeSettings
from tests.integration.wedge_kit import SHIFT, Event, pressed, typed

TOKEN_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

# What `evtest` shows of a scanner that is set to the US layout and reads "Rc1-/" with an Enter after it:
# (type, code, value); scan codes and reports left out.
RECORDED = [
    *[(1, 42, 1), (1, 19, 1), (1, 19, 0), (1, 42, 0)],  # Shift+R
    *[(1, 46, 1), (1, 46, 0)],  # c
    *[(1, 2, 1), (1, 2, 0)],  # 1
    *[(1, 12, 1), (1, 12, 0)],  # -
    *[(1, 53, 1), (1, 53, 0)],  # /
    *[(1, 28, 1), (1, 28, 0)],  # Enter
]


def text_of(events: list[Event], layout: str = "us") -> str:
    keys = KeyDecoder(layout)
    return "".join(keys.feed(*event) for event in events)


def key(code: int, *held: int) -> list[Event]:
    return list(pressed(code, *held))


def test_recorded_events():
    assert text_of(RECORDED) == "Rc1-/\r"


@pytest.mark.parametrize(
    ("layout", "text"),
    # The same keys (Shift+R, c, 1, the two keys right of 0 and of the full stop) on other keyboards.
    [
        ("us", "Rc1-/\r"),
        ("uk", "Rc1-/\r"),
        ("de", "Rc1ß-\r"),
        ("fr", "Rc&)!\r"),
        ("es", "Rc1'-\r"),
        ("it", "Rc1'-\r"),
    ],
)
def test_the_same_keys_mean_other_characters_on_other_layouts(layout: str, text: str):
    assert text_of(RECORDED, layout) == text


@pytest.mark.parametrize(
    ("layout", "code", "held", "character"),
    [
        ("de", 21, (), "z"),
        ("de", 44, (SHIFT,), "Y"),
        ("fr", 16, (), "a"),
        ("fr", 30, (SHIFT,), "Q"),
        ("fr", 39, (), "m"),
        ("fr", 3, (SHIFT,), "2"),
        ("fr", 7, (SHIFT,), "6"),
        ("fr", 11, (100,), "@"),
        ("de", 16, (100,), "@"),
        ("it", 39, (100,), "@"),
        ("es", 39, (), "ñ"),
        ("uk", 3, (SHIFT,), '"'),
        ("us", 3, (SHIFT,), "@"),
    ],
)
def test_known_places(layout: str, code: int, held: tuple[int, ...], character: str):
    assert text_of(key(code, *held), layout) == character


@pytest.mark.parametrize("layout", LAYOUTS)
@given(body=st.text(TOKEN_ALPHABET, max_size=200))
def test_a_token_survives_every_layout(layout: str, body: str):
    assert text_of(typed("RC1" + body, layout), layout) == f"RC1{body}\r"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_two_keys_of_a_layout_disagree_on_digits_and_letters(layout: str):
    places = [one for keys in LAYOUTS[layout].keys().values() for one in keys[:2] if one in TOKEN_ALPHABET]
    assert sorted(places) == sorted(TOKEN_ALPHABET)


def test_both_shifts_and_a_shift_held_over_several_keys():
    events = [(EV_KEY, 54, DOWN), *key(30), *key(48), (EV_KEY, 54, UP), *key(46)]
    assert text_of(events) == "ABc"
    overlapping = [
        (EV_KEY, 42, DOWN),
        (EV_KEY, 54, DOWN),
        (EV_KEY, 42, UP),
        *key(30),
        (EV_KEY, 54, UP),
        *key(30),
    ]
    assert text_of(overlapping) == "Aa"


def test_caps_lock_changes_letters_and_nothing_else():
    events = [
        *key(KEY_CAPSLOCK),
        *key(30),
        *key(2),
        *key(30, SHIFT),
        *key(2, SHIFT),
        *key(KEY_CAPSLOCK),
        *key(30),
    ]
    assert text_of(events) == "A1a!a"


def test_caps_lock_is_also_told_by_its_lamp_and_forgotten_on_reset():
    keys = KeyDecoder()
    keys.feed(EV_LED, LED_CAPSL, 1)
    assert keys.feed(EV_KEY, 30, DOWN) == "A"
    keys.reset()
    assert keys.feed(EV_KEY, 30, DOWN) == "a"


def test_caps_lock_knows_letters_beyond_ascii():
    assert text_of([*key(KEY_CAPSLOCK), *key(39), *key(40), *key(12)], "de") == "ÖÄß"


def test_a_key_held_down_types_once():
    assert text_of([(EV_KEY, 30, DOWN), *[(EV_KEY, 30, REPEAT)] * 5, (EV_KEY, 30, UP)]) == "a"


def test_the_keypad_types_digits():
    assert text_of(
        [event for code in (82, 79, 80, 81, 75, 76, 77, 71, 72, 73, 83, 96) for event in key(code)]
    ) == ("0123456789.\r")


def test_control_characters():
    assert text_of([*key(27, 29), *key(50, 97), *key(30, 29)]) == "\x1d\r\x01"
    with pytest.raises(UnknownKeyError):
        text_of(key(2, 29))


KEYPAD = {
    digit: code for code, digit in zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True)
}
HEX = dict(zip("1234567890abcdef", (*range(2, 12), 30, 48, 46, 32, 18, 33), strict=True))


def alt(digits: str) -> list[Event]:
    """Alt held while digits are typed on the keypad (after a plus: hexadecimal, letters on the main block)."""
    codes = [78 if one == "+" else KEYPAD.get(one, HEX.get(one, 0)) for one in digits]
    return [(EV_KEY, 56, DOWN), *(event for code in codes for event in key(code)), (EV_KEY, 56, UP)]


@pytest.mark.parametrize(
    ("digits", "character"),
    [
        ("065", "A"),
        ("65", "A"),
        ("029", "\x1d"),
        ("13", "\r"),
        ("0233", "é"),
        ("130", "é"),
        ("0128", "€"),
        ("225", "ß"),
        ("20248", "优"),
        ("020248", "优"),
        ("128512", "😀"),
        ("+4f18", "优"),
        ("+e9", "é"),
        ("+82", "\x82"),
    ],
)
def test_characters_typed_by_their_number(digits: str, character: str):
    for layout in LAYOUTS:
        assert text_of([*key(57), *alt(digits), *key(57)], layout) == f" {character} "


@pytest.mark.parametrize("digits", ["0", "000", "0129", "55296", "1114112", "99999999", "+", "+0", "+d800"])
def test_numbers_of_no_character(digits: str):
    with pytest.raises(UnknownKeyError, match="names no character"):
        text_of(alt(digits))


@pytest.mark.parametrize("digits", ["123456789", "a1", "1+1", "+x"])
def test_what_is_no_alt_code(digits: str):
    with pytest.raises(UnknownKeyError, match="no digit of an Alt code"):
        text_of(alt(digits))


def test_an_alt_key_left_alone_types_nothing():
    assert text_of([*alt(""), *key(30), (EV_KEY, 56, UP), *key(30)]) == "aa"


@given(st.text(st.characters(min_codepoint=256, blacklist_categories=["Cs"]), max_size=20))
def test_any_text_survives_being_typed_by_numbers(text: str):
    assert text_of([event for one in text for event in alt(str(ord(one)))]) == text
    assert text_of([event for one in text for event in alt(f"+{ord(one):x}")]) == text


def test_silent_keys_and_other_kinds_of_event_type_nothing():
    events = [*key(70), *key(69), *key(125), (EV_SYN, 0, 0), (4, 4, 458756), (2, 0, 5), *key(30)]
    assert text_of(events) == "a"


@pytest.mark.parametrize(("layout", "events"), [("us", key(59)), ("us", key(30, 100)), ("de", key(240))])
def test_a_key_without_a_character_is_not_passed_over(layout: str, events: list[Event]):
    with pytest.raises(UnknownKeyError, match=f"has no character in layout {layout}"):
        text_of(events, layout)


def test_an_unknown_layout_is_named_with_what_is_allowed():
    with pytest.raises(ValueError, match=r"layout 'xx' is not one of us, uk, de, fr, es, it"):
        KeyDecoder("xx")


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(0, 767), st.integers(-1, 2)), max_size=60))
def test_no_event_breaks_it(events: list[Event]):
    keys = KeyDecoder()
    for event in events:
        try:
            assert len(keys.feed(*event)) <= 1
        except UnknownKeyError:
            continue


def test_a_tab_ends_a_scan_as_well_as_an_enter():
    keys, framer = KeyDecoder(), Framer("w")
    found = [
        one
        for event in typed("FIRST", end=KEY_TAB) + typed("SECOND")
        for one in framer.feed(keys.feed(*event).encode(), 1.0)
    ]
    assert [getattr(one, "text", one) for one in found] == ["FIRST", "SECOND"]


SCANNER = InputDevice("/dev/input/event5", "Honeywell Scanning 1900 Keyboard", "0c2e", "0b61", "SN4711")


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"vendor": "0c2e"}, True),
        ({"vendor": "0C2E", "product": "0B61", "serial": "SN4711", "device_name": "1900"}, True),
        ({"vendor": "0c2e", "product": "ffff"}, False),
        ({"vendor": "05e0"}, False),
        ({"serial": "SN47"}, False),
        ({"device_name": "Scanning"}, True),
        ({"device_name": "Keyboard K120"}, False),
    ],
)
def test_the_rule_that_finds_the_scanner(rule: dict[str, Any], matches: bool):
    assert WedgeSettings("w", **rule).matches(SCANNER) is matches


def test_the_rule_in_words():
    assert WedgeSettings("w", vendor="0c2e", device_name="1900").rule() == "vendor 0c2e, device_name 1900"
    assert WedgeSettings("w").rule() == ""
