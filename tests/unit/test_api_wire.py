"""Bodies of the API: the quick way reads what the strict one reads, and lets nothing through that it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.api.wire import BODY_BYTES_MAX, _json_of
from sync import strict_json
from sync.errors import WireError

NAMES = st.sampled_from(["a", "b", ":", "b:", "sale", "\u00e9", '"', "\\"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(':"\\ab{}[],\u4e2d', max_size=4)
)


def _object(values: Any) -> Any:
    """Objects as lists of pairs, so that a name may stand twice."""
    return st.lists(st.tuples(NAMES, values), max_size=4).map(lambda pairs: ("object", pairs))


VALUES = st.recursive(LEAVES, lambda values: st.lists(values, max_size=3) | _object(values), max_leaves=12)


def _written(value: Any, blank: str) -> str:
    if isinstance(value, tuple):
        members = (
            f"{json.dumps(name, ensure_ascii=False)}{blank}:{_written(one, blank)}" for name, one in value[1]
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(one, blank) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _strictly(raw: bytes) -> Any:
    try:
        return strict_json.loads(raw, max_bytes=BODY_BYTES_MAX, max_depth=64)
    except WireError as error:
        return error.code


def _quickly(raw: bytes) -> Any:
    try:
        return _json_of(raw)
    except WireError as error:
        return error.code


@given(VALUES, st.sampled_from(["", " ", "\n"]))
def test_the_quick_way_says_what_the_strict_one_says(value: Any, blank: str) -> None:
    raw = _written(value, blank).encode()
    expected = _strictly(raw)
    assert _quickly(raw) in (expected, "too_deep")  # the API's own bound on depth is lower


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"a" :1,"a":2}',
        b'{"b":{"a":1,"a":{}}}',
        b'{"a":":","a":1}',
        b'{"a":1,"a":":"}',
        b'{"a":"\\u003a","a":1}',
        b'[{"x:":1,"x:":1}]',
    ],
)
def test_a_name_that_stands_twice_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError, match="twice"):
        _json_of(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"{", b"NaN", b'{"a":1}x', b"[" * 200_000, b"1" * (BODY_BYTES_MAX + 1)]
)
def test_what_is_no_json_is_refused_by_the_strict_one(raw: bytes) -> None:
    with pytest.raises(WireError):
        _json_of(raw)
