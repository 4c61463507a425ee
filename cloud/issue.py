"""Issuing: indexes from the store, tokens from the issuer's key. The cloud does it, and an issuer without a cloud."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent.domain import token
from agent.domain.benefit import exposure_minor, most_minor
from agent.domain.campaign import Campaign, OfflineClass
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, KeyFault, SigningKey, key_id
from agent.domain.time import day_text, timestamp
from agent.domain.token import DAY_MAX, UINT32_MAX, Claims
from cloud.errors import Refused, SetupError
from cloud.keyring import Keyring, issuer_prefix
from cloud.ports import CloudStore, HeldKey, KeyState, Terms


class PrivateKeys(Protocol):
    """Where private keys are: the cloud's `Keyring`, or the one file of an issuer without a cloud."""

    def load(self, prefix: str, kid: bytes, algorithm: Algorithm) -> SigningKey:
        """Raises SetupError if it is not here."""


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
    algorithm: Algorithm = Algorithm.ED25519,
    public_key: bytes | None = None,
) -> HeldKey:
    """An issuer's next key. Without `public_key` it is made here and its private half stays in the keyring.

    With it, the key is registered: its issuer signs with it where it pleases, and tills trust what it signs.
    """
    if not_before > expires:
        days = f"its last day {day_text(expires)} is before its first, {day_text(not_before)}"
        raise Refused(422, "bad_window", f"the key would never count: {days}")
    if public_key is None:
        signing = keyring.create(issuer_prefix(issuer), algorithm)
        kid, raw = signing.kid, signing.public_key
    else:
        kid, raw = key_id(public_key), public_key
    try:
        key = IssuerKey(kid, issuer, algorithm, raw, campaigns, not_before, expires, value_max_minor)
    except KeyFault as error:
        raise Refused(422, "bad_key", f"public_key cannot be used: {error}") from None
    await store.add_key(key, registered=public_key is not None)
    return HeldKey(key, KeyState.ACTIVE, public_key is not None)


async def issue(
    store: CloudStore,
    keys: PrivateKeys,
    issuer: str,
    campaign: int,
    count: int,
    terms: Terms,
    now: datetime,
    order: str | None = None,
) -> list[Issued]:
    """Issue `count` coupons. Refused if the campaign is unknown or used up, or no till could accept the coupons.

    order: a name of the caller's choice; the same order again gives the same coupons.
    """
    offer = await store.offer(issuer, campaign)
    if offer is None:
        raise Refused(422, "unknown_campaign", f"issuer {issuer} has no campaign {campaign}")
    # An issuer's mistake is found before indexes are spent.
    check_terms(offer.campaign, terms)
    limits, key = await signing_key(store, keys, offer.campaign, terms)
    cost = most_minor(offer.campaign.offer.benefit, terms.value_minor)
    if cost > limits.value_max_minor:
        sentence = (
            f"a coupon could cost {cost}, the issuer's key is good for {limits.value_max_minor} at most"
        )
        raise Refused(422, "beyond_key_limit", f"{sentence}: state a lower value_minor or make a new key")
    _sign(key, campaign, [UINT32_MAX], terms)
    # Codes have orders too: of the same name they would get the same indexes, and be the same coupons.
    name = None if order is None else f"signed {order}"
    indexes = await store.allot(issuer, campaign, count, terms, timestamp(now), name)
    signed = await asyncio.to_thread(_sign, key, campaign, indexes, terms)  # tills wait for the event loop
    tokens = [(one.index, hashlib.sha256(one.text.encode()).digest()) for one in signed]
    await store.note_tokens(issuer, campaign, tokens)
    return signed


def check_terms(campaign: Campaign, terms: Terms) -> None:
    """Raise Refused(422) for terms that would make every till refuse the coupon."""
    if campaign.offline_class is OfflineClass.BOUND and terms.store is None:
        sentence = "a coupon of a campaign of class B counts in one store: send store, its number"
        raise Refused(422, "store_needed", sentence)
    most = exposure_minor(campaign.offer.benefit)
    if terms.value_minor is not None and terms.value_minor > most:
        sentence = f"value_minor {terms.value_minor} is above what the campaign gives, at most {most}"
        raise Refused(422, "value_too_high", sentence)
    if terms.not_before < campaign.starts or terms.expires > campaign.ends:
        # A coupon that states a day on which no till takes it is a broken promise, in print.
        sentence = f"the coupon's days {_days(terms.not_before, terms.expires)} are not all the campaign's"
        raise Refused(422, "outside_campaign", f"{sentence}: {_days(campaign.starts, campaign.ends)} can be")


