"""Which promo code a receipt carries: by head office's rules where there are any, of the pool, else signed here.

Where the pool is empty the till signs a coupon with its own key, as far as its issuer delegated that: the bundle lists
the key with the coupons it may sign (docs/bundle-format.md). Each is signed once: the ledger knows which were handed
out, in the transaction that hands the next one out. A signature costs 50 µs, and only a receipt that would go without a
promotion pays for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from agent.domain import token
from agent.domain.benefit import exposure_minor
from agent.domain.campaign import Campaign, OfflineClass
from agent.domain.decide import ELSEWHERE, Refusal
from agent.domain.eligibility import Member
from agent.domain.keys import Delegation, IssuerKey, SigningKey
from agent.domain.outcome import Outcome
from agent.domain.parts import Contents, PromoCode
from agent.domain.promo import Choice, Identity, Occasion, choose, letters_of, read_typed, short_name
from agent.domain.reasons import Stop
from agent.domain.sale import Sale
from agent.domain.token import Claims, Coupon
from agent.ports import CommitUnknown, Ledger, LedgerUnavailable, Transaction
from sync.promos import NamedPromo, PromoState


def contents_for(contents: Contents, member: Member | None) -> Contents:
    """What a receipt is made from: who is a member already is not asked to become one."""
    rules = contents.receipt_rules
    if member is None or rules.join is None:
        return contents
    return replace(contents, receipt_rules=replace(rules, join=None))


async def read_typed_promo(
    ledger: Ledger, text: str, read: Callable[[str], Coupon | Refusal], ask: AskTyped
) -> Coupon | Refusal | None:
    """The coupon behind a short name that somebody typed; None for a text that is none.

    read: what a token is read with. ask: the cloud, where this till did not hand it out. Nothing is believed of its
    answer but what is known against a coupon: the token's signature and its letters speak for themselves.
    """
    typed = read_typed(text)
    if typed is None:
        return None
    try:
        known = await ledger.write(lambda tx: tx.promo_token(typed.short), lambda _tx: None)
    except (LedgerUnavailable, CommitUnknown):
        return Refusal(Outcome.TILL_STOPPED, Stop.LEDGER_UNAVAILABLE)
    if known is not None:
        return read(known)
    for promo in await ask(typed.short):
        found = read(promo.token) if typed.short.endswith(letters_of(promo.token)) else None
        if isinstance(found, Coupon) and found.identity[1:] == (typed.campaign, typed.index):
            against = _AGAINST.get(promo.state)
            return found if against is None else Refusal(against, ELSEWHERE)
    return Refusal(Outcome.UNKNOWN_CODE, "promo")


AskTyped = Callable[[str], Awaitable[Sequence[NamedPromo]]]
"""Asks the cloud for a short name; empty without an answer in time."""


async def nobody(_short: str) -> Sequence[NamedPromo]:
    """A till without a cloud."""
    return ()


_AGAINST = {PromoState.USED: Outcome.ALREADY_REDEEMED, PromoState.REVOKED: Outcome.REVOKED}


class Issuing(NamedTuple):
    """By what a promo code is handed out: the bundle's contents, this till's key and its name."""

    contents: Contents
    key: SigningKey
    till: str


def hand_out(
    tx: Transaction,
    by: Issuing,
    coupon: Coupon,
    sale: Sale | None,
    day: int,
    redemption_id: str,
    member: Member | None = None,
) -> tuple[Choice | None, PromoCode | None]:
    """What the rules decided, None without rules or where none fits; and the code that is now this redemption's."""
    choice, wanted = None, None
    if rules := by.contents.receipt_rules.promos:
        place = by.contents.place
        level = 0 if member is None else member.level
        known = member.pseudonym if member is not None and member.consent else None
        where = place.number, place.groups
        choice = choose(rules, Occasion(coupon, day, sale, *where, redemption_id, level, known))
        if choice is None or (wanted := choice.campaign) is None:
            return choice, None
    pooled = tx.take_promo(redemption_id, day, wanted)
    return choice, pooled or _sign_one(tx, by, wanted, day, redemption_id)


def _sign_one(
    tx: Transaction, by: Issuing, wanted: Identity | None, day: int, redemption_id: str
) -> PromoCode | None:
    """The next coupon of campaign `wanted` (None: of any) that this till may sign; None where there is none."""
    own = by.contents.keys.get(by.key.kid)
    if own is None or own.delegation is None or own.delegation.till != by.till:
        return None
    if not own.not_before <= day <= own.expires:
        return None
    for number in sorted(own.delegation.indexes):
        campaign = by.contents.campaigns.get((own.issuer, number))
        if campaign is None or wanted not in (None, (own.issuer, number)):
            continue
        last = _last_day(campaign, own, own.delegation, day)
        index = _next_index(tx, own, own.delegation, number) if last is not None else None
        if last is not None and index is not None:
            promo = _signed(by.contents, by.key, campaign, index, day, last)
            tx.keep_signed(promo, redemption_id)
            return promo
    return None


def _last_day(campaign: Campaign, own: IssuerKey, given: Delegation, day: int) -> int | None:
    """The last day of a coupon that is signed today; None where no till would take it."""
    last = min(day + given.valid_days[campaign.number], campaign.ends, own.expires - campaign.grace_days)
    worth = exposure_minor(campaign.offer.benefit)
    return last if campaign.starts <= day <= last and worth <= own.value_max_minor else None


def _next_index(tx: Transaction, own: IssuerKey, given: Delegation, number: int) -> int | None:
    taken = tx.indexes_signed(own.issuer, number)
    return next((index for index in given.indexes[number] if index not in taken), None)


def _signed(
    contents: Contents, key: SigningKey, campaign: Campaign, index: int, day: int, last: int
) -> PromoCode:
    store = contents.place.number if campaign.offline_class is OfflineClass.BOUND else None
    claims = Claims(campaign.number, index, day, last, store=store)
    text = token.to_text(token.sign(claims, key))
    return PromoCode(
        text,
        short_name(campaign.number, campaign.size, index, text),
        campaign.title,
        campaign.conditions,
        campaign.issuer,
        campaign.number,
        index,
        last,
    )
