"""What a till says of itself in a header, as it writes it and as a cloud reads it from anybody."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.till_health import CHARS_MAX, TillHealth, read_header, to_header

WELL = TillHealth(
    version="0.1.0",
    epoch=1,
    sequence=42,
    issued="2026-03-01T04:00:00.000Z",
    age="fresh",
    doubt="",
    waiting=3,
    oldest="2026-03-01T04:05:06Z",
    quarantined=0,
    healthy=True,
    devices=(("scanner", "front", "ready"), ("printer", "小票", "lost")),
    issues=("device_lost",),
    delivered=(("redemption", 41), ("evidence", 7)),
)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N")), max_size=64)


@given(
    st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=30),
    st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True), max_size=30),
    st.integers(0, 2**31 - 1),
)
def test_what_is_said_is_read_again_but_for_what_does_not_fit(
    devices: list[tuple[str, str, str]], issues: list[str], waiting: int
) -> None:
    said = replace(WELL, devices=tuple(devices), issues=tuple(issues), waiting=waiting)
    text = to_header(said)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= CHARS_MAX
    found = read_header(text)
    assert found is not None
    assert found == replace(said, devices=found.devices, issues=found.issues)
    assert found.devices == said.devices[: len(found.devices)]
    assert found.issues == said.issues[: len(found.issues)]


def test_what_fits_is_said_whole() -> None:
    assert read_header(to_header(WELL)) == WELL
    assert (
        read_header(to_header(replace(WELL, epoch=0, issued=None, age="none", oldest=None, issues=())))
        is not None
    )


@given(st.text(max_size=300))
def test_anything_else_is_nothing(text: str) -> None:
    assert read_header(text) is None


@pytest.mark.parametrize(
    "change",
    [
        {"waiting": -1},
        {"waiting": True},
        {"waiting": 2**31},
        {"version": "0.1\n"},
        {"version": "x" * 41},
        {"age": "<b>"},
        {"doubt": None},
        {"issued": "yesterday"},
        {"oldest": 7},
        {"healthy": 1},
        {"devices": [["a", "b"]]},
        {"devices": [["a", "b", "\u0000"]]},
        {"devices": [["a", "b", "c"]] * 17},
        {"issues": ["<script>"]},
        {"issues": "x"},
        {"delivered": {"redemption": -1}},
        {"delivered": {"redemption": True}},
        {"delivered": {"redemption": 2**53}},
        {"delivered": {"<b>": 1}},
        {"delivered": {f"lane_{letter}": 1 for letter in "abcdefghi"}},
        {"delivered": [1]},
    ],
)
def test_a_member_of_the_wrong_form_spoils_it(change: dict[str, object]) -> None:
    assert read_header(json.dumps(json.loads(to_header(WELL)) | change)) is None
    assert read_header(json.dumps(json.loads(to_header(WELL)) | {"later": 1})) == WELL


def test_a_till_of_before_says_nothing_of_what_it_delivered() -> None:
    said = json.loads(to_header(WELL))
    del said["delivered"]
    assert read_header(json.dumps(said)) == replace(WELL, delivered=())
