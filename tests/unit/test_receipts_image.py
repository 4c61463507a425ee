"""Images on receipts: printed dot for dot where the paper has room, told and replaced by their words where not."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given

from agent.domain import shop
from agent.domain.image import Image as Dots
from agent.domain.image import read_image, write_image
from agent.receipts.escpos import render_escpos
from agent.receipts.html import render_html
from agent.receipts.maker import document_of
from agent.receipts.model import Align, Image, Receipt, ReceiptError, Text, receipt_from_json
from agent.receipts.papers import Papers
from agent.receipts.plain import render_text
from agent.receipts.profile import GENERIC_58, GENERIC_80
from drivers.escpos_commands import split_commands
from drivers.escpos_reader import Raster, read_receipt
from tests.receipt_samples import LOGO, PROFILES, ZH
from tests.unit.test_domain_image import images

FACTS = msgspec.json.encode(ZH).decode()
TEMPLATE = b"receipt 1 redemption zh\nimage logo.png: {store}\ntext: {number}\n"
NARROW = write_image(Dots(9, (b"\xff\x80", b"\x00\x00")))
WIDE = write_image(Dots(400, (bytes(50),)))


def rows(job: bytes, dots: int) -> tuple[bytes, ...]:
    result = read_receipt(job, dots)
    assert result.problems == ()
    return tuple(row for mark in result.marks if isinstance(mark, Raster) for row in mark.rows)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_virtual_printer_reads_back_every_dot(profile):
    job = render_escpos(Receipt((Text("above"), Image(LOGO, "Acme"), Text("below"))), profile)
    made = read_image(LOGO)
    assert rows(job, profile.dots) == made.rows
    bands = [mark for mark in read_receipt(job, profile.dots).marks if isinstance(mark, Raster)]
    assert [len(band.rows) for band in bands] == [48, 48, 32]
    assert {band.align for band in bands} == {"center"}
    assert "Acme" not in read_receipt(job, profile.dots).text


@given(images())
def test_dots_cannot_command_the_printer(made):
    hostile = Dots(made.width + 32, tuple(b"\x10\x04\x10\x14" + row for row in made.rows))
    job = render_escpos(Receipt((Image(write_image(hostile), ""),)), GENERIC_58)
    assert not re.search(rb"\x10[\x04\x05\x14]", job)
    commands, rest = split_commands(job)
    assert rest == b""
    assert {command.name for command in commands} <= {b"\x1b@", b"\x1c&", b"\x1ba", b"\x1dv"}
    assert all(row[:4] == b"\x18\x04\x18\x14" for row in rows(job, 384))


@pytest.mark.parametrize(
    "profile", [GENERIC_58, replace(GENERIC_58, dots=396), replace(GENERIC_80, pictures=False)]
)
def test_a_printer_that_cannot_prints_the_words(profile):
    result = read_receipt(render_escpos(Receipt((Image(WIDE, "Acme 咖啡"),)), profile), profile.dots)
    assert [mark for mark in result.marks if isinstance(mark, Raster)] == []
    assert result.text.strip() == "Acme 咖啡"


def test_text_and_screen():
    receipt = Receipt((Image(LOGO, 'Acme "咖啡"><script>'),))
    assert render_text(receipt, 32).strip() == '[Acme "咖啡"><script>]'
    html = render_html(receipt)
    assert 'alt="Acme &quot;咖啡&quot;&gt;&lt;script&gt;" src="data:image/png;base64,iVBORw0KGgo' in html
    assert receipt_from_json(receipt.to_json()) == receipt


def test_a_stored_document_with_another_image_is_none():
    stored = Receipt((Image(NARROW, "x"),)).to_json()
    with pytest.raises(ReceiptError, match="image of the receipt: it is damaged"):
        receipt_from_json(stored.replace("iVBORw0KGgoAAAANSUhEUgAAAAk", "iVBORw0KGgoAAAANSUhEUgAAAAo"))


# --- what a till prints ----------------------------------------------------------------------------------------------


def item(name: str, content: bytes) -> shop.Template:
    return shop.Template(name, 1, content)


def first(papers: Papers) -> object:
    return document_of(papers.lay_out(FACTS), 0).elements[0]


def test_an_image_of_the_bundle_is_printed_and_the_stores_own_goes_before_it(tmp_path):
    held = (item("receipt", TEMPLATE), item("logo.png", LOGO))
    papers = Papers("", lambda: held)
    assert first(papers) == Image(LOGO, ZH.store_name)
    assert papers.faults() == ()
    (tmp_path / "logo.png").write_bytes(NARROW)
    assert first(Papers(str(tmp_path), lambda: held)) == Image(NARROW, ZH.store_name)


def test_a_broken_one_is_told_and_the_next_in_order_is_printed(tmp_path):
    (tmp_path / "logo.png").write_bytes(LOGO[:-9])
    (tmp_path / "Big Logo.png").write_bytes(LOGO)
    held = (item("receipt", TEMPLATE), item("logo.png", LOGO))
    papers = Papers(str(tmp_path), lambda: held)
    assert first(papers) == Image(LOGO, ZH.store_name)
    named, damaged = papers.faults()
    assert "Big Logo.png: an image is named like logo.png" in named
    assert f"{tmp_path / 'logo.png'}: it is damaged" in damaged


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ((), ["redemption: words are printed for image logo.png: there is none of this name"]),
        ((item("logo.png", WIDE),), ["image logo.png: it is 400 dots wide, the paper 384"]),
        ((item("logo.png", LOGO[:8]),), ["template logo.png of the bundle: it holds more", "there is none"]),
        ((item("logo", LOGO),), ["an image is named like logo.png", "there is none"]),
    ],
)  # fmt: skip
def test_what_cannot_be_printed_is_told_and_costs_no_receipt(items, said):
    held = (item("receipt", TEMPLATE), *items)
    papers = Papers("", lambda: held)
    assert first(papers) == Text(ZH.store_name, Align.CENTER)
    first(papers)
    assert len(papers.faults()) == len(said)
    assert all(words in fault for words, fault in zip(said, papers.faults(), strict=True))


def test_a_copy_has_the_image_that_was_printed():
    held = [(item("receipt", TEMPLATE), item("logo.png", LOGO))]
    papers = Papers("", lambda: held[0])
    kept = papers.lay_out(FACTS)
    held[0] = (item("receipt", TEMPLATE), item("logo.png", NARROW))
    assert first(papers) == Image(NARROW, ZH.store_name)
    for copies in (0, 1):
        assert rows(render_escpos(document_of(kept, copies), GENERIC_58), 384) == read_image(LOGO).rows
    assert 'class="image"' in papers.shown(FACTS, kept, 1)[1]
