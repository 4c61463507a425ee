"""Status lists: exact answers, exact size, and no bomb."""

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import status
from agent.domain.status import COUNT_MAX, Status, StatusFault
from tests.unit.domain_kit import examples


@examples(80)
@given(st.integers(1, 200), st.dictionaries(st.integers(0, 199), st.sampled_from(Status), max_size=12))
def test_a_list_says_what_was_marked(count, marked):
    marked = {index: state for index, state in marked.items() if index < count}
    listed = status.make(count, marked.items())
    assert [listed[index] for index in range(count)] == [
        marked.get(index, Status.VALID) for index in range(count)
    ]
    assert len(listed.bits) == -(-count // 4)
    assert status.inflate(count, status.compress(listed)) == listed
    for beyond in (count, count + 3, -1, 2**32 - 1):
        with pytest.raises(IndexError):
            listed[beyond]


def test_the_bits_lie_where_the_format_says():
    listed = status.make(6, [(0, Status.USED), (1, Status.REVOKED), (5, Status.USED)])
    assert listed.bits.hex() == "0904"


def test_the_last_word_counts_but_nothing_undoes_a_revocation():
    marks = [(3, Status.REVOKED), (3, Status.USED), (3, Status.VALID), (2, Status.USED), (2, Status.REVOKED)]
    marks += [(1, Status.USED), (1, Status.VALID), (0, Status.USED), (0, Status.VALID), (0, Status.USED)]
    listed = status.make(4, marks)
    assert [listed[index] for index in range(4)] == [
        Status.USED,
        Status.VALID,
        Status.REVOKED,
        Status.REVOKED,
    ]


def test_the_reserved_value_counts_as_revoked():
    assert status.StatusList(4, b"\xff")[2] is Status.REVOKED


@pytest.mark.parametrize(
    ("count", "compressed"),
    [
        (8, zlib.compress(b"\0")),
        (8, zlib.compress(b"\0\0\0")),
        (4, zlib.compress(b"")),
        (8, zlib.compress(b"\0\0")[:-1]),
        (8, zlib.compress(b"\0\0")[:-4]),
        (8, zlib.compress(b"\0\0") + b"\0"),
        (8, zlib.compress(b"\0\0") * 2),
        (8, zlib.compress(b"\0\0")[:-1] + b"\xff"),
        (8, zlib.compress(b"\0\0", wbits=-15)),
        (8, zlib.compress(b"\0\0", wbits=31)),
        (6, zlib.compress(b"\0\x10")),
        (1, zlib.compress(b"\x40")),
        (8, b""),
        (8, b"garbage"),
        (-1, zlib.compress(b"")),
        (COUNT_MAX + 1, zlib.compress(b"")),
        (2**62, zlib.compress(b"")),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else value[:6].hex(),
)
def test_a_list_of_another_size_or_form_is_refused(count, compressed):
    with pytest.raises(StatusFault):
        status.inflate(count, compressed)


def test_a_bomb_is_inflated_to_the_declared_size_and_no_further():
    bomb = zlib.compress(bytes(64 * 1024 * 1024), 9)
    assert len(bomb) < 70_000
    tracemalloc.start()
    try:
        with pytest.raises(StatusFault):
            status.inflate(4000, bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_the_largest_list():
    listed = status.inflate(
        COUNT_MAX, status.compress(status.make(COUNT_MAX, [(COUNT_MAX - 1, Status.USED)]))
    )
    assert listed[COUNT_MAX - 1] is Status.USED
    assert listed[0] is Status.VALID
