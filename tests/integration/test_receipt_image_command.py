"""`redeemd receipt image`, and images in `check`, `preview` and `check-config`: what is printed is seen before."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from agent.cli import main
from agent.domain import image
from agent.receipts.samples import SAMPLES
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
        (b"", [], "is no PNG that can be read"),
        (png(drawing())[:200], [], "is no PNG that can be read"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", [], "is no PNG that can be read"),
        (png(Image.new("1", (6000, 6000))), [], "more than 25000000 dots"),
        (png(Image.new("1", (100, 321))), [], "321 dots high"),
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
