"""The arithmetic of reports: published intervals, RFM scores, pages of rows."""

from __future__ import annotations

import json
from datetime import date, timedelta
from statistics import NormalDist, mean, variance
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.facts import REDEMPTION, REVERSAL, Stored, least_minor, read_data, read_fact
from cloud.intervals import newcombe, wilson
from cloud.lift import LARGE, Outcome, Visit, mean_difference, outcomes
from cloud.reports import sorted_page
from cloud.rfm import LAYERS, Person, layer_of, scored
from tests.unit.cloud_kit import campaign


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_as_published(one: tuple[int, int], other: tuple[int, int], low: float, high: float) -> None:
    assert newcombe(one, other) == pytest.approx((low, high), abs=5e-5)


SHARES = st.integers(0, 10**6).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(SHARES)
def test_a_share_lies_in_its_interval_and_more_tries_narrow_it(share: tuple[int, int]) -> None:
    hits, of = share
    low, high = wilson(hits, of)
    assert 0.0 <= low <= high <= 1.0
    if of:
        assert low <= hits / of <= high
        tighter = wilson(hits * 4, of * 4)
        assert tighter.high - tighter.low <= high - low
        turned = wilson(of - hits, of)
        assert (1 - turned.high, 1 - turned.low) == pytest.approx((low, high))


@given(SHARES, SHARES)
def test_a_difference_turns_with_its_sides(one: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = newcombe(one, other)
    back = newcombe(other, one)
    assert (low, high) == pytest.approx((-back.high, -back.low))
    assert -1.0 - 1e-9 <= low <= high <= 1.0 + 1e-9
    if one[1] and other[1]:
        assert low - 1e-9 <= one[0] / one[1] - other[0] / other[1] <= high + 1e-9


PEOPLE = st.lists(
    st.builds(
        Person,
        st.just("ab"),
        st.integers(0, 400).map(lambda day: date(2026, 1, 1) + timedelta(days=day)),
        st.integers(1, 50),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=60,
)


@given(PEOPLE)
def test_scores_are_ranks_in_fifths(people: list[Person]) -> None:
    found = scored(people)
    assert [one.person for one in found] == people
    for one in found:
        below = sum(other.purchases < one.person.purchases for other in people)
        assert one.frequency == 1 + 5 * below // len(people), "by hand"
        upto = sum(other.last <= one.person.last for other in people)
        assert one.recency - 1 < 5 * upto / len(people) <= one.recency, "by hand"
        assert (
            1 <= min(one.recency, one.frequency, one.money) <= max(one.recency, one.frequency, one.money) <= 5
        )
        for other in found:
            if one.person.last <= other.person.last:
                assert one.recency <= other.recency
            if one.person.spent_minor == other.person.spent_minor:
                assert one.money == other.money


@pytest.mark.parametrize("count", [1, 2, 7])
def test_nobody_is_gone_who_bought_last(count: int) -> None:
    """A single customer, or all of them on one day: lately, not often yet."""
    today = [Person(str(number), date(2026, 11, 28), 1, 900) for number in range(count)]
    assert {one.layer for one in scored(today)} == {"new"}
    before = [one._replace(last=date(2026, 1, 1), purchases=9) for one in today]
    assert [one.layer for one in scored([*before, *today])] == ["steady"] * count + ["new"] * count


def test_every_pair_of_scores_has_its_layer() -> None:
    grid = {(r, f): layer_of(r, f) for r in range(1, 6) for f in range(1, 6)}
    assert set(grid.values()) == set(LAYERS)
    assert (grid[5, 5], grid[5, 1], grid[1, 5], grid[1, 1], grid[3, 3]) == (
        "best",
        "new",
        "leaving",
        "gone",
        "steady",
    )


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.integers(0, 3),
            "b": st.text("xy", max_size=2),
            "n": st.none() | st.floats(0, 9) | st.integers(0, 3),
        }
    ),
    max_size=20,
    unique_by=lambda row: (row["a"], row["b"]),
)


@given(ROWS, st.sampled_from("abn"), st.booleans(), st.integers(1, 5))
def test_pages_of_rows_are_one_list(
    rows: list[dict[str, Any]], sort: str, descending: bool, limit: int
) -> None:
    def page(after: list[Any] | None, limit: int) -> list[dict[str, Any]]:
        return sorted_page(rows, sort, descending=descending, keys=("a", "b"), after=after, limit=limit)

    whole = page(None, 100)
    assert sorted(map(repr, whole)) == sorted(map(repr, rows))
    paged: list[dict[str, Any]] = []
    while found := page([paged[-1][name] for name in (sort, "a", "b")] if paged else None, limit):
        paged += found
    assert paged == whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("business_date", "hour", "coupon", "sale", "promotion", "promo", "amount_minor")


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON), st.sampled_from([REDEMPTION, REVERSAL, "x"]), JSON)
def test_whatever_a_till_writes_is_read(data: dict[str, Any], kind: str, other: Any) -> None:
    for said in (
        data,
        {**data, "coupon": {"issuer": other, "campaign": other, "index": 1, "touch": other}},
        other,
    ):
        stored = Stored(1, kind, "2026-03-01T04:00:00.000Z", "acme", 7, 5, 300, json.dumps({"data": said}))
        fact = read_fact(stored, read_data(stored.event), 100)
        if fact is not None:
            assert len(fact.day) == 10
            assert fact.hour == "" or 0 <= int(fact.hour) < 24
            assert 0 <= (fact.basket_minor or 0) <= 10**12
            assert len(fact.rule) <= 64


def test_the_least_sale_of_an_offer() -> None:
    assert least_minor(None) == 0
    assert least_minor(campaign()) == 10_000


def test_outcomes_by_hand() -> None:
    """One who came back twice, one who bought again on the same day only, one whom no rule met, one of two rules."""
    customers = [
        [
            Visit("2026-03-02", 500),
            Visit("2026-03-01", 900, "march", "A"),
            Visit("2026-03-05", 700, "march", "A"),
        ],
        [Visit("2026-03-01", 900, "march", "A"), Visit("2026-03-01", 900)],
        [Visit("2026-03-01", 900), Visit("2026-03-02", 900)],
        [Visit("2026-03-01", 100, "april", "B"), Visit("2026-03-03", 300, "march", "none")],
    ]
    assert outcomes(customers) == {
        ("march", "A"): Outcome(2, 1, 1200, 1200**2),
        ("april", "B"): Outcome(1, 1, 300, 300**2),
        ("march", "none"): Outcome(1, 0, 0, 0),
    }


AMOUNTS = st.lists(st.integers(0, 10**6), min_size=LARGE, max_size=60)


@given(AMOUNTS, AMOUNTS)
def test_the_interval_of_a_mean_difference_is_that_of_the_textbook(one: list[int], other: list[int]) -> None:
    def arm(amounts: list[int]) -> Outcome:
        return Outcome(len(amounts), 0, sum(amounts), sum(amount * amount for amount in amounts))

    found = mean_difference(arm(one), arm(other))
    assert found is not None
    error = (variance(one) / len(one) + variance(other) / len(other)) ** 0.5
    middle = mean(one) - mean(other)
    reach = NormalDist().inv_cdf(0.975) * error
    assert found == pytest.approx((middle - reach, middle + reach), abs=1e-3, rel=1e-6)
    assert mean_difference(arm(one[: LARGE - 1]), arm(other)) is None
