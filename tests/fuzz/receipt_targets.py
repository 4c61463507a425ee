"""Templates of receipts, and pictures: what store IT, head office or anybody wrote."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress

from agent.commands import png_file
from agent.domain import image, receipt_facts, receipt_template, template_reader


def read_template(data: bytes) -> None:
    """What is read is printed for the longest facts and for none."""
    from agent.receipts.model import Receipt
    from agent.receipts.redemption import Means, filled

    try:
        template = template_reader.read_template(data.decode("utf-8", "replace"))
    except template_reader.TemplateError:
        return
    logo = image.write_image(image.Image(8, (b"\x55",)))
    for length in (0, 1000):
        facts = dict.fromkeys(receipt_facts.FACTS, "x" * length)
        Receipt(tuple(filled(template, facts, Means(images={"logo.png": logo}))))


def template_seeds() -> list[bytes]:
    from agent.receipts.book import built_in_text

    own = [built_in_text(paper, "zh").encode() for paper in receipt_template.PAPERS]
    return [*own, own[0] + b"image logo.png: {store}\nbarcode code128: {number_code}\n"]


def read_image(data: bytes) -> None:
    """Of a whole PNG around mutated contents: what is read can be written again, and is then the same dots."""
    with suppress(image.ImageError):
        found = image.read_image(image.png_of(data[:13], data[13:]))
        assert image.read_image(image.write_image(found)) == found


def image_seeds() -> list[bytes]:
    made = [image.Image(8, (b"\x55",)), image.Image(13, (b"\xff\xf8",) * 20)]
    return [png[16:29] + png[41:-16] for png in map(image.write_image, made)]


def read_any_png(data: bytes) -> None:
    """Of a whole PNG around mutated contents: 13 octets of IHDR, 6 of tRNS, 12 of PLTE, then its rows as they are
    before they are packed. What is read has the size that its head says."""
    head, clear, palette = data[:13], data[13:19], data[19:31]
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"tRNS", clear), (b"IDAT", zlib.compress(data[31:], 1)))
    for size in (6, 2, 4):  # tRNS of a colour, a grey, a palette
        with suppress(image.ImageError):
            whole = image.of_chunks(
                [(name, part[:size] if name == b"tRNS" else part) for name, part in parts]
            )
            found = png_file.grey_of(whole + image.of_chunks([(b"IEND", b"")])[8:])
            assert found.mode == "L"
            assert struct.pack(">II", *found.size) == head[:8]


def any_png_seeds() -> list[bytes]:
    rows = bytes(13 * 9)
    kinds = ((1, 0), (4, 0), (16, 0), (8, 2), (16, 2), (2, 3), (8, 3), (16, 4), (8, 6))
    heads = [struct.pack(">IIBBBBB", 5, 3, depth, colour, 0, 0, depth & 1) for depth, colour in kinds]
    return [head + bytes(6) + bytes(range(12)) + rows for head in heads]
