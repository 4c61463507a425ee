"""What coupons are written to: cells no spreadsheet takes for a formula, files that are whole or not there."""

from __future__ import annotations

import csv
import io
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from agent.commands.coupon_files import COLUMNS, Coupon, Output, cell, csv_file, pictures, whole_file
from agent.commands.errors import CommandError
from agent.commands.progress import Progress
from agent.commands.sheets import dark_runs, words, wrap
from tests.unit.domain_kit import examples

COUPON = Coupon("acme", 7, 42, "7-042", "2026-11-22", "2026-12-31", None, None, "RC1ABC")


def test_a_csv_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "coupons.csv"
    with csv_file(path) as output:
        for index in range(3):
            output.add(Coupon("acme", 7, index, f"7-{index}", "2026-11-22", "2026-12-31", 12, 500, "RC1ABC"))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["index"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["token"] == "RC1ABC"
    assert (rows[0]["store"], rows[0]["value_minor"]) == ("12", "500")


@examples(200)
@given(st.text(max_size=20) | st.sampled_from(["=cmd()", "+1", "-1", "@x", "\t=1", "\r=1"]))
def test_no_cell_is_a_formula(text: str) -> None:
    found = cell(text)
    assert not found.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert found.endswith(text)


@pytest.mark.parametrize("fails", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_file_that_failed(tmp_path: Path, fails: type[BaseException]) -> None:
    def begin(opened: AbstractContextManager[Output]) -> None:
        with opened as output:
            output.add(COUPON)
            assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
            raise fails

    for opened in (csv_file(tmp_path / "coupons.csv"), pictures(tmp_path / "codes", "png")):
        with pytest.raises(fails):
            begin(opened)
        assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    with pytest.raises(CommandError, match="exists"), whole_file(tmp_path / "there"):
        pass
    with pytest.raises(CommandError, match="exists"), pictures(tmp_path / "there", "svg"):
        pass
    assert (tmp_path / "there").read_text() == "precious"


def test_what_a_killed_run_left_is_named(tmp_path: Path) -> None:
    (tmp_path / "codes.part").mkdir()
    for opened in (csv_file(tmp_path / "codes"), pictures(tmp_path / "codes", "png")):
        with pytest.raises(CommandError, match="is of a run that goes on or was killed"), opened:
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["codes.part"]


def test_coupons_are_money_and_for_their_owner_alone(tmp_path: Path) -> None:
    for opened in (csv_file(tmp_path / "coupons.csv"), pictures(tmp_path / "codes", "png")):
        with opened as output:
            output.add(COUPON)
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {
        "coupons.csv": 0,
        "codes": 0,
    }


def test_a_folder_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"), whole_file(tmp_path / "no" / "folder.csv"):
        pass


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_pictures_have_their_coupons_names(tmp_path: Path, kind: str) -> None:
    with pictures(tmp_path / "codes", kind) as output:
        output.add(COUPON)
    assert [path.name for path in (tmp_path / "codes").iterdir()] == [f"acme-7-42.{kind}"]


@examples(100)
@given(st.text("ab 满百，。x", max_size=60), st.integers(1, 12))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wrap(text, lambda line: len(line) <= width)
    assert all(0 < len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_words_are_broken_where_each_script_breaks() -> None:
    assert list(words("two words")) == ["two ", "words"]
    assert list(words("单笔满 100 元，每单")) == ["单", "笔", "满 ", "100 ", "元，", "每", "单"]


def test_the_shapes_of_a_code_are_its_dark_modules() -> None:
    for row in segno.make_qr("RC1" + "A" * 100, error="m").matrix:
        drawn = bytearray(len(row))
        for first, length in dark_runs(bytes(row)):
            drawn[first : first + length] = b"\1" * length
        assert bytes(drawn) == bytes(row)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        progress = Progress(10, "issuing", stream)
        for _ in range(10):
            progress.add(1)
        progress.close()
    assert "10/10" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")
    assert pipe.getvalue() == ""


def test_progress_says_how_long_it_takes() -> None:
    progress = Progress(100_000, "issuing", io.StringIO())
    progress.add(25_000)
    assert (
        progress.line(25.0)
        == "issuing [#######.......................] 25000/100000, 1000/s, 1 min 15 s left"
    )
