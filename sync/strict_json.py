"""JSON as a hostile peer may send it: bounded, one meaning only (I-JSON, RFC 7493), or refused.

The standard decoder keeps the last of two equal keys, reads NaN, accepts lone surrogates and integers of any
length. Two readers of one signed record could then see two records, so each of these is refused here.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from sync.errors import WireError

MAX_INTEGER = 2**53 - 1
"""Largest magnitude every JSON reader keeps exactly (RFC 7493 section 2.2)."""
_MAX_INTEGER_DIGITS = 16


def loads(body: bytes, *, max_bytes: int, max_depth: int) -> Any:
    """Decode one JSON text in UTF-8.

    max_bytes: longest body; max_depth: deepest nesting of arrays and objects, 1 for a flat one.
    Raises WireError with code too_large, not_utf8, not_json, too_deep, duplicate_key or bad_number.
    """
    if len(body) > max_bytes:
        raise WireError("too_large", f"the body has {len(body)} bytes, at most {max_bytes} are allowed")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("not_utf8", f"the body is not UTF-8 at byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise WireError("not_json", f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:  # the decoder's own bound lies far above ours
        raise WireError("too_deep", f"the body nests deeper than {max_depth}") from None
    if text.count("{") + text.count("[") > max_depth:  # else it cannot be deeper than it has openings
        _check_depth(value, max_depth)
    if "\\u" in text:  # only an escape can bring in half a surrogate pair: UTF-8 itself cannot
        _check_surrogates(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise WireError("duplicate_key", f"the key {key[:64]!r} stands twice in one object")
            seen.add(key)
    return members


def _constant(name: str) -> NoReturn:
    raise WireError("bad_number", f"{name} is not a JSON number")


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_INTEGER_DIGITS or abs(int(text)) > MAX_INTEGER:
        raise WireError("bad_number", f"the integer {text[:24]} is beyond 2^53-1")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise WireError("bad_number", f"the number {text[:24]} is beyond what a double holds")
    return value


_DECODER = json.JSONDecoder(  # made once: `json.loads` with hooks would make one for every call
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


def _check_depth(value: Any, max_depth: int) -> None:
    """Level by level, so that the check itself cannot overflow the stack."""
    level, depth = [value], 0
    while containers := [node for node in level if type(node) is dict or type(node) is list]:
        depth += 1
        if depth > max_depth:
            raise WireError("too_deep", f"the body nests deeper than {max_depth}")
        level = []
        for node in containers:
            level += node.values() if type(node) is dict else node


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise WireError("not_utf8", "a string holds half a surrogate pair") from None
