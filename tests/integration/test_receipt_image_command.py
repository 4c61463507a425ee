"""`redeemd receipt image`, and images in `check`, `preview` and `check-config`: what is printed is seen before."""

from __future__ import annotations

import io
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from agent.cli import main
from agent.domain import image
from agent.receipts.samples import SAMPLES
from tests.png_kit import FIELD, HEIGHT, KINDS
from tests.receipt_samples import LOGO

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "receipt"


def test_the_example_of_the_docs_prints_as_it_is_written_on_every_paper(capsys):
    for path in sorted(EXAMPLE.iterdir()):
        assert main(["receipt", "check", str(path)]) == 0
        assert "not beside it" not in capsys.readouterr().out
    for profile in ("generic-58", "generic-80"):
        assert (
            main(["receipt", "preview", "--template", str(EXAMPLE / "shop.receipt"), "--profile", profile])
            == 0
        )
        said = capsys.readouterr()
        assert len(said.err.splitlines()) == 1, "which printer it was, and nothing that prints otherwise"
        assert f"[{SAMPLES['zh']['store']}]" in said.out
        assert f"[CODE128] {SAMPLES['zh']['number_code']}" in said.out


def drawing() -> Image.Image:
    """A dark disc on clear ground."""
    picture = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((10, 10, 190, 190), fill="#7a2e12")
    return picture


def on_white() -> Image.Image:
    paper = Image.new("RGBA", (600, 200), "white")
    paper.alpha_composite(drawing())
    return paper.convert("L")


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "picture",
    [
        drawing(), drawing().convert("P"), drawing().convert("LA"), on_white(), on_white().convert("1"),
        Image.frombytes("I;16", (600, 200), b"".join(bytes((7, grey)) for grey in on_white().tobytes())),
    ],
    ids=lambda picture: picture.mode,
)  # fmt: skip
def test_any_png_becomes_an_image_that_is_printed(tmp_path, capsys, picture):
    made, out = tmp_path / "My Logo.png", tmp_path / "logo.png"
    picture.save(made)
    assert main(["receipt", "image", str(made), "--out", str(out), "--width", "300"]) == 0
    assert "logo.png: written, an image of 300 x 100 dots" in capsys.readouterr().out
    with Image.open(out) as seen:
        assert seen.mode == "1"
        assert [seen.getpixel(place) for place in ((0, 0), (50, 50), (50, 3), (290, 90))] == [
            255,
            0,
            255,
            255,
        ]
    assert main(["receipt", "check", str(out)]) == 0
    assert "good, an image of 300 x 100 dots" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (png(drawing()), ["--width", "0"], "'0' is not 8 to 576 dots"),
        (png(drawing()), ["--width", "577"], "is not 8 to 576 dots"),
        (png(drawing()), ["--out", "Logo 1.png"], "an image is named like logo.png"),
        (png(drawing()), ["--out", "/nonexistent/logo.png"], "cannot be written"),
    ],
)
def test_what_becomes_no_image_is_said(tmp_path, capsys, content, arguments, said):
    made = tmp_path / "in.png"
    made.write_bytes(content)
    with suppress(SystemExit):
        assert main(["receipt", "image", str(made), "--out", str(tmp_path / "logo.png"), *arguments]) != 0
    assert said in capsys.readouterr().err
    assert not (tmp_path / "logo.png").exists()


def image_of(tmp_path: Path, content: bytes, *more: str) -> tuple[int, Path]:
    made, out = tmp_path / "in.png", tmp_path / "logo.png"
    made.write_bytes(content)
    return main(["receipt", "image", str(made), "--out", str(out), *more]), out


@pytest.mark.parametrize("interlaced", [False, True], ids=("", "interlaced"))
@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: f"{kind.colour}-{kind.depth}{'-clear' * (kind.tables[-1:] != ())}"
)
def test_every_kind_of_png_is_ink_where_it_looks_dark_on_white(tmp_path, kind, interlaced):
    """A clear grey of 2, 4 and 16 bits, and a clear colour of 16, were printed as ink."""
    code, out = image_of(tmp_path, kind.picture(interlaced))
    assert code == 0
    made = image.read_image(out.read_bytes())
    assert (made.width, len(made.rows)) == (kind.width, HEIGHT)
    wanted = "".join(("1" if ink else "0") * FIELD for _, ink in kind.fields)
    assert {f"{int.from_bytes(row, 'big'):0{len(row) * 8}b}"[: kind.width] for row in made.rows} == {wanted}


def head(width: int, height: int, depth: int, colour: int, interlaced: int = 0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)


