"""Deltas of status lists: whatever the history, snapshot and deltas are the list; anything else is refused by name."""

import hashlib
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import cbor, status, status_delta
from agent.domain.bundle import BundleError
from agent.domain.status import COUNT_MAX, Status, StatusFault
from agent.domain.status_delta import decode_gaps, encode_gaps
from agent.domain.status_parts import (
    DELTAS_BYTES_MAX,
    DELTAS_MAX,
    LISTS_BYTES_MAX,
    delta_name,
    delta_to_wire,
    read_delta,
    read_lists,
    snapshot_name,
    snapshot_to_wire,
)
from tests.unit.domain_kit import examples

NAME = ("acme", 7)
SNAPSHOT = snapshot_name(*NAME)
MARKS = st.lists(st.tuples(st.integers(0, 199), st.sampled_from(list(Status))), max_size=9)


def history(count, steps):
    """The states of a list that these marks lead to, and the delta between each two."""
    listed = status.make(count, [])
    states, deltas = [listed], []
    for marks in steps:
        changed = status_delta.changes(listed, [(index, mark) for index, mark in marks if index < count])
        if changed:
            delta, listed = status_delta.make_delta(*NAME, listed, changed.items())
            states.append(listed)
            deltas.append(delta)
    return states, deltas


def parts_of(listed, deltas):
    wire = {SNAPSHOT: snapshot_to_wire(*NAME, listed)}
    wire |= {delta_name(*NAME, place): delta_to_wire(delta) for place, delta in enumerate(deltas, 1)}
    return {name: cbor.encode(value) for name, value in wire.items()}


@examples(120)
@given(st.integers(1, 200), st.lists(MARKS, max_size=6), st.data())
def test_snapshot_and_deltas_are_the_list(count, steps, data):
    states, deltas = history(count, steps)
    direct = status.make(count, [mark for marks in steps for mark in marks if mark[0] < count])
    assert states[-1] == direct
    start = data.draw(st.integers(0, len(deltas)))
    assert read_lists(parts_of(states[start], deltas[start:])) == {NAME: direct}
    while len(deltas) > 1:  # as the publisher does it: whichever two neighbours become one
        at = data.draw(st.integers(0, len(deltas) - 2))
        merged = status_delta.merge(*deltas[at : at + 2])
        deltas[at : at + 2] = [merged] if merged.changes() else []
        assert read_lists(parts_of(states[0], deltas)) == {NAME: direct}
    if states[-1] != states[0]:
        (delta,) = deltas
        assert read_delta(cbor.encode(delta_to_wire(delta))) == delta
        assert status_delta.apply(states[0], delta) == direct


def test_the_hash_of_a_state_is_the_published_one():
    listed = status.make(6, [(0, Status.USED), (1, Status.REVOKED), (5, Status.USED)])
    written = bytes.fromhex("85 70") + b"redeemd/status/1" + bytes.fromhex("64") + b"acme"
    written += bytes.fromhex("07 06 42 0904")
    assert status.state_hash("acme", 7, listed) == hashlib.sha256(written).digest()
    others = [("acme", 8, listed), ("acm", 7, listed), ("acme", 7, status.StatusList(7, listed.bits))]
    assert status.state_hash("acme", 7, listed) not in [status.state_hash(*other) for other in others]


# --- gaps ---


@examples(100)
@given(st.sets(st.integers(0, COUNT_MAX - 1), max_size=40))
def test_gaps_are_read_as_they_were_written(indexes):
    assert decode_gaps(encode_gaps(sorted(indexes))) == tuple(sorted(indexes))


@pytest.mark.parametrize(
    ("indexes", "written"),
    [
        ([], ""),
        ([0], "00"),
        ([0, 1, 2], "000000"),
        ([127], "7f"),
        ([128], "8001"),
        ([1000, 1001], "e80700"),
        ([COUNT_MAX - 1], "ffe0eb17"),
    ],
)
def test_gaps_are_shortest_leb128(indexes, written):
    assert encode_gaps(indexes).hex() == written


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("8000", "shortest form"),
        ("ff00", "shortest form"),
        ("80", "cut short"),
        ("0080", "cut short"),
        ("8080808001", "more than 4 bytes"),
        ("80e1eb17", "index 50000000"),
        ("ffffff7f", "index 268435455"),
        ("ffe0eb1700", "index 50000000"),
    ],
)
def test_gaps_of_another_form_are_refused(written, word):
    with pytest.raises(StatusFault, match=word) as caught:
        decode_gaps(bytes.fromhex(written))
    assert caught.value.code == "malformed"


@examples(300)
@given(st.binary(max_size=12))
def test_whatever_is_read_as_gaps_has_one_form(data):
    with suppress(StatusFault):
        indexes = decode_gaps(data)
        assert encode_gaps(indexes) == data
        assert all(one < other for one, other in pairwise(indexes))


# --- hostile deltas ---

