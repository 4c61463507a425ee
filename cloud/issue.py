"""Issuing: indexes from the store, tokens from the issuer's key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.domain import token
from agent.domain.campaign import Campaign, OfflineClass, personal
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, SigningKey
from agent.domain.time import timestamp
from agent.domain.token import DAY_MAX, Claims
from cloud.errors import Refused, SetupError
from cloud.keyring import Keyring, issuer_prefix
from cloud.ports import CloudStore, Terms


@dataclass(frozen=True, slots=True)
class Issued:
    """One coupon. text: its token as the QR code holds it."""

    index: int
    text: str


async def add_issuer(
    store: CloudStore,
    keyring: Keyring,
    issuer: str,
    campaigns: frozenset[int] | None,
    not_before: int,
    expires: int,
    value_max_minor: int,
) -> IssuerKey:
    """Make an issuer's next key; the private half stays in the keyring."""
    if not_before > expires:
        raise Refused(422, "bad_window", f"the key would expire on day {expires}, before it counts")
    signing = keyring.create(issuer_prefix(issuer))
    raw = signing.public_key
    key = IssuerKey(
        signing.kid, issuer, Algorithm.ED25519, raw, campaigns, not_before, expires, value_max_minor
    )
    await store.add_key(key)
    return key


async def issue(
    store: CloudStore, keyring: Keyring, issuer: str, campaign: int, count: int, terms: Terms, now: datetime
) -> list[Issued]:
    """Issue `count` coupons. Refused if the campaign is unknown or used up, or no till could accept the coupons."""
    offer = await store.offer(issuer, campaign)
    if offer is None:
        raise Refused(422, "unknown_campaign", f"issuer {issuer} has no campaign {campaign}")
    # An issuer's mistake is found before indexes are spent.
    _check_terms(offer.campaign, terms)
    if terms.store is not None and await store.store_of_number(terms.store) is None:
        raise Refused(422, "unknown_store", f"no store has the number {terms.store}: add the store first")
    limits, key = await signing_key(store, keyring, issuer, campaign)
    cost = personal(offer.campaign.benefit, terms.value_minor).exposure_minor()
    if cost > limits.value_max_minor:
        sentence = (
            f"a coupon could cost {cost}, the issuer's key is good for {limits.value_max_minor} at most"
        )
        raise Refused(422, "beyond_key_limit", f"{sentence}: state a lower value_minor or make a new key")
    _sign(key, campaign, 2**32 - 1, terms)
    indexes = await store.allot(issuer, campaign, count, terms, timestamp(now))
    return [Issued(index, _sign(key, campaign, index, terms)) for index in indexes]


def _check_terms(campaign: Campaign, terms: Terms) -> None:
    """Raise Refused(422) for terms that would make every till refuse the coupon."""
    if campaign.offline_class is OfflineClass.BOUND and terms.store is None:
        sentence = "a coupon of a campaign of class B counts in one store: send store, its number"
        raise Refused(422, "store_needed", sentence)
    most = campaign.benefit.exposure_minor()
    if terms.value_minor is not None and terms.value_minor > most:
        sentence = f"value_minor {terms.value_minor} is above what the campaign gives, at most {most}"
        raise Refused(422, "value_too_high", sentence)
    if terms.not_before > campaign.ends or terms.expires < campaign.starts:
        sentence = f"the coupon's days {terms.not_before} to {terms.expires} are none of the campaign's"
        raise Refused(422, "outside_campaign", f"{sentence}, {campaign.starts} to {campaign.ends}")


async def signing_key(
    store: CloudStore, keyring: Keyring, issuer: str, campaign: int
) -> tuple[IssuerKey, SigningKey]:
    """The newest key of `issuer` that may sign `campaign` and whose private half is here."""
    fit = [
        key
        for key in await store.issuer_keys()
        if key.issuer == issuer and (key.campaigns is None or campaign in key.campaigns)
    ]
    if not fit:
        raise Refused(404, "unknown_issuer", f"issuer {issuer} has no key for campaign {campaign}")
    fit.sort(key=lambda key: (key.not_before, key.expires), reverse=True)
    for key in fit:
        try:
            return key, keyring.load(issuer_prefix(issuer), key.kid)
        except SetupError as error:
            last = error
    raise Refused(409, "no_private_key", f"no key of issuer {issuer} can sign here: {last}")


def _sign(key: SigningKey, campaign: int, index: int, terms: Terms) -> str:
    claims = Claims(
        campaign,
        index,
        terms.not_before,
        min(terms.expires, DAY_MAX),
        store=terms.store,
        store_group=terms.store_group,
        value_minor=terms.value_minor,
        source=terms.source,
    )
    try:
        return token.to_text(token.sign(claims, key))
    except token.TokenError as error:
        raise Refused(422, "bad_terms", f"these terms cannot be signed: {error}") from None
