"""1-D barcodes on receipts: held to another encoder bar for bar, read by two decoders from the paper, safe to send."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyzbar import pyzbar

from agent.domain import barcode, shop
from agent.receipts.escpos import native_barcode, render_escpos
from agent.receipts.html import render_html
from agent.receipts.maker import document_of
from agent.receipts.model import Align, Barcode, Receipt, ReceiptError, Text
from agent.receipts.papers import Papers
from agent.receipts.plain import render_text
from agent.receipts.profile import GENERIC_58, GENERIC_80, configured_profile, printer_profile
from drivers.escpos_commands import split_commands
from drivers.escpos_reader import BarcodeSymbol, PrintedReceipt, Raster, read_receipt
from drivers.receipt_image import draw_png
from tests.receipt_samples import BARCODES, PROFILES, ZH

ZXING = {
    "ean13": "EAN13",
    "ean8": "EAN8",
    "upca": "UPCA",
    "code39": "Code39",
    "itf": "ITF",
    "code128": "Code128",
}
ZBAR = {
    "ean13": "EAN13",
    "ean8": "EAN8",
    "upca": "UPCA",
    "code39": "CODE39",
    "itf": "I25",
    "code128": "CODE128",
}
REAL_TIME = re.compile(rb"\x10[\x04\x05\x14]")
DRAWN = replace(GENERIC_80, native_barcode=False)


def _digits(size: int) -> st.SearchStrategy[str]:
    digits = st.text("0123456789", min_size=size - 1, max_size=size - 1)
    return digits.map(lambda number: number + barcode.check_digit(number))


DATA = {
    "ean13": _digits(13),
    "ean8": _digits(8),
    "upca": _digits(12),
    "code39": st.from_regex("[0-9A-Z .$/+%-]{1,12}", fullmatch=True),
    "itf": st.from_regex("([0-9]{2}){1,10}", fullmatch=True),
    "code128": st.from_regex("([ -~]|[0-9]{4}|16(04|05|20)){1,8}", fullmatch=True),
}
CODES = st.sampled_from(sorted(DATA)).flatmap(lambda kind: st.tuples(st.just(kind), DATA[kind]))


def printed(receipt: Receipt, profile=GENERIC_80) -> PrintedReceipt:
    charset = {"shift_jis": "cp932", "ksx1001": "euc_kr", "big5": "big5", "gbk": "gbk"}
    result = read_receipt(
        render_escpos(receipt, profile), profile.dots, charset.get(profile.encoding, "gb18030")
    )
    assert result.problems == ()
    return result


def picture(result: PrintedReceipt) -> Image.Image:
    """The paper at 203 dpi, dot for dot."""
    return Image.open(io.BytesIO(draw_png(result, side_dots=32))).convert("L")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("native", [True, False], ids=["native", "drawn"])
@pytest.mark.parametrize(("kind", "data"), BARCODES, ids=[kind for kind, _ in BARCODES])
def test_each_kind_is_read_from_the_drawn_receipt_by_two_decoders(kind, data, native, profile):
    profile = replace(profile, native_barcode=native)
    result = printed(Receipt((Text("above"), Barcode(data, kind))), profile)
    paper = picture(result)
    # A UPC-A is the EAN-13 with a zero before it, and both decoders may say so.
    want = {(ZBAR[kind], data), ("EAN13", "0" + data)} if kind == "upca" else {(ZBAR[kind], data)}
    symbols = [pyzbar.ZBarSymbol[ZBAR[kind]]] + ([pyzbar.ZBarSymbol.EAN13] if kind == "upca" else [])
    assert {(one.type, one.data.decode()) for one in pyzbar.decode(paper, symbols)} <= want
    assert pyzbar.decode(paper, symbols)
    found = zxingcpp.read_barcodes(paper, formats=getattr(zxingcpp.BarcodeFormat, ZXING[kind]))
    assert [one.text for one in found] == ["0" + data if kind == "upca" else data]
    assert any(isinstance(mark, BarcodeSymbol) for mark in result.marks) is native
    assert result.text.split("\n")[-2].strip() == data, "a person can read it below"


@settings(max_examples=60)
@given(CODES, st.integers(2, 4))
def test_a_drawn_barcode_is_what_another_encoder_draws_for_the_native_one(code, module_dots):
    """python-barcode draws what is sent as GS k, our own bars are sent as a raster."""
    kind, data = code
    symbol = barcode.elements(kind, data)
    wide = replace(GENERIC_80, dots=1200)
    if not barcode.fitting_module_dots(symbol, module_dots, wide.dots):
        return
    receipt = Receipt((Barcode(data, kind, module_dots),))
    inks = []
    for native in (True, False):
        rows = picture(printed(receipt, replace(wide, native_barcode=native))).crop((0, 16, 1264, 17))
        inks.append(rows.crop(rows.point(lambda value: 255 - value).getbbox()).tobytes())
    assert inks[0] == inks[1]


@settings(max_examples=200)
@given(CODES, st.sampled_from(PROFILES))
def test_data_cannot_command_the_printer(code, profile):
    kind, data = code
    job = render_escpos(Receipt((Barcode(data, kind),)), profile)
    commands, rest = split_commands(job)
    assert rest == b""
    assert not REAL_TIME.search(job)
    names = {command.name for command in commands}
    assert names <= {b"", b"\n", b"\t", b"\x1b@", b"\x1c&", b"\x1c.", b"\x1cC", b"\x1bt", b"\x1ba",
                     b"\x1dh", b"\x1dw", b"\x1dH", b"\x1dk", b"\x1dv"}  # fmt: skip
    assert all(command.known for command in commands)


@pytest.mark.parametrize("pair", ["1604", "1605", "1620"])
def test_digits_that_are_a_real_time_command_as_bytes_are_drawn(pair):
    data = pair * 3
    assert REAL_TIME.search(native_barcode("code128", data, 2))
    marks = printed(Receipt((Barcode(data, "code128"),))).marks
    assert [type(mark) for mark in marks][:2] == [Raster, Raster]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80))
def test_code_sets_keep_the_data_and_never_cost_more_than_one_alone(data):
    runs = barcode.code128_runs(data)
    assert "".join(part for _, part in runs) == data
    assert all(first[0] != second[0] for first, second in pairwise(runs))
    assert all(len(part) % 2 == 0 and part.isdigit() for used, part in runs if used == "C")
    assert sum(len(barcode.code128_values(*run)) for run in runs) + len(runs) - 1 <= len(data)


def test_digits_take_half_the_room():
    assert barcode.code128_runs("12345678") == [("C", "12345678")]
    assert barcode.code128_runs("T01-000042") == [("B", "T01-"), ("C", "000042")]
    assert barcode.code128_runs("AB12CD") == [("B", "AB12CD")]
    assert barcode.code128_runs("5") == [("B", "5")]


@given(_digits(13), st.integers(0, 11), st.integers(1, 9))
def test_a_digit_that_was_changed_is_found(number, place, by):
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    with pytest.raises(barcode.BarcodeError, match="check digit"):
        barcode.elements("ean13", wrong)


@pytest.mark.parametrize(
    ("kind", "data"),
    [("ean13", ""), ("ean13", "４006381333931"), ("ean8", "9638507\n"), ("upca", "03600029145"), ("itf", "1"),
     ("code39", "abc"), ("code39", "*A*"), ("code128", "a\x1bp"), ("code128", "é"), ("code128", "x" * 81),
     ("nothing", "1"), ("itf", "1" * 82)],
)  # fmt: skip
def test_what_a_kind_cannot_hold_is_no_element(kind, data):
    with pytest.raises(ReceiptError):
        Barcode(data, kind)


def test_the_module_is_as_wide_as_the_paper_allows():
    symbol = barcode.elements("ean13", "4006381333931")  # 95 modules and twice 11 of quiet zone
    assert barcode.fitting_module_dots(symbol, 4, 117 * 4) == 4
    assert barcode.fitting_module_dots(symbol, 4, 117 * 4 - 1) == 3
    assert barcode.fitting_module_dots(symbol, 4, 117 * 2 - 1) == 0
    assert barcode.fitting_module_dots(symbol, 2, 1200) == 2


def test_a_barcode_that_a_printer_has_no_room_for_is_text_there():
    """It was laid out for another printer."""
    receipt = Receipt((Barcode("X" * 24, "code128"),))
    assert [type(mark).__name__ for mark in printed(receipt, GENERIC_58).marks] == ["TextLine"]
    assert printed(receipt, GENERIC_58).text.strip() == "X" * 24
    narrow = replace(GENERIC_80, dots=700)
    assert any(isinstance(mark, BarcodeSymbol) for mark in printed(receipt, narrow).marks)


def test_signs_that_a_printer_lacks_cost_no_receipt():
    """Japanese printers show ¥ and an overline for these two, and this one can be sent no picture of them."""
    plain = replace(GENERIC_80, encoding="shift_jis", pictures=False)
    result = printed(Receipt((Barcode("a\\~", "code128"),)), plain)
    assert any(isinstance(mark, BarcodeSymbol) for mark in result.marks)
    assert result.text.strip() == "a＼～"


def test_who_draws_is_the_profiles_word():
    assert printer_profile("TM-T20II").native_barcode
    assert printer_profile("TH230").native_barcode, "it has no QR code, and barcodes"
    assert not printer_profile("ZJ-5870").native_barcode
    assert not configured_profile("TM-T20II", 0, "gb18030", "picture").native_barcode
    assert configured_profile("TM-T20II", 0, "gb18030", "auto").native_barcode
    assert configured_profile("generic-58", 0, "gb18030", "native").native_barcode


def test_text_and_screen_show_what_is_in_it():
    receipt = Receipt((Barcode("4006381333931", "ean13"),))
    assert render_text(receipt, 32) == "\n[EAN-13] 4006381333931\n\n"
    html = render_html(receipt)
    assert 'aria-label="4006381333931"' in html
    assert '<p class="center">4006381333931</p>' in html
    bars = [tuple(map(int, bar)) for bar in re.findall(r"M(\d+) 0h(\d+)v80", html)]
    assert len(bars) == 30
    assert bars[0] == (22, 2)
    assert bars[-1] == (22 + 2 * 94, 2)


# --- what the till says of it ----------------------------------------------------------------------------------------

FACTS = msgspec.json.encode(ZH).decode()  # its number is T01-000042


def _papers(body: str, dots: int = 384) -> Papers:
    text = f"receipt 1 redemption zh\ntext: {{number}}\n{body}\n"
    held = (shop.Template("codes", 1, text.encode()),)
    return Papers("", lambda: held, lambda: dots)


def _second(papers: Papers) -> object:
    return document_of(papers.lay_out(FACTS), 0).elements[1]


def test_a_template_prints_the_number_as_a_barcode():
    papers = _papers("barcode code128 dots 2: {number_code}")
    assert _second(papers) == Barcode("T01-000042", "code128", 2)
    assert papers.faults() == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("barcode code128: abcdefghij0123456789ABCDEFGHIJ", "the CODE128 is"),
        ("barcode code39: {promo_short}-ABCDEFGHIJ", "the CODE39 is"),
    ],
)
def test_what_cannot_be_a_barcode_is_text_and_is_told_like_a_broken_template(line, said):
    papers = _papers(line)
    if "the" in said:
        with_room = _papers(line, 1200)
        assert isinstance(_second(with_room), Barcode)
        assert with_room.faults() == ()
    shown = _second(papers)
    assert isinstance(shown, Text)
    assert shown.text in ("T01-000042", "2-048151-QK7XD-ABCDEFGHIJ", "abcdefghij0123456789ABCDEFGHIJ")
    assert shown.align is Align.CENTER
    _second(papers)
    (fault,) = papers.faults()
    assert said in fault
    assert shown.text not in fault, "it may be a coupon"


def test_a_fault_is_forgotten_with_its_template():
    held: list[tuple[shop.Template, ...]] = [
        (
            shop.Template(
                "a", 1, b"receipt 1 redemption zh\ntext: {number}\nbarcode code39: {promo_short}-ABCDEFGHIJ\n"
            ),
        )
    ]
    papers = Papers("", lambda: held[0])
    _second(papers)
    assert papers.faults()
    held[0] = ()
    assert papers.faults() == ()


def test_a_barcode_of_nothing_is_left_out():
    papers = _papers("barcode code128: {promo_short}")
    stored = msgspec.json.encode(msgspec.structs.replace(ZH, promo_token=None)).decode()
    assert len(document_of(papers.lay_out(stored), 0).elements) == 2


def test_the_virtual_printer_prints_nothing_of_a_wrong_check_digit():
    job = b"\x1b@\x1dkC\x0d4006381333932"
    assert "check digit" in read_receipt(job).problems[0]
