"""What tills are told of is bounded for each store: the same answer as adding up store by store."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.status_parts import LISTS_BYTES_MAX, LISTS_MAX, list_bytes
from cloud.errors import Refused
from cloud.publish import KEEP_ENDED_DAYS, check_room
from tests.unit.cloud_kit import TODAY, campaign
from tests.unit.domain_kit import examples

STORES = range(4)
PLACES = st.one_of(st.none(), st.frozensets(st.sampled_from(STORES), min_size=1))
OFFERS = st.lists(
    st.builds(
        lambda number, stores, ends, eighths: campaign(
            number=number,
            stores=stores,
            ends=ends,
            starts=TODAY - 200,
            size=4 * eighths * LISTS_BYTES_MAX // 8,
        ),
        st.integers(0, 11),
        PLACES,
        st.sampled_from([TODAY, TODAY - KEEP_ENDED_DAYS, TODAY - KEEP_ENDED_DAYS - 1]),
        st.integers(1, 3),
    ),
    unique_by=lambda offer: offer.number,
    max_size=12,
)


def held_in(store, offers):
    """What a till of this store holds; `store` None: of one that no campaign names."""
    told = (offer for offer in offers if offer.stores is None or store in offer.stores)
    return sum(list_bytes(offer.size) for offer in told)


@examples(150)
@given(OFFERS, st.integers(0, 11), PLACES, st.integers(1, 3))
def test_a_campaign_is_refused_where_a_store_of_its_own_would_hold_too_much(known, number, stores, eighths):
    new = campaign(number=number, stores=stores, size=4 * eighths * LISTS_BYTES_MAX // 8)
    kept = [one for one in known if one.number != number and one.ends >= TODAY - KEEP_ENDED_DAYS]
    concerned = [*STORES, None] if stores is None else stores
    if any(held_in(store, [*kept, new]) > LISTS_BYTES_MAX for store in concerned):
        with pytest.raises(Refused, match="give this campaign a smaller size or fewer stores"):
            check_room(new, known, TODAY)
    else:
        check_room(new, known, TODAY)


@examples(150)
@given(
    OFFERS,
    st.sampled_from(["acme", "mall"]),
    st.integers(0, 11),
    PLACES,
    st.integers(1, 3),
    st.integers(1, 100),
)
def test_an_issuer_is_refused_what_is_more_than_its_share_and_more_than_it_has(
    known, issuer, number, stores, eighths, percent
):
    known = [replace(one, issuer=("acme", "mall")[one.number % 2]) for one in known]
    new = campaign(issuer=issuer, number=number, stores=stores, size=4 * eighths * LISTS_BYTES_MAX // 8)
    told = [one for one in known if one.ends >= TODAY - KEEP_ENDED_DAYS]
    after = [*(one for one in told if (one.issuer, one.number) != (issuer, number)), new]
    concerned = [*STORES, None] if stores is None else stores

    def most(offers):
        return 4 * max(held_in(store, [one for one in offers if one.issuer == issuer]) for store in concerned)

    if any(held_in(store, after) > LISTS_BYTES_MAX for store in concerned):
        return  # refused for all, whosever they are
    if most(after) > max(4 * LISTS_BYTES_MAX * percent // 100, most(told)):
        with pytest.raises(Refused, match=f"of {issuer}, and") as refused:
            check_room(new, known, TODAY, percent)
        assert refused.value.code == "issuer_room"
    else:
        check_room(new, known, TODAY, percent)


def test_an_issuer_has_room_for_so_many_campaigns_of_its_own():
    known = [campaign(number=number, size=4) for number in range(10, 10 + LISTS_MAX // 2)]
    with pytest.raises(Refused, match="951 campaigns of acme, and 950 is the most"):
        check_room(campaign(number=9999, size=4), known, TODAY, 50)
    check_room(campaign(number=9999, size=4, issuer="mall"), known, TODAY, 50)
    check_room(replace(known[0], version=2), [*known, campaign(number=9999, size=4)], TODAY, 50)


def test_a_manifest_has_room_for_so_many_lists():
    known = [
        campaign(number=number, size=4, stores=frozenset({number % 2})) for number in range(2 * LISTS_MAX - 1)
    ]
    check_room(campaign(number=9999, size=4, stores=frozenset({1})), known, TODAY)
    for stores in (None, frozenset({0}), frozenset({0, 1})):
        with pytest.raises(Refused, match="told of 1901 campaigns") as refused:
            check_room(campaign(number=9999, size=4, stores=stores), known, TODAY)
        assert refused.value.code == "too_many_campaigns"


def test_two_issuers_with_half_of_the_room_each_are_seen_before_and_named_when_it_is_full(caplog) -> None:
    half = [
        campaign(issuer=issuer, number=number, stores=None, size=4 * LISTS_BYTES_MAX // 4)
        for number, issuer in enumerate(("acme", "acme", "mall"), 1)
    ]
    check_room(half[2], half[:2], TODAY, 50)
    assert not caplog.messages, "a quarter is left"
    last = campaign(issuer="mall", number=4, stores=None, size=4 * LISTS_BYTES_MAX // 4)
    check_room(last, half, TODAY, 50)
    (said,) = caplog.messages
    assert said.startswith(
        "campaign mall/4 leaves 0 % of what a till can be told of (134217728 of mall, 134217728 of acme)"
    )
    with pytest.raises(Refused, match="134217728 of acme, 1000 of shop"):
        check_room(campaign(issuer="shop", number=5, stores=None, size=1000), [*half, last], TODAY, 50)
