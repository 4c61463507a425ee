"""Whoever steals an issuer's key can promise what its record allows, and nothing else.

The thief holds the key of "shop" (campaigns 1 and 2, 300 days, 4.00 a coupon) and mints whatever they like, under any
kid. Beside it stands "acme" with a stronger key and with campaigns of the same numbers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import time
from agent.domain.budget import BudgetUse
from agent.domain.bundle import Age
from agent.domain.campaign import Budget
from agent.domain.cose import Algorithm
from agent.domain.decide import Decision, LedgerView, Refusal, Setting, decide, verify_scan
from agent.domain.keys import SigningKey
from agent.domain.outcome import Outcome
from agent.domain.time import EffectiveTime
from agent.domain.token import Claims, Coupon, sign, to_text
from tests.offers import amount_off, percent_off
from tests.unit.domain_kit import (
    ISSUER_KEY,
    NOON,
    PLACE,
    SALE,
    SHANGHAI,
    TODAY,
    campaign,
    contents,
    examples,
    issuer_key,
    key,
)

STOLEN = key(50)
ALLOWED = frozenset({1, 2})
MOST = 400
FIRST, LAST = TODAY - 200, TODAY + 100
BUDGET = Budget(20, 3_000, 30, 5_000)


def offer(issuer: str, number: int, amount: int) -> Any:
    given = amount_off(0, amount) if number % 2 else percent_off(10, amount)
    long = {"starts": TODAY - 1_000, "ends": TODAY + 1_000, "size": 10_000}
    return campaign(issuer=issuer, number=number, offer=given, budget=BUDGET, **long)


KNOWN = contents(
    keys=(
        issuer_key(value_max_minor=10**6, not_before=0, expires=65_535),
        issuer_key(
            kid=STOLEN.kid,
            public_key=STOLEN.public_key,
            issuer="shop",
            campaigns=ALLOWED,
            not_before=FIRST,
            expires=LAST,
            value_max_minor=MOST,
        ),
    ),
    offers=tuple(
        offer(issuer, number, amount)
        for issuer in ("acme", "shop")
        for number, amount in ((1, 300), (2, 400), (3, 300), (4, 9_000))
    ),
)


def judged(
    text: str, now: Any = NOON, used: BudgetUse | None = None, known: Any = KNOWN
) -> tuple[Coupon | Refusal, Decision | None]:
    """What the till makes of a text: the coupon and the decision on it, or the refusal before."""
    found = verify_scan(text, known)
    if isinstance(found, Refusal):
        return found, None
    setting = Setting(EffectiveTime(now, now, ""), SHANGHAI, PLACE, Age.FRESH)
    return found, decide(found, known, SALE, LedgerView(None, used or BudgetUse()), setting)


def minted(signer: SigningKey = STOLEN, **changes: Any) -> str:
    usual: dict[str, Any] = {"campaign": 1, "index": 5, "not_before": 0, "expires": 65_535}
    return to_text(sign(Claims(**usual | changes), signer))


def test_the_stolen_key_works_for_what_it_may_sign():
    found, decision = judged(minted())
    assert isinstance(found, Coupon)
    assert found.issuer == "shop"
    assert decision is not None
    assert (decision.outcome, decision.discount_minor, decision.charge_minor) == (Outcome.ACCEPTED, 300, 300)


@examples(300)
@given(
    number=st.integers(0, 6),
    index=st.integers(0, 20_000),
    value=st.none() | st.integers(1, 20_000),
    days=st.integers(-400, 400),
    kid=st.sampled_from((STOLEN.kid, ISSUER_KEY.kid, bytes(8))),
    algorithm=st.sampled_from(Algorithm),
)
def test_whatever_the_thief_mints_stays_within_the_record(number, index, value, days, kid, algorithm):
    now = NOON + timedelta(days=days)
    thief = replace(STOLEN, kid=kid, algorithm=algorithm)
    text = minted(thief, campaign=number, index=index, value_minor=value)
    found, decision = judged(text, now)
    if decision is None or decision.outcome is not Outcome.ACCEPTED:
        return
    assert isinstance(found, Coupon)
    assert (kid, algorithm) == (STOLEN.kid, Algorithm.ED25519)
    assert found.issuer == "shop"
    assert found.claims.campaign in ALLOWED
    assert FIRST <= time.day_number(now, SHANGHAI) <= LAST
    assert 0 < decision.charge_minor <= MOST


BEYOND: dict[str, tuple[dict[str, Any], Outcome, str]] = {
    "another issuer's kid": (
        {"signer": replace(STOLEN, kid=ISSUER_KEY.kid)},
        Outcome.BAD_SIGNATURE,
        ISSUER_KEY.kid.hex(),
    ),
    "a kid nobody has": ({"signer": replace(STOLEN, kid=bytes(8))}, Outcome.UNKNOWN_KEY, bytes(8).hex()),
    "another algorithm": (
        {"signer": replace(STOLEN, algorithm=Algorithm.EDDSA)},
        Outcome.BAD_SIGNATURE,
        "wrong_algorithm",
    ),
    "another campaign": ({"campaign": 3}, Outcome.BEYOND_KEY_LIMIT, "campaign"),
    "a higher personal value": ({"value_minor": MOST + 1}, Outcome.BEYOND_KEY_LIMIT, "value"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_lies_beyond_is_refused_by_its_own_code(name):
    changes, outcome, detail = BEYOND[name]
    found, decision = judged(minted(**changes))
    assert decision is None
    assert found == Refusal(outcome, detail)


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        (FIRST - 1, Outcome.KEY_NOT_VALID),
        (FIRST, Outcome.ACCEPTED),
        (LAST, Outcome.ACCEPTED),
        (LAST + 1, Outcome.KEY_NOT_VALID),
    ],
)
def test_the_days_of_the_key_are_asked_whatever_the_coupon_says(day, outcome):
    _, decision = judged(minted(), NOON + timedelta(days=day - TODAY))
    assert decision is not None
    assert decision.outcome is outcome


def test_a_campaign_above_the_keys_value_is_refused():
    """Campaign 4 gives up to 90.00; even if the record named it, the key is good for 4.00."""
    wide = issuer_key(kid=STOLEN.kid, public_key=STOLEN.public_key, issuer="shop", value_max_minor=MOST)
    known = replace(KNOWN, keys={STOLEN.kid: wide})
    _, decision = judged(minted(campaign=4), known=known)
    assert decision == Decision(Outcome.BEYOND_KEY_LIMIT, detail="campaign_value")
    _, decision = judged(minted(campaign=4, value_minor=MOST), known=known)
    assert decision is not None
    assert decision.charge_minor == MOST


def test_a_till_loses_no_more_than_its_budget_to_a_stolen_key():
    """Coupons without number, one till, one day: the campaign's budget ends it."""
    used, taken = BudgetUse(), 0
    for index in range(200):
        _, decision = judged(minted(index=index), used=used)
        assert decision is not None
        if decision.outcome is Outcome.ACCEPTED:
            taken += decision.charge_minor
            used = BudgetUse(
                used.count_day + 1,
                used.value_day_minor + decision.charge_minor,
                used.count_offline + 1,
                used.value_offline_minor + decision.charge_minor,
            )
        else:
            assert decision.outcome is Outcome.BUDGET_REACHED
    assert 0 < taken == used.value_day_minor <= BUDGET.value_day_minor


def test_a_key_that_left_the_bundle_is_worth_nothing():
    known = replace(KNOWN, keys={ISSUER_KEY.kid: KNOWN.keys[ISSUER_KEY.kid]})
    found, _ = judged(minted(), known=known)
    assert found == Refusal(Outcome.UNKNOWN_KEY, STOLEN.kid.hex())