async def why_unsigned(store: CloudStore, campaign: Campaign) -> str:
    """Why no key of the issuer may sign coupons of this campaign, for people; "" if one may.

    It may still be published: its coupons can be codes, and a key can come later.
    """
    issuer, number = campaign.issuer, campaign.number
    fit = [
        held.key
        for held in await store.held_keys()
        if held.state is KeyState.ACTIVE
        and held.key.issuer == issuer
        and (held.key.campaigns is None or number in held.key.campaigns)
    ]
    if not fit:
        return f"no key of issuer {issuer} may sign coupons of campaign {number}: redeemd keys new"
    cost, limit = most_minor(campaign.offer.benefit, None), max(key.value_max_minor for key in fit)
    if cost > limit:
        sentence = f"a coupon can cost {cost}, the keys of issuer {issuer} are good for {limit} at most"
        return f"{sentence}: state a lower value_minor for each coupon, or make a new key"
    last = campaign.ends + campaign.grace_days
    if all(key.expires < campaign.starts or key.not_before > last for key in fit):
        windows = ", ".join(_days(key.not_before, key.expires) for key in fit)
        return f"no key of issuer {issuer} lasts on any day of the campaign ({windows}): redeemd keys new"
    return ""


async def keys_of(store: CloudStore, campaign: Campaign) -> list[HeldKey]:
    """The keys that may sign `campaign`; Refused(409) if it is issued by somebody else."""
    issuer, number = campaign.issuer, campaign.number
    fit = [
        held
        for held in await store.held_keys()
        if held.key.issuer == issuer and (held.key.campaigns is None or number in held.key.campaigns)
    ]
    if any(held.registered for held in fit):
        # Whatever became of that key since: its holder drew indexes that are not known here.
        sentence = f"campaign {number} is issued by the holder of a registered key of {issuer}"
        raise Refused(409, "issued_elsewhere", f"{sentence}: issue it there, or make a new campaign")
    return fit


async def signing_key(
    store: CloudStore, keys: PrivateKeys, campaign: Campaign, terms: Terms
) -> tuple[IssuerKey, SigningKey]:
    """The newest active key that may sign `campaign`, covers the coupon's days, and whose private half is here."""
    issuer = campaign.issuer
    active = [held.key for held in await keys_of(store, campaign) if held.state is KeyState.ACTIVE]
    if not active:
        sentence = f"issuer {issuer} has no key for campaign {campaign.number}"
        raise Refused(404, "unknown_issuer", f"{sentence}: make one with redeemd keys new")
    last = terms.expires + campaign.grace_days
    lasting = [key for key in active if key.not_before <= terms.not_before and last <= key.expires]
    if not lasting:
        windows = ", ".join(_days(key.not_before, key.expires) for key in active)
        sentence = f"coupons of {_days(terms.not_before, last)} outlast the issuer's keys ({windows})"
        raise Refused(422, "outside_key", f"{sentence}: {_days_left(campaign, active)}")
    lasting.sort(key=lambda key: (key.not_before, key.expires), reverse=True)
    for key in lasting:
        try:
            return key, keys.load(issuer_prefix(issuer), key.kid, key.algorithm)
        except SetupError as error:
            failed = error
    raise Refused(409, "no_private_key", f"no key of issuer {issuer} can sign here: {failed}")


def _sign(key: SigningKey, campaign: int, indexes: list[int], terms: Terms) -> list[Issued]:
    shared = {name: getattr(terms, name) for name in ("store", "store_group", "value_minor", "source")}
    last = min(terms.expires, DAY_MAX)
    try:
        return [
            Issued(
                index,
                token.to_text(token.sign(Claims(campaign, index, terms.not_before, last, **shared), key)),
            )
            for index in indexes
        ]
    except token.TokenError as error:
        raise Refused(422, "bad_terms", f"these terms cannot be signed: {error}") from None


def _days_left(campaign: Campaign, keys: list[IssuerKey]) -> str:
    """Which days of a coupon the keys allow."""
    windows = [
        (max(key.not_before, campaign.starts), min(key.expires - campaign.grace_days, campaign.ends))
        for key in keys
    ]
    possible = " or ".join(_days(first, last) for first, last in windows if first <= last)
    return f"{possible} can be; for other days make a key" if possible else "make a key for these days"


def _days(first: int, last: int) -> str:
    return f"{day_text(first)} to {day_text(last)}"
