"""Characters, widths, wrapping and columns: what is on the paper fits it and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from agent.receipts.charset import ENCODINGS as ENCODINGS_KNOWN
from agent.receipts.charset import cells, encode, lost, printable
from agent.receipts.layout import Line, balanced, layout, two_columns, wrap
from agent.receipts.model import Align, Columns, Receipt, ReceiptError, Rule, Text
from agent.receipts.money import format_money
from agent.receipts.plain import render_text

PRINTER_ENCODINGS = tuple(encoding for encoding in ENCODINGS_KNOWN if encoding != "utf-8")
ENCODINGS = st.sampled_from([*PRINTER_ENCODINGS, "utf-8"])
WIDTHS = st.sampled_from([2, 10, 32, 42, 48])
ANY_TEXT = st.text(max_size=120)
STORE_TEXT = st.text(
    st.sampled_from("满100减30，。！（）《》“”…￥¥·— abcXYZ09.,-优惠券€é𠮷😀□　\t"), max_size=120
)
TEXTS = ANY_TEXT | STORE_TEXT


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("合计 ¥612.50", "gb18030", "合计 ￥612.50"),
        ("合计 ¥612.50", "gbk", "合计 ￥612.50"),
        ("￥5", "cp437", "¥5"),
        ("café €3", "gb18030", "café €3"),
        ("café €3", "gbk", "café EUR3"),
        ("Señor", "gb18030", "Senor"),
        ("优惠 OK", "cp437", "?? OK"),
        ("“十” – 5…", "cp437", '"?" - 5...'),
        ("好😀䶮𠮷", "gb18030", "好□䶮□"),
        ("好😀𠮷", "gbk", "好□□"),
        ("a\x1b@b\x00c\u202ed", "gb18030", "a□@b□c□d"),
        ("a\tb\nc\u00a0d", "gb18030", "a b c d"),
    ],
)
def test_what_a_printer_cannot_show_is_replaced_and_seen(text, encoding, shown):
    assert printable(text, encoding) == shown


@pytest.mark.parametrize(
    ("text", "encoding", "gone"),
    [("合计 ¥612.50 “x”…", "gb18030", ""), ("好😀䶮𠮷😀", "gb18030", "😀𠮷"), ("好 OK？", "cp437", "好"),
     ("□?", "none", "")],
)  # fmt: skip
def test_what_is_replaced_is_known_before(text, encoding, gone):
    assert lost(text, encoding) == gone


@given(ANY_TEXT, ENCODINGS)
def test_a_replacement_stands_for_a_lost_character_or_itself(text, encoding):
    shown = "".join(
        printable(character, encoding) for character in text if character not in lost(text, encoding)
    )
    assert "□" not in shown.replace("□", "", text.count("□"))


@given(TEXTS, ENCODINGS)
def test_printable_is_stable_and_never_drops_or_adds_a_control(text, encoding):
    shown = printable(text, encoding)
    assert printable(shown, encoding) == shown
    assert bool(shown) == bool(text)
    code = encode(shown, encoding)  # asserts by itself that no control byte is in it
    assert (
        code.decode({"shift_jis": "cp932", "ksx1001": "euc_kr", "none": "ascii"}.get(encoding, encoding))
        == shown
    )


@given(TEXTS, st.sampled_from(PRINTER_ENCODINGS))
def test_a_printer_never_needs_less_room_than_a_screen(text, encoding):
    """So a line that fits the paper fits a terminal, and not the other way round: “ · × are wide in Chinese mode."""
    shown = printable(text, encoding)
    assert cells(shown, encoding) >= wcswidth(shown)


def test_ambiguous_width_is_wide_on_a_chinese_printer_only():
    assert [cells("“·”", encoding) for encoding in ("gb18030", "gbk", "utf-8")] == [6, 6, 3]


@given(TEXTS, WIDTHS, ENCODINGS)
def test_wrapped_lines_fit_and_keep_every_character(text, width, encoding):
    shown = printable(text, encoding)
    lines = wrap(shown, width, encoding)
    assert all(cells(line, encoding) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, [""]),
        ("一二三四五六", 10, ["一二三四五", "六"]),
        ("一二三四五，六", 10, ["一二三四", "五，六"]),  # no line begins with a comma
        ("一二三四（六）", 10, ["一二三四", "（六）"]),  # none ends with an opening bracket
        ("a一二三四五", 10, ["a一二三四", "五"]),  # a wide character is never split
        ("buy one get one", 8, ["buy one", "get one"]),
        ("SUPERCALIFRAGILISTIC", 8, ["SUPERCAL", "IFRAGILI", "STIC"]),
        ("有效期至2026-12-31", 12, ["有效期至", "2026-12-31"]),
        ("一二（T-0002-881）那", 14, ["一二", "（T-0002-881）", "那"]),
        ("合计是￥128.00", 10, ["合计是", "￥128.00"]),  # a sign stays with its amount
        ("优惠-￥128.00", 10, ["优惠", "-￥128.00"]),
        ("至2026-12-31，限用", 12, ["至", "2026-12-31，", "限用"]),  # nor after a date
    ],
)
def test_where_lines_break(text, width, lines):
    assert wrap(text, width, "gb18030") == lines


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("一二三四五六", 10, ["一二三", "四五六"]),
        ("任意消费可用，限用一次", 20, ["任意消费可用，", "限用一次"]),
        ("请朋友扫码，到店使用后您也有一份心意", 32, ["请朋友扫码，", "到店使用后您也有一份心意"]),
        ("With any purchase, once, until 2026-12-31", 32, ["With any purchase,", "once, until 2026-12-31"]),
        ("，一二三四五六", 10, ["，一二三", "四五六"]),
        ("This receipt holds no personal data", 32, ["This receipt holds", "no personal data"]),
        ("一二三四五", 10, ["一二三四五"]),
        ("", 10, [""]),
    ],
)
def test_centred_lines_are_about_equally_long(text, width, lines):
    """A single character stood alone below a full line."""
    assert balanced(text, width, "gb18030") == lines


@given(TEXTS, st.sampled_from([12, 24, 32, 42, 48]), ENCODINGS)
def test_centred_lines_are_as_few_and_keep_every_character(text, width, encoding):
    shown = printable(text, encoding)
    lines = balanced(shown, width, encoding)
    assert len(lines) == len(wrap(shown, width, encoding))
    assert all(cells(line, encoding) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")


@pytest.mark.parametrize(
    ("left", "right", "lines"),
    [
        ("合计", "￥98.00", ["合计       ￥98.00"]),
        ("有机全脂牛奶家庭装", "￥12.00", ["有机全脂", "牛奶家庭", "装         ￥12.00"]),
        ("合计", "", ["合计"]),
        ("", "￥98.00", ["           ￥98.00"]),
        ("券号", "0123456789012345678", ["券号", "        0123456789", "         012345678"]),
    ],
)
def test_the_value_ends_the_last_line(left, right, lines):
    assert two_columns(left, right, 18, "gb18030") == lines


@given(TEXTS, st.text(max_size=40) | STORE_TEXT, st.sampled_from([12, 24, 32, 42, 48]), ENCODINGS)
def test_columns_fit_and_keep_every_character(left, right, width, encoding):
    shown_left, shown_right = printable(left, encoding), printable(right, encoding)
    lines = two_columns(shown_left, shown_right, width, encoding)
    assert all(cells(line, encoding) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == (shown_left + shown_right).replace(" ", "")
    if shown_right.strip():
        assert cells(lines[-1], encoding) == width or shown_right.endswith(" ")


@given(TEXTS, st.integers(1, 4), st.sampled_from([32, 42, 48]), ENCODINGS)
def test_large_text_shrinks_instead_of_wrapping(text, size, columns, encoding):
    lines = [b for b in layout(Receipt((Text(text, size=size),)), columns, encoding) if isinstance(b, Line)]
    assert all(cells(line.text, encoding) * line.size <= columns for line in lines)
    assert len(lines) == 1 or all(line.size == 1 for line in lines)


def test_a_screen_gets_the_same_receipt():
    receipt = Receipt(
        (Text("标题", Align.CENTER, size=2), Rule(), Columns("合计", "¥9.80"), Text("右", Align.RIGHT))
    )
    assert (
        render_text(receipt, 24)
        == "          标题\n" + "─" * 24 + "\n合计               ¥9.80\n" + " " * 22 + "右\n"
    )
    assert render_text(receipt, 24, "gb18030").splitlines()[1] == "─" * 12


@pytest.mark.parametrize("columns", [0, 23, 97])
def test_an_impossible_width_is_refused(columns):
    with pytest.raises(ReceiptError, match="columns is"):
        list(layout(Receipt(()), columns, "utf-8"))


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (12345, "CNY", "￥123.45"),
        (-3000, "CNY", "-￥30.00"),
        (5, "USD", "$0.05"),
        (-5, "EUR", "-€0.05"),
        (1234567, "JPY", "￥1,234,567"),
        (1500, "KWD", "KWD 1.500"),
        (0, "CHF", "CHF 0.00"),
        (10**14 + 1, "CNY", "￥1,000,000,000,000.01"),
    ],
)
def test_money(amount, currency, shown):
    assert format_money(amount, currency) == shown


@pytest.mark.parametrize("currency", ["", "cny", "CN", "CNYY", "人民币", "C1Y"])
def test_money_of_no_currency_is_refused(currency):
    with pytest.raises(ReceiptError, match="currency"):
        format_money(1, currency)
