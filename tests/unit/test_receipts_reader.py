"""Our interpreter of ESC/POS: strict where firmware is, tolerant of what it does not know, never wrong about text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.escpos_commands import next_command, split_commands
from drivers.escpos_reader import PaperCut, QrSymbol, Raster, read_receipt
from tests.receipt_samples import golden_files

JOBS = [content for path, content in golden_files().items() if path.suffix == ".escpos"]


@given(st.binary(max_size=200))
def test_any_bytes_are_split_without_loss_and_read_without_error(job):
    commands, rest = split_commands(job)
    assert b"".join(command.raw for command in commands) + rest == job
    read_receipt(job)


@given(st.sampled_from(JOBS), st.data())
def test_commands_do_not_depend_on_how_the_line_cuts_them(job, data):
    """As the virtual printer reads: whole commands are taken from what has come. Text runs may come in parts."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(job)), max_size=5)))
    inbox, names = bytearray(), []
    for start, end in zip([0, *cuts], [*cuts, len(job)], strict=True):
        inbox += job[start:end]
        at = 0
        while at < len(inbox) and (found := next_command(inbox, at)) is not None:
            command, at = found
            names.append(command.name)
        del inbox[:at]
    assert not inbox
    assert [name for name in names if name] == [
        command.name for command in split_commands(job)[0] if command.name
    ]


def test_chinese_without_fs_ampersand_is_mojibake_as_in_strict_firmware():
    code = "中文".encode("gb18030") + b"\n"
    assert read_receipt(b"\x1b@" + code).text == "╓╨╬─\n"
    assert read_receipt(b"\x1b@\x1c&" + code).text == "中文\n"


@pytest.mark.parametrize(
    ("job", "problem"),
    [
        (b"\x1b\x7fabc\n", "unknown command 1b 7f"),
        (b"abc\n\x1d(k\x30\x00" + b"1", "ends inside a command"),
        (b"\x1d(A\x02\x00\x00\x02abc\n", "without effect"),
        (b"abc\n\x1dv0\x00\xff\xff\x01\x00" + bytes(65535), "does not fit"),
        (b"\x1bt\x63abc\n", "code page 99"),
        (b"abc\n\x1c&\xff\n", "no character"),
    ],
)
def test_what_is_not_understood_is_reported_and_not_printed(job, problem):
    receipt = read_receipt(job)
    assert problem in " ".join(receipt.problems)
    assert "".join(character for character in receipt.text if character.isascii()).strip() in ("abc", "")


def test_marks_stand_in_the_order_of_printing():
    job = b"\x1b@\x1dv0\x00\x01\x00\x02\x00\xf0\x0f\x1d(k\x06\x001P0RC1\x1d(k\x03\x001Q0\x1dVB\x00"
    assert read_receipt(job).marks == (
        Raster(1, (b"\xf0", b"\x0f"), "left"),
        QrSymbol("RC1", "l", 3, "left"),
        PaperCut(),
    )


def test_a_line_that_is_too_long_breaks_at_the_edge_of_the_paper():
    assert read_receipt(b"\x1b@" + b"x" * 33 + b"\n", dots=384).text == "x" * 32 + "\nx\n"


def test_text_without_a_line_feed_is_lost_by_the_next_initialization():
    assert read_receipt(b"lost\x1b@kept\n").text == "kept\n"
