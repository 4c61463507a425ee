"""Deterministic CBOR: the examples of RFC 8949, cbor2 as the judge, and one byte form only."""

import tracemalloc

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import cbor
from agent.domain.cbor import CborError
from tests.unit.domain_kit import examples

# RFC 8949 appendix A, those within the profile.
RFC_EXAMPLES = [
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1_000_000),
    ("1bffffffffffffffff", 2**64 - 1),
    ("3bffffffffffffffff", -(2**64)),
    ("20", -1),
    ("3903e7", -1000),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("40", b""),
    ("4401020304", b"\1\2\3\4"),
    ("60", ""),
    ("62225c", '"\\'),
    ("63e6b0b4", "水"),
    ("64f0908591", "\U00010151"),
    ("80", []),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))),
    ("a0", {}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
]
REFUSED = [
    ("", "incomplete"),
    ("1800", "not_minimal"),
    ("1817", "not_minimal"),
    ("1900ff", "not_minimal"),
    ("1a0000ffff", "not_minimal"),
    ("1b00000000ffffffff", "not_minimal"),
    ("3817", "not_minimal"),
    ("5817" + "00" * 23, "not_minimal"),
    ("980101", "not_minimal"),
    ("1c", "reserved"),
    ("5d", "reserved"),
    ("1f", "indefinite_length"),
    ("5f41004100ff", "indefinite_length"),
    ("7f6161ff", "indefinite_length"),
    ("9fff", "indefinite_length"),
    ("bfff", "indefinite_length"),
    ("f90000", "float"),
    ("fa47c35000", "float"),
    ("fb7e37e43c8800759c", "float"),
    ("f7", "simple_value"),
    ("f0", "simple_value"),
    ("f820", "simple_value"),
    ("fc", "reserved"),
    ("ff", "indefinite_length"),
    ("c11a514b67b0", "tag"),
    ("c249010000000000000000", "bignum"),
    ("c34100", "bignum"),
    ("d9d9f700", "tag"),
    ("0000", "trailing_bytes"),
    ("a201000000", "unsorted_map"),
    ("a201000100", "duplicate_key"),
    ("a261620061610000", "unsorted_map"),
    ("a2616100010000", "unsorted_map"),
    ("a1f500", "map_key"),
    ("a1f600", "map_key"),
    ("a18000", "too_deep"),
    ("a1a000", "too_deep"),
    ("61ff", "bad_utf8"),
    ("63eda080", "bad_utf8"),
    ("62c080", "bad_utf8"),
    ("5bffffffffffffffff00", "incomplete"),
    ("7bffffffffffffffff00", "incomplete"),
    ("9bffffffffffffffff00", "incomplete"),
    ("bbffffffffffffffff00", "incomplete"),
    ("81" * 9 + "00", "too_deep"),
    ("81" * 100_000, "too_deep"),
    ("a100" * 50_000, "too_deep"),
]

keys = st.one_of(st.integers(-(2**64), 2**64 - 1), st.binary(max_size=30), st.text(max_size=30))
values = st.recursive(
    st.one_of(keys, st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=10,
)


@pytest.mark.parametrize(("octets", "value"), RFC_EXAMPLES)
def test_examples_of_the_rfc_in_both_directions(octets, value):
    assert cbor.encode(value).hex() == octets
    decoded = cbor.decode(bytes.fromhex(octets))
    assert repr(decoded) == repr(value)  # repr tells False from 0


@pytest.mark.parametrize(("octets", "code"), REFUSED, ids=[f"{o[:16]}-{c}" for o, c in REFUSED])
def test_any_other_form_is_refused_by_name(octets, code):
    with pytest.raises(CborError) as caught:
        cbor.decode(bytes.fromhex(octets))
    assert caught.value.code == code
    assert 0 <= caught.value.offset <= len(octets) // 2


def test_every_code_is_shown_here():
    assert {code for _, code in REFUSED} == cbor.CODES


@pytest.mark.parametrize(
    ("value", "items"),
    [([], 1), ([[], [], []], 4), ({"a": 1, "b": {}}, 5), ([b"a" * 40, "b" * 300, None, -(2**40)], 5)],
)
def test_what_it_becomes_can_be_bounded(value, items):
    octets = cbor.encode(value)
    assert cbor.decode(octets, max_items=items) == value
    if len(octets) > items - 1:
        with pytest.raises(CborError, match="too_many_items"):
            cbor.decode(octets, max_items=items - 1)


def test_a_bound_is_met_before_anything_is_made():
    octets = cbor.head(4, 2**22) + b"\x80" * 2**22
    tracemalloc.start()
    try:
        with pytest.raises(CborError, match="too_many_items at byte 105"):
            cbor.decode(octets, max_items=101)
        assert tracemalloc.get_traced_memory()[1] < 2**16
    finally:
        tracemalloc.stop()


@given(values)
def test_a_bound_counts_every_item(value):
    octets = cbor.encode(value)
    assert repr(cbor.decode(octets, max_items=items_of(value))) == repr(cbor.decode(octets))


def items_of(value):
    held = (
        [*value.keys(), *value.values()]
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else []
    )
    return 1 + sum(map(items_of, held))


def test_eight_levels_and_no_more():
    assert cbor.decode(bytes.fromhex("81" * 8 + "00")) == [[[[[[[[0]]]]]]]]
    assert cbor.decode(b"\0", max_depth=0) == 0
    with pytest.raises(CborError, match="too_deep at byte 2"):
        cbor.decode(bytes.fromhex("81818100"), max_depth=2)


def test_keys_are_sorted_by_their_bytes_as_the_rfc_orders_them():
    ordered = [10, 100, -1, b"", "z", "aa"]
    encoded = cbor.encode(dict.fromkeys(reversed(ordered), 0))
    assert list(cbor2.loads(encoded)) == ordered


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1.0, TypeError),
        ({1, 2}, TypeError),
        (bytearray(b"1"), TypeError),
        ({True: 1}, TypeError),
        ({None: 1}, TypeError),
        ({(1, 2): 1}, TypeError),
        ({1.5: 1}, TypeError),
        (2**64, ValueError),
        (-(2**64) - 1, ValueError),
        ("\ud800", ValueError),
    ],
)
def test_what_has_no_place_is_not_written(value, error):
    with pytest.raises(error):
        cbor.encode(value)


@examples(100)
@given(values)
def test_what_we_write_both_decoders_read(value):
    encoded = cbor.encode(value)
    assert repr(cbor2.loads(encoded)) == repr(cbor.decode(encoded))
    assert cbor.decode(encoded) == value


@examples(100)
@given(values)
def test_every_proper_prefix_is_incomplete(value):
    encoded = cbor.encode(value)
    for end in range(len(encoded)):
        with pytest.raises(CborError) as caught:
            cbor.decode(encoded[:end])
        assert caught.value.code == "incomplete"


@examples(120)
@given(values, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
def test_what_we_accept_has_one_form(value, changes):
    mutant = bytearray(cbor.encode(value))
    for at, byte in changes:
        mutant[at % len(mutant)] = byte
    try:
        decoded = cbor.decode(bytes(mutant))
    except CborError:
        return
    assert cbor.encode(decoded) == bytes(mutant)
    assert repr(cbor2.loads(bytes(mutant))) == repr(decoded)


@examples(500)
@given(st.binary(max_size=24))
def test_random_bytes_are_refused_or_have_one_form(octets):
    try:
        decoded = cbor.decode(octets)
    except CborError:
        return
    assert cbor.encode(decoded) == octets
