"""Status lists: two bits per coupon of a campaign, an exact answer in constant time.

0 valid, 1 used, 2 revoked, 3 reserved (read as revoked: the safe side). Coupon i lies in byte i // 4, at bits
2 * (i % 4) from the low end. On the wire the list is zlib-compressed and inflated with an exact bound; what is new
since then follows in deltas (`status_delta`).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from agent.domain import cbor

COUNT_MAX = 50_000_000
"""Coupons of one list: 12.5 MB in memory."""
_HASH_NAME = "redeemd/status/1"


class Status(IntEnum):
    """What the cloud last said of a coupon. A return may make a used one valid again; a revoked one stays so."""

    VALID = 0
    USED = 1
    REVOKED = 2


_READ: tuple[Status, ...] = (*Status, Status.REVOKED)  # the reserved value is read as revoked


class StatusFault(ValueError):
    """A status list or a delta that is not what it claims to be. code: stable, one of docs/bundle-format.md."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class StatusList:
    """count: coupons issued at most. bits: exactly ceil(count / 4) bytes."""

    count: int
    bits: bytes

    def __getitem__(self, index: int) -> Status:
        """The status of coupon `index`; IndexError at or beyond `count`: such a coupon was never issued."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        return _READ[self.bits[index >> 2] >> 2 * (index & 3) & 3]


def make(count: int, marked: Iterable[tuple[int, int]]) -> StatusList:
    """A list in which all is valid but what `marked` says: pairs of index and status in the order of events."""
    return after(StatusList(count, bytes((count + 3) // 4)), marked)


def after(listed: StatusList, marked: Iterable[tuple[int, int]]) -> StatusList:
    """`listed` after `marked`: of each coupon the last word counts, but nothing undoes a revocation."""
    count, bits = listed.count, bytearray(listed.bits)
    for index, status in marked:
        assert 0 <= index < count, "an index beyond the list"
        at, shift = index >> 2, 2 * (index & 3)
        if bits[at] >> shift & 3 < Status.REVOKED:
            bits[at] = bits[at] & ~(3 << shift) | status << shift
    return StatusList(count, bytes(bits))


def state_hash(issuer: str, campaign: int, listed: StatusList) -> bytes:
    """What deltas are chained by: SHA-256 of the CBOR array of a name, the issuer, the campaign, count and bits.

    Over the bits themselves and never over their compressed form, which is not unique.
    """
    start = b"".join(map(cbor.encode, (_HASH_NAME, issuer, campaign, listed.count)))
    digest = hashlib.sha256(cbor.head(4, 5) + start + cbor.head(2, len(listed.bits)))
    digest.update(listed.bits)  # megabytes, which `encode` would copy
    return digest.digest()


def compress(status: StatusList) -> bytes:
    """The wire form. Z_RLE looks for runs only: of 10 million coupons with 10 % used it makes 678 KiB in 0.04 s, where
    level 9 makes 721 KiB in 5 s: what lies between the runs is random.
    """
    machine = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return machine.compress(status.bits) + machine.flush()


def inflate(count: int, compressed: bytes) -> StatusList:
    """Read the wire form; never more than the declared size is inflated. StatusFault if it is not exactly that size."""
    if not 0 <= count <= COUNT_MAX:
        raise StatusFault("malformed", f"a list of {count} coupons; at most {COUNT_MAX} are allowed")
    size = (count + 3) // 4
    machine = zlib.decompressobj()
    try:
        bits = machine.decompress(compressed, size + 1)
    except zlib.error as error:
        raise StatusFault("malformed", f"not a zlib stream: {error}") from None
    if len(bits) != size or not machine.eof or machine.unused_data:
        raise StatusFault("malformed", f"the list does not inflate to exactly {size} bytes")
    if count % 4 and bits[-1] >> 2 * (count % 4):
        raise StatusFault("malformed", f"a status beyond coupon {count}")
    return StatusList(count, bits)