GREY = next(kind for kind in KINDS if (kind.colour, kind.depth) == (0, 8))
WHOLE = GREY.picture()


def saved(kind: str, picture: Image.Image | None = None, **how: object) -> bytes:
    out = io.BytesIO()
    (picture or Image.new("RGB", (40, 20))).save(out, kind, **how)
    return out.getvalue()


TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "in.png: it is empty: export the picture as PNG"),
        (saved("JPEG"), "it is a JPEG, no PNG"),
        (saved("JPEG", Image.new("CMYK", (40, 20))), "it is a JPEG, no PNG"),
        (saved("JPEG", exif=TURNED), "it is a JPEG, no PNG"),
        (saved("GIF"), "it is a GIF, no PNG"),
        (saved("WEBP"), "it is a WebP, no PNG"),
        (saved("BMP"), "it is a BMP, no PNG"),
        (saved("TIFF"), "it is a TIFF, no PNG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "it is a SVG, no PNG: export the picture as PNG"),
        (b"\x89PNG\n\x1a\n" + WHOLE[8:], "it is no PNG: export the picture as PNG"),
        (b"hello", "it is no PNG"),
        (WHOLE[:8], "it is damaged: a part of it is missing"),
        (WHOLE[:-12], "it is damaged: a part of it is missing"),
        (WHOLE[:-20], "it is damaged: a part of it is cut off or was changed"),
        (WHOLE[:60] + b"x" + WHOLE[61:], "it is damaged: a part of it is cut off or was changed"),
        (image.png_of(head(40, 20, 8, 0), zlib.compress(bytes(41 * 19))), "damaged: dots are missing at its end"),
        (image.png_of(head(40, 20, 8, 0), zlib.compress(bytes(41 * 20), 0)[:-90]), "damaged: dots are missing"),
        (image.png_of(head(40, 20, 8, 0, 1), zlib.compress(bytes(41 * 20))), "damaged: dots are missing"),
        (image.png_of(head(40, 20, 8, 0), zlib.compress(b"\x09" * 41 * 20)), "damaged: its dots cannot be unpacked"),
        (image.png_of(head(40, 20, 8, 0), b"nonsense"), "damaged: dots are missing"),
        (image.png_of(head(40, 20, 3, 0), b""), "damaged: its head says what no PNG does"),
        (image.png_of(head(40, 20, 8, 3), b""), "damaged: its head says what no PNG does"),
        (image.png_of(head(0, 20, 8, 0), b""), "damaged: its head says what no PNG does"),
        (image.png_of(head(40, 20, 8, 0)[:-1], b""), "damaged: a part of it is missing"),
        (image.png_of(head(6000, 6000, 1, 0), b""), "it has 6000 x 6000 dots, more than 25000000: save it smaller"),
        (image.png_of(head(2**31 - 1, 2**31 - 1, 16, 6), b""), "dots, more than 25000000"),
    ],
)  # fmt: skip
def test_what_is_no_whole_png_within_the_bounds_is_refused_in_our_words(tmp_path, capsys, content, said):
    """A truncated one was taken, and Pillow's own words were shown (`<_io.BytesIO object at ...>`, a warning)."""
    code, out = image_of(tmp_path, content)
    assert code == 65
    assert not out.exists()
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert said in line
    assert not re.search(r"_io|0x|bomb|Errno|\btRNS|IHDR", line)


ANIMATED = (
    (b"acTL", struct.pack(">II", 2, 0)),
    (b"fcTL", struct.pack(">IIIIIHHBB", 0, GREY.width, HEIGHT, 0, 0, 1, 1, 0, 0)),
)


@pytest.mark.parametrize(
    "more",
    [
        ANIMATED,
        ((b"eXIf", TURNED.tobytes()[6:]),),
        ((b"zTXt", b"x\0\0" + zlib.compress(bytes(200_000_000), 9)),),
        ((b"iCCP", b"x\0\0nonsense"), (b"gAMA", bytes(4)), (b"pHYs", bytes(1))),
    ],
    ids=("animation", "orientation", "text that is a bomb", "colours"),
)  # fmt: skip
def test_nothing_but_the_dots_of_the_first_picture_is_read(tmp_path, more):
    _, out = image_of(tmp_path, WHOLE)
    plain = out.read_bytes()
    assert image_of(tmp_path, GREY.picture(more=more)) == (0, out)
    assert out.read_bytes() == plain


@pytest.mark.parametrize("cut", range(8, len(WHOLE), 7))
def test_a_png_that_is_cut_off_anywhere_is_refused(tmp_path, cut):
    assert image_of(tmp_path, WHOLE[:cut])[0] == 65


