"""Decide: precedence, days, places, budgets and purity, against a second reading of the rules written as a set.

Long because every objection is tried beside every other, and the rules are read a second time.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.basket import basket_of
from agent.domain.benefit import Change, Gift, Item, Items, PointsSpend, StoredValue, most_minor
from agent.domain.budget import BudgetUse
from agent.domain.bundle import Age
from agent.domain.campaign import Budget, OfflineClass, Risk
from agent.domain.decide import (
    Decision,
    Held,
    LedgerView,
    PriorUse,
    Setting,
    facts_of,
    presented_of,
)
from agent.domain.eligibility import Member, objection_to
from agent.domain.objection import Reason
from agent.domain.offer import Hours, Limits
from agent.domain.online import SILENCE
from agent.domain.outcome import OUTCOME_OF, Outcome
from agent.domain.pricing import quote
from agent.domain.sale import Line, Sale
from agent.domain.status import Status
from agent.domain.time import EffectiveTime
from agent.domain.token import Coupon
from tests.offers import amount_off, free_item, percent_off
from tests.unit.domain_kit import NOON, TODAY, World, examples, issuer_key

ORDER = list(Outcome)
PRIOR = PriorUse("T-1-1", NOON, "T-1")

MEMBER = Member(b"somebody", 2, visits=1, absent_days=3)
KEPT = replace(MEMBER, points_kept=9, points_limit="points_day")


def asking(world, **conditions):
    """The world with more conditions in its offer."""
    if world.campaign is None:
        return world
    offer = world.campaign.offer
    return world.with_campaign(offer=replace(offer, conditions=replace(offer.conditions, **conditions)))


def giving(world, benefit):
    """The world with another benefit in its offer."""
    if world.campaign is None:
        return world
    return world.with_campaign(offer=replace(world.campaign.offer, benefit=benefit))


RISK = ORDER.index(Outcome.BUDGET_REACHED)
MEMBERS = ("other_holder", "level_too_low", "not_first_visit", "not_absent", "points_missing", "points_limit")
# outcome -> how a world comes to earn it; several may be laid over one another
OBJECTIONS = {
    Outcome.BEYOND_KEY_LIMIT: lambda w: w.but(key=replace(w.key, value_max_minor=2_999)),
    Outcome.KEY_NOT_VALID: lambda w: w.but(key=replace(w.key, expires=TODAY - 1)),
    Outcome.UNKNOWN_CAMPAIGN: lambda w: w.but(campaign=None),
    Outcome.NEVER_ISSUED: lambda w: w.with_claims(index=100),
    Outcome.REVOKED: lambda w: w.but(status=Status.REVOKED),
    Outcome.ALREADY_REDEEMED: lambda w: w.but(prior=PRIOR),
    Outcome.HELD: lambda w: w.but(held=Held(10**6, 0, NOON)),
    Outcome.EXPIRED: lambda w: w.with_claims(not_before=TODAY - 9, expires=TODAY - 1),
    Outcome.NOT_YET_VALID: lambda w: w.with_campaign(starts=TODAY + 1),
    Outcome.WRONG_STORE: lambda w: w.with_claims(store=13),
    Outcome.BUNDLE_EXPIRED: lambda w: w.but(age=Age.EXPIRED),
    Outcome.CLOCK_UNTRUSTED: lambda w: w.with_campaign(starts=TODAY + 1).but(doubt="behind"),
    Outcome.ONLINE_ONLY: lambda w: w.with_campaign(offline_class=OfflineClass.ONLINE),
    Outcome.OTHER_MERCHANT: lambda w: asking(w, merchants=frozenset({"M-2"})),
    Outcome.WRONG_CURRENCY: lambda w: w.but(sale=w.sale and replace(w.sale, currency="EUR")),
    Outcome.OTHER_CHANNEL: lambda w: asking(w, channels=frozenset({"web"})),
    Outcome.OTHER_DAY: lambda w: asking(w, blackout_days=frozenset({TODAY})),
    Outcome.OTHER_HOUR: lambda w: asking(w, hours=(Hours(0, 60),)),
    Outcome.MEMBER_NEEDED: lambda w: asking(w, member_level=1),
    Outcome.OTHER_HOLDER: lambda w: (
        asking(w, holder_only=True).with_claims(holder=bytes(8)).but(member=MEMBER)
    ),
    Outcome.LEVEL_TOO_LOW: lambda w: asking(w, member_level=3).but(member=MEMBER),
    Outcome.NOT_FIRST_VISIT: lambda w: asking(w, first_visit=True).but(member=MEMBER),
    Outcome.NOT_ABSENT: lambda w: asking(w, absent_days=30).but(member=MEMBER),
    Outcome.LIMIT_REACHED: lambda w: asking(w.with_campaign(uses=9), limits=Limits(coupon=1)).but(
        prior=PRIOR
    ),
    Outcome.OTHER_TENDER: lambda w: asking(w, tenders=frozenset({"cash"})).but(
        sale=w.sale and replace(w.sale, tenders=frozenset({"card"}))
    ),
    Outcome.TOTAL_NEEDED: lambda w: giving(w, StoredValue(3_000)).but(sale=None),
    Outcome.ITEM_MISSING: lambda w: w.with_campaign(
        offer=w.campaign and replace(w.campaign.offer, items=Items(skus=frozenset({"B"})))
    ),
    Outcome.PIECES_MISSING: lambda w: asking(w, min_pieces=9),
    Outcome.SALE_TOO_SMALL: lambda w: w.but(sale=w.sale and replace(w.sale, total_minor=9_999)),
    Outcome.OUT_OF_STOCK: lambda w: giving(w, Gift(frozenset({"G"}), 3_000)).but(
        sale=w.sale and replace(w.sale, out_of_stock=frozenset({"G"}))
    ),
    Outcome.POINTS_MISSING: lambda w: giving(w, PointsSpend(9, 9, 3_000)).but(member=MEMBER),
    Outcome.POINTS_LIMIT: lambda w: giving(w, PointsSpend(9, 9, 3_000)).but(member=KEPT),
    Outcome.BALANCE_EMPTY: lambda w: (
        giving(w, StoredValue(3_000)).with_campaign(uses=9).but(prior=replace(PRIOR, spent_minor=3_000))
    ),
    Outcome.NOTHING_CHEAPER: lambda w: giving(w, Item(Change(price_minor=10**9), 3_000)),
    Outcome.BUDGET_REACHED: lambda w: w.but(used=BudgetUse(count_day=100)),
    Outcome.SPLIT_SALE: lambda w: w.with_campaign(risk=Risk(0, 2, 60, split_refuses=True)).but(sales=2),
    Outcome.SUPERVISOR_NEEDED: lambda w: (
        w if w.campaign is None else w.with_campaign(budget=replace(w.campaign.budget, soft_percent=0))
    ),
    Outcome.ONLINE_NEEDED: lambda w: w.with_campaign(offline_class=OfflineClass.ONLINE).but(checked=SILENCE),
}
ONE_OF = [  # each excludes the others of its line
    {Outcome.BEYOND_KEY_LIMIT, Outcome.UNKNOWN_CAMPAIGN},  # without a campaign nothing that speaks of one
    {Outcome.NOT_YET_VALID, Outcome.CLOCK_UNTRUSTED},
    {Outcome.ONLINE_ONLY, Outcome.ONLINE_NEEDED},  # a till without a cloud, or with one
    {Outcome.ALREADY_REDEEMED, Outcome.LIMIT_REACHED, Outcome.BALANCE_EMPTY},  # one of many uses, or the last
    {
        Outcome.TOTAL_NEEDED,
        Outcome.WRONG_CURRENCY,
        Outcome.OTHER_TENDER,
    },  # a sale that is not known, or one that is
    {Outcome.MEMBER_NEEDED} | {outcome for outcome in Outcome if outcome.value in MEMBERS},
    {outcome for outcome in ORDER if ORDER.index(Outcome.TOTAL_NEEDED) <= ORDER.index(outcome) < RISK},
]
PAIRS = [pair for pair in combinations(OBJECTIONS, 2) if not any(set(pair) <= line for line in ONE_OF)]


def test_the_usual_world_is_accepted():
    decision = World().decide()
    assert decision._replace(applied=None) == Decision(
        Outcome.ACCEPTED, discount_minor=3_000, charge_minor=3_000
    )
    assert decision.applied is not None
    assert [(share.line, share.amount_minor) for share in decision.applied.shares] == [("1", 3_000)]


def test_every_outcome_of_a_decision_is_in_the_table():
    of_the_scan = set(ORDER[: ORDER.index(Outcome.BEYOND_KEY_LIMIT)])
    elsewhere = {Outcome.TILL_STOPPED, Outcome.ACCEPTED, Outcome.UNKNOWN_RESULT}
    assert set(OBJECTIONS) == set(Outcome) - of_the_scan - elsewhere


@pytest.mark.parametrize("outcome", OBJECTIONS)
def test_each_objection_alone(outcome):
    decision = OBJECTIONS[outcome](World()).decide()
    assert decision.outcome is outcome
    assert decision.discount_minor is None
    assert decision.charge_minor == 0


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=[f"{a}-{b}" for a, b in PAIRS])
def test_of_two_objections_the_earlier_one_is_the_answer(one, other):
    for first, second in ((one, other), (other, one)):
        world = OBJECTIONS[second](OBJECTIONS[first](World()))
        assert world.decide().outcome is min(one, other, key=ORDER.index)


@pytest.mark.parametrize(("one", "other"), list(combinations(sorted(ONE_OF[5], key=ORDER.index), 2)))
def test_what_a_sale_lacks_is_one_thing(one, other):
    """Two that exclude one another, laid over one another, are still a reason of the sale or none."""
    outcome = OBJECTIONS[other](OBJECTIONS[one](World())).decide().outcome
    assert outcome in {*ONE_OF[5], Outcome.ACCEPTED, Outcome.MEMBER_NEEDED}


def test_used_here_and_used_elsewhere_are_one_answer():
    """The ledger and the status list are asked in one place; only who knows of the use differs."""
    elsewhere = World().but(status=Status.USED)
    assert elsewhere.decide() == Decision(Outcome.ALREADY_REDEEMED, detail="elsewhere")
    assert elsewhere.but(prior=PRIOR).decide() == Decision(Outcome.ALREADY_REDEEMED)
    assert World().but(prior=PRIOR).decide() == Decision(Outcome.ALREADY_REDEEMED)
    twice = World().with_campaign(uses=2)
    assert twice.but(prior=PRIOR).decide().outcome is Outcome.ACCEPTED
    assert twice.but(prior=replace(PRIOR, uses=2)).decide() == Decision(Outcome.ALREADY_REDEEMED)


# --- a second reading: every outcome that holds, as a set ---


def holding(world):
    """All objections of `world`, from the words of docs/coupon-format.md rather than from the code."""
    holds, offer, claimed, sale, today = set(), world.campaign, world.claims, world.sale, world.today
    if (today < world.key.not_before and not world.doubt) or today > world.key.expires:
        holds.add(Outcome.KEY_NOT_VALID)
    if offer is None:
        return holds | {Outcome.UNKNOWN_CAMPAIGN}
    cap = most_minor(offer.offer.benefit, claimed.value_minor)
    first, last = max(claimed.not_before, offer.starts), min(claimed.expires, offer.ends) + offer.grace_days
    share = {Age.FRESH: 100, Age.STALE: offer.stale_percent, Age.EXPIRED: offer.expired_percent}[world.age]
    listed = 1000 if world.status is not None else 10**9
    discount = cap
    setting = Setting(EffectiveTime(world.now, world.now, world.doubt), world.zone, world.place, world.age)
    coupon = Coupon(world.key.issuer, claimed, world.key.kid)
    presented = presented_of(coupon, offer, LedgerView(world.prior, world.used))
    facts = facts_of(setting, sale, world.member)
    if sale is None:
        found = objection_to(presented, facts)
    else:
        answer = quote(basket_of(sale), [presented], facts)  # the engine as several coupons meet it
        found = answer.refused[0].objection if answer.refused else None
        if found is None:
            discount = answer.discount_minor
    if found is not None and found.reason is not Reason.LINES_NEEDED:
        holds.add(OUTCOME_OF[found.reason])
    if offer.budget is not None:
        percent = min(share, 25) if world.doubt else share
        use, limit = world.used, offer.budget
        spent = [use.count_day + 1, use.value_day_minor + discount]
        spent += [use.count_offline + 1, use.value_offline_minor + discount]
        limits = [limit.count_day, limit.value_day_minor, limit.count_offline, limit.value_offline_minor]
        if any(spend * 100 > most * percent for spend, most in zip(spent, limits, strict=True)):
            holds.add(Outcome.BUDGET_REACHED)
    conditions = {
        Outcome.BEYOND_KEY_LIMIT: cap > world.key.value_max_minor,
        Outcome.NEVER_ISSUED: claimed.index >= min(listed, offer.size),
        Outcome.REVOKED: world.status is Status.REVOKED and claimed.index < 1000,
        Outcome.ALREADY_REDEEMED: world.prior is not None
        or (world.status is Status.USED and claimed.index < 1000),
        Outcome.EXPIRED: today > last or first > last,
        Outcome.NOT_YET_VALID: today < first and not world.doubt,
        Outcome.CLOCK_UNTRUSTED: bool(world.doubt)
        and (today < max(first, world.key.not_before) or offer.offline_class == "B"),
        Outcome.WRONG_STORE: (claimed.store is not None and claimed.store != world.place.number)
        or (claimed.store_group is not None and claimed.store_group not in world.place.groups)
        or (offer.stores is not None and world.place.number not in offer.stores)
        or (offer.offline_class == "B" and claimed.store is None),
        Outcome.BUNDLE_EXPIRED: share == 0,
        Outcome.ONLINE_ONLY: offer.offline_class == "A",
    }
    return holds | {outcome for outcome, condition in conditions.items() if condition}


near = st.sampled_from([TODAY - 9, TODAY - 1, TODAY, TODAY + 1, TODAY + 9])
amounts = st.sampled_from([0, 1, 99, 100, 2_999, 3_000, 9_999, 10_000, 12_000, 10**12])
positive = st.sampled_from([1, 99, 3_000, 9_999, 10**6])
offers = st.one_of(
    st.builds(amount_off, amounts, positive),
    st.builds(percent_off, st.integers(1, 100), positive, amounts),
    st.builds(free_item, st.sampled_from([("A",), ("B", "C"), ("A", "B")]), positive),
)
counts = st.integers(0, 5)
budgets = st.none() | st.builds(Budget, counts, amounts, counts, amounts)
lines = st.lists(st.builds(Line, st.sampled_from("ABCD"), st.integers(-1, 2), amounts), max_size=3).map(tuple)


def sale_of(currency, total, lines):
    """None where the lines cost more than a sale may."""
    try:
        return Sale("1", currency, total, lines)
    except ValueError:
        return None


sales = st.builds(sale_of, st.sampled_from(["CNY", "CNY", "CNY", "EUR"]), amounts, lines)


IN_WORLD = {
    "key": st.builds(
        lambda first, last, value: issuer_key(not_before=first, expires=last, value_max_minor=value),
        near,
        near,
        positive,
    ),
    "status": st.none() | st.sampled_from(Status),
    "prior": st.sampled_from([None, PRIOR]),
    "used": st.builds(BudgetUse, counts, amounts, counts, amounts),
    "sale": sales,
    "doubt": st.sampled_from(["", "behind", "ahead"]),
    "age": st.sampled_from(Age),
}
IN_CAMPAIGN = {
    "offer": offers,
    "starts": near,
    "ends": near,
    "grace_days": st.integers(0, 2),
    "stores": st.sampled_from([None, frozenset({12}), frozenset({13}), frozenset()]),
    "size": st.sampled_from([5, 6, 10_000]),
    "offline_class": st.sampled_from(OfflineClass),
    "budget": budgets,
    "stale_percent": st.sampled_from([0, 1, 25, 50, 100]),
    "expired_percent": st.sampled_from([0, 10]),
}
IN_CLAIMS = {
    "index": st.sampled_from([0, 4, 5, 6, 999, 1000]),
    "not_before": near,
    "expires": near,
    "store": st.sampled_from([None, 12, 13]),
    "store_group": st.sampled_from([None, 1, 2]),
    "value_minor": st.none() | positive,
}
NAMES = st.sets(st.sampled_from(sorted({*IN_WORLD, *IN_CAMPAIGN, *IN_CLAIMS})), max_size=7)


@st.composite
def worlds(draw):
    """Worlds near the usual one: few things changed at a time, or else everything is refused early."""
    world = World()
    for name in sorted(draw(NAMES)):
        if name in IN_WORLD:
            world = world.but(**{name: draw(IN_WORLD[name])})
        elif name in IN_CAMPAIGN:
            world = world.with_campaign(**{name: draw(IN_CAMPAIGN[name])})
        else:
            world = world.with_claims(**{name: draw(IN_CLAIMS[name])})
    return world if draw(st.integers(0, 19)) else world.but(campaign=None)


@examples(500)
@given(worlds())
def test_the_first_that_holds_is_the_answer_and_none_means_yes(world):
    decision = world.decide()
    assert decision == world.decide()  # pure
    assert decision.outcome is min(holding(world), key=ORDER.index, default=Outcome.ACCEPTED)
    if decision.outcome is Outcome.NOT_YET_VALID:
        earlier = decision.works_from - timedelta(microseconds=1)
        assert world.but(now=earlier).decide().outcome is Outcome.NOT_YET_VALID
        assert world.but(now=decision.works_from).decide().outcome is not Outcome.NOT_YET_VALID
    else:
        assert decision.works_from is None
    if decision.outcome is Outcome.SALE_TOO_SMALL:
        missing, sale = decision.missing_minor, world.sale
        lines = (*sale.lines, Line("Z", 1, missing)) if sale.lines else ()
        more = replace(sale, total_minor=sale.total_minor + missing, lines=lines)
        assert world.but(sale=more).decide().outcome is not Outcome.SALE_TOO_SMALL
        assert decision.missing_minor > 0
    else:
        assert decision.missing_minor is None


@examples(200)
@given(offers, sales, st.none() | positive)
def test_a_discount_is_never_above_the_cap_the_sale_or_the_personal_value(offer, sale, value):
    world = World(sale=sale).with_campaign(offer=offer, offline_class=OfflineClass.OPEN, budget=None)
    world = world.with_claims(value_minor=value).but(key=issuer_key(value_max_minor=10**12))
    decision = world.decide()
    if decision.outcome is not Outcome.ACCEPTED:
        assert decision.charge_minor == 0
        return
    cap = most_minor(offer.benefit, value)
    if decision.discount_minor is None:
        assert sale is None or not sale.lines
        assert decision.charge_minor == cap  # unknown: the budget pays the most it can be
    else:
        assert 0 <= decision.discount_minor == decision.charge_minor <= min(cap, sale.total_minor)


@examples(150)
@given(worlds(), st.builds(BudgetUse, counts, amounts, counts, amounts))
def test_who_used_more_is_never_allowed_more(world, more):
    used = world.used
    after = BudgetUse(
        used.count_day + more.count_day,
        used.value_day_minor + more.value_day_minor,
        used.count_offline + more.count_offline,
        used.value_offline_minor + more.value_offline_minor,
    )
    if world.but(used=after).decide().outcome is Outcome.ACCEPTED:
        assert world.decide().outcome is Outcome.ACCEPTED


def accepted_in_a_row(world):
    """How many coupons a till takes one after the other."""
    used, count = world.used, 0
    while count < 1000:
        decision = world.but(used=used).decide()
        if decision.outcome is not Outcome.ACCEPTED:
            assert decision.outcome is Outcome.BUDGET_REACHED
            return count
        count += 1
        charge = decision.charge_minor
        used = BudgetUse(
            used.count_day + 1,
            used.value_day_minor + charge,
            used.count_offline + 1,
            used.value_offline_minor + charge,
        )
    raise AssertionError("no end of it")


@pytest.mark.parametrize(
    ("budget", "age", "doubt", "count"),
    [
        (Budget(5, 10**9, 10**6, 10**9), Age.FRESH, "", 5),
        (Budget(10**6, 10**9, 7, 10**9), Age.FRESH, "", 7),
        (Budget(10**6, 9_000, 10**6, 10**9), Age.FRESH, "", 3),
        (Budget(10**6, 8_999, 10**6, 10**9), Age.FRESH, "", 2),
        (Budget(10**6, 10**9, 10**6, 6_000), Age.FRESH, "", 2),
        (Budget(0, 10**9, 10**6, 10**9), Age.FRESH, "", 0),
        (Budget(8, 10**9, 10**6, 10**9), Age.STALE, "", 2),
        (Budget(7, 10**9, 10**6, 10**9), Age.STALE, "", 1),
        (Budget(3, 10**9, 10**6, 10**9), Age.STALE, "", 0),
        (Budget(8, 10**9, 10**6, 10**9), Age.FRESH, "ahead", 2),
        (Budget(8, 10**9, 10**6, 10**9), Age.STALE, "behind", 2),
        (Budget(10**6, 12_000, 10**6, 10**9), Age.FRESH, "behind", 1),
        (Budget(10**6, 11_999, 10**6, 10**9), Age.FRESH, "behind", 0),
    ],
)
def test_a_budget_is_used_up_to_the_last_coupon_and_no_further(budget, age, doubt, count):
    assert accepted_in_a_row(World(age=age, doubt=doubt).with_campaign(budget=budget)) == count


def test_what_the_till_does_not_know_costs_the_most_it_can():
    world = World(sale=None).with_campaign(budget=Budget(100, 7_000, 100, 10**9))
    assert world.decide() == Decision(Outcome.ACCEPTED, discount_minor=None, charge_minor=3_000)
    assert accepted_in_a_row(world) == 2


@pytest.mark.parametrize(("value", "discount"), [(None, 3_000), (500, 500), (3_000, 3_000), (9_000, 3_000)])
def test_a_personal_value_lowers_the_discount_and_never_raises_it(value, discount):
    decision = World().with_claims(value_minor=value).decide()
    assert (decision.discount_minor, decision.charge_minor) == (discount, discount)


def test_a_key_limit_below_the_campaign_allows_a_personal_value_within_it():
    world = World(key=issuer_key(value_max_minor=500))
    assert world.decide().outcome is Outcome.BEYOND_KEY_LIMIT
    assert world.with_claims(value_minor=500).decide().discount_minor == 500
    assert world.with_claims(value_minor=501).decide().outcome is Outcome.BEYOND_KEY_LIMIT


def day(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("zone", "only_day", "from_utc", "until_utc"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("Asia/Shanghai", "2026-03-29", "2026-03-28T16:00", "2026-03-29T16:00"),
        ("America/Santiago", "2024-09-08", "2024-09-08T04:00", "2024-09-09T03:00"),  # begins at 01:00
        ("America/Havana", "2024-11-03", "2024-11-03T04:00", "2024-11-04T05:00"),  # two midnights
    ],
)
def test_a_coupon_of_one_day_counts_from_its_first_to_its_last_instant(zone, only_day, from_utc, until_utc):
    number = day(only_day)
    world = World(zone=ZoneInfo(zone), key=issuer_key(not_before=0, expires=65535))
    world = world.with_campaign(starts=0, ends=65535).with_claims(not_before=number, expires=number)
    first, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (from_utc, until_utc))
    tick = timedelta(microseconds=1)
    before = world.but(now=first - tick).decide()
    assert (before.outcome, before.works_from) == (Outcome.NOT_YET_VALID, first)
    assert world.but(now=first).decide().outcome is Outcome.ACCEPTED
    assert world.but(now=end - tick).decide().outcome is Outcome.ACCEPTED
    assert world.but(now=end).decide().outcome is Outcome.EXPIRED


@pytest.mark.parametrize(
    ("expires", "ends", "grace", "last"),
    [(TODAY, TODAY + 9, 0, 0), (TODAY + 9, TODAY, 0, 0), (TODAY, TODAY + 9, 2, 2), (TODAY + 9, TODAY, 1, 1)],
)
def test_grace_begins_after_the_earlier_of_both_ends(expires, ends, grace, last):
    world = World().with_campaign(ends=ends, grace_days=grace).with_claims(expires=expires)
    assert world.but(now=NOON + timedelta(days=last)).decide().outcome is Outcome.ACCEPTED
    assert world.but(now=NOON + timedelta(days=last + 1)).decide().outcome is Outcome.EXPIRED


def test_what_is_over_before_it_begins_promises_no_day():
    world = World().with_campaign(starts=TODAY + 2)  # after the coupon's last day
    assert world.decide() == Decision(Outcome.EXPIRED)


def test_an_issuer_cannot_sign_for_anothers_campaign():
    """The key says who the issuer is: number 7 of another issuer is another campaign, unknown here."""
    world = World(key=issuer_key(issuer="other"))
    assert world.decide().outcome is Outcome.UNKNOWN_CAMPAIGN


def test_a_status_list_shorter_than_the_campaign_bounds_what_was_issued():
    world = World(status=Status.VALID).with_campaign(size=5_000)
    assert world.with_claims(index=999).decide().outcome is Outcome.ACCEPTED
    assert world.with_claims(index=1_000).decide().outcome is Outcome.NEVER_ISSUED
    assert world.with_claims(index=1_000).but(status=None).decide().outcome is Outcome.ACCEPTED
