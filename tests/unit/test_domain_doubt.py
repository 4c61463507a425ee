"""What a till takes while its clock is in doubt: where a budget or a low value bounds what a wrong date can cost."""

import pytest

from agent.domain.campaign import Budget, OfflineClass
from agent.domain.outcome import Outcome
from tests.unit.domain_kit import TODAY, World, issuer_key


def test_a_clock_in_doubt_never_revives_an_expired_coupon():
    world = World(doubt="behind").with_claims(not_before=TODAY - 9, expires=TODAY - 1)
    assert world.decide().outcome is Outcome.EXPIRED


@pytest.mark.parametrize("doubt", ["behind", "ahead"])
@pytest.mark.parametrize(
    ("offline_class", "budget", "outcome"),
    [
        (OfflineClass.ONLINE, None, Outcome.ONLINE_ONLY),
        (OfflineClass.BOUND, None, Outcome.CLOCK_UNTRUSTED),
        (OfflineClass.BOUND, Budget(100, 10**9, 100, 10**9), Outcome.CLOCK_UNTRUSTED),
        (OfflineClass.BUDGETED, Budget(4, 10**9, 4, 10**9), Outcome.ACCEPTED),
        (OfflineClass.BUDGETED, Budget(3, 10**9, 3, 10**9), Outcome.BUDGET_REACHED),
        (OfflineClass.OPEN, None, Outcome.ACCEPTED),
        (OfflineClass.OPEN, Budget(3, 10**9, 3, 10**9), Outcome.BUDGET_REACHED),
    ],
)
def test_a_clock_in_doubt_narrows_to_the_low_classes(doubt, offline_class, budget, outcome):
    world = World().with_claims(store=12).with_campaign(offline_class=offline_class, budget=budget)
    assert world.but(doubt=doubt).decide().outcome is outcome
    usual = Outcome.ONLINE_ONLY if offline_class is OfflineClass.ONLINE else Outcome.ACCEPTED
    assert world.decide().outcome is usual


@pytest.mark.parametrize("doubt", ["behind", "ahead"])
def test_a_clock_in_doubt_does_not_say_that_a_key_is_not_valid_yet(doubt):
    world = World(key=issuer_key(not_before=TODAY + 1))
    assert world.decide().outcome is Outcome.KEY_NOT_VALID
    assert world.but(doubt=doubt).decide().outcome is Outcome.CLOCK_UNTRUSTED
    ended = World(key=issuer_key(expires=TODAY - 1))
    assert ended.but(doubt=doubt).decide().outcome is Outcome.KEY_NOT_VALID
