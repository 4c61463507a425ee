"""Which index the n-th coupon of a campaign gets: a keyed permutation of 0 to size-1.

Indexes must be dense (status lists have two bits for each), never re-used, and in no order an onlooker could learn
issue times or volumes from. A four-round Feistel network over the next even number of bits, walked until it lands
below `size` (cycle walking, J. Black and P. Rogaway, "Ciphers with Arbitrary Finite Domains", 2002), gives each n one
index without a table of those already taken. It hides order; it is no secret by itself: a coupon's signature is.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

KEY_BYTES = 16
_ROUNDS = 4


def new_index_key() -> bytes:
    """A fresh key for a campaign's permutation."""
    return secrets.token_bytes(KEY_BYTES)


def coupon_index(key: bytes, size: int, number: int) -> int:
    """The index of coupon `number` (counted from 0) of a campaign of `size`, both below 2^32."""
    assert len(key) == KEY_BYTES, "the permutation's key has 16 bytes"
    assert 0 <= number < size <= 2**32, "no such coupon in this campaign"
    return _walk(_permute, key, size, number)


def coupon_number(key: bytes, size: int, index: int) -> int:
    """Which coupon has this index: the inverse of `coupon_index`."""
    assert len(key) == KEY_BYTES, "the permutation's key has 16 bytes"
    assert 0 <= index < size <= 2**32, "no such index in this campaign"
    return _walk(_permute_back, key, size, index)


def _walk(step: Callable[[bytes, int, int], int], key: bytes, size: int, value: int) -> int:
    """The domain is less than four times `size` (at least 4): few steps, and it always comes back below."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    while True:
        value = step(key, half, value)
        if value < size:
            return value


def _permute(key: bytes, half: int, value: int) -> int:
    left, right = value >> half, value & (1 << half) - 1
    for step in range(_ROUNDS):
        left, right = right, left ^ _round(key, half, step, right)
    return left << half | right


def _permute_back(key: bytes, half: int, value: int) -> int:
    left, right = value >> half, value & (1 << half) - 1
    for step in reversed(range(_ROUNDS)):
        left, right = right ^ _round(key, half, step, left), left
    return left << half | right


def _round(key: bytes, half: int, step: int, right: int) -> int:
    digest = hashlib.blake2b(bytes((step, half)) + right.to_bytes(4, "big"), key=key, digest_size=4)
    return int.from_bytes(digest.digest(), "big") & (1 << half) - 1
