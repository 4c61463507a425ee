"""Every model of the data base: what is printed fits its head, keeps its columns and asks nothing that it cannot do."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image as Pictures

from agent.receipts.escpos import TYPED_CHARS_MAX, render_escpos
from agent.receipts.layout import COLUMNS_MIN
from agent.receipts.model import Barcode, Columns, Cut, Qr, Receipt, ReceiptError, Rule, Text
from agent.receipts.profile import PrinterProfile, _database, printer_profile, profile_names
from drivers import glyphs
from drivers.escpos_reader import BarcodeSymbol, PrintedReceipt, QrSymbol, Raster, TextLine, read_receipt
from drivers.receipt_image import draw_png
from tests.receipt_samples import TOKEN

DISPLAYS = {"AF-240", "OCD-100", "OCD-300"}  # customer displays of 20 columns
NAMES = [name for name in profile_names() if name not in DISPLAYS]
WISHED = {"NT-80-V-UL": 48}
"""Columns of those for which the data base names fewer than a receipt has."""
LINK = "https://shop.example/c/2-048151-QK7XD"
NUMBER = "T-0001-42"


def paper_of(profile: PrinterProfile, *elements: object) -> PrintedReceipt:
    job = render_escpos(Receipt((*elements, Cut())), profile)  # type: ignore[arg-type]  # elements of a receipt
    printed = read_receipt(job, profile.dots, column_dots=profile.column_dots)
    assert printed.problems == ()
    return printed


def test_the_width_of_a_column_follows_from_the_head_and_its_largest_font() -> None:
    made = {name: printer_profile(name, columns=WISHED.get(name)) for name in NAMES}
    widths = {name: profile.column_dots for name, profile in made.items()}
    assert {name: dots for name, dots in widths.items() if dots != 12} == {
        **dict.fromkeys(("TM-U220", "TM-U220B"), 9),
        **dict.fromkeys(("TM-T20II-42col", "TM-P80-42col", "TM-P80", "TH230", "TH230Plus"), 13),
        **dict.fromkeys(("TSP600", "P822D", "CT-S651"), 13),
    }
    assert [name for name, profile in made.items() if not profile.draws] == ["TM-U220", "TM-U220B"]


def test_displays_print_nothing() -> None:
    assert set(_database()) >= DISPLAYS
    for name in DISPLAYS:
        with pytest.raises(ReceiptError):
            printer_profile(name)


@pytest.mark.parametrize("encoding", ["gb18030", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_lines_fill_the_paper_and_none_is_broken(name: str, encoding: str) -> None:
    """Full lines of letters, of hanzi that the printer has or that are drawn, mixed, in two columns, and large."""
    profile = printer_profile(name, encoding=encoding, columns=WISHED.get(name))
    assert profile.columns >= COLUMNS_MIN
    full = "满" * (profile.columns // 2)
    texts = [
        Text("x" * profile.columns),
        Text(full),
        Text("ab" + full[1:]),
        Columns("合计", "9.00"),
        Rule(),
        Text("满减", size=2),
    ]
    printed = paper_of(profile, *texts)
    lines = [mark for mark in printed.marks if isinstance(mark, TextLine)]
    large_is_drawn = encoding == "none" and profile.drawn is not None and glyphs.has("满")
    rasters = [mark for mark in printed.marks if isinstance(mark, Raster)]
    assert (len(lines), bool(rasters)) == (len(texts) - large_is_drawn, large_is_drawn)
    for line in lines:
        assert line.columns * line.column_dots <= profile.dots
        assert not any(glyph.dots for glyph in line.glyphs) or profile.draws
        assert all(len(glyph.dots) in (0, 3 * glyph.columns * profile.column_dots) for glyph in line.glyphs)
    for raster in rasters:
        assert raster.row_bytes * 8 < 4 * profile.column_dots * 2 + 8
    picture = Pictures.open(io.BytesIO(draw_png(printed)))
    assert picture.width == profile.dots


@pytest.mark.parametrize("name", NAMES)
def test_codes_are_made_drawn_or_written_as_the_printer_can(name: str) -> None:
    profile = printer_profile(name, columns=WISHED.get(name))
    printed = paper_of(profile, Qr(TOKEN), Qr(LINK), Barcode(NUMBER, "code39"))
    kinds = {type(mark) for mark in printed.marks}
    assert (QrSymbol in kinds) == profile.native_qr
    assert (BarcodeSymbol in kinds) == profile.native_barcode
    assert (Raster in kinds) == (profile.draws and not (profile.native_qr and profile.native_barcode))
    written = "".join(mark.text for mark in printed.marks if isinstance(mark, TextLine))
    assert (LINK in written) == (not profile.draws)
    assert NUMBER in written
    assert TOKEN not in written
    assert len(TOKEN) > TYPED_CHARS_MAX


def test_an_impact_printer_that_makes_codes_itself_is_believed() -> None:
    assert paper_of(replace(printer_profile("TM-U220"), native_qr=True), Qr(LINK)).qr_codes == (LINK,)
