"""The bytes of a receipt: as recorded, as python-escpos would write the commands, and as an interpreter reads them."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import zxingcpp
from escpos.printer import Dummy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from agent.receipts.charset import Encoding
from agent.receipts.escpos import fitting_module_dots, native_qr, render_escpos, without_real_time
from agent.receipts.escpos import raster as escpos_raster
from agent.receipts.model import Align, Columns, Cut, Feed, Qr, Receipt, ReceiptError, Rule, Text
from agent.receipts.plain import render_text
from agent.receipts.profile import GENERIC_58, GENERIC_80, PrinterProfile, printer_profile, profile_names
from drivers import glyphs
from drivers.escpos_commands import split_commands
from drivers.escpos_reader import Gap, PrintedReceipt, Raster, TextLine, read_receipt
from drivers.receipt_image import draw_png
from tests.dots_reader import MODEL, named, read_dots, read_drawn_lines, runs_as_dots
from tests.receipt_samples import EN, PROFILES, TOKEN, ZH, golden_files, redemption_receipt

CHARSETS = {"shift_jis": "cp932", "ksx1001": "euc_kr"}  # Python's names of them
SINGLE_BYTE = {"cp437", "cp850", "cp852", "cp858", "cp866", "cp1252", "none"}
STORE_TEXT = st.text(
    st.sampled_from("满100减30，。！（）《》“”…￥¥·— abcXYZ09.,-优惠券€é𠮷😀□　\t\x1b\x00"), max_size=80
)
TEXTS = st.text(max_size=80) | STORE_TEXT
REAL_TIME = re.compile(rb"\x10[\x04\x05\x14]")  # obeyed wherever it stands, even inside a picture
LINES = st.one_of(
    st.builds(Text, TEXTS, st.sampled_from(Align), st.booleans()),
    st.builds(Columns, TEXTS, TEXTS, st.booleans()),
    st.builds(Rule),
    st.builds(Feed, st.integers(1, 10)),
)


def printed(job: bytes, profile: PrinterProfile, reads: Callable[[bytes], str] = read_dots) -> PrintedReceipt:
    multi_byte = "gb18030" if profile.encoding in SINGLE_BYTE else profile.encoding
    result = read_receipt(job, profile.dots, CHARSETS.get(multi_byte, multi_byte), reads)
    assert result.problems == ()
    return result


def opencv_code(receipt: PrintedReceipt) -> str:
    """A second decoder, which shares nothing with the first. The picture is the paper at 203 dpi, dot for dot."""
    import cv2
    import numpy as np

    picture = cv2.imdecode(np.frombuffer(draw_png(receipt, side_dots=32), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return str(cv2.QRCodeDetector().detectAndDecode(picture)[0])


def decoded_codes(receipt: PrintedReceipt) -> list[str]:
    picture = Image.open(io.BytesIO(draw_png(receipt, side_dots=32))).convert("L")
    return [code.text for code in zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)]


# --- golden -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.name)
def test_golden(path):
    assert golden_files()[path] == path.read_bytes(), (
        "if wanted: python -m tests.receipt_samples, and look at the diff"
    )


# --- against python-escpos --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 4])
def test_styles_are_python_escpos_commands(size):
    reference = Dummy()
    reference.hw("INIT")
    reference._raw(b"\x1c&")
    reference.set(align="center")
    reference.set(bold=True)
    reference.set(custom_size=True, width=size, height=size)
    reference._raw("好\n".encode("gb18030") + b"\x1bJ\x0c")
    reference.set(align="left")
    reference.set(bold=False)
    reference.set(custom_size=True, width=1, height=1)
    reference.cut(feed=False)
    receipt = Receipt((Text("好", Align.CENTER, bold=True, size=size), Cut()))
    assert render_escpos(receipt, GENERIC_80) == reference.output


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=512), st.integers(3, 8)
)
@settings(max_examples=15)
def test_native_qr_is_python_escpos_native_qr(data, module_dots):
    reference = Dummy()
    reference.qr(data, ec=1, size=module_dots, native=True)
    assert native_qr(data, module_dots) == reference.output


@pytest.mark.parametrize(("implementation", "raster"), [("bitImageColumn", False), ("bitImageRaster", True)])
def test_drawn_characters_are_python_escpos_pictures(implementation, raster):
    """An independent encoder of the same dots: nothing is turned, mirrored or inverted."""
    reference = Dummy()
    reference.image(glyphs.cell("满", 24, 24), impl=implementation)
    if raster:
        ours = escpos_raster(glyphs.row_bytes([("满", 2)], 1)[1])
    else:
        ours = b"\x1b*!\x18\x00" + glyphs.column_bytes("满", 2)
    assert ours in reference.output


def test_every_model_of_python_escpos_has_a_profile_or_a_reason():
    refused = []
    for name in profile_names():
        try:
            profile = printer_profile(name)
        except ReceiptError:
            refused.append(name)
        else:
            assert profile.name == name
            assert profile.dots >= profile.columns * 9
    # Two line displays, a pole display and an entry with the wrong columns are not receipt printers.
    assert refused == ["AF-240", "NT-80-V-UL", "OCD-100", "OCD-300"]


def test_profiles_and_what_the_store_knows_better():
    assert printer_profile("TM-T20II") == PrinterProfile("TM-T20II", 48, 576)
    assert printer_profile("ZJ-5870") == PrinterProfile(
        "ZJ-5870", 32, 384, native_qr=False, native_barcode=False, cutter=False
    )
    assert printer_profile("default", columns=32).dots == 384
    assert printer_profile("default", columns=48).dots == 576
    assert printer_profile("generic-58", native_qr=True, encoding=None).native_qr
    for name, wrong in (
        ("no such", {}),
        ("default", {"encoding": "utf-8"}),
        ("default", {"paper": 80}),
        ("default", {"columns": 8}),
    ):
        with pytest.raises(ReceiptError):
            printer_profile(name, **wrong)


# --- read back --------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@example([Text("\u3000")], GENERIC_80)  # an ideographic space is text, even at the end
@example(
    [Text("팏")], replace(GENERIC_80, encoding="ksx1001")
)  # a syllable that KS X 1001 has only as its letters
@given(st.lists(LINES, max_size=12), st.sampled_from(PROFILES))
def test_what_is_printed_is_what_the_receipt_says(elements, profile):
    receipt = Receipt(tuple(elements))
    shown = render_text(receipt, profile.columns, profile.encoding, profile.drawn)
    names, expected = runs_as_dots(shown.splitlines(), profile.encoding)
    result = printed(render_escpos(receipt, profile), profile, partial(named, names))
    assert result.text == expected


@pytest.mark.parametrize("encoding", ["gb18030", "gbk"])
@pytest.mark.parametrize(
    "text", ["，。￥（）：", "￥", "“”…", "中文 café ü €3", "合计 ¥612.50", "㐂", "ABC", "—"]
)
def test_the_texts_that_python_escpos_mangles(text, encoding: Encoding):
    profile = replace(GENERIC_80, encoding=encoding)
    if (encoding, text) == ("gbk", "㐂") and not glyphs.has(text):
        pytest.skip("no font here has 㐂 (apt-get install fonts-noto-cjk)")
    result = printed(render_escpos(Receipt((Text(text),)), profile), profile)
    expected = text.replace("¥", "￥")
    assert result.text == expected + "\n"


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_text_read_back_from_the_bytes_is_the_model(profile):
    """By characters where the printer has them, by their dots where it has not: no character is lost on any printer."""
    result = printed(render_escpos(Receipt(tuple(map(Text, MODEL))), profile), profile)
    # What reads the same in one byte is sent so: quotes, dashes and × where the set lacks them; ¥ is ￥.
    same = str.maketrans("“”—×¥", '""-x￥')
    assert result.text.translate(same).splitlines() == [text.translate(same) for text in MODEL]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_an_emoji_is_replaced_so_that_it_is_seen(profile):
    result = printed(render_escpos(Receipt((Text("好😀好"),)), profile), profile)
    assert result.text == "好□好\n"


@pytest.mark.parametrize("size", [2, 3])
def test_a_large_line_that_the_font_lacks_is_drawn_whole(size):
    profile = replace(GENERIC_58, encoding="none")
    text = "满100减3"[: 32 // size // 2]
    result = printed(render_escpos(Receipt((Text(text, Align.CENTER, size=size),)), profile), profile)
    assert read_drawn_lines(result, size).strip() == text
    assert all(mark.align == "center" for mark in result.marks if isinstance(mark, Raster))


def test_dots_never_look_like_a_real_time_command():
    assert without_real_time(b"\x10\x04\x01\x10\x14\x10\x10\x05") == b"\x18\x04\x01\x18\x14\x10\x18\x05"
    assert without_real_time(b"\x10\x00\x04") == b"\x10\x00\x04"


def test_without_a_font_what_the_printer_lacks_is_seen_to_be_missing():
    bare = replace(GENERIC_80, encoding="none", pictures=False)
    assert printed(render_escpos(Receipt((Text("合计 ￥5 😀"),)), bare), bare).text == "?? Y5 ?\n"


@settings(max_examples=40)
@given(
    st.lists(st.one_of(LINES, st.builds(Qr, st.just("RC1ABC")), st.just(Cut())), max_size=8),
    st.sampled_from(PROFILES),
)
def test_a_job_is_initialized_once_and_holds_no_command_but_ours(elements, profile):
    """One ESC @ at the start; text cannot bring a drawer kick or a second cut."""
    commands, rest = split_commands(render_escpos(Receipt(tuple(elements)), profile))
    names = [command.name for command in commands]
    assert names[0] == b"\x1b@"
    assert names.count(b"\x1b@") == 1
    assert names[1] == (b"\x1c." if profile.encoding in SINGLE_BYTE else b"\x1c&")
    assert names.count(b"\x1dV") == (elements.count(Cut()) if profile.cutter else 0)
    ours = {
        b"",
        b"\n",
        b"\x1b@",
        b"\x1c&",
        b"\x1c.",
        b"\x1bt",
        b"\x1ba",
        b"\x1bE",
        b"\x1bd",
        b"\x1d(",
        b"\x1dv",
        b"\x1dV",
        b"\x1b*",
        b"\t",
        b"\x1cC",
    }
    assert set(names) <= ours
    assert not REAL_TIME.search(b"".join(command.raw for command in commands))
    assert rest == b""


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("facts", [ZH, EN], ids=["zh", "en"])
def test_the_promotion_on_the_drawn_receipt_is_read_by_a_scanner(facts, profile):
    result = printed(render_escpos(redemption_receipt(facts), profile), profile)
    assert decoded_codes(result) == [TOKEN]
    assert opencv_code(result) == TOKEN
    if profile.native_qr:
        assert result.qr_codes == (TOKEN,)


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=512), st.integers(3, 8)
)
@settings(max_examples=8)
def test_a_raster_code_is_the_native_code_dot_for_dot(data, module_dots):
    receipt = Receipt((Text("above"), Qr(data, module_dots=module_dots), Text("below")))
    pictures = [
        draw_png(printed(render_escpos(receipt, replace(GENERIC_80, native_qr=native)), GENERIC_80))
        for native in (True, False)
    ]
    rows, columns = (Image.open(io.BytesIO(picture)) for picture in pictures)
    assert rows.size == columns.size
    assert not REAL_TIME.search(render_escpos(receipt, replace(GENERIC_80, native_qr=False)))
    # A raster is whole bytes wide, so it may stand up to 4 dots further left.
    assert _ink(rows) == _ink(columns)


def _ink(picture: Image.Image) -> bytes:
    """The code alone, cropped to its ink: the text lines above and below are narrower than it and cut away."""
    quiet = picture.crop((0, 16 + 30 + 24, picture.width, picture.height - 16 - 30 - 24)).convert("L")
    box = quiet.point(lambda value: 255 - value).getbbox()
    assert box is not None
    return quiet.crop(box).tobytes()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("module_dots", [3, 6, 8])
def test_a_code_has_its_quiet_zone_above_and_below(native, module_dots):
    profile = replace(GENERIC_80, native_qr=native)
    job = render_escpos(Receipt((Text("above"), Qr("RC1", module_dots=module_dots), Text("below"))), profile)
    result = printed(job, profile)
    assert [mark.dots >= 4 * module_dots for mark in result.marks if isinstance(mark, Gap)] == [True, True]
    picture = Image.open(io.BytesIO(draw_png(result))).convert("L")
    inked = [
        row for row in range(picture.height) if picture.crop((0, row, 576, row + 1)).getextrema()[0] == 0
    ]
    gaps = [below - above - 1 for above, below in itertools.pairwise(inked) if below - above > 12]
    assert len(gaps) == 2
    assert min(gaps) >= 4 * module_dots


def test_the_module_is_as_large_as_the_paper_allows():
    assert fitting_module_dots(49, 6, 576) == 6
    assert fitting_module_dots(49, 8, 384) == 6  # (49 + 8) * 6 = 342
    assert fitting_module_dots(89, 6, 384) == 3


def test_a_code_stays_in_alphanumeric_mode():
    import segno

    code = segno.make_qr(TOKEN, error="m", boost_error=False)
    assert (code.mode, code.version) == ("alphanumeric", 8)


def test_a_long_chinese_receipt_stays_under_two_kilobytes():
    items = tuple(Columns(f"有机全脂牛奶{number:02}", "￥12.00") for number in range(39))
    job = render_escpos(
        Receipt((Text("南山路旗舰店", Align.CENTER, size=2), *items, Qr(TOKEN), Cut())), GENERIC_80
    )
    assert len(job) <= 2000
    assert len(read_receipt(job).text.splitlines()) >= 40
    dense = tuple(Text("满一百元减三十元，任意门店可用，长期有效") for _ in range(40))
    assert len(render_escpos(Receipt((*dense[:38], Qr(TOKEN), Cut())), GENERIC_80)) < 2000


def test_raster_bands_are_small():
    """Lost bytes swallow at most one band: the rest of the receipt and the next one stay readable."""
    job = render_escpos(Receipt((Qr(TOKEN),)), GENERIC_58)
    bands = [mark for mark in printed(job, GENERIC_58).marks if isinstance(mark, Raster)]
    assert len(bands) > 3
    assert all(len(band.rows) * band.row_bytes <= 48 * 48 for band in bands)


def test_sizes_on_paper_are_those_of_the_receipt():
    job = render_escpos(Receipt((Text("好", size=3, bold=True), Text("小"))), GENERIC_80)
    lines = [mark for mark in printed(job, GENERIC_80).marks if isinstance(mark, TextLine)]
    assert [(glyph.width, glyph.height, glyph.bold) for line in lines for glyph in line.glyphs] == [
        (3, 3, True),
        (1, 1, False),
    ]