@pytest.mark.parametrize(
    ("colour", "said"),
    [
        ("white", "logo.png: every dot is white: whatever is lighter than middle grey is paper"),
        ((255, 255, 255, 0), "every dot is white"),
        ((200, 220, 255), "every dot is white"),
        ("black", "logo.png: every dot is black: whatever is darker than middle grey is ink"),
        ("#7a2e12", "every dot is black"),
    ],
)
def test_an_image_of_one_colour_is_told(tmp_path, capsys, colour, said):
    mode = "RGBA" if isinstance(colour, tuple) and len(colour) == 4 else "RGB"
    assert image_of(tmp_path, png(Image.new(mode, (41, 20), colour)))[0] == 0
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "more", "said"),
    [
        ((100, 321), (), "would be 321 dots high; at most 320 are printed: give --width 99, or cut it"),
        ((100, 4000), (), "give --width 8, or cut it"),
        ((100, 4001), (), "would be 4001 dots high; at most 320 are printed: cut it\n"),
        ((1, 25_000_000), (), "would be 25000000 dots high; at most 320 are printed: cut it\n"),
    ],
)
def test_what_is_advised_can_be_done(tmp_path, capsys, size, more, said):
    content = png(Image.new("1", size))
    assert image_of(tmp_path, content, *more)[0] == 65
    error = capsys.readouterr().err
    assert said in error
    if advised := re.search(r"--width (\d+)", error):
        assert image_of(tmp_path, content, "--width", advised[1])[0] == 0


def test_the_drawing_itself_is_not_written_over(tmp_path, capsys):
    mine = tmp_path / "logo.png"
    mine.write_bytes(WHOLE)
    assert main(["receipt", "image", str(mine), "--out", str(mine)]) == 2
    assert "would be written over: name another --out" in capsys.readouterr().err
    assert mine.read_bytes() == WHOLE


def test_noise_does_not_fit(tmp_path, capsys):
    made = tmp_path / "in.png"
    Image.effect_noise((576, 320), 200).save(made)
    assert main(["receipt", "image", str(made), "--out", str(tmp_path / "x.png"), "--width", "576"]) == 65
    assert "cut it, make it plainer, or give a --width below 576" in capsys.readouterr().err


def test_an_image_stands_beside_its_template(tmp_path, capsys):
    mine = tmp_path / "mine.receipt"
    mine.write_text("receipt 1 redemption zh\nimage logo.png: {store}\ntext: {number}\n", "utf-8")
    assert main(["receipt", "check", str(mine)]) == 0
    assert "a template for redemption zh; not beside it: logo.png" in capsys.readouterr().out
    assert main(["receipt", "preview", "--template", str(mine)]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[1:] == [
        "line 2: words are printed for image logo.png: there is none of this name"
    ]
    (tmp_path / "logo.png").write_bytes(LOGO)
    png = tmp_path / "out.png"
    assert (
        main(["receipt", "preview", "--template", str(mine), "--png", str(png), "--profile", "generic-58"])
        == 0
    )
    assert capsys.readouterr().err == "as such a printer prints it: generic-58, 32 columns, gb18030\n"
    with Image.open(png) as paper, Image.open(io.BytesIO(LOGO)) as logo:
        assert paper.crop((16, 16, 400, 144)).tobytes() == logo.tobytes()
    (tmp_path / "logo.png").write_bytes(LOGO[:-1])
    for action in (["check", str(mine)], ["preview", "--template", str(mine)]):
        assert main(["receipt", *action]) == 65
    assert capsys.readouterr().err.count("logo.png: it is damaged") == 1


def test_check_config_names_images_that_are_not_printed(tmp_path, capsys):
    folder = tmp_path / "receipts"
    folder.mkdir()
    (folder / "mine.receipt").write_text("receipt 1 redemption\nimage wide.png: x\ntext: {number}\n", "utf-8")
    (folder / "wide.png").write_bytes(image.write_image(image.Image(400, (bytes(50),))))
    path = tmp_path / "till.toml"
    path.write_text(
        f'[till]\nstate_dir = "{tmp_path}/state"\n[receipt]\ntemplates = "{folder}"\n[[printer]]\nname = "front"\n'
        'kind = "file"\ndevice = "/dev/null"\nprofile = "generic-58"\n',
        "utf-8",
    )
    assert main(["check-config", str(path)]) != 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "mine.receipt, at printer front: line 2: words are printed for image wide.png: it is 400" in line
    (folder / "wide.png").write_bytes(b"\x89PNG")
    assert main(["check-config", str(path)]) != 0
    assert "wide.png: it is no PNG" in capsys.readouterr().out
