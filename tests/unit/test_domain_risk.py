"""What a till asks a supervisor for: nothing passes the hard cap, and each coupon past the soft one asks once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.budget import LIMITS, BudgetUse, left_of
from agent.domain.bundle import Age
from agent.domain.campaign import Budget, Campaign, OfflineClass, Risk, from_wire, to_wire
from agent.domain.fields import FieldError
from agent.domain.online import Standing, is_probed, word_of
from agent.domain.outcome import Outcome
from agent.domain.risk import Asked, BadgeFault, Shown, shown, weigh
from agent.domain.shop import Badge, Badges, StaffRole, badge_digest
from tests.offers import amount_off
from tests.unit.domain_kit import TODAY, World, campaign, examples

BUDGETS = st.builds(
    Budget,
    st.integers(0, 12),
    st.integers(0, 300),
    st.integers(0, 12),
    st.integers(0, 300),
    st.integers(0, 100),
)
SCANS = st.lists(
    st.tuples(
        st.integers(1, 60),  # what the coupon takes off
        st.booleans(),  # whether a badge is shown
        st.integers(0, 3),  # the member's other sales
    ),
    max_size=40,
)


@examples(150)
@given(BUDGETS, SCANS, st.sampled_from(Age), st.booleans(), st.integers(1, 100))
def test_no_scans_pass_the_hard_cap_and_each_past_the_soft_cap_asks_once(
    budget: Budget, scans: list[tuple[int, bool, int]], age: Age, doubt: bool, stale: int
) -> None:
    offer = replace(
        campaign(offer=amount_off(0, 60), budget=budget),
        stale_percent=stale,
        expired_percent=0,
        risk=Risk(split_sales=2, split_minutes=5),
    )
    percent = {Age.FRESH: 100, Age.STALE: stale, Age.EXPIRED: 0}[age]
    percent = min(percent, 25) if doubt else percent
    used = BudgetUse()
    for amount, badge, sales in scans:
        found = weigh(offer, used, amount, percent, sales, supervised=badge)
        after = used.plus(1, amount)
        fits = all(getattr(after, name) * 100 <= getattr(budget, name) * percent for name in LIMITS)
        assert (found.outcome is Outcome.BUDGET_REACHED) == (not fits)
        if not fits:
            assert found.asked is Asked.NOTHING, "nobody is asked for what nobody may allow"
            continue
        # The same coupon with a badge is accepted at once: it is asked for once, and for what it was.
        again = weigh(offer, used, amount, percent, sales, supervised=True)
        assert (again.outcome, again.asked) == (Outcome.ACCEPTED, found.asked)
        assert (found.outcome is Outcome.SUPERVISOR_NEEDED) == (bool(found.asked) and not badge)
        if found.outcome is Outcome.ACCEPTED:
            used = after
        left = left_of(offer, used, percent)
        free = left_of(offer, used, percent, asked=False)
        assert left.count is not None
        assert free.count is not None
        assert 0 <= free.count <= left.count
    for name in LIMITS:
        assert getattr(used, name) * 100 <= getattr(budget, name) * percent or used == BudgetUse()


def test_the_decision_says_what_a_badge_was_needed_for() -> None:
    world = World().with_campaign(budget=Budget(10, 10**6, 10, 10**6, 10)).but(used=BudgetUse(1, 0, 1, 0))
    asked = world.decide()
    assert (asked.outcome, asked.detail, asked.asked) == (
        Outcome.SUPERVISOR_NEEDED,
        "soft_cap",
        Asked.SOFT_CAP,
    )
    assert (asked.charge_minor, asked.discount_minor) == (0, None)
    let = world.but(supervised=True).decide()
    assert (let.outcome, let.asked, let.charge_minor) == (Outcome.ACCEPTED, Asked.SOFT_CAP, 3_000)
    assert World(supervised=True).decide().asked is Asked.NOTHING


KEY = b"k" * 32


def badges(*listed: tuple[str, StaffRole, int, int]) -> Badges:
    found = [Badge(badge_digest(KEY, text), role, first, last) for text, role, first, last in listed]
    return Badges(KEY, {one.digest: one for one in found})


@pytest.mark.parametrize(
    ("text", "day", "fault"),
    [
        ("BOSS", TODAY, None),
        (" BOSS\r", TODAY, None),  # as a scanner may hand it over
        ("BOSS", TODAY + 2, BadgeFault.OTHER_DAY),
        ("BOSS", TODAY - 1, BadgeFault.OTHER_DAY),
        ("TILL", TODAY, BadgeFault.NO_SUPERVISOR),
        ("GONE", TODAY, BadgeFault.UNKNOWN),
        ("", TODAY, BadgeFault.UNKNOWN),
        ("B" * 65, TODAY, BadgeFault.UNKNOWN),
    ],
)
def test_which_badge_counts(text: str, day: int, fault: BadgeFault | None) -> None:
    listed = badges(("BOSS", StaffRole.MANAGER, TODAY, TODAY + 1), ("TILL", StaffRole.CASHIER, TODAY, TODAY))
    found = shown(listed, text, day)
    assert found.fault is fault
    known = fault is not BadgeFault.UNKNOWN
    assert found.badge == (badge_digest(KEY, text.strip()).hex() if known else "")
    assert shown(Badges(), text, day) == Shown("", BadgeFault.UNKNOWN)


def wired(**changes: object) -> Campaign:
    return from_wire(to_wire(campaign(budget=Budget(1, 1, 1, 1))) | changes)


def test_the_wire_form_of_risk() -> None:
    plain = to_wire(campaign(budget=Budget(1, 1, 1, 1)))
    assert "risk" not in plain
    assert "soft_percent" not in plain["budget"], "as tills of before it read it"
    risk = Risk(5, 2, 30, split_refuses=True)
    made = wired(
        risk=to_wire(replace(campaign(), risk=risk))["risk"], budget=plain["budget"] | {"soft_percent": 7}
    )
    assert made.risk == risk
    assert made.budget == Budget(1, 1, 1, 1, 7)
    assert from_wire(to_wire(made)) == made
    for wrong in (
        {"split_sales": 1},
        {"split_minutes": 1},
        {"probe_percent": 101},
        {"split_sales": 1, "split_minutes": 1441},
        {"probes": 1},
    ):
        with pytest.raises(FieldError):
            wired(risk=wrong)


SECRET = bytes(range(32))


@examples(20)
@given(st.integers(0, 100), st.integers(0, 2**31), st.integers(0, 30_000))
def test_who_is_probed_is_drawn_once_a_day(percent: int, index: int, day: int) -> None:
    probed = replace(campaign(), risk=Risk(probe_percent=percent))
    name = ("acme", 1, index)
    drawn = is_probed(probed, name, day, SECRET)
    assert drawn == is_probed(probed, name, day, SECRET), "scanned again it is no other"
    assert not drawn or percent > 0
    assert drawn or percent < 100
    if drawn:  # a higher share draws all of a lower one
        assert is_probed(replace(probed, risk=Risk(probe_percent=100)), name, day, SECRET)


def test_a_share_of_the_scans_is_drawn_and_no_other_secret_draws_the_same() -> None:
    probed = replace(campaign(), risk=Risk(probe_percent=10))
    drawn = {index for index in range(5_000) if is_probed(probed, ("acme", 1, index), TODAY, SECRET)}
    assert 400 < len(drawn) < 600
    other = {index for index in range(5_000) if is_probed(probed, ("acme", 1, index), TODAY, SECRET[::-1])}
    tomorrow = {index for index in range(5_000) if is_probed(probed, ("acme", 1, index), TODAY + 1, SECRET)}
    assert len(drawn & other) < 100
    assert len(drawn & tomorrow) < 100
    online = replace(probed, offline_class=OfflineClass.ONLINE)
    assert not any(is_probed(online, ("acme", 1, index), TODAY, SECRET) for index in range(200))


CHECKS = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "checks.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CHECKS["cases"], ids=lambda case: case["name"])
def test_the_clouds_word(case: dict[str, Any]) -> None:
    assert word_of(Standing(**case["standing"])) == case["word"]
