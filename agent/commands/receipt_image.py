"""`redeemd receipt image`: any PNG as the black and white image that tills print (`agent.domain.image`).

Here, where somebody looks at what comes out, is the only place that unpacks a PNG of a stranger. Needs Pillow, which
python-escpos brings.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from agent.commands.errors import EX_DATAERR, EX_NOINPUT, EX_USAGE, CommandError
from agent.domain import image
from agent.domain.barcode import PAPER_DOTS_MIN
from config.regular_file import read_regular

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FILE_BYTES_MAX = 16 * 1024 * 1024
PIXELS_MAX = 25_000_000
BLACK_BELOW = 128
"""Of 255. A logo is lines and letters: a screen of dots would blur them, and would not compress."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a PNG; what is clear in it is paper")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NAME.png", help="the image that is printed"
    )
    parser.add_argument(
        "--width",
        type=_width,
        default=PAPER_DOTS_MIN,
        metavar="DOTS",
        help=f"at most so wide: %(default)s fit 58 mm paper, {image.WIDTH_MAX} 80 mm paper; default: %(default)s",
    )


def _width(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 8 <= int(text[:9]) <= image.WIDTH_MAX:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not 8 to {image.WIDTH_MAX} dots")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    try:
        image.check_name(arguments.out.name)
    except image.ImageError as error:
        raise CommandError(f"{arguments.out}: {error}", EX_USAGE) from error
    made = _image(_grey(arguments.file), arguments.width)
    png = image.write_image(made)
    if len(made.rows) > image.HEIGHT_MAX or len(png) > image.BYTES_MAX:
        raise CommandError(
            f"{arguments.file} would be {len(made.rows)} dots high and {len(png)} bytes; at most {image.HEIGHT_MAX} "
            f"and {image.BYTES_MAX} are printed: cut it, make it plainer, or give a --width below {made.width}",
            EX_DATAERR,
        )
    try:
        arguments.out.write_bytes(png)
    except OSError as error:
        raise CommandError(f"{arguments.out} cannot be written: {error.strerror}") from error
    print(f"{arguments.out}: written, {said(png)}")
    return 0


def said(png: bytes) -> str:
    """What an image takes: dots on paper, and bytes that are kept with each receipt."""
    found = image.read_image(png)
    return f"an image of {found.width} x {len(found.rows)} dots, {len(png)} bytes with each receipt"


def _grey(path: Path) -> Picture:
    """The picture on white paper. CommandError for anything but a PNG within the bounds."""
    from PIL import Image

    try:
        content = read_regular(path, FILE_BYTES_MAX)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", EX_NOINPUT) from error
    if len(content) > FILE_BYTES_MAX:
        raise CommandError(f"{path} has more than {FILE_BYTES_MAX} bytes", EX_DATAERR)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
            if opened.width * opened.height > PIXELS_MAX:
                raise CommandError(f"{path} has more than {PIXELS_MAX} dots: save it smaller", EX_DATAERR)
            if (
                opened.mode == "I;16"
            ):  # Pillow would cut what is above 255: the upper byte of each dot is its grey
                return Image.frombytes("L", opened.size, opened.tobytes()[1::2])
            clear = opened.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CommandError(f"{path} is no PNG that can be read: {error}", EX_DATAERR) from error
    paper = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(paper, clear).convert("L")


def _image(grey: Picture, width: int) -> image.Image:
    """Scaled down, never up; each dot black or white."""
    from PIL import Image

    if grey.width > width:
        height = max(1, round(grey.height * width / grey.width))
        grey = grey.resize((width, height), Image.Resampling.LANCZOS)
    black = grey.point([255 if value < BLACK_BELOW else 0 for value in range(256)])
    bits, row = black.convert("1", dither=Image.Dither.NONE).tobytes(), -(-grey.width // 8)
    return image.Image(grey.width, tuple(bits[at : at + row] for at in range(0, len(bits), row)))
