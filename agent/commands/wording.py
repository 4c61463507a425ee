"""A campaign, its risk and a key in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.commands.keyfile import NAME_OF
from agent.domain.benefit import AmountStep, StoredValue
from agent.domain.campaign import Campaign, OfflineClass, Words
from agent.domain.exposure import exposure
from agent.domain.keys import IssuerKey
from agent.domain.money import to_text
from agent.domain.offer_words import benefit_words
from agent.domain.time import day_text

_CLASSES = {
    OfflineClass.ONLINE: "A: nothing without the cloud",
    OfflineClass.BOUND: "B: only in the store that the coupon names",
    OfflineClass.BUDGETED: "C: anywhere, within each till's budget",
    OfflineClass.OPEN: "D: open, copies are expected",
}


def campaign_lines(campaign: Campaign, promo: dict[str, int] | None) -> Iterator[str]:
    """What the cashier, the receipt and the printed coupon will say, and the rules behind it."""
    yield f"{campaign.issuer} {campaign.number}  {both(campaign.title)}"
    yield f"  offer      {both(benefit_words(campaign.offer.benefit, campaign.currency))}"
    if both(campaign.prompt):
        yield f"  cashier    {both(campaign.prompt)}"
    if both(campaign.conditions):
        yield f"  receipt    {both(campaign.conditions)}"
    grace = f", then {campaign.grace_days} days of grace" if campaign.grace_days else ""
    yield f"  days       {day_text(campaign.starts)} to {day_text(campaign.ends)}{grace}"
    stores = "all" if campaign.stores is None else ", ".join(map(str, sorted(campaign.stores)))
    yield f"  stores     {stores}"
    uses = f", each used {campaign.uses} times" if campaign.uses > 1 else ""
    yield f"  size       {campaign.size} coupons at most{uses}"
    if promo is not None:
        per_till, valid_days = promo["per_till"], promo["valid_days"]
        yield f"  receipts   carry its coupons: {per_till} ready in each till, good for {valid_days} days"
    yield f"  offline    class {_CLASSES[campaign.offline_class]}"
    if campaign.budget is not None:
        budget = campaign.budget
        yield (
            f"  budget     of a till: {budget.count_day} coupons or {_money(budget.value_day_minor, campaign)} a day, "
            f"{budget.count_offline} or {_money(budget.value_offline_minor, campaign)} between contacts with the cloud"
            + (f"; a supervisor past {budget.soft_percent} % of them" if budget.soft_percent < 100 else "")
        )
        yield (
            f"             {campaign.stale_percent} % of it while the till's bundle is stale, "
            f"{campaign.expired_percent} % once it is expired"
        )


def doubt_lines(campaign: Campaign, today: int) -> Iterator[str]:
    """What can be, and is hardly meant. today: days since `EPOCH_DAY`."""
    for step in getattr(campaign.offer.benefit, "steps", ()):
        if not isinstance(step, AmountStep) or step.off_minor <= max(
            step.from_minor, campaign.offer.conditions.min_spend_minor
        ):
            continue
        said = f"{_money(step.off_minor, campaign)} off from {_money(step.from_minor, campaign)} on"
        yield f"doubt: {said}: the coupon is worth more than the sale that it needs"
    benefit = campaign.offer.benefit
    if isinstance(benefit, StoredValue) and not benefit.whole and campaign.uses == 1:
        said = "what the first sale leaves on a coupon is lost"
        yield f"doubt: uses is 1: {said}; say how often it may be spent, or whole = true"
    if campaign.ends + campaign.grace_days < today:
        yield f"doubt: its last day, {day_text(campaign.ends)}, is over: no till takes a coupon of it"


def loss_lines(
    campaign: Campaign, tills: int, coupons: int | None = None, value_minor: int | None = None
) -> Iterator[str]:
    """What the issuer can lose, to be read before it signs."""
    found = exposure(campaign, tills, coupons, value_minor)
    count = campaign.size if coupons is None else coupons
    yield (
        f"promise: {count} {'coupon' if count == 1 else 'coupons'} of at most {_money(found.coupon_minor, campaign)}, "
        f"{_money(found.promise_minor, campaign)} if every one is used" + _times(campaign)
    )
    if reward := campaign.offer.incentives.most_minor:
        yield f"incentives: at most {_money(reward, campaign)} for each redemption beside it"
    if found.day_minor is None or found.offline_minor is None:
        yield (
            f"copies: NOT BOUNDED. Without a budget each till ({tills}) takes a copy of every coupon once: "
            "write a [budget] to bound it"
        )
    elif campaign.offline_class is OfflineClass.ONLINE:
        yield "copies: nothing is lost, no till takes these coupons without the cloud"
    else:
        yield (
            f"copies: at most {_money(found.day_minor, campaign)} a day, and {_money(found.offline_minor, campaign)} "
            f"while no till reaches the cloud ({tills} till{'' if tills == 1 else 's'})"
        )


def key_lines(key: IssuerKey, state: str = "") -> Iterator[str]:
    """A key record. state: what the cloud says of it."""
    yield f"{key.kid.hex()}  {key.issuer}{'  ' + state if state else ''}"
    scope = "all of this issuer" if key.campaigns is None else ", ".join(map(str, sorted(key.campaigns)))
    yield f"  campaigns  {scope}"
    yield f"  days       {day_text(key.not_before)} to {day_text(key.expires)}"
    yield f"  at most    {key.value_max_minor} minor units a coupon"
    yield f"  public     {NAME_OF[key.algorithm]} {key.public_key.hex()}"


def _times(campaign: Campaign) -> str:
    if campaign.uses == 1:
        return ""
    parts = isinstance(campaign.offer.benefit, StoredValue)
    return f" up, in at most {campaign.uses} parts" if parts else f" {campaign.uses} times"


def both(words: Words) -> str:
    return " / ".join(part for part in (words.zh, words.en) if part)


def _money(amount_minor: int, campaign: Campaign) -> str:
    return f"{to_text(amount_minor, campaign.currency)} {campaign.currency}"


def words_of(title: dict[str, Any]) -> str:
    """The title of a summary as the cloud lists it."""
    return both(Words(title["zh"], title["en"]))
