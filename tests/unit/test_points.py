"""Points that go back with what a redemption took off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.points import part_of


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_however_it_goes_back_all_points_have_gone_in_the_end(points: int, parts: list[int]) -> None:
    total, before, gone = sum(parts), 0, []
    for place, now in enumerate(parts, 1):
        gone.append(part_of(points, before, now, total, whole=place == len(parts)))
        before += now
    assert sum(gone) == points
    assert min(gone) >= 0


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.data())
def test_a_part_never_takes_more_than_its_share(points: int, total: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, total - 1))
    now = data.draw(st.integers(0, total - before))
    back = part_of(points, before, now, total, whole=False)
    assert 0 <= back <= points
    assert abs(back * total - points * now) < total
