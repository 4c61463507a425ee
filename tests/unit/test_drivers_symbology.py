"""AIM symbology identifiers and ECI escapes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.symbology import UndecodableError, unwrap


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"]Q1RC1AB", "RC1AB"),
        (b"]C0RC1AB", "RC1AB"),
        (b"]d2\x1d255", "]d2\x1d255"),  # GS1 data stays known as such
        (b"\x02]C1255\r", "]C1255"),
        (b"\x1d255\x1d\r", "\x1d255\x1d"),
        (b"\x02RC1AB\x00", "RC1AB"),
        (b"\x02]Q1RC1AB\r", "RC1AB"),
        (b"]Q1\x02RC1AB", "RC1AB"),
        (b"]Q1]Q1A", "]Q1A"),
        (b"] RC1", "] RC1"),
        (b"01\x1d21A", "01\x1d21A"),
        (b"]Q1", ""),
        (b" A ", " A "),
        (b"]Q2\\000026RC1AB", "RC1AB"),
        (b"]Q2RC1AB", "RC1AB"),
        (b"\\000026RC1AB", "RC1AB"),
        (b"]Q4\\0000030112345678901231", "]Q30112345678901231"),
        (b"]d5\\000026\x1d01", "]d2\x1d01"),
        (b"]Q2a\\\\b\\000003\xe9\\000026\xc3\xa9", "a\\béé"),
        (b"\\000029\xd3\xc5\xbb\xdd", "优惠"),
        (b"\\000020\x93\xfa\x96\x7b", "日本"),
        (b"\\00002", "\\00002"),  # no ECI: five digits
        (b"a\\000026", "a\\000026"),  # nothing said that escapes are used
        (b"]Q1a\\\\b", "a\\\\b"),
    ],
)
def test_what_stands_around_a_code_goes(frame: bytes, text: str):
    assert unwrap(frame, "utf-8") == text


def test_what_was_typed_is_characters_already():
    assert unwrap("\\000003é\\\\".encode(), "utf-8", typed=True) == "é\\"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"RC1\xff\xfe", "byte 4 of 5 is not utf-8"),
        (b"\\000026\xff", "byte 1 of 1 is not utf-8"),
        (b"\\000899AB", "character set 000899"),
        (b"\\000014AB", "character set 000014"),
    ],
)
def test_what_is_no_text_says_so_without_showing_it(frame: bytes, words: str):
    with pytest.raises(UndecodableError, match=words) as error:
        unwrap(frame, "utf-8")
    assert "RC1" not in str(error.value)


@given(
    st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=40),
    st.sampled_from(["]Q2", "]d4", ""]),
)
def test_escaped_text_comes_back(text: str, identifier: str):
    frame = f"{identifier}\\000026".encode() + text.encode().replace(b"\\", b"\\\\")
    assert unwrap(frame, "latin-1") == text


@given(st.binary(max_size=60))
def test_noise_is_text_or_a_named_fault(frame: bytes):
    for piece in (frame, b"]Q2" + frame, b"\\000025" + frame):
        with suppress(UndecodableError):
            assert isinstance(unwrap(piece, "utf-8"), str)
