"""Images: one form, bounded before it is unpacked, and what another reader sees in the file is what is printed."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from agent.domain import image
from agent.domain.image import Image, ImageError, png_of, read_image, write_image
from tests.receipt_samples import LOGO


def header(width=16, height=2, depth=1, colour=0, compression=0, filtering=0, interlace=0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, compression, filtering, interlace)


def chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


ROWS = zlib.compress(b"\0\xff\xff" * 2)


@st.composite
def images(draw: st.DrawFn) -> Image:
    width = draw(st.integers(1, 40))
    bits = st.integers(0, 2**width - 1).map(lambda row: row << -width % 8)
    rows = draw(st.lists(bits.map(lambda row: row.to_bytes(-(-width // 8), "big")), min_size=1, max_size=20))
    return Image(width, tuple(rows))


@given(images())
def test_what_is_written_reads_back_and_looks_the_same_to_another_reader(made):
    png = write_image(made)
    assert read_image(png) == made
    with Pillow.open(io.BytesIO(png)) as seen:
        assert (seen.format, seen.mode, seen.size) == ("PNG", "1", (made.width, len(made.rows)))
        white = seen.tobytes()
    row_bytes = made.paper_dots // 8
    for number, row in enumerate(made.rows):
        other = int.from_bytes(white[number * row_bytes :][:row_bytes], "big") >> -made.width % 8
        assert int.from_bytes(row, "big") >> -made.width % 8 == other ^ (2**made.width - 1)


def test_what_another_program_writes_beyond_the_width_is_white():
    made = read_image(png_of(header(10, 1), zlib.compress(b"\0\x00\x00")))
    assert made == Image(10, (b"\xff\xc0",))


@pytest.mark.parametrize(
    ("png", "said"),
    [
        (b"", "no PNG"),
        (b"GIF89a", "no PNG"),
        (image.SIGNATURE, "more than its dots, or less"),
        (image.SIGNATURE + chunk(b"IEND", b""), "more than its dots, or less"),
        (image.SIGNATURE + chunk(b"IHDR", header()) + chunk(b"IEND", b""), "more than its dots, or less"),
        (png_of(header()[:-1], ROWS), "another length"),
        (png_of(header(depth=8), ROWS), "not one bit a dot"),
        (png_of(header(colour=3), ROWS), "not one bit a dot"),
        (png_of(header(compression=1), ROWS), "not one bit a dot"),
        (png_of(header(filtering=1), ROWS), "not one bit a dot"),
        (png_of(header(interlace=1), ROWS), "not one bit a dot"),
        (png_of(header(width=0), ROWS), "1 to 576 dots across and 1 to 320 down, not 0 and 2"),
        (png_of(header(width=577), ROWS), "not 577 and 2: `redeemd receipt image` shrinks it"),
        (png_of(header(height=321), ROWS), "not 16 and 321"),
        (png_of(header(2**32 - 1, 2**32 - 1), ROWS), "not 4294967295 and 4294967295"),
        (png_of(header(), b"nonsense"), "cannot be unpacked"),
        (png_of(header(), b""), "more dots than it says, or fewer"),
        (png_of(header(height=3), ROWS), "more dots than it says, or fewer"),
        (png_of(header(height=1), ROWS), "more dots than it says, or fewer"),
        (png_of(header(), ROWS[:-4]), "more dots than it says, or fewer"),
        (png_of(header(), ROWS + b"more"), "more dots than it says, or fewer"),
        (png_of(header(), zlib.compress(bytes(50_000_000), 9)), "at most 8192 bytes"),
        (png_of(header(), zlib.compress(bytes(5_000_000), 9)), "more dots than it says, or fewer"),
        (png_of(header(), zlib.compress(b"\1\xff\xff" * 2)), "its rows are filtered"),
        (png_of(header(), ROWS) + b"more", "cut off or was changed"),
        (png_of(header(), ROWS) + chunk(b"IEND", b""), "more than its dots, or less"),
        (png_of(header(), ROWS).replace(chunk(b"IEND", b""), chunk(b"tEXt", b"x\0y") + chunk(b"IEND", b"")),
         "more than its dots, or less: `redeemd receipt image` makes one"),
    ],
)  # fmt: skip
def test_every_other_form_is_refused_with_what_to_do(png, said):
    with pytest.raises(ImageError, match=r".") as caught:
        read_image(png)
    assert said in str(caught.value)


def test_nothing_of_a_damaged_file_is_printed():
    for size in range(len(LOGO)):
        with pytest.raises(ImageError):
            read_image(LOGO[:size])
    for place in range(len(LOGO)):
        with pytest.raises(ImageError):
            read_image(LOGO[:place] + bytes((LOGO[place] ^ 1,)) + LOGO[place + 1 :])


@pytest.mark.parametrize(
    "name",
    ["", ".png", "Logo.png", "logo.PNG", "logo", "a/b.png", "..png", "x" * 29 + ".png", "ｘ.png", "a\n.png", "a.png\n"],
)  # fmt: skip
def test_names(name):
    image.check_name("a-b_9.png")
    with pytest.raises(ImageError, match=r"like logo\.png"):
        image.check_name(name)
