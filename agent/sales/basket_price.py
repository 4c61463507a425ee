"""The coupons of a sale: read, admitted one by one, priced together, and each bounded by its campaign's budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.domain import objection as objections
from agent.domain import time
from agent.domain.balance import left_minor
from agent.domain.basket import basket_of
from agent.domain.benefit import most_minor
from agent.domain.campaign import Campaign
from agent.domain.decide import (
    ELSEWHERE,
    Decision,
    LedgerView,
    PriorUse,
    Refusal,
    Setting,
    admit,
    facts_of,
    percent_of,
    presented_of,
    unheard,
)
from agent.domain.eligibility import Facts, Member
from agent.domain.objection import Key, Objection, Reason
from agent.domain.online import Checked
from agent.domain.outcome import OUTCOME_OF, Outcome
from agent.domain.pricing import Applied, Quote, quote
from agent.domain.risk import Asked, BadgeFault, Weighed, weigh
from agent.domain.sale import Sale
from agent.domain.tenders import names_of
from agent.domain.token import Coupon
from agent.domain.verdict import make_verdict
from agent.records import Moment


@dataclass(frozen=True, slots=True)
class Scanned:
    """A text of the request: its place there, the coupon behind it or why there is none, and its hash for records.

    checked: what the cloud said of it, where it was asked.
    """

    place: int
    found: Coupon | Refusal
    text_hash: str | None
    checked: Checked | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """A coupon that may count, with what the ledger says of it."""

    place: int
    coupon: Coupon
    campaign: Campaign
    view: LedgerView
    text_hash: str | None
    checked: Checked | None = None


@dataclass(frozen=True, slots=True)
class Turned:
    """A coupon that does not count and stays unused. said: as the API says it; its `reason` is a stable code."""

    place: int
    coupon: Coupon | None
    text_hash: str | None
    said: dict[str, Any]

    @property
    def reason(self) -> str:
        return str(self.said["reason"])


@dataclass(frozen=True, slots=True)
class Counted:
    """A coupon that counts. charge_minor: what it takes from the budget. asked: what a supervisor was needed for."""

    offered: Offered
    applied: Applied
    charge_minor: int
    asked: Asked = Asked.NOTHING

    @property
    def left_minor(self) -> int | None:
        """On a stored value afterwards, as this till knows it."""
        one, view = self.offered, self.offered.view
        return left_minor(
            one.coupon, one.campaign, view.uses + 1, view.spent_minor + self.applied.amount_minor
        )


@dataclass(frozen=True, slots=True)
class Priced:
    """counted, turned: in the order of the request."""

    quote: Quote
    counted: tuple[Counted, ...]
    turned: tuple[Turned, ...]


def setting_of(at: Moment) -> Setting:
    trust = at.trust
    return Setting(at.now, trust.zone, trust.contents.place, trust.manifest.age(at.now.now))


def facts_at(at: Moment, sale: Sale, member: Member | None) -> Facts:
    return facts_of(setting_of(at), sale, member)


def turned_by(
    place: int,
    found: Coupon | Refusal,
    text_hash: str | None,
    why: Decision,
    at: Moment,
    prior: PriorUse | None = None,
) -> Turned:
    """Refused for what it is, whatever is bought. prior: when and where this till's ledger has it used."""
    coupon = found if isinstance(found, Coupon) else None
    contents = at.trust.contents
    campaign = None if coupon is None else contents.campaigns.get(coupon.identity[:2])
    verdict = make_verdict(
        why,
        scan_id="",
        at=at.now.now,
        source="api",
        zone=at.trust.zone,
        currency=contents.place.currency,
        coupon=coupon,
        campaign=campaign,
        prior=prior,
    )
    said = {
        "title_zh": "" if campaign is None else campaign.title.zh,
        "title_en": "" if campaign is None else campaign.title.en,
        "reason": why.outcome.value,
        "zh": verdict.zh,
        "en": verdict.en,
        "next_zh": verdict.next_zh,
        "next_en": verdict.next_en,
        "works_from": None if why.works_from is None else time.timestamp(why.works_from),
        "detail": why.detail,
    }
    return Turned(place, coupon, text_hash, _NOTHING_MISSING | said)


