"""Receipt templates: what is read prints; what would not print well is refused where it is written, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain.receipt_facts import FACTS
from agent.domain.receipt_template import LANGUAGES, PAPERS
from agent.domain.template_reader import (
    DEPTH_MAX,
    STATEMENTS_MAX,
    TEMPLATE_CHARS_MAX,
    TemplateError,
    read_template,
)
from agent.receipts.book import built_in, built_in_text
from agent.receipts.model import Columns, Qr, Receipt, Text
from agent.receipts.plain import render_text
from agent.receipts.redemption import filled
from agent.receipts.samples import SAMPLES

HEAD = "receipt 1 redemption zh\n"
NUMBER = "text: {number}\n"
NOTHING = dict.fromkeys(FACTS, "")
LONGEST = {name: "x" * (2 * fact.chars) for name, fact in FACTS.items()}


def printed(body: str, **facts: str) -> list[object]:
    return list(filled(read_template(HEAD + body), {**NOTHING, "number": "T-1", **facts}))


def test_the_samples_know_every_fact():
    assert all(SAMPLES[language].keys() == FACTS.keys() for language in LANGUAGES)


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("known", ["sample", "nothing", "longest"])
def test_our_own_templates_print_whatever_is_known(paper, language, known):
    template = built_in(paper, language)
    assert (template.paper, template.language) == (paper, language)
    facts = {"sample": SAMPLES[language], "nothing": NOTHING, "longest": LONGEST}[known]
    receipt = Receipt(tuple(filled(template, facts)))
    assert render_text(receipt, 32)


def test_a_line_whose_facts_are_all_empty_is_left_out():
    body = NUMBER + "text: 券号 {promo_short}\ncolumns: 合计 | {total}\nqr: {promo_code}\ntext: always\n"
    assert [type(one) for one in printed(body)] == [Text, Text]
    assert [type(one) for one in printed(body, promo_short="2-1", total="1", promo_code="RC1")] == [
        Text, Text, Columns, Qr, Text,
    ]  # fmt: skip


def test_a_choice_prints_one_of_both():
    body = NUMBER + "if offline\n  text: off\nelse\n  text: on\nend\nif not total\n  text: unknown\nend\n"
    texts = [one.text for one in printed(body) if isinstance(one, Text)]
    assert texts == ["T-1", "on", "unknown"]
    texts = [one.text for one in printed(body, offline="1", total="9") if isinstance(one, Text)]
    assert texts == ["T-1", "off"]


def test_signs_that_mean_something_can_be_printed():
    one, two, three = printed(
        "text: {{x}} {number}\ncolumns: a||b | c\nqr: https://a.example/?x={promo_short}&y\n", promo_short="7"
    )
    assert one == Text("{x} T-1")
    assert two == Columns("a|b", "c")
    assert three == Qr("https://a.example/?x=7&y")


def test_facts_are_data_and_never_read_as_a_template():
    one, two = printed("text: {number}\ncolumns: a | {store}\n", number="{till} {{", store="x | y\nrule")
    assert one == Text("{till} {{")
    assert two == Columns("a", "x | y rule")


@pytest.mark.parametrize("code", ["x" * 301, "优惠", "a\x1bp"])
def test_a_code_that_does_not_fit_is_left_out_whole(code):
    assert [type(one) for one in printed(NUMBER + "qr: {promo_code}\n", promo_code=code)] == [Text]


def test_no_fact_can_command_the_printer():
    """The model shows what is no text as □; a template adds no way around it."""
    (one,) = printed(NUMBER, number="a\x1bp\x00\x10\x14")
    assert isinstance(one, Text)
    assert one.text == "a□p□□□"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("text: {number} {nmae}\n", "line 2: 'nmae' is no fact"),
        (NUMBER + "if sale\nend\n", "line 3: 'sale' is no fact"),
        ("text: hello\n", "not every receipt says {number}"),
        ("if offline\n text: {number}\nend\n", "not every receipt says {number}"),
        ("if not number\n text: {number}\nend\n", "not every receipt says {number}"),
        ("text: {number}\n" + "feed 10\n" * 5, "50 lines are fed"),
        (NUMBER + "if total\ntext: x\n", "line 3: if without end"),
        (NUMBER + "end\n", "line 3: end without if"),
        (NUMBER + "else\n", "line 3: else without if"),
        (NUMBER + "if total\nelse\nelse\nend\n", "line 5: a second else"),
        (NUMBER + "if\nend\n", "line 3: after if comes"),
        (NUMBER + "if not\nend\n", "line 3: after if comes"),
        (NUMBER + "if total\n" * (DEPTH_MAX + 1) + "end\n" * (DEPTH_MAX + 1), f"more than {DEPTH_MAX} ifs"),
        (NUMBER + "cut\n", "line 3: 'cut' is no statement"),
        (NUMBER + "rule: x\n", "is no statement"),
        (NUMBER + "text\n", "text needs a colon"),
        (NUMBER + "text huge: x\n", "line 3: huge is no option"),
        (NUMBER + "text x9: x\n", "line 3: x9 is no option"),
        (NUMBER + "feed 11\n", "line 3: 11 is not a whole number from 1 to 10"),
        (NUMBER + "feed ten\n", "ten is not a whole number"),
        (NUMBER + "columns: a\n", "line 3: columns are two"),
        (NUMBER + "columns: a|b|c\n", "line 3: columns are two"),
        (NUMBER + "text: {\n", "line 3: a lone {"),
        (NUMBER + "text: a}b\n", "line 3: a lone }"),
        (NUMBER + "text: a\x1bb\n", "line 3, column 8: U+001B (escape) cannot be printed: leave it out"),
        (NUMBER + "  text:\tx\n", "line 3, column 8: U+0009 (a tab) cannot be printed"),
        (NUMBER + "text: a\rb\n", "line 3, column 8: U+000D (a carriage return)"),
        (NUMBER + "columns: 合计 | a\u202eb\n", "line 3, column 16: U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        (NUMBER + "text: 谢谢\u200b惠顾\n", "line 3, column 9: U+200B (ZERO WIDTH SPACE)"),
        (NUMBER + "text: a\xa0b\n", "line 3, column 8: U+00A0 (NO-BREAK SPACE)"),
        (NUMBER + "te\0xt: a\n", "line 3, column 3: U+0000 (nul)"),
        (NUMBER + "text: \ue000\n", "line 3, column 7: U+E000 (no name)"),
        (NUMBER + "  qr: {promo_code} 优\n", "column 20: a QR code holds"),
        (NUMBER + "qr: 优\n", "printable ASCII characters alone, not 优 (U+4F18, CJK"),
        (NUMBER + "qr: {store}\n", "line 3: {store} may hold any letters"),
        (NUMBER + "qr: 优惠\n", "line 3, column 5: a QR code holds printable ASCII"),
        (NUMBER + "qr:\n", "line 3: a QR code holds printable ASCII"),
        (NUMBER + "qr dots 9: x\n", "line 3: 9 is not a whole number from 3 to 8"),
        (NUMBER + "qr big: x\n", "after qr may stand"),
        (NUMBER + "barcode: 1\n", "line 3: after barcode comes its kind: ean13, ean8,"),
        (NUMBER + "barcode qr: 1\n", "line 3: after barcode comes its kind"),
        (NUMBER + "barcode itf\n", "line 3: barcode needs a colon"),
        (NUMBER + "barcode itf wide 2: 12\n", "after the kind of a barcode may stand"),
        (NUMBER + "barcode itf dots 5: 12\n", "line 3: 5 is not a whole number from 2 to 4"),
        (NUMBER + "barcode ean13: {till}\n", "line 3: {till} may hold any letters; EAN-13 takes"),
        (NUMBER + "barcode code128: {promo_code}\n", "up to 300 characters with its facts; at most 80"),
        (NUMBER + "barcode ean13: 400638133393\n", "line 3: EAN-13 holds 13 digits"),
        (NUMBER + "barcode ean13: 4006381333932\n", "line 3: the check digit of the EAN-13 is wrong: 2, not 1"),
        (NUMBER + "barcode itf: 123\n", "line 3: ITF holds an even number of digits"),
        (NUMBER + "barcode code39: {promo_short}a\n", "line 3, column 30: CODE39 holds 0-9 A-Z"),
        (NUMBER + "barcode code39: {promo_short}a\n", "at most 80, not a (U+0061, LATIN SMALL LETTER A)"),
        (NUMBER + "barcode ean13: {number_code}\n", "{number_code} is never digits alone: use code39, code128"),
        (NUMBER + "barcode itf: 12{promo_short}\n", "line 3: ITF holds an even number of digits"),
        (NUMBER + "barcode code128: 优惠\n", "line 3, column 18: CODE128 holds printable ASCII"),
        (NUMBER + "barcode code128:\n", "line 3: CODE128 holds printable ASCII"),
        (NUMBER + "barcode code128: Cash back\n", "line 3: promises 'cash back'"),
        (NUMBER + "image: Acme\n", "line 3: after image comes its name"),
        (NUMBER + "image logo.png wide: Acme\n", "line 3: after image comes its name"),
        (NUMBER + "image logo.png\n", "line 3: image needs a colon"),
        (NUMBER + "image logo.png:\n", "line 3: an image needs words behind its colon"),
        (NUMBER + "image Logo.png: Acme\n", "line 3: an image is named like logo.png"),
        (NUMBER + "image ..png: Acme\n", "line 3: an image is named like logo.png"),
        (NUMBER + "image logo.png: 返现\n", "line 3: promises '返现'"),
        (NUMBER + "image logo.png: Acme\n" * 3, "3 images; a template has at most 2"),
        ("image logo.png: {number}\n", "not every receipt says {number}"),
        (NUMBER + "text: " + "x" * 513 + "\n", "up to 513 characters"),
        (NUMBER + "text: " + "{store}" * 3 + "\n", "up to 600 characters with its facts"),
        (NUMBER + "qr: {promo_code}{join_link}\n", "up to 600 characters with its facts"),
        (NUMBER * STATEMENTS_MAX, f"a template has at most {STATEMENTS_MAX}"),
        (NUMBER + "#" * TEMPLATE_CHARS_MAX, f"a template has at most {TEMPLATE_CHARS_MAX}"),
        (NUMBER + "text: 满100返现30\n", "line 3: promises '返现': say '满减'"),
        (NUMBER + "text: 返{till}现\n", "line 3: promises '返现'"),
        (NUMBER + "columns: Cash back | {total}\n", "line 3: promises 'cash back'"),
    ],
)  # fmt: skip
def test_what_would_not_print_well_is_refused_where_it_is_written(body, said):
    with pytest.raises(TemplateError) as refused:
        read_template(HEAD + body)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "head", ["", "receipt 2 redemption", "receipt 1 invoice", "receipt 1 redemption fr", "text: x"]
)
def test_a_template_says_which_form_paper_and_language_it_is_of(head):
    with pytest.raises(TemplateError, match="a template begins with: receipt 1"):
        read_template(head + "\n" + NUMBER)


def test_windows_line_ends_and_a_byte_order_mark_are_read():
    text = "\ufeff" + built_in_text("redemption", "zh").replace("\n", "\r\n")
    assert read_template(text) == built_in("redemption", "zh")


_PIECES = st.sampled_from(
    ["barcode itf: ", "image a.png: ", "barcode code128: ",
     "text: ", "columns: ", "qr: ", "if ", "if not ", "else", "end", "rule", "feed", "\n", "\n", "\n", "|", "{", "}",
     "{number}", "{promo_code}", "number", "offline", " ", "bold ", "x2 ", "dots 5", "优惠", "返", "现", "\x1b", "𠮷"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(_PIECES, max_size=60).map("".join), st.sampled_from([NOTHING, LONGEST, SAMPLES["zh"]]))
def test_whatever_is_read_is_printed(body, facts):
    """A template either says what is wrong with it, or prints for any facts: it cannot fail at the till."""
    try:
        template = read_template(HEAD + NUMBER + body)
    except TemplateError:
        return
    receipt = Receipt(tuple(filled(template, facts)))
    assert render_text(receipt, 32).isprintable() is False or not receipt.elements
