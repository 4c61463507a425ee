"""What an issuer can lose: the bound is true of the till's own rules, whatever is scanned."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.domain.budget import BudgetUse
from agent.domain.campaign import Budget, OfflineClass
from agent.domain.exposure import exposure
from agent.domain.outcome import Outcome
from tests.offers import amount_off
from tests.unit.domain_kit import World, campaign, examples

BUDGETS = st.builds(Budget, st.integers(0, 20), st.integers(0, 200), st.integers(0, 20), st.integers(0, 200))


def test_the_numbers_of_each_class() -> None:
    budgeted = campaign(offer=amount_off(0, 3_000), budget=Budget(100, 200_000, 50, 500_000))
    found = exposure(budgeted, 10, 2)
    assert (found.coupon_minor, found.promise_minor) == (3_000, 6_000)
    assert (found.till_day_minor, found.till_offline_minor) == (200_000, 150_000)
    assert (found.day_minor, found.offline_minor) == (2_000_000, 1_500_000)
    assert exposure(budgeted, 10).promise_minor == 3_000 * budgeted.size
    nothing = exposure(replace(budgeted, offline_class=OfflineClass.ONLINE, budget=None), 10)
    assert (nothing.day_minor, nothing.offline_minor) == (0, 0)
    unbounded = exposure(replace(budgeted, offline_class=OfflineClass.OPEN, budget=None), 10)
    assert (unbounded.day_minor, unbounded.offline_minor) == (None, None)


@examples(60)
@given(BUDGETS, st.integers(1, 40))
def test_a_till_accepts_no_more_than_the_bound_and_all_of_it(budget: Budget, amount: int) -> None:
    """A till that is shown one fresh coupon after the other, without a line, within one day."""
    world = World().with_campaign(offer=amount_off(0, amount), budget=budget)
    assert world.campaign is not None
    bound = exposure(world.campaign, 1)
    assert bound.till_day_minor is not None
    assert bound.till_offline_minor is not None
    used, lost = BudgetUse(), 0
    for index in range(30):
        answer = world.but(used=used).with_claims(index=index).decide()
        if answer.outcome is not Outcome.ACCEPTED:
            break
        lost += answer.charge_minor
        count = used.count_day + 1
        used = BudgetUse(count, lost, count, lost)
    least = min(bound.till_day_minor, bound.till_offline_minor)
    assert least - amount < lost <= least
