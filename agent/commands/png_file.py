"""Any PNG of a stranger as grey dots on white paper. Needs Pillow, which python-escpos brings.

What it is made of is read here, before anything is unpacked: bounded, whole, and only the parts that are dots reach
Pillow (no text, no colour profile, no animation, no orientation, which PNG calls historical). Pillow unpacks and
unfilters; what is clear is decided here, as it forgets the clear grey of some depths. Source: PNG, third edition (W3C,
2025), 11.2 and 11.3.1.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.commands.errors import EX_DATAERR, CommandError
from agent.commands.files import read_named
from agent.domain import image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FILE_BYTES_MAX = 16 * 1024 * 1024
PIXELS_MAX = 25_000_000
_GREY, _PALETTE = 0, 3
_SAMPLES = {_GREY: 1, 2: 3, _PALETTE: 1, 4: 2, 6: 4}
"""Of a dot, by colour type."""
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), 2: (8, 16), _PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced picture: first column, first row, and the steps of both."""
_OTHERS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "WebP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG"),
)
_PIECE = 1 << 20


class _Head(NamedTuple):
    """IHDR. depth: bits a sample. interlaced: 0 or 1."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: int


def grey_on_paper(path: Path) -> Picture:
    """The picture in mode L, 0 is black. CommandError for anything but a whole PNG within the bounds."""
    try:
        return grey_of(read_named(path, FILE_BYTES_MAX, "save it smaller"))
    except image.ImageError as error:
        raise CommandError(f"{path}: {error}", EX_DATAERR) from error


def grey_of(content: bytes) -> Picture:
    """The same of a file's content. ImageError."""
    head, parts = _read(content)
    if head.width * head.height > PIXELS_MAX:
        size = f"{head.width} x {head.height} dots"
        raise image.ImageError(f"it has {size}, more than {PIXELS_MAX}: save it smaller")
    if not _is_whole(head, parts[b"IDAT"]):
        raise image.ImageError("it is damaged: dots are missing at its end. Save it again")
    from PIL import Image

    try:
        with Image.open(io.BytesIO(_plain(parts)), formats=["PNG"]) as opened:
            opened.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise image.ImageError("it is damaged: its dots cannot be unpacked. Save it again") from error
    return _grey(opened, head, parts.get(b"tRNS", b"")) if head.colour == _GREY else _coloured(opened)


def _read(content: bytes) -> tuple[_Head, dict[bytes, bytes]]:
    """The head, and what is unpacked of the parts by name. ImageError for what is no PNG."""
    if not content.startswith(image.SIGNATURE):
        kind = next((name for begin, name in _OTHERS if content.startswith(begin)), "")
        what = f"it is a {kind}, no PNG" if kind else "it is no PNG" if content else "it is empty"
        raise image.ImageError(f"{what}: export the picture as PNG")
    parts: dict[bytes, bytes] = {}
    for name, data in image.chunks(content):
        if name in (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"IEND"):
            parts[name] = parts.get(name, b"") + data
        if name == b"IEND":
            break
    first = parts.get(b"IHDR", b"")
    if len(first) != 13 or not {b"IDAT", b"IEND"} <= parts.keys():
        raise image.ImageError("it is damaged: a part of it is missing. Save it again")
    width, height, depth, colour, packing, filtering, interlaced = struct.unpack(">IIBBBBB", first)
    head = _Head(width, height, depth, colour, interlaced)
    palette = parts.get(b"PLTE", b"")
    good = depth in _DEPTHS.get(colour, ()) and (packing, filtering) == (0, 0) and interlaced in (0, 1)
    if not good or not width or not height or (colour == _PALETTE and (not palette or len(palette) % 3)):
        raise image.ImageError("it is damaged: its head says what no PNG does. Save it again")
    return head, parts


def _is_whole(head: _Head, packed: bytes) -> bool:
    """Whether every dot is there: Pillow fills what is missing with black."""
    columns, rows = range(head.width), range(head.height)
    passes = _PASSES if head.interlaced else ((0, 0, 1, 1),)
    left = 0
    for first_column, first_row, column_step, row_step in passes:
        across, down = len(columns[first_column::column_step]), len(rows[first_row::row_step])
        row_bytes = 1 + -(-across * head.depth * _SAMPLES[head.colour] // 8)
        left += row_bytes * down if across else 0
    unpacking = zlib.decompressobj()
    try:
        while left > 0 and not unpacking.eof and packed:
            left -= len(unpacking.decompress(packed, min(left, _PIECE)))
            packed = unpacking.unconsumed_tail
    except zlib.error:
        return False
    return left <= 0


def _plain(parts: dict[bytes, bytes]) -> bytes:
    """A PNG of nothing but its dots."""
    order = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
    return image.of_chunks((name, parts[name]) for name in order if name in parts)


def _grey(opened: Picture, head: _Head, clear: bytes) -> Picture:
    """clear: tRNS, the one grey that is no ink, as it is in the file."""
    from PIL import Image, ImageChops

    opened.info.pop("transparency", None)
    value = int.from_bytes(clear, "big") if len(clear) == 2 else -1
    if head.depth < 16:
        grey = opened.convert("L")
        most = (1 << head.depth) - 1
        return _without(grey, _equal(grey, value * 255 // most)) if 0 <= value <= most else grey
    low, high = (
        Image.frombytes("L", opened.size, opened.tobytes()[at::2]) for at in (0, 1)
    )  # Pillow cuts what is above 255, and gives 16 bits low byte first: the high byte is the grey
    if value < 0:
        return high
    return _without(high, ImageChops.darker(_equal(high, value >> 8), _equal(low, value & 0xFF)))


def _equal(plane: Picture, value: int) -> Picture:
    """255 where the plane has this value, else 0."""
    return plane.point([255 if one == value else 0 for one in range(256)])


def _without(grey: Picture, clear: Picture) -> Picture:
    """White paper where `clear` is 255."""
    grey.paste(255, mask=clear)
    return grey


def _coloured(opened: Picture) -> Picture:
    from PIL import Image

    clear = opened.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:  # 16 bits, of which Pillow keeps the high byte
        opened.info["transparency"] = tuple(value >> 8 for value in clear)
    inked = opened.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", inked.size, "white"), inked).convert("L")
