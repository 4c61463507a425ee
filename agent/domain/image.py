"""Images of receipts, such as a logo: black and white, dot for dot, in the plainest PNG there is. Pure.

A printer prints dots that are black or not. So that is what is kept: what somebody sees in the file is what is printed,
on every till. One form is read: one bit a dot, grey (0 is black), not interlaced, rows not filtered, no chunk but IHDR,
IDAT and IEND. `redeemd receipt image` makes it of any PNG. Source: PNG, third edition (W3C, 2025).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""No UTF-8 text begins so: it tells an image from a template."""
BYTES_MAX = 8 * 1024
"""It is kept with each receipt."""
WIDTH_MAX = 576
"""Printable dots across 80 mm paper."""
HEIGHT_MAX = 320
"""40 mm at 203 dpi: 24 s at 9600 baud with the greatest width."""
_NAME = re.compile(r"[a-z0-9_-]{1,28}\.png")
_HEADER = struct.Struct(">IIBBBBB")
_ONE_BIT_GREY = (1, 0, 0, 0, 0)


class ImageError(ValueError):
    """A file that is not printed. The text says why, and what makes one that is."""


@dataclass(frozen=True, slots=True)
class Image:
    """width: in dots. rows: from the top, most significant bit left, 1 is black, 0 beyond the width."""

    width: int
    rows: tuple[bytes, ...]

    @property
    def paper_dots(self) -> int:
        """What it takes across the paper: printers take whole bytes."""
        return len(self.rows[0]) * 8


def check_name(name: str) -> None:
    """ImageError unless templates can name it so."""
    if not _NAME.fullmatch(name):
        raise ImageError(f"an image is named like logo.png: a-z 0-9 - _ and .png, not {name[:40]!r}")


def check_image(name: str, png: bytes) -> None:
    """ImageError unless templates can name it so and printers print it."""
    check_name(name)
    read_image(png)


def read_image(png: bytes) -> Image:
    """Bounded before anything is unpacked. ImageError for any other form."""
    if len(png) > BYTES_MAX:
        raise ImageError(
            f"an image has at most {BYTES_MAX} bytes, this one more: `redeemd receipt image` shrinks it"
        )
    found = list(chunks(png))
    names = [name for name, _ in found]
    if names[:1] != [b"IHDR"] or names[-1:] != [b"IEND"] or set(names[1:-1]) != {b"IDAT"}:
        raise _other_form("it holds more than its dots, or less")
    if len(found[0][1]) != _HEADER.size or found[-1][1]:
        raise _other_form("its head or end has another length")
    width, height, *form = _HEADER.unpack(found[0][1])
    if tuple(form) != _ONE_BIT_GREY:
        raise _other_form("it is not one bit a dot in grey, not interlaced")
    if not 1 <= width <= WIDTH_MAX or not 1 <= height <= HEIGHT_MAX:
        raise ImageError(
            f"an image has 1 to {WIDTH_MAX} dots across and 1 to {HEIGHT_MAX} down, not {width} and {height}: "
            "`redeemd receipt image` shrinks it"
        )
    return Image(width, _rows(b"".join(data for _, data in found[1:-1]), width, height))


def write_image(image: Image) -> bytes:
    """The form that `read_image` reads; it may have more than BYTES_MAX."""
    beyond = _beyond(image.width)
    packed = b"".join(b"\0" + _inverted(row[:-1] + bytes((row[-1] | beyond,)), 0) for row in image.rows)
    header = _HEADER.pack(image.width, len(image.rows), *_ONE_BIT_GREY)
    return png_of(header, zlib.compress(packed, 9))


def png_of(header: bytes, data: bytes) -> bytes:
    """An image around these contents of IHDR and IDAT."""
    return of_chunks(((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")))


def of_chunks(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks, each its name and content."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and content of each chunk of a PNG, of this form or another. ImageError where one is damaged."""
    if not png.startswith(SIGNATURE):
        raise ImageError("it is no PNG")
    at = len(SIGNATURE)
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        name, data, crc = (
            png[at + 4 : at + 8],
            png[at + 8 : at + 8 + length],
            png[at + 8 + length : at + 12 + length],
        )
        if len(crc) != 4 or int.from_bytes(crc, "big") != zlib.crc32(name + data):
            raise ImageError("it is damaged: a part of it is cut off or was changed")
        yield name, data
        at += 12 + length


def _rows(packed: bytes, width: int, height: int) -> tuple[bytes, ...]:
    row_bytes = 1 + -(-width // 8)
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(packed, height * row_bytes + 1)
    except zlib.error as error:
        raise ImageError("it is damaged: its dots cannot be unpacked") from error
    if len(plain) != height * row_bytes or not unpacking.eof or unpacking.unused_data:
        raise ImageError("it is damaged: it has more dots than it says, or fewer")
    if any(plain[::row_bytes]):
        raise _other_form("its rows are filtered")
    return tuple(
        _inverted(plain[at + 1 : at + row_bytes], _beyond(width)) for at in range(0, len(plain), row_bytes)
    )


def _inverted(row: bytes, beyond: int) -> bytes:
    """Black for white, and white where bits of the last byte are none of the image's."""
    turned = bytes(byte ^ 0xFF for byte in row)
    return turned[:-1] + bytes((turned[-1] & ~beyond,))


def _beyond(width: int) -> int:
    """The bits of the last byte of a row that are none of the image's."""
    return 0xFF >> (width % 8 or 8)


def _other_form(why: str) -> ImageError:
    return ImageError(f"{why}: `redeemd receipt image` makes one that is printed")
