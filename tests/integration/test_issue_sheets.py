"""Sheets to print: what is on them is read back, by the camera's decoder and as text."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent.commands.coupon_files import Coupon
from agent.commands.errors import CommandError
from agent.commands.sheets import CARD_MM, COLUMNS, MARGIN_MM, MM, PAGE_MM, ROWS, sheets
from agent.domain import token
from agent.domain.campaign import Words
from drivers.decode import DEFAULT_CHAIN, load_chain, read_image
from tests.unit.cloud_kit import campaign
from tests.unit.domain_kit import ISSUER_KEY, claims


def coupons(count: int) -> list[Coupon]:
    texts = [
        token.to_text(token.sign(claims(index=index, value_minor=500), ISSUER_KEY)) for index in range(count)
    ]
    return [
        Coupon("acme", 7, index, f"7-{index:03d}", "2026-11-22", "2026-12-31", 12, 500, text)
        for index, text in enumerate(texts)
    ]


def test_the_longest_texts_stay_on_their_card(tmp_path: Path) -> None:
    import pypdfium2

    for char in ("字", "W", "w "):
        long = Words(char * (200 // len(char)), char * (200 // len(char)))
        path = tmp_path / f"{ord(char[0])}.pdf"
        refused = pytest.raises(CommandError, match="--shorten")
        with refused, sheets(path, campaign(title=long, conditions=long)):
            raise AssertionError("it is said before a coupon is issued")
        with sheets(path, campaign(title=long, conditions=long), shorten=True) as output:
            for coupon in coupons(3):
                output.add(replace(coupon, token="0123-4567-890A-BCDE"))
        with pypdfium2.PdfDocument(path) as document:
            text = document[0].get_textpage()
            boxes = [text.get_rect(number) for number in range(text.count_rects())]
            assert "…" in text.get_text_range()
        assert len(boxes) > 20
        for left, bottom, right, top in boxes:
            column = (left / MM - MARGIN_MM[0]) // CARD_MM[0]
            row = (PAGE_MM[1] - MARGIN_MM[1] - top / MM) // CARD_MM[1]
            assert (column, row) in ((0, 0), (1, 0), (0, 1))
            assert right / MM < MARGIN_MM[0] + (column + 1) * CARD_MM[0]
            assert bottom / MM > PAGE_MM[1] - MARGIN_MM[1] - (row + 1) * CARD_MM[1]


def test_a_character_that_the_font_lacks_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(CommandError, match=r"U\+1F389"),
        sheets(tmp_path / "x.pdf", campaign(title=Words("秋季", "Party \U0001f389"))),
    ):
        pass
    with (
        pytest.raises(CommandError, match="TrueType"),
        sheets(tmp_path / "x.pdf", campaign(), Path(__file__)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["reportlab", "paperang_p2_fonts_cjk"])
def test_a_till_without_the_packages_says_which(
    tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CommandError, match=r"redeemd\[issuer\]"), sheets(tmp_path / "x.pdf", campaign()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_every_printed_code_is_read_by_the_camera(tmp_path: Path) -> None:
    """As a printer of 300 dots an inch prints it."""
    import numpy as np
    import pypdfium2

    made = coupons(COLUMNS * ROWS + 3)
    with sheets(tmp_path / "sheets.pdf", campaign()) as output:
        for coupon in made:
            output.add(coupon)
    chain = load_chain(DEFAULT_CHAIN)
    found = []
    with pypdfium2.PdfDocument(tmp_path / "sheets.pdf") as document:
        assert len(document) == 2
        for page in document:
            picture = np.asarray(page.render(scale=300 / 72).to_pil().convert("L"))
            found += [one.text for one in read_image(picture, chain)]
        said = document[0].get_textpage().get_text_range()
    assert sorted(found) == sorted(coupon.token for coupon in made)
    for piece in ("秋季", "Autumn", "满 100 减 5", "2026-11-22 – 2026-12-31", "7-000", "限 12 号店"):
        assert piece in said
