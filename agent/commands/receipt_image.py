"""`redeemd receipt image`: any PNG as the black and white image that tills print (`agent.domain.image`).

Here, where somebody looks at what comes out, is the only place that unpacks a PNG of a stranger (`png_file`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.commands import png_file
from agent.commands.errors import EX_DATAERR, EX_USAGE, CommandError
from agent.domain import image
from agent.domain.barcode import PAPER_DOTS_MIN

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

WIDTH_MIN = 8
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
    if not text.isascii() or not text.isdigit() or not WIDTH_MIN <= int(text[:9]) <= image.WIDTH_MAX:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {WIDTH_MIN} to {image.WIDTH_MAX} dots")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    try:
        image.check_name(arguments.out.name)
    except image.ImageError as error:
        raise CommandError(f"{arguments.out}: {error}", EX_USAGE) from error
    if arguments.out.exists() and arguments.file.exists() and arguments.out.samefile(arguments.file):
        raise CommandError(f"{arguments.out} would be written over: name another --out", EX_USAGE)
    grey = png_file.grey_on_paper(arguments.file)
    width, height = _size(grey, arguments.width)
    if height > image.HEIGHT_MAX:
        narrower = width * image.HEIGHT_MAX // height
        way = f"give --width {narrower}, or cut it" if narrower >= WIDTH_MIN else "cut it"
        raise CommandError(
            f"{arguments.file} would be {height} dots high; at most {image.HEIGHT_MAX} are printed: {way}",
            EX_DATAERR,
        )
    made = _image(grey, width, height)
    png = image.write_image(made)
    if len(png) > image.BYTES_MAX:
        way = f", or give a --width below {width}" if width > WIDTH_MIN else ""
        raise CommandError(
            f"{arguments.file} would have {len(png)} bytes; at most {image.BYTES_MAX} are kept with a receipt: "
            f"cut it, make it plainer{way}",
            EX_DATAERR,
        )
    try:
        arguments.out.write_bytes(png)
    except OSError as error:
        raise CommandError(f"{arguments.out} cannot be written: {error.strerror}") from error
    print(f"{arguments.out}: written, {said(png)}")
    if warning := _blank(made):
        print(f"{arguments.out}: {warning}", file=sys.stderr)
    return 0


def _blank(made: image.Image) -> str:
    """What is wrong with an image of one colour alone; empty for any other."""
    dots = sum(row.bit_count() for row in (int.from_bytes(one, "big") for one in made.rows))
    if dots == 0:
        return "every dot is white: whatever is lighter than middle grey is paper. Make a light logo dark"
    if dots == made.width * len(made.rows):
        return (
            "every dot is black: whatever is darker than middle grey is ink. Make the ground white or clear"
        )
    return ""


def _size(grey: Picture, width_max: int) -> tuple[int, int]:
    """Width and height of what is printed: scaled down, never up."""
    if grey.width <= width_max:
        return grey.width, grey.height
    return width_max, max(1, round(grey.height * width_max / grey.width))


def said(png: bytes) -> str:
    """What an image takes: dots on paper, and bytes that are kept with each receipt."""
    found = image.read_image(png)
    return f"an image of {found.width} x {len(found.rows)} dots, {len(png)} bytes with each receipt"


def _image(grey: Picture, width: int, height: int) -> image.Image:
    """At this size, each dot black or white."""
    from PIL import Image

    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.LANCZOS)
    black = grey.point([255 if value < BLACK_BELOW else 0 for value in range(256)])
    bits, row = black.convert("1", dither=Image.Dither.NONE).tobytes(), -(-width // 8)
    return image.Image(width, tuple(bits[at : at + row] for at in range(0, len(bits), row)))
