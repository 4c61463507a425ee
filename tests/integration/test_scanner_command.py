"""`redeemd scanner card` and `test`: what a scanner is set to, found out from what it sends, and written down."""

from __future__ import annotations

from pathlib import Path

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

import config
from agent.cli import main
from agent.commands import scanner
from agent.commands.scanner import block, with_block
from drivers.card import GS1, KEYS, LETTERS, Framing, Typed, framing_of, layout_of, sends_gs1
from drivers.inventory import Found
from drivers.keymap import KEY_CAPSLOCK, KEY_ENTER, KEY_TAB, LAYOUTS
from drivers.listen import SPEEDS, Answer, listen
from drivers.virtual_scanner import VirtualScanner
from tests.integration.wedge_kit import Event, pressed, typed

WEDGE = Found("input", "/dev/input/event5", "", "Honeywell Scanner", "0c2e", "0b61", "SN1")


def silent(_device: Found, _sentence: str) -> None:
    pass


def keys(layout: str, *, before: tuple[int, ...] = (), end: int | None = KEY_ENTER) -> list[Event]:
    return [*(event for code in before for event in pressed(code)), *typed(KEYS, layout, end)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_found_and_is_the_only_one(layout: str) -> None:
    assert layout_of(keys(layout)) == Typed(layout, Framing("", "\r", False))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_prefix_and_suffix_of_a_keyboard(layout: str) -> None:
    found = layout_of(keys(layout, before=(3, 4), end=KEY_TAB))
    assert found is not None
    assert found.layout == layout
    assert (len(found.framing.prefix), found.framing.suffix) == (2, "\t")
    without = layout_of(keys(layout, end=None))
    assert without is not None
    assert not without.framing.ends


def test_caps_lock_that_is_on_is_no_layout() -> None:
    """The scanner types small letters as large ones then: the code is scanned again with Caps Lock off."""
    assert layout_of([*pressed(KEY_CAPSLOCK), *keys("us")]) is None


@given(st.text(max_size=60).filter(lambda text: KEYS not in text))
def test_what_is_not_the_code_is_not_framed(text: str) -> None:
    assert framing_of(text) is None


@pytest.mark.parametrize(
    ("sent", "framing"),
    [
        (f"{KEYS}\r\n", Framing("", "\r\n", False)),
        (f"\x02{KEYS}\x03", Framing("\x02", "\x03", False)),
        (f"]Q1{KEYS}\r", Framing("", "\r", True)),
        (f"~]Q1{KEYS}", Framing("~", "", True)),
    ],
)
def test_what_stands_around_the_code(sent: str, framing: Framing) -> None:
    assert framing_of(sent) == framing


def test_gs1_is_told_by_its_mark() -> None:
    assert sends_gs1("]Q3255950110153000312345\x1d392212345")
    assert not sends_gs1("255950110153000312345392212345")


# --- a real serial line ---


class Cashier:
    """Scans the next text each time something is said of the line: that it is listened to, that it was not the code."""

    def __init__(self, line: VirtualScanner, *texts: bytes) -> None:
        self.line, self.texts, self.said = line, list(texts), list[str]()

    def __call__(self, _device: Found, sentence: str) -> None:
        self.said.append(sentence)
        if self.texts:
            self.line.send(self.texts.pop(0))


def test_a_serial_scanner_is_heard() -> None:
    with VirtualScanner() as line:
        device = Found("serial", line.port, line.port, "", "", "", "")
        found = listen([device], 20.0, Cashier(line, f"\x02{KEYS}\r\n".encode()))
    assert found is not None
    assert (found.framing, found.baud) == (Framing("\x02", "\r\n", False), 9600)


def test_noise_makes_it_try_the_next_speed() -> None:
    with VirtualScanner() as line:
        device = Found("serial", line.port, line.port, "", "", "", "")
        cashier = Cashier(line, b"\xff\x80\x00\xf8", f"{KEYS}\r".encode())
        found = listen([device], 20.0, cashier)
    assert found is not None
    assert found.baud == SPEEDS[1]
    assert [f"at {SPEEDS[1]} baud" in sentence for sentence in cashier.said] == [False, True]


def test_nothing_is_heard_where_nothing_comes() -> None:
    with VirtualScanner() as line:
        device = Found("serial", line.port, line.port, "", "", "", "")
        assert listen([device], 0.2, silent) is None
    assert listen([Found("serial", "/dev/none", "", "", "", "", "")], 0.2, silent) is None


# --- what is written ---


def test_the_block_is_read_as_it_was_meant() -> None:
    answer = Answer(WEDGE, typed=Typed("de", Framing("~\x02", "", False)))
    (made,) = config.parse(block(answer, "the front one"), "x").scanner
    assert isinstance(made, config.WedgeScanner)
    assert (made.vendor, made.product, made.serial, made.layout) == ("0c2e", "0b61", "SN1", "de")
    assert (made.prefix, made.suffix, made.gap_ms, made.name) == ("~\x02", "none", 100, "the front one")


OLD = """# the store's own words
[till]
language = "en"

[[scanner]]
kind = "wedge"
name = "counter"
vendor = "0c2e"
product = "0b61"
layout = "us"

[[scanner]]
kind = "serial"
name = "hand"
port = "/dev/ttyS9"

[storage]
min_free_mb = 100
"""


def test_a_scanner_that_is_known_is_changed_in_its_place() -> None:
    new = with_block(OLD, Answer(WEDGE, typed=Typed("fr", Framing("", "\r", False))), "front")
    read = config.parse(new, "x")
    assert [one.name for one in read.scanner] == ["counter", "hand"]
    assert isinstance(read.scanner[0], config.WedgeScanner)
    assert read.scanner[0].layout == "fr"
    assert "# the store's own words" in new
    assert read.storage.min_free_mb == 100
    line = Found("serial", "/dev/ttyS9", "", "", "", "", "")
    newer = with_block(new, Answer(line, framing=Framing("", "\r", False), baud=115200), "front")
    second = config.parse(newer, "x").scanner[1]
    assert isinstance(second, config.SerialScanner)
    assert (second.name, second.baud) == ("hand", 115200)


@pytest.mark.parametrize(
    "old", ["", "[till]\n", OLD, OLD.replace("0c2e", "1111").replace("counter", "front")]
)
def test_a_new_scanner_stands_at_the_end_under_a_name_of_its_own(old: str) -> None:
    device = Found("serial", "/dev/ttyACM0", "/dev/serial/by-id/usb-X", "", "", "", "")
    read = config.parse(
        with_block(old, Answer(device, framing=Framing("", "\n", False), baud=9600), "front"), "x"
    )
    last = read.scanner[-1]
    assert isinstance(last, config.SerialScanner)
    assert last.port == "/dev/serial/by-id/usb-X"
    assert len({one.name for one in read.scanner}) == len(read.scanner)


def test_a_file_that_is_wrong_already_is_not_touched() -> None:
    with pytest.raises(config.ConfigError):
        with_block("[scanner]\n", Answer(WEDGE, typed=Typed("us", Framing("", "\r", False))), "front")


def test_the_command_from_scan_to_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scanner, "inventory", list)
    file = tmp_path / "till.toml"
    file.write_text('[till]\nlanguage = "en"\n')
    with VirtualScanner() as line:
        command = ["scanner", "test", "--config", str(file), "--port", line.port, "--wait", "20"]
        monkeypatch.setattr(scanner, "_say", Cashier(line, f"{KEYS}\r".encode()))
        assert main(command) == 0
        assert file.read_text() == '[till]\nlanguage = "en"\n', "shown, not written"
        shown = capsys.readouterr().out
        assert "+[[scanner]]" in shown
        assert "suffix   Enter" in shown
        monkeypatch.setattr(scanner, "_say", Cashier(line, f"{KEYS}\r".encode()))
        assert main([*command, "--write"]) == 0
        (made,) = config.load(file).scanner
        assert isinstance(made, config.SerialScanner)
        assert made.port == line.port
    kept = [path for path in tmp_path.iterdir() if path.name.startswith("till.toml.2")]
    assert [path.read_text() for path in kept] == ['[till]\nlanguage = "en"\n']


def test_no_scan_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scanner, "inventory", list)
    assert main(["scanner", "test", "--config", str(tmp_path / "t.toml")]) != 0
    assert "plug the scanner in" in capsys.readouterr().err
    with VirtualScanner() as line:
        assert (
            main(
                ["scanner", "test", "--config", str(tmp_path / "t.toml"), "--port", line.port, "--wait", "1"]
            )
            != 0
        )
    assert "systemctl stop redeemd" in capsys.readouterr().err


def test_the_card_is_read_back_from_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np
    import pypdfium2

    assert main(["scanner", "card", str(tmp_path / "card.pdf")]) == 0
    capsys.readouterr()
    with pypdfium2.PdfDocument(tmp_path / "card.pdf") as document:
        assert len(document) == 1
        picture = np.array(document[0].render(scale=3).to_pil().convert("L"))
    found = {one.text for one in zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)}
    assert {KEYS, LETTERS} <= found
    assert any(GS1.startswith("(255)") and "950110153000312345" in text for text in found)
