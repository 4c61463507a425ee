"""The decoder chain on codes rendered here, and on the public pictures where they are present."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno
import zxingcpp

from agent.domain.scan import Kind, route
from benchmarks.till_frames import SEVERITIES, code_frame
from drivers.decode import DECODERS, DEFAULT_CHAIN, Decode, Decoded, load_chain, read_image, still_chain
from drivers.opencv import MAX_PIXELS, fit, to_gray
from drivers.pictures import read_paths
from drivers.ports import DriverError
from tests.integration.picture_kit import (
    TOKEN,
    Gray,
    blurred,
    counter,
    curved,
    drawn,
    glaring,
    noisy,
    qr,
    turned,
)
from tests.needs import needs_zbar

PUBLIC = Path(os.environ.get("REDEEMD_QR_SAMPLES") or Path(__file__).parents[3] / "shared" / "qr-samples")

EACH = [pytest.param(name, marks=needs_zbar if name == "pyzbar" else ()) for name in DECODERS]
EASY = counter(qr(TOKEN))
NEEDS_UPSCALING = blurred(counter(qr(TOKEN, 4)), 2.0)
NEEDS_SHARPENING = blurred(counter(qr(TOKEN, 3)), 1.6)
EMPTY = noisy(counter(), 12)


@pytest.fixture(scope="module")
def chain() -> tuple[Decode, ...]:
    return load_chain()


def texts(found: list[Decoded]) -> list[str]:
    return [one.text for one in found]


@pytest.mark.parametrize("name", EACH)
def test_every_decoder_reads_a_clean_code_and_says_where(name: str):
    (decode,) = load_chain([name])
    (found,) = decode(EASY)
    assert (found.text, found.raw, found.decoder) == (TOKEN, TOKEN.encode(), name)
    side = (
        49 * 4
    )  # version 8: 49 modules of 4 pixels, after a quiet zone of 4 modules and 8 pixels of counter
    expected = [(24, 24), (24 + side, 24), (24 + side, 24 + side), (24, 24 + side)]
    assert np.abs(np.array(found.box) - np.array(expected)).max() <= 6


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (720, 1280)])
def test_every_decoder_finds_nothing_where_nothing_is(name: str, size: tuple[int, int]):
    (decode,) = load_chain([name])
    assert decode(np.full(size, 200, dtype=np.uint8)) == []


@pytest.mark.parametrize(
    "picture",
    [
        turned(EASY, 33, tilt=0.1),
        turned(EASY, 180),
        noisy(blurred(EASY, 1.4), 8),
        255 - EASY,  # light on dark: a phone in dark mode
        counter(qr(TOKEN, 4, dark=90, light=150)),
        counter(qr(TOKEN, 4, dark=12, light=60)),
        np.ascontiguousarray(EASY[:, ::-1]),
        curved(EASY),
        glaring(EASY),
    ],
    ids=[
        "tilted",
        "upside down",
        "blurred and noisy",
        "inverted",
        "pale",
        "dim",
        "mirrored",
        "curved",
        "glaring",
    ],
)
def test_what_a_camera_sees_is_read_by_the_first_decoder(picture: Gray, chain: tuple[Decode, ...]):
    assert [(one.text, one.decoder) for one in read_image(picture, chain)] == [(TOKEN, "zxing")]


@pytest.mark.parametrize(
    ("picture", "decoder"), [(NEEDS_UPSCALING, "zxing_upscaled"), (NEEDS_SHARPENING, "zxing_sharpened")]
)
def test_the_retries_read_what_the_first_decoder_cannot(
    picture: Gray, decoder: str, chain: tuple[Decode, ...]
):
    assert read_image(picture, chain[:1]) == []
    assert [(one.text, one.decoder) for one in read_image(picture, chain)] == [(TOKEN, decoder)]


def test_two_codes_in_one_picture(chain: tuple[Decode, ...]):
    assert sorted(texts(read_image(counter(qr("FIRST"), qr("SECOND")), chain))) == ["FIRST", "SECOND"]


@pytest.mark.parametrize("text", ["满100减30", "a\x1db\x00c", "モバイル", "Grüße €"])
def test_text_that_is_not_ascii_and_control_characters(text: str, chain: tuple[Decode, ...]):
    assert texts(read_image(counter(qr(text)), chain)) == [text]


def test_a_gs1_symbol_says_so(chain: tuple[Decode, ...]):
    """FNC1 in first position (ISO/IEC 18004): the router needs to know that this is an element string."""
    made = zxingcpp.create_barcode("(255)950110153000342(3900)100", zxingcpp.BarcodeFormat.QRCode, gs1=True)
    picture = np.array(made.to_image(scale=6, add_quiet_zones=True))
    assert [one.text for one in chain[0](picture)] == ["]Q3255950110153000342\x1d3900100"]
    assert route("]Q3255950110153000342\x1d3900100").kind is Kind.GCN


def test_a_micro_qr_and_other_symbols_are_not_looked_for(chain: tuple[Decode, ...]):
    assert read_image(counter(drawn(segno.make_micro("25"), 6)), chain) == []


SHIFT_JIS = counter(drawn(segno.make_qr("ﾃﾞｻﾞｲﾝ".encode("shift_jis"), mode="byte"), 6))


def test_an_older_character_set_is_recognised_and_the_bytes_are_kept(chain: tuple[Decode, ...]):
    (found,) = read_image(SHIFT_JIS, chain)
    assert (found.text, found.raw) == ("ﾃﾞｻﾞｲﾝ", "ﾃﾞｻﾞｲﾝ".encode("shift_jis"))


@needs_zbar
def test_doubtful_character_sets_of_the_last_resorts_are_not_believed():
    from pyzbar import pyzbar

    guessed = pyzbar.decode(SHIFT_JIS, symbols=[pyzbar.ZBarSymbol.QRCODE])
    assert [one.data.decode() for one in guessed] == ["蹬靼翌"], "which is why"
    assert read_image(SHIFT_JIS, load_chain(["pyzbar", "opencv"])) == []


# --- settings ----------------------------------------------------------------------------------------------------


def test_an_unknown_decoder_is_named_with_what_is_allowed():
    with pytest.raises(DriverError, match=r"'zbar' is not one of zxing, zxing_upscaled"):
        load_chain(["zbar"])
    with pytest.raises(DriverError, match="no decoder is named"):
        load_chain([])


@pytest.mark.parametrize(
    ("module", "name", "package"),
    [("zxingcpp", "zxing", "install zxing-cpp"), ("pyzbar", "pyzbar", "libzbar0")],
)
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, module: str, name: str, package: str):
    monkeypatch.setitem(sys.modules, module, None)  # as Python marks a module that is not there
    with pytest.raises(DriverError, match=package):
        load_chain([name])


# --- pictures ----------------------------------------------------------------------------------------------------


def test_pictures_are_shrunk_to_fit_and_never_grown():
    assert fit(np.zeros((3000, 4000), dtype=np.uint8)).shape == (720, 960)
    assert fit(np.zeros((4000, 100), dtype=np.uint8)).shape == (720, 18)
    assert fit(np.zeros((1, 20000), dtype=np.uint8)).shape == (1, 1280)
    small = np.zeros((100, 100), dtype=np.uint8)
    assert fit(small) is small


def test_a_transparent_background_is_paper():
    code = qr(TOKEN)
    picture = np.zeros((*code.shape, 4), dtype=np.uint8)  # black everywhere, drawn by transparency alone
    picture[:, :, 3] = 255 - code
    assert np.array_equal(to_gray(picture), code)


def test_files_and_folders(tmp_path: Path):
    below = tmp_path / "deep" / "er"
    below.mkdir(parents=True)
    cv2.imwrite(str(below / "b.png"), EASY)
    cv2.imwrite(str(tmp_path / "deep" / "a.JPG"), NEEDS_UPSCALING)
    cv2.imwrite(str(tmp_path / "z.png"), EMPTY)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and no more")
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.txt").write_text("not looked at")
    found = {Path(one["path"]).name: one for one in read_paths([tmp_path, tmp_path / "none.png"])}
    assert list(found) == ["broken.png", "empty.png", "z.png", "a.JPG", "b.png", "none.png"]
    assert (found["b.png"]["texts"], found["b.png"]["decoder"]) == ([TOKEN], "zxing")
    assert (found["a.JPG"]["texts"], found["a.JPG"]["decoder"]) == ([TOKEN], "zxing_upscaled")
    assert (found["z.png"]["texts"], found["z.png"]["decoder"]) == ([], None)
    assert "no picture" in found["broken.png"]["error"]
    assert "no picture" in found["empty.png"]["error"]
    assert "No such file" in found["none.png"]["error"]
    assert all("error" not in found[name] for name in ("a.JPG", "b.png", "z.png"))
    json.dumps(list(found.values()))


def test_folders_are_searched_in_order_of_name(tmp_path: Path):
    names = [f"{number:02}" for number in (7, 3, 9, 1, 8, 2, 6, 4, 5, 0)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    assert [Path(one["path"]).parent.name for one in read_paths([tmp_path])] == sorted(names)


def test_a_named_file_is_tried_whatever_it_is_called(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "x.png"), EASY)
    picture = (tmp_path / "x.png").rename(tmp_path / "download")
    assert [one["texts"] for one in read_paths([picture])] == [[TOKEN]]


def test_a_picture_that_unpacks_to_too_much_is_refused(tmp_path: Path):
    side = int(MAX_PIXELS**0.5) + 10
    bomb = tmp_path / "bomb.png"
    cv2.imwrite(str(bomb), np.zeros((side, side), dtype=np.uint8))
    assert bomb.stat().st_size < 1_000_000
    # In a process of its own: OpenCV takes its limit when it is first imported, here by this test's own import.
    program = "import sys; from drivers.pictures import load_gray; load_gray(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(bomb)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "more than 50000000 pixels" in done.stderr


def test_sixteen_bits_a_channel(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "deep.png"), EASY.astype(np.uint16) * 257)
    assert [one["texts"] for one in read_paths([tmp_path / "deep.png"])] == [[TOKEN]]


@needs_zbar
@pytest.mark.skipif(
    not (PUBLIC / "truth.json").is_file(), reason="the public pictures are not on this machine"
)
@pytest.mark.parametrize("decoders", [None, tuple(DECODERS)], ids=["by default", "with all"])
def test_the_public_pictures(decoders: tuple[str, ...] | None):
    """The bar is what the best combination measured reads (docs/decisions): 169 of 179, none wrong."""
    truth: dict[str, str] = json.loads((PUBLIC / "truth.json").read_text())
    right, wrong = 0, []
    for one in read_paths([PUBLIC], decoders):
        expected = plain(truth[Path(one["path"]).relative_to(PUBLIC).as_posix()])
        if expected in map(plain, one["texts"]):
            right += 1
        elif one["texts"]:
            wrong.append(one)
    assert wrong == []
    assert right >= 169


def plain(text: str) -> str:
    """As the measurement compares: line ends alike, no space at the end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip()


@needs_zbar
def test_a_still_picture_with_a_lamp_on_its_finder_pattern_is_read_by_the_last_resort(tmp_path: Path) -> None:
    frame, text = code_frame(SEVERITIES[0], 22)
    assert read_image(frame, load_chain(DEFAULT_CHAIN)) == []
    cv2.imwrite(str(tmp_path / "still.png"), frame)
    [reading] = read_paths([tmp_path / "still.png"])
    assert (reading["texts"], reading["decoder"]) == ([text], "pyzbar")


def test_without_libzbar_still_pictures_are_read_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyzbar", None)
    assert still_chain() == DEFAULT_CHAIN
