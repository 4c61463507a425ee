"""What tills may sign with their own keys when no promo code is left: delegated by the issuer, bounded.

An issuer says for a campaign how many coupons each till may sign at most without asking again. The coupons are drawn
from the campaign as any others, so that no two tills, and no till and the cloud, can give one to two customers; the
till's key is then listed in bundles with exactly these. What a thief of the till's key can take is their number times
what one is worth, and less with each that was handed out before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from agent.domain import cbor
from agent.domain.benefit import exposure_minor
from agent.domain.campaign import Campaign
from agent.domain.cose import Algorithm
from agent.domain.fields import Fields
from agent.domain.keys import Delegation, IssuerKey, key_id
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.parts import DELEGATED_MAX, PromoCode
from agent.domain.promo import short_stem
from agent.domain.status_delta import decode_gaps, encode_gaps
from agent.domain.time import timestamp
from agent.domain.token import DAY_MAX, UINT32_MAX
from cloud.errors import Refused
from cloud.issue import PrivateKeys, signing_key
from cloud.ports import DELEGATION, CloudStore, Offer, PromoRow, Terms
from cloud.tills import Till, TillState

SIGNING = "till_signing"
"""Kind of the documents that say how many."""
WINDOW_DAYS = 60
"""For how long a till may sign what it was given; a till that reaches the cloud is given more in time."""
LOW_PERCENT = 40


@dataclass(frozen=True, slots=True)
class Signing:
    """What an issuer lets each till sign of a campaign. count: at most without asking again; 0 ends it."""

    issuer: str
    campaign: int
    count: int
    valid_days: int


@dataclass(frozen=True, slots=True)
class Given:
    """What one till was given once. indexes: ascending. not_before, expires: days on which its key counts for them."""

    till: str
    public_key: bytes
    issuer: str
    campaign: int
    indexes: tuple[int, ...]
    valid_days: int
    not_before: int
    expires: int
    value_max_minor: int


async def put_signing(store: CloudStore, value: Any) -> Signing:
    """Read and keep {"issuer", "campaign", "count", "valid_days"}. FieldError; Refused(422) for what is unknown."""
    fields = Fields(value, "signing")
    signing = Signing(
        fields.text("issuer", 32, least=1),
        fields.integer("campaign", 0, UINT32_MAX),
        fields.integer("count", 0, DELEGATED_MAX // 5),
        fields.integer("valid_days", 1, 3660),
    )
    fields.done()
    if await store.offer(signing.issuer, signing.campaign) is None:
        sentence = f"issuer {signing.issuer} has no campaign {signing.campaign}"
        raise Refused(422, "unknown_campaign", sentence)
    document = cbor.encode({name: getattr(signing, name) for name in Signing.__slots__})
    await store.put_document(SIGNING, f"{signing.campaign:010d}/{signing.issuer}", document)
    return signing


async def lent(store: CloudStore) -> set[tuple[str, int]]:
    """The campaigns of which tills may sign coupons."""
    return {(one.issuer, one.campaign) for one in await _signings(store) if one.count}


async def _signings(store: CloudStore) -> list[Signing]:
    return [Signing(**cbor.decode(document)) for document in await store.documents(SIGNING)]


async def keys_for(
    store: CloudStore,
    keys: PrivateKeys,
    till: Till,
    offers: Sequence[Offer],
    issuer_keys: Sequence[IssuerKey],
    today: int,
    now: datetime,
) -> list[IssuerKey]:
    """The keys of tills that `till` is to trust for these offers, after it was given what it lacks."""
    signings = await _signings(store)
    given = [_read(document) for document in await store.documents(DELEGATION)]
    if till.state is TillState.ENROLLED and till.public_key is not None:
        given += await _give(store, keys, till, signings, offers, given, today, now)
    known = {(offer.campaign.issuer, offer.campaign.number) for offer in offers}
    counting = [
        one for one in given
        if (one.issuer, one.campaign) in known and one.expires >= today and _vouched(one, issuer_keys)
    ]  # fmt: skip
    by_key: dict[tuple[bytes, str], list[Given]] = {}
    for one in counting:
        by_key.setdefault((one.public_key, one.till), []).append(one)
    return [_key(of_key) for _, of_key in sorted(by_key.items())]


async def _give(
    store: CloudStore,
    keys: PrivateKeys,
    till: Till,
    signings: Sequence[Signing],
    offers: Sequence[Offer],
    given: Sequence[Given],
    today: int,
    now: datetime,
) -> list[Given]:
    """Top up what the till may sign, where little is left of it."""
    plans = {(one.issuer, one.campaign): one for one in signings if one.count}
    wanted = [
        (offer, plan) for offer in offers
        if (plan := plans.get((offer.campaign.issuer, offer.campaign.number))) is not None
        and offer.campaign.starts <= today <= offer.campaign.ends
    ]  # fmt: skip
    if not wanted:
        return []
    assert till.public_key is not None, "an enrolled till has a key"
    mine = [one for one in given if one.public_key == till.public_key]
    left = await store.delegated_left(till.till)
    new: list[Given] = []
    for offer, plan in wanted:
        campaign = offer.campaign
        issuers = {one.issuer for one in (*mine, *new)}
        rounds = [one for one in mine if (one.issuer, one.campaign) == (campaign.issuer, campaign.number)]
        usable = sum(
            (one.issuer, one.campaign, index) in left
            for one in rounds if one.expires - campaign.grace_days > today
            for index in one.indexes
        )  # fmt: skip
        # A key speaks for one issuer: the first that asked. No list grows beyond what a till reads.
        if issuers - {campaign.issuer} or usable * 100 >= plan.count * LOW_PERCENT:
            continue
        if sum(len(one.indexes) for one in rounds) + plan.count <= DELEGATED_MAX:
            new += await _draw(store, keys, till, campaign, plan, len(rounds), today, now)
    return new


async def _draw(
    store: CloudStore,
    keys: PrivateKeys,
    till: Till,
    campaign: Campaign,
    plan: Signing,
    place: int,
    today: int,
    now: datetime,
) -> list[Given]:
    """Give a till its next coupons; none where the issuer could not sign them here either, or none are left."""
    assert till.public_key is not None, "an enrolled till has a key"
    # Terms that stay the same each day: what was drawn by a call that failed behind it is drawn again, and no more.
    terms = Terms(campaign.starts, campaign.ends, till=till.till)
    order = f"till-signed {till.till} {key_id(till.public_key).hex()} {place}"
    value = exposure_minor(campaign.offer.benefit)
    try:
        limits, _ = await signing_key(store, keys, campaign, terms)
        if value > limits.value_max_minor:
            return []
        drawn = await store.allot(campaign.issuer, campaign.number, plan.count, terms, timestamp(now), order)
    except Refused:
        return []
    last = min(campaign.ends, today + WINDOW_DAYS + plan.valid_days) + campaign.grace_days
    given = Given(
        till.till, till.public_key, campaign.issuer, campaign.number, tuple(sorted(drawn)), plan.valid_days,
        today, min(last, DAY_MAX), min(value, AMOUNT_MAX_MINOR),
    )  # fmt: skip
    rows = [
        PromoRow(
            PromoCode("", short_stem(campaign.number, campaign.size, index), campaign.title, campaign.conditions),
            campaign.issuer, campaign.number, index, given.expires,
        )
        for index in given.indexes
    ]  # fmt: skip
    await store.add_delegation(till.till, order, _write(given), rows)
    return [given]


def _vouched(one: Given, issuer_keys: Iterable[IssuerKey]) -> bool:
    """Whether a key of the issuer that tills trust may sign the campaign: what it lent goes with it."""
    return any(
        key.issuer == one.issuer and (key.campaigns is None or one.campaign in key.campaigns)
        for key in issuer_keys
    )


def _key(given: Sequence[Given]) -> IssuerKey:
    """The record of one till's key, from all that it was given."""
    first = given[0]
    indexes: dict[int, set[int]] = {}
    for one in given:
        indexes.setdefault(one.campaign, set()).update(one.indexes)
    return IssuerKey(
        key_id(first.public_key),
        first.issuer,
        Algorithm.ED25519,
        first.public_key,
        frozenset(indexes),
        min(one.not_before for one in given),
        max(one.expires for one in given),
        max(one.value_max_minor for one in given),
        Delegation(
            first.till,
            {number: tuple(sorted(found)) for number, found in indexes.items()},
            {one.campaign: one.valid_days for one in given},
        ),
    )


def _write(given: Given) -> bytes:
    plain = {name: getattr(given, name) for name in Given.__slots__}
    return cbor.encode(plain | {"indexes": encode_gaps(given.indexes)})


@lru_cache(maxsize=16_384)
def _read(document: bytes) -> Given:
    """Read once: every bundle asks for all of them."""
    plain = cbor.decode(document)
    return Given(**plain | {"indexes": decode_gaps(plain["indexes"])})
