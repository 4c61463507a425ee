"""Deterministic CBOR (RFC 8949 section 4.2.1), strict in both directions.

Only one byte form of a value is accepted: shortest heads, definite lengths, map keys sorted by their encoded bytes and
never twice, nothing behind the value. Integers, byte strings, UTF-8 text, arrays, maps, true, false and null exist;
floats, tags and other simple values do not. Everything a signature covers goes through here, so that nobody can
write the same coupon in two ways.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 8

_FALSE, _TRUE, _NULL = 0xF4, 0xF5, 0xF6
_SIMPLE: dict[int, bool | None] = {_FALSE: False, _TRUE: True, _NULL: None}

CODES = frozenset(
    (
        *(
            "incomplete",
            "trailing_bytes",
            "not_minimal",
            "indefinite_length",
            "reserved",
            "too_deep",
            "bad_utf8",
        ),
        *("float", "bignum", "tag", "simple_value", "unsorted_map", "duplicate_key", "map_key"),
    )
)
"""Everything that can be wrong with an input, each one word. Beyond a bound of the caller's: "too_many_items"."""


class CborError(ValueError):
    """Bytes that are not deterministic CBOR. code: one of CODES, too_many_items; offset: in the input, in bytes."""

    def __init__(self, code: str, offset: int) -> None:
        super().__init__(f"{code} at byte {offset}")
        self.code = code
        self.offset = offset


def encode(value: Any) -> bytes:
    """Encode `value`; raises TypeError for a type outside the profile and ValueError for an integer beyond 64 bits."""
    out = bytearray()
    _encode(value, out)
    return bytes(out)


def _encode(value: Any, out: bytearray) -> None:
    match value:
        case bool() | None:
            out.append(_NULL if value is None else _TRUE if value else _FALSE)
        case int():
            out += head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            out += head(2, len(value)) + value
        case str():
            raw = value.encode()
            out += head(3, len(raw)) + raw
        case list() | tuple():
            out += head(4, len(value))
            for item in value:
                _encode(item, out)
        case dict():
            out += head(5, len(value))
            for key, item in sorted((_encode_key(key), item) for key, item in value.items()):
                out += key
                _encode(item, out)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in our CBOR profile")


def _encode_key(key: Any) -> bytes:
    if isinstance(key, bool) or not isinstance(key, int | str | bytes):
        raise TypeError(f"{type(key).__name__} is no map key in our CBOR profile")
    return encode(key)


def head(major: int, argument: int) -> bytes:
    """The shortest head of major type 0..7 with its argument, 1 to 9 bytes."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes((major << 5 | info,)) + argument.to_bytes(size, "big")
    raise ValueError("integer beyond 64 bits")


def decode(data: bytes, max_depth: int = MAX_DEPTH, max_items: int | None = None) -> Any:
    """The one value that `data` holds, or CborError. Time and memory are linear in the length of `data`, and in
    max_items where it is given: the values in all, those that hold others, map keys and what they hold each as one.
    """
    if max_items is not None and len(data) > max_items:  # each takes a byte at least
        _bound_items(data, max_items)
    value, end = decode_item(data, 0, max_depth)
    if end != len(data):
        raise CborError("trailing_bytes", end)
    return value


def _bound_items(data: bytes, most: int) -> None:
    """CborError if `data` goes on beyond `most` items: a byte of it may become an object of sixty-four."""
    at = items = 0
    while at < len(data):
        if items == most:
            raise CborError("too_many_items", at)
        items += 1
        if data[at] >> 5 == 7:
            at += 1
        else:
            major, argument, at = decode_head(data, at)
            at += argument if major in (2, 3) else 0


def decode_head(data: bytes, at: int) -> tuple[int, int, int]:
    """(major type, argument, offset behind the head) of the head at offset `at`."""
    if at >= len(data):
        raise CborError("incomplete", at)
    first = data[at]
    info = first & 31
    if info < 24:
        return first >> 5, info, at + 1
    if info > 27:
        raise CborError("indefinite_length" if info == 31 else "reserved", at)
    size = 1 << info - 24
    end = at + 1 + size
    if end > len(data):
        raise CborError("incomplete", at)
    argument = int.from_bytes(data[at + 1 : end], "big")
    if argument < (24 if size == 1 else 1 << 4 * size):
        raise CborError("not_minimal", at)
    return first >> 5, argument, end


def decode_item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """(value, offset behind it) of the item at offset `at`, nested at most `depth` deep."""
    if at < len(data) and data[at] >> 5 == 7:
        if data[at] not in _SIMPLE:
            raise CborError(_fault_of_simple(data[at] & 31), at)
        return _SIMPLE[data[at]], at + 1
    major, argument, after = decode_head(data, at)
    if major == 0:
        return argument, after
    if major == 1:
        return -1 - argument, after
    if major in (2, 3):
        end = after + argument
        if end > len(data):
            raise CborError("incomplete", at)
        return (data[after:end], end) if major == 2 else (_text(data, after, end), end)
    if major == 6:
        raise CborError("bignum" if argument in (2, 3) else "tag", at)
    if depth <= 0:
        raise CborError("too_deep", at)
    if argument > len(data) - after:  # every item takes a byte at least
        raise CborError("incomplete", at)
    return (_array if major == 4 else _map)(data, after, argument, depth - 1)


def _fault_of_simple(info: int) -> str:
    """What major type 7 with this additional information is, if it is none of our three values."""
    if info < 25:
        return "simple_value"
    return "float" if info < 28 else "reserved" if info < 31 else "indefinite_length"


def _text(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode()
    except UnicodeDecodeError:
        raise CborError("bad_utf8", start) from None


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = decode_item(data, at, depth)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    items: dict[Any, Any] = {}
    previous = b""
    for _ in range(count):
        start = at
        key, at = decode_item(data, at, 0)
        if type(key) not in (int, str, bytes):
            raise CborError("map_key", start)
        encoded = data[start:at]
        if encoded <= previous:
            raise CborError("duplicate_key" if encoded == previous else "unsorted_map", start)
        previous = encoded
        items[key], at = decode_item(data, at, depth)
    return items, at
