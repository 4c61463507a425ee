"""The receipt document: what goes in comes out, what is out of bounds does not go in, nothing in it is a command."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.receipt_template import FEED_LINES_MAX, QR_CHARS_MAX, SIZE_MAX, TEXT_CHARS_MAX
from agent.receipts import model
from agent.receipts.model import (
    Align,
    Barcode,
    Columns,
    Cut,
    Feed,
    Image,
    Qr,
    Receipt,
    ReceiptError,
    Rule,
    Text,
    receipt_from_json,
)
from tests.receipt_samples import LOGO

TEXTS = st.text(st.characters(exclude_categories=()), max_size=60)  # controls and lone surrogates included
SIZES = st.integers(1, SIZE_MAX)
ELEMENTS = st.one_of(
    st.builds(Text, TEXTS, st.sampled_from(Align), st.booleans(), SIZES),
    st.builds(Columns, TEXTS, TEXTS, st.booleans(), SIZES),
    st.builds(Rule),
    st.builds(
        Qr, st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200), TEXTS
    ),
    st.builds(Barcode, st.from_regex("[ -~]{1,80}", fullmatch=True), st.just("code128"), st.integers(2, 4)),
    st.builds(Image, st.just(LOGO), TEXTS),
    st.builds(Feed, st.integers(1, FEED_LINES_MAX)),
    st.builds(Cut),
)
RECEIPTS = st.builds(Receipt, st.lists(ELEMENTS, max_size=30).map(tuple))


@given(RECEIPTS)
def test_a_stored_receipt_reads_back_equal(receipt):
    assert receipt_from_json(receipt.to_json()) == receipt


@given(TEXTS)
def test_no_control_character_survives(text):
    cleaned = Text(text).text
    assert all(character.isprintable() or character == "　" for character in cleaned)
    assert bool(cleaned) == bool(text)


def test_the_document_is_readable():
    receipt = Receipt((Text("好", Align.CENTER, bold=True), Rule(), Cut()))
    assert json.loads(receipt.to_json()) == {
        "elements": [
            {"kind": "text", "text": "好", "align": "center", "bold": True},
            {"kind": "rule"},
            {"kind": "cut"},
        ],
        "version": 1,
        "language": "zh",
    }


@pytest.mark.parametrize(
    "build",
    [
        lambda: Text("x" * (TEXT_CHARS_MAX + 1)),
        lambda: Columns("x", "x" * (TEXT_CHARS_MAX + 1)),
        lambda: Text("x", size=0),
        lambda: Columns("x", "y", size=SIZE_MAX + 1),
        lambda: Qr(""),
        lambda: Qr("x" * (QR_CHARS_MAX + 1)),
        lambda: Qr("券"),
        lambda: Qr("A\x1d"),
        lambda: Qr("A", module_dots=2),
        lambda: Feed(0),
        lambda: Feed(11),
        lambda: Receipt((Rule(),) * (model.ELEMENTS_MAX + 1)),
        lambda: Receipt((), version=2),
    ],
)
def test_out_of_bounds_is_refused(build):
    with pytest.raises(ReceiptError):
        build()


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        '{"elements": [], "version": 2}',
        '{"elements": [], "more": 1}',
        '{"elements": [{"kind": "drawer"}]}',
        '{"elements": [{"kind": "text", "text": 5}]}',
        '{"elements": [{"kind": "text", "text": "x", "size": "2"}]}',
        '{"elements": [{"kind": "text", "text": "x", "size": 9}]}',
        '{"elements": [{"kind": "cut", "now": true}]}',
        '{"elements": [{"kind": "qr", "data": "\\u001b"}]}',
        '{"elements": [' + ",".join(['{"kind":"rule"}'] * (model.ELEMENTS_MAX + 1)) + "]}",
        '{"elements": []}' + " " * model.JSON_CHARS_MAX,
        '{"elements": [{"kind": "text", "text": "\ud800"}]}',
    ],
)
def test_a_damaged_document_is_refused(document):
    with pytest.raises(ReceiptError):
        receipt_from_json(document)


def test_a_control_character_in_a_stored_document_is_shown_not_sent():
    stored = receipt_from_json('{"elements": [{"kind": "text", "text": "a\\u001b@"}]}')
    assert stored == Receipt((Text("a□@"),))
