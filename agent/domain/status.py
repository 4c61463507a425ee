"""Status lists: two bits per coupon of a campaign, an exact answer in constant time.

0 valid, 1 used, 2 revoked, 3 reserved (read as revoked: the safe side). Coupon i lies in byte i // 4, at bits
2 * (i % 4) from the low end. On the wire the list is zlib-compressed and inflated with an exact bound.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

COUNT_MAX = 50_000_000
"""Coupons of one list: 12.5 MB in memory."""


class Status(IntEnum):
    """What the cloud last said of a coupon. It only ever rises."""

    VALID = 0
    USED = 1
    REVOKED = 2


class StatusFault(ValueError):
    """A status list that is not what it claims to be."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """count: coupons issued at most. bits: exactly ceil(count / 4) bytes."""

    count: int
    bits: bytes

    def __getitem__(self, index: int) -> Status:
        """The status of coupon `index`; IndexError at or beyond `count`: such a coupon was never issued."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        return Status(min(self.bits[index >> 2] >> 2 * (index & 3) & 3, Status.REVOKED))


def make(count: int, marked: Iterable[tuple[int, Status]]) -> StatusList:
    """A list in which all is valid but `marked`."""
    bits = bytearray((count + 3) // 4)
    for index, status in marked:
        assert 0 <= index < count, "an index beyond the list"
        shift = 2 * (index & 3)
        if status > bits[index >> 2] >> shift & 3:
            bits[index >> 2] = bits[index >> 2] & ~(3 << shift) | status << shift
    return StatusList(count, bytes(bits))


def compress(status: StatusList) -> bytes:
    """The wire form."""
    return zlib.compress(status.bits, 9)


def inflate(count: int, compressed: bytes) -> StatusList:
    """Read the wire form; never more than the declared size is inflated. StatusFault if it is not exactly that size."""
    if not 0 <= count <= COUNT_MAX:
        raise StatusFault(f"a list of {count} coupons; at most {COUNT_MAX} are allowed")
    size = (count + 3) // 4
    machine = zlib.decompressobj()
    try:
        bits = machine.decompress(compressed, size + 1)
    except zlib.error as error:
        raise StatusFault(f"not a zlib stream: {error}") from None
    if len(bits) != size or not machine.eof or machine.unused_data:
        raise StatusFault(f"the list does not inflate to exactly {size} bytes")
    return StatusList(count, bits)
