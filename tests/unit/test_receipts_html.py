"""The receipt as HTML: every text is escaped, nothing in it can run or load anything."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from agent.receipts.html import render_html
from agent.receipts.model import Barcode, Columns, Cut, Feed, Image, Qr, Receipt, Rule, Text
from tests.receipt_samples import LOGO, TOKEN, ZH, redemption_receipt

TAGS = {"div", "p", "span", "hr", "br", "svg", "rect", "path", "img"}
ATTRIBUTES = {"class", "viewbox", "role", "aria-label", "width", "height", "fill", "d", "alt", "src"}


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def test_every_line_of_the_receipt_is_there():
    seen = Seen(render_html(redemption_receipt(ZH)))
    for words in (
        ZH.store_name,
        ZH.campaign_title,
        "￥98.00",
        ZH.promo_title,
        ZH.promo_short,
        ZH.promo_conditions,
    ):
        assert words in seen.text
    assert seen.tags.count("svg") == 1
    assert TOKEN in render_html(redemption_receipt(ZH)), "the code's text is its label"


def test_each_paper_is_a_block_of_its_own():
    two = Receipt((Text("a"), Cut(), Text("b"), Feed(2), Rule(), Cut()))
    assert render_html(two).count('<div class="paper">') == 2
    assert render_html(Receipt((Text("a"),))).count("<div") == 1


def test_size_and_weight_are_classes():
    html = render_html(Receipt((Text("a", bold=True, size=3), Columns("b", "c", size=2))))
    assert '<p class="left bold x3">a</p>' in html
    assert '<p class="columns x2"><span>b</span><span>c</span></p>' in html


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_becomes_markup(left, right):
    receipt = Receipt(
        (
            Text(left),
            Columns(left, right),
            Qr('"><script>&', caption=right),
            Barcode('"><script>&', "code128"),
            Image(LOGO, left),
            Cut(),
        )
    )
    seen = Seen(render_html(receipt))
    assert set(seen.tags) <= TAGS
    assert seen.attributes <= ATTRIBUTES
