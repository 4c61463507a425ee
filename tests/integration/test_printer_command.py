"""`redeemd printer`: the page over a real socket, and what a person sees of it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
import zxingcpp
from PIL import Image

from agent.cli import main
from agent.receipts.profile import GENERIC_58, GENERIC_80, printer_profile
from agent.receipts.trial_page import QR_TEXT, SAMPLES, render_trial_page
from drivers.escpos_commands import DRAWER_PULSE
from drivers.escpos_reader import read_receipt
from drivers.receipt_image import draw_png
from drivers.virtual_printer import Fault, VirtualPrinter


@contextmanager
def serving(*faults: Fault) -> Iterator[VirtualPrinter]:
    """A virtual printer in a loop of its own: the command has one too."""
    virtual, ready, done = VirtualPrinter(), Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with virtual:
            for fault in faults:
                virtual.set_fault(fault)
            ready.set()
            await done.wait()

    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield virtual
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
        loop.close()


def write_config(folder: Path, port: int) -> str:
    path = folder / "till.toml"
    path.write_text(
        f'[[printer]]\nkind = "tcp"\nname = "front"\nhost = "127.0.0.1"\nport = {port}\n', "utf-8"
    )
    return str(path)


def test_the_page_is_printed_and_reads_right_on_the_right_printer(tmp_path, capsys):
    with serving() as virtual:
        assert main(["printer", "test", "--config", write_config(tmp_path, virtual.port)]) == 0
        assert "confirms it" in capsys.readouterr().out
    paper = b"".join(virtual.jobs)
    assert paper == render_trial_page(GENERIC_80)
    text = read_receipt(paper).text
    assert f"gb18030: {SAMPLES['gb18030']}" in text
    assert f"big5: {SAMPLES['big5']}" not in text, "what the printer has not is seen to be wrong"
    for width in (32, 42, 48):
        assert f"{width}{'-' * (width - 3)}|\n" in text


@pytest.mark.parametrize(("profile", "fits"), [(GENERIC_58, {32}), (GENERIC_80, {32, 42, 48})])
def test_only_the_rulers_that_fit_the_paper_stay_on_one_line(profile, fits):
    lines = read_receipt(render_trial_page(profile), profile.dots).text.splitlines()
    assert {
        len(line) for line in lines if line.startswith(("32-", "42-", "48-")) and line.endswith("|")
    } == fits


@pytest.mark.parametrize(
    "encoding", ["gbk", "big5", "shift_jis", "ksx1001", "cp437", "cp850", "cp852", "cp866", "cp1252"]
)
def test_each_sample_reads_right_on_its_own_printer_alone(encoding):
    charset = {"shift_jis": "cp932", "ksx1001": "euc_kr"}.get(
        encoding, encoding if encoding[0] in "gb" else "gb18030"
    )
    printed = read_receipt(render_trial_page(GENERIC_80), 576, charset)
    assert f"{encoding}: {SAMPLES[encoding]}".replace("–", "-") in printed.text.replace("–", "-")


@pytest.mark.parametrize("name", ["generic-80", "generic-58", "TM-T88IV", "POS-5890"])
def test_both_pairs_of_codes_of_the_page_are_read(name):
    profile = printer_profile(name)
    picture = draw_png(read_receipt(render_trial_page(profile), profile.dots), side_dots=32)
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)).convert("L"))
    assert sorted(code.text for code in found) == [
        "NATIVE", "PICTURE", f"{QR_TEXT}NATIVE", f"{QR_TEXT}PICTURE",
    ]  # fmt: skip


def test_the_page_is_drawn_without_a_printer(tmp_path, capsys):
    path = tmp_path / "page.png"
    assert main(["printer", "test", "--png", str(path), "--config", write_config(tmp_path, 9)]) == 0
    with Image.open(path) as picture:
        assert picture.width == 576 + 32
    assert (
        main(
            [
                "printer",
                "test",
                "--profile",
                "nonsense",
                "--png",
                str(path),
                "--config",
                write_config(tmp_path, 9),
            ]
        )
        == 78
    )
    assert "redeemd printer profiles" in capsys.readouterr().err


def test_what_is_wrong_is_said(tmp_path, capsys):
    with serving(Fault.COVER_OPEN) as virtual:
        path = write_config(tmp_path, virtual.port)
        assert main(["printer", "status", "--config", path]) == 1
        assert main(["printer", "test", "--config", path]) == 1
        out = capsys.readouterr().out
        assert out.count("cover_open") == 2
        assert "not printed" in out
    assert virtual.jobs == []
    assert main(["printer", "status", "back", "--config", path]) == 78
    assert "it names front" in capsys.readouterr().err


def test_without_a_name_every_printer_is_asked(tmp_path, capsys):
    with serving() as virtual, serving(Fault.COVER_OPEN) as other:
        path = write_config(tmp_path, virtual.port)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f'[[printer]]\nkind = "tcp"\nname = "back"\nhost = "127.0.0.1"\nport = {other.port}\n')
        assert main(["printer", "status", "--config", path]) == 1
        assert main(["printer", "status", "front", "--config", path]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == ["front: ready", "back: not ready (cover_open)"]


def test_the_drawer_is_opened_once_and_in_no_receipt(tmp_path, capsys):
    with serving() as virtual:
        assert main(["printer", "drawer", "--config", write_config(tmp_path, virtual.port)]) == 0
    assert virtual.jobs == [DRAWER_PULSE]
    with serving(Fault.PAPER_OUT) as virtual:
        assert main(["printer", "drawer", "--config", write_config(tmp_path, virtual.port)]) == 1
    out = capsys.readouterr().out
    assert "front: the pulse was sent" in out
    assert "front: not opened (paper_out)" in out


def test_the_profiles_are_named(capsys):
    assert main(["printer", "profiles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["TM-T88IV", "42", "columns,"] for line in lines)
    assert not any(line.startswith("OCD-100") for line in lines)