def with_fault(one: Turned, fault: BadgeFault) -> Turned:
    """With why the badge that was shown did nothing for it."""
    if one.reason != Outcome.SUPERVISOR_NEEDED:
        return one
    return replace(one, said={**one.said, "detail": fault.value})


_NOTHING_MISSING = {"missing_minor": 0, "missing_pieces": 0, "missing_points": 0}


def _turned_in_sale(one: Offered, why: Objection, currency: str) -> Turned:
    words, what_next = objections.sentences(why, currency)
    outcome = OUTCOME_OF.get(why.reason)
    said = {
        "title_zh": one.campaign.title.zh,
        "title_en": one.campaign.title.en,
        "reason": why.reason.value if outcome is None else outcome.value,
        "zh": words.zh,
        "en": words.en,
        "next_zh": what_next.zh,
        "next_en": what_next.en,
        "works_from": None,
        "detail": why.detail or None,
        "missing_minor": why.missing_minor,
        "missing_pieces": why.missing_pieces,
        "missing_points": why.missing_points,
    }
    return Turned(one.place, one.coupon, one.text_hash, said)


def admitted(
    scanned: Sequence[Scanned], views: Mapping[Key, LedgerView], at: Moment, currency: str
) -> tuple[list[Offered], list[Turned]]:
    """Those that may count in some sale, each once, and the others."""
    offered: list[Offered] = []
    turned: list[Turned] = []
    contents, setting = at.trust.contents, setting_of(at)
    for one in scanned:
        found = one.found
        if isinstance(found, Refusal):
            why: Decision | None = Decision(found.outcome, detail=found.detail or None)
        else:
            why = admit(found, contents, views[found.identity], setting, one.checked)
            if why is None:
                why = unheard(contents.campaigns[found.identity[:2]], one.checked)
        if why is not None or isinstance(found, Refusal):
            assert why is not None, "a refusal is one"
            prior = (
                None if isinstance(found, Refusal) or why.detail == ELSEWHERE else views[found.identity].prior
            )
            turned.append(turned_by(one.place, found, one.text_hash, why, at, prior))
            continue
        campaign = contents.campaigns[found.identity[:2]]
        fresh = Offered(one.place, found, campaign, views[found.identity], one.text_hash, one.checked)
        if any(found.identity == other.coupon.identity for other in offered):
            turned.append(_turned_in_sale(fresh, Objection(Reason.PRESENTED_TWICE), currency))
        else:
            offered.append(fresh)
    return offered, turned


def price(
    offered: Sequence[Offered],
    sale: Sale,
    facts: Facts,
    at: Moment,
    reserved: Mapping[Key, int] | None = None,
    grants: int = 0,
    granted: Mapping[Key, Asked] | None = None,
) -> Priced:
    """The best allowed combination that the till may bear. reserved: what a hold keeps of the budget for each coupon.

    grants: how many coupons a badge may let through. granted: what a badge let through when they were held.
    """
    basket, left = basket_of(sale), list(offered)
    beyond: list[tuple[Offered, Weighed]] = []
    while True:
        quoted = quote(basket, [presented_of(one.coupon, one.campaign, one.view) for one in left], facts)
        by_key = {one.coupon.identity: one for one in left}
        counted = [_counted(by_key[applied.key], applied) for applied in quoted.applied]
        over = _weighed(counted, at, reserved or {}, grants, granted or {})
        if over is None:
            break
        left.remove(over[0])
        beyond.append(over)
    turned = [_turned_in_sale(by_key[one.key], one.objection, sale.currency) for one in quoted.refused]
    turned += [
        turned_by(one.place, one.coupon, one.text_hash, Decision(why.outcome, detail=why.asked or None), at)
        for one, why in beyond
    ]
    counted.sort(key=lambda one: one.offered.place)
    return Priced(quoted, tuple(counted), tuple(sorted(turned, key=lambda one: one.place)))


