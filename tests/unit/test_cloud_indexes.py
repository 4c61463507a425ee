"""Coupon indexes: dense, each once, in no order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.indexes import KEY_BYTES, coupon_index, coupon_number, new_index_key
from tests.unit.domain_kit import examples

KEY = bytes(range(KEY_BYTES))


@examples(30)
@given(st.integers(1, 700), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_every_index_below_the_size_comes_once(size: int, key: bytes) -> None:
    assert sorted(coupon_index(key, size, number) for number in range(size)) == list(range(size))


@examples(100)
@given(st.integers(1, 2**32), st.data(), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_an_index_tells_its_number(size: int, data: st.DataObject, key: bytes) -> None:
    number = data.draw(st.integers(0, size - 1))
    assert coupon_number(key, size, coupon_index(key, size, number)) == number


@pytest.mark.parametrize("size", [50_000_000, 2**32])
def test_large_campaigns(size: int) -> None:
    drawn = [coupon_index(KEY, size, number) for number in range(2000)]
    assert len(set(drawn)) == 2000
    assert all(0 <= index < size for index in drawn)


def test_the_order_is_hidden_and_differs_by_key() -> None:
    drawn = [coupon_index(KEY, 10_000, number) for number in range(100)]
    other = [coupon_index(bytes(KEY_BYTES), 10_000, number) for number in range(100)]
    assert drawn != other
    rising = sum(before < after for before, after in itertools.pairwise(drawn))
    assert 30 < rising < 70, "as often up as down"
    assert max(drawn) > 9_000 > 1_000 > min(drawn), "spread over the whole campaign"


def test_keys_are_fresh() -> None:
    assert len({new_index_key() for _ in range(100)}) == 100
