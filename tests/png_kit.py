"""Every kind of PNG, written here from its standard: colour type, bits a sample, interlaced or not, what is clear.

One picture of upright fields, 12 dots wide and 20 high; of each is known whether it is ink on white paper.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from agent.domain.image import of_chunks

FIELD, HEIGHT = 12, 20
PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
)  # fmt: skip


class Kind(NamedTuple):
    """fields: the samples of a dot of each, and whether it is ink. tables: PLTE and tRNS."""

    colour: int
    depth: int
    fields: tuple[tuple[tuple[int, ...], bool], ...]
    tables: tuple[tuple[bytes, bytes], ...] = ()

    def picture(self, interlaced: bool = False, more: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
        """The whole file. more: chunks behind the head."""
        head = struct.pack(">IIBBBBB", self.width, HEIGHT, self.depth, self.colour, 0, 0, interlaced)
        dots = zlib.compress(self._rows(interlaced))
        return of_chunks([(b"IHDR", head), *more, *self.tables, (b"IDAT", dots), (b"IEND", b"")])

    @property
    def width(self) -> int:
        return FIELD * len(self.fields)

    def _rows(self, interlaced: bool) -> bytes:
        rows = []
        for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
            samples = [self.fields[column // FIELD][0] for column in range(left, self.width, across)]
            bits = "".join(f"{value:0{self.depth}b}" for dot in samples for value in dot)
            size = -(-len(bits) // 8)
            row = b"\0" + int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big")
            rows += [row] * len(range(top, HEIGHT, down))
        return b"".join(rows)


def _grey(depth: int, clear: bool) -> Kind:
    """Where a dark grey is clear, the grey beside it, another in its last bit alone, is ink."""
    most = (1 << depth) - 1
    dark = most // 3
    fields = [((0,), not clear or dark > 0), ((most,), False)]
    if depth > 1:
        fields += [((dark,), not clear), ((dark + 1,), depth > 2), ((most - most // 5,), False)]
    return Kind(0, depth, tuple(fields), ((b"tRNS", dark.to_bytes(2, "big")),) if clear else ())


def _colour(depth: int, clear: bool) -> Kind:
    most = (1 << depth) - 1
    dark = most // 3 - (depth == 16)  # both bytes differ
    beside = 1 << (depth - 8)  # Pillow keeps the upper byte
    samples = (
        ((dark,) * 3, not clear), ((dark, dark + beside, dark), True), ((0, 0, 0), True),
        ((most,) * 3, False), ((most, 0, 0), True), ((most, most, 0), False),
    )  # fmt: skip
    return Kind(2, depth, samples, ((b"tRNS", dark.to_bytes(2, "big") * 3),) if clear else ())


def _palette(depth: int) -> Kind:
    """Black, black that is clear, white, dark red; the first two alone where there is one bit."""
    colours = (b"\0\0\0", b"\0\0\0", b"\xff\xff\xff", b"\x80\0\0")[: 1 << depth]
    fields = tuple(((place,), ink) for place, ink in enumerate((True, False, False, True)))[: len(colours)]
    return Kind(3, depth, fields, ((b"PLTE", b"".join(colours)), (b"tRNS", b"\xff\0")))


def _alpha(colour: int, depth: int) -> Kind:
    most, samples = (1 << depth) - 1, 1 if colour == 4 else 3
    black, white = (0,) * samples, (most,) * samples
    fields = (
        ((*black, most), True), ((*black, 0), False), ((*white, most), False),
        ((*black, most // 4), False), ((*black, most - most // 4), True),
    )  # fmt: skip
    return Kind(colour, depth, fields)


KINDS = (
    *(_grey(depth, clear) for depth in (1, 2, 4, 8, 16) for clear in (False, True)),
    *(_colour(depth, clear) for depth in (8, 16) for clear in (False, True)),
    *(_palette(depth) for depth in (1, 2, 4, 8)),
    *(_alpha(colour, depth) for colour in (4, 6) for depth in (8, 16)),
)
"""All fifteen kinds, and those that know a clear colour with one."""
