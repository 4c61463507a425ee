"""Points that go back with what a redemption took off, and those that a limit keeps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.benefit import PointsSpend
from agent.domain.eligibility import Member
from agent.domain.objection import Objection, Reason
from agent.domain.points import adds_up, earned, part_fits, part_of, spent_for
from agent.domain.pricing import quote
from tests.unit.test_domain_pricing import FACTS, JOINT, OFF_5, basket, coupon


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


def test_points_that_a_limit_keeps_are_not_missing() -> None:
    spend = coupon(1, PointsSpend(10, 1, 100), stacking=JOINT)

    def objected(points: int, kept: int) -> Objection:
        member = Member(b"m", points=points, points_kept=kept, points_limit="points_day" if kept else "")
        (refused,) = quote(basket(("A", 1, 50)), [spend], FACTS._replace(member=member)).refused
        return refused.objection

    assert objected(0, 10) == Objection(Reason.POINTS_LIMIT, detail="points_day")
    assert objected(4, 6) == Objection(Reason.POINTS_LIMIT, detail="points_day")
    assert objected(4, 5) == Objection(Reason.POINTS_MISSING, missing_points=1), "of all there are, 1 lacks"
    assert objected(4, 0) == Objection(Reason.POINTS_MISSING, missing_points=6)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.randoms())
def test_every_part_fits_whatever_order_the_cloud_hears_of_them_in(
    points: int, parts: list[int], random: Any
) -> None:
    total, before, gone = sum(parts), 0, []
    for place, now in enumerate(parts, 1):
        whole = place == len(parts)
        gone.append((part_of(points, before, now, total, whole=whole), now, whole))
        before += now
    random.shuffle(gone)
    assert all(part_fits(points, back, now, total, whole=whole) for back, now, whole in gone)


@pytest.mark.parametrize(
    ("back", "now", "fits"),
    [(30, 1_000, True), (31, 1_000, True), (32, 1_000, False), (29, 1_000, False), (-1, 0, False)],
)
def test_a_part_that_is_one_off_its_share_does_not_fit(back: int, now: int, fits: bool) -> None:
    assert part_fits(91, back, now, 3_000, whole=False) is fits, "30.33 points are its share"


def test_points_for_a_sale() -> None:
    assert earned(19_700, 100, 100, first=True) == 197
    assert earned(19_799, 100, 300, first=True) == 591
    assert earned(19_799, 100, 300, first=False) == 394
    assert earned(19_799, 100, 100, first=False) == 0
    pays = PointsSpend(100, 50, 1_000)
    assert (spent_for(pays, 150), spent_for(pays, 149), spent_for(OFF_5, 150)) == (300, None, 0)


@pytest.mark.parametrize(
    "data", [{}, {"points_earned": 0}, {"points_from": None, "points_earned": 0, "discount_minor": "x"}]
)
def test_a_record_that_earned_nothing_adds_up(data: dict[str, Any]) -> None:
    assert adds_up(data)