def _counted(one: Offered, applied: Applied) -> Counted:
    most = most_minor(one.campaign.offer.benefit, one.coupon.claims.value_minor)
    return Counted(one, applied, min(applied.amount_minor + applied.hand_over_minor, most))


def _weighed(
    counted: list[Counted],
    at: Moment,
    reserved: Mapping[Key, int],
    grants: int,
    granted: Mapping[Key, Asked],
) -> tuple[Offered, Weighed] | None:
    """The first coupon that the till may not bear beside those before it, and why; else all know what was asked."""
    setting = setting_of(at)
    counts: Counter[tuple[str, int]] = Counter()
    values: Counter[tuple[str, int]] = Counter()
    for place, one in enumerate(counted):
        campaign, view = one.offered.campaign, one.offered.view
        name = one.applied.key[:2]
        so_far = view.used.plus(counts[name], values[name])
        asked = granted.get(one.applied.key, Asked.NOTHING)
        if one.charge_minor > reserved.get(one.applied.key, -1):
            percent, supervised = percent_of(campaign, setting), bool(asked) or grants > 0
            found = weigh(campaign, so_far, one.charge_minor, percent, view.sales, supervised=supervised)
            if found.outcome is not Outcome.ACCEPTED:
                return one.offered, found
            if not asked:
                asked = found.asked
                grants -= bool(asked)
        counted[place] = replace(one, asked=asked)
        counts[name] += 1
        values[name] += one.charge_minor
    return None


def quote_json(sale: Sale, quoted: Quote) -> dict[str, Any]:
    return {
        "sale_id": sale.sale_id,
        "currency": sale.currency,
        "total_minor": sale.total_minor,
        "discount_minor": quoted.discount_minor,
        "paid_minor": quoted.paid_minor,
        # What the total holds beyond the lines (a bag, a fee) is reduced by no coupon.
        "due_minor": sale.total_minor - quoted.discount_minor - quoted.paid_minor,
    }


def applied_json(one: Counted) -> dict[str, Any]:
    campaign, applied = one.offered.campaign, one.applied
    hand_over, hint, tenders = applied.hand_over, applied.hint, names_of(applied.if_tenders)
    return {
        "place": one.offered.place,
        "coupon": key_json(applied.key),
        "title_zh": campaign.title.zh,
        "title_en": campaign.title.en,
        "prompt_zh": campaign.prompt.zh,
        "prompt_en": campaign.prompt.en,
        "amount_minor": applied.amount_minor,
        "payment": applied.payment,
        "left_minor": one.left_minor,
        "lines": [{"line": share.line, "amount_minor": share.amount_minor} for share in applied.shares],
        "hand_over": None
        if hand_over is None
        else {"skus": list(hand_over.skus), "pieces": hand_over.pieces},
        "points_spent": applied.points_spent,
        "points_percent": applied.points_percent,
        "if_tenders": sorted(applied.if_tenders),
        "if_tenders_zh": tenders.zh,
        "if_tenders_en": tenders.en,
        "hint": None
        if hint is None
        else {
            "missing_minor": hint.missing_minor,
            "missing_pieces": hint.missing_pieces,
            "then_minor": hint.then_minor,
            "then_percent": hint.then_percent,
        },
    }


def turned_json(one: Turned) -> dict[str, Any]:
    coupon = None if one.coupon is None else key_json(one.coupon.identity)
    return {"place": one.place, "coupon": coupon, **one.said}


def key_json(key: Key) -> dict[str, Any]:
    return {"issuer": key[0], "campaign": key[1], "index": key[2]}


def priced_json(sale: Sale, priced: Priced, also: Sequence[Turned] = ()) -> dict[str, Any]:
    """The priced sale as the API says it. also: coupons refused before it was priced."""
    turned = sorted((*priced.turned, *also), key=lambda one: one.place)
    return {
        **quote_json(sale, priced.quote),
        "applied": [applied_json(one) for one in priced.counted],
        "refused": [turned_json(one) for one in turned],
    }


def with_day(facts: Facts, day: int, minute: int) -> Facts:
    """The same at another time: a held price is that of the moment it was promised."""
    return facts._replace(day=day, minute=minute)