STATES, (FIRST, SECOND) = history(
    40, [[(3, Status.USED), (9, Status.REVOKED)], [(3, Status.REVOKED), (39, Status.USED)]]
)
LIES = {
    "of another state": (replace(SECOND, base=bytes(32)), "wrong_base"),
    "with another target": (replace(SECOND, target=SECOND.base), "wrong_target"),
    "of another campaign": (replace(SECOND, campaign=8), "wrong_base"),
    "of another issuer": (replace(SECOND, issuer="other"), "wrong_base"),
    "used again": (replace(SECOND, used=(3,), revoked=()), "not_rising"),
    "revoked again": (replace(SECOND, used=(), revoked=(9,)), "not_rising"),
    "revoked given back as used": (replace(SECOND, used=(9,), revoked=()), "not_rising"),
    "given back unused": (replace(SECOND, valid=(7,)), "not_used"),
    "a revoked one given back": (replace(SECOND, revoked=(), valid=(9,)), "not_used"),
    "used and given back": (replace(SECOND, valid=(39,)), "malformed"),
    "another given back": (replace(SECOND, revoked=(), valid=(3,)), "wrong_target"),
    "without a change": (replace(SECOND, used=(), revoked=()), "malformed"),
    "a coupon twice": (replace(SECOND, used=(39,), revoked=(39,)), "malformed"),
    "beyond the list": (replace(SECOND, used=(40,), revoked=()), "malformed"),
    "one more": (replace(SECOND, used=(38, 39)), "wrong_target"),
    "one less": (replace(SECOND, used=()), "wrong_target"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_delta_that_is_not_what_it_says(name):
    wrong, code = LIES[name]
    before = bytes(STATES[1].bits)
    with pytest.raises(StatusFault) as caught:
        status_delta.apply(STATES[1], wrong)
    # Of another list it is another state: the hash covers the name.
    assert caught.value.code == code
    assert STATES[1].bits == before, "the list stays as it was"
    with pytest.raises(BundleError) as refused:
        read_lists(parts_of(STATES[0], [FIRST, wrong]))
    assert refused.value.code == code
    assert "part delta/acme/7/2: " in str(refused.value)


def test_a_delta_of_a_list_with_the_same_bits_is_still_another_lists():
    """Two lists of which nothing is known are the same bits; the name in the delta and in its hashes is not."""
    other, _ = status_delta.make_delta("acme", 8, STATES[0], [(3, Status.USED)])
    with pytest.raises(BundleError, match="delta/acme/7/1: the delta is of another list") as refused:
        read_lists(parts_of(STATES[0], [other]))
    assert refused.value.code == "wrong_base"


def chain_without(*places):
    parts = parts_of(STATES[0], [FIRST, SECOND])
    for place in places:
        del parts[place]
    return parts


GOOD = chain_without()
HOSTILE_PARTS = {
    "no snapshot": (chain_without(SNAPSHOT), "wrong_base"),
    "the first delta left out": (chain_without(delta_name(*NAME, 1)), "wrong_base"),
    "the deltas in another order": (parts_of(STATES[0], [SECOND, FIRST]), "wrong_base"),
    "a delta twice": (parts_of(STATES[0], [FIRST, FIRST, SECOND]), "wrong_base"),
    "a snapshot that holds the delta": (parts_of(STATES[1], [FIRST, SECOND]), "wrong_base"),
    "a place with a leading zero": (GOOD | {"delta/acme/7/03": b""}, "wrong_base"),
    "a delta of a list that is not there": (GOOD | {"delta/acme/8/1": b""}, "wrong_base"),
    "no CBOR": (GOOD | {"delta/acme/7/3": b"\xff"}, "malformed"),
    "another field": (
        GOOD | {"delta/acme/7/2": cbor.encode(delta_to_wire(SECOND) | {"zlib": True})},
        "malformed",
    ),
    "a short hash": (
        GOOD | {"delta/acme/7/2": cbor.encode(delta_to_wire(SECOND) | {"base": b"x"})},
        "malformed",
    ),
    "bytes behind": (GOOD | {"delta/acme/7/2": GOOD["delta/acme/7/2"] + b"\0"}, "malformed"),
    "too large": (GOOD | {"delta/acme/7/2": bytes(DELTAS_BYTES_MAX)}, "too_large"),
}


@pytest.mark.parametrize("name", HOSTILE_PARTS)
def test_parts_that_are_no_chain(name):
    parts, code = HOSTILE_PARTS[name]
    with pytest.raises(BundleError) as refused:
        read_lists(parts)
    assert refused.value.code == code
    assert "part " in str(refused.value)


def test_all_lists_together_are_bounded_before_one_is_inflated():
    """Five of fifty million coupons are a few kilobytes each; a sixth is not even looked into."""
    empty = cbor.encode(snapshot_to_wire("acme", 1, status.make(status.COUNT_MAX, [])))
    assert len(empty) < 64 * 1024
    content = cbor.decode(empty)
    five = {f"status/acme/{n}": cbor.encode(content | {"campaign": n}) for n in range(5)}
    assert len(read_lists(five)) == 5
    left = 4 * LISTS_BYTES_MAX - 5 * status.COUNT_MAX
    assert (
        len(
            read_lists(
                five | {"status/acme/9": cbor.encode(snapshot_to_wire("acme", 9, status.make(left, [])))}
            )
        )
        == 6
    )
    no_stream = content | {"campaign": 9, "count": left + 1, "bits": b"no stream"}
    with pytest.raises(
        BundleError, match=r"status/acme/9: the lists hold more than 67108864 bytes"
    ) as refused:
        read_lists(five | {"status/acme/9": cbor.encode(no_stream)})
    assert refused.value.code == "too_large"


def test_a_chain_is_bounded_in_number():
    states, deltas = history(200, [[(index, Status.USED)] for index in range(DELTAS_MAX + 1)])
    assert read_lists(parts_of(states[0], deltas[:-1]))[NAME] == states[-2]
    with pytest.raises(BundleError, match="at most 32 deltas"):
        read_lists(parts_of(states[0], deltas))


@examples(200)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at, change):
    """Whatever is changed in a delta: the hashes name two states, and the content must lead from one to the other."""
    octets = bytearray(GOOD[delta_name(*NAME, 2)])
    octets[at % len(octets)] ^= change
    with pytest.raises(BundleError):
        read_lists(GOOD | {delta_name(*NAME, 2): bytes(octets)})
