"""The verdict: what a scan came to, in the form that the cashier page, the POS and the log of the day share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from functools import lru_cache
from typing import Any

from agent.domain import money, objection, offer_words, time
from agent.domain.benefit import Benefit, lowered
from agent.domain.campaign import Campaign, Words
from agent.domain.decide import Decision, PriorUse
from agent.domain.outcome import SAYINGS, Outcome, Sentences, Tone, sentences
from agent.domain.reasons import STOPS
from agent.domain.tenders import names_of
from agent.domain.token import Coupon


@dataclass(slots=True)
class Verdict:
    """One answer. Amounts in minor units; times aware; texts by language. `to_json` gives the API's form.

    pays: what comes off is paid by points (points_spent of them) or stored value (0). others_minor: what other coupons
    take off the same sale. points_earned: by this redemption. left_minor: on a stored value afterwards, as this till
    knows it.
    stored: the answer given before to the same request, repeated word for word; nothing new happened. ms: from the
    scan's arrival to the committed answer, set by whoever measured it. Of what it says nothing else changes once made.
    """

    scan_id: str
    at: datetime
    source: str
    outcome: Outcome
    zh: str
    en: str
    next_zh: str
    next_en: str
    detail: str | None = None
    works_from: datetime | None = None
    coupon: Coupon | None = None
    campaign: Campaign | None = None
    discount_minor: int | None = None
    left_minor: int | None = None
    currency: str = ""
    redemption_id: str | None = None
    print_job: str | None = None
    offline: bool = False
    first_use: PriorUse | None = None
    pays: bool = False
    points_spent: int = 0
    points_earned: int = 0
    others_minor: int = 0
    stored: Mapping[str, Any] | None = None
    ms: float = 0.0
    tone: Tone | None = None
    """Of what is no coupon; else the outcome's own."""
    said: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    """What `to_json` made before: the ledger, the page and the POS each ask for it."""
    written: bytes = field(default=b"", compare=False, repr=False)
    """`to_json` in bytes as the ledger keeps it, where it was asked to; the time it took is not in it."""

    def measured(self, ms: float) -> Verdict:
        """Itself, with the time it took. Whoever waited for it says so once, before anybody else sees it."""
        self.ms = round(ms, 3)
        return self

    def to_bytes(self, encode: Callable[[Any], bytes]) -> bytes:
        """`to_json` in bytes; what was written for the ledger is not written anew."""
        if not self.written or self.stored is not None:
            return encode(self.to_json())
        return self.written.replace(
            b'"ms":0.0', b'"ms":%.3f' % self.ms, 1
        )  # in a text its quotes would be escaped

    def to_json(self) -> dict[str, Any]:
        """The Verdict object of docs/openapi.yaml."""
        if self.stored is not None:
            return {**self.stored, "replayed": True}
        if self.said is None:
            self.said = self._json()
        assert self.said is not None, "it was made"
        return {**self.said, "ms": self.ms}

    def _json(self) -> dict[str, Any]:
        saying = SAYINGS[self.outcome]
        return {
            "scan_id": self.scan_id,
            "at": time.timestamp(self.at),
            "source": self.source,
            "outcome": self.outcome.value,
            "accepted": self.outcome is Outcome.ACCEPTED,
            "tone": (self.tone or saying.tone).value,
            "transient": saying.transient,
            "zh": self.zh,
            "en": self.en,
            "next_zh": self.next_zh,
            "next_en": self.next_en,
            "works_from": None if self.works_from is None else time.timestamp(self.works_from),
            "detail": self.detail,
            "coupon": _coupon_json(self.coupon),
            "campaign": _campaign_json(self.campaign, self.coupon),
            "discount_minor": self.discount_minor,
            "left_minor": self.left_minor,
            "currency": self.currency,
            "redemption_id": self.redemption_id,
            "print_job": self.print_job,
            "offline": self.offline,
            "first_use": _prior_json(self.first_use),
            "replayed": False,
        }


def _coupon_json(coupon: Coupon | None) -> dict[str, Any] | None:
    if coupon is None:
        return None
    issuer, campaign, index = coupon.identity
    return {
        "issuer": issuer,
        "campaign": campaign,
        "index": index,
        "expires": time.day_text(coupon.claims.expires),
    }


def benefit_words(campaign: Campaign, coupon: Coupon | None) -> Words:
    """The benefit in a few words, as this coupon states it."""
    value_minor = None if coupon is None else coupon.claims.value_minor
    return _words(campaign.offer.benefit, value_minor, campaign.currency)


@lru_cache(maxsize=1024)
def _words(benefit: Benefit, value_minor: int | None, currency: str) -> Words:
    return offer_words.benefit_words(lowered(benefit, value_minor), currency)


def _campaign_json(campaign: Campaign | None, coupon: Coupon | None) -> dict[str, Any] | None:
    if campaign is None:
        return None
    benefit = benefit_words(campaign, coupon)
    return {
        "title_zh": campaign.title.zh,
        "title_en": campaign.title.en,
        "benefit_zh": benefit.zh,
        "benefit_en": benefit.en,
        "prompt_zh": campaign.prompt.zh,
        "prompt_en": campaign.prompt.en,
    }


def _prior_json(prior: PriorUse | None) -> dict[str, Any] | None:
    if prior is None:
        return None
    return {"at": time.timestamp(prior.at), "till": prior.till, "redemption_id": prior.redemption_id}


def make_verdict(
    decision: Decision,
    *,
    scan_id: str,
    at: datetime,
    source: str,
    zone: tzinfo,
    currency: str,
    coupon: Coupon | None = None,
    campaign: Campaign | None = None,
    prior: PriorUse | None = None,
    redemption_id: str | None = None,
    print_job: str | None = None,
    offline: bool = False,
    others_minor: int = 0,
) -> Verdict:
    """Put a decision into words. `zone`: the store's, for the dates in the sentences."""
    zh, en = _names(decision, zone, currency, coupon, campaign, prior, at)
    said = sentences(decision.outcome, zh, en)
    if decision.outcome is Outcome.TILL_STOPPED and (why := STOPS.get(decision.detail or "")) is not None:
        said = Sentences(f"{said.zh}：{why.zh}", f"{said.en}: {why.en}", why.next_zh, why.next_en)
    prompt_zh, prompt_en = said.next_zh, said.next_en
    if decision.outcome is Outcome.ACCEPTED and campaign is not None:
        prompt = _prompt(decision, campaign, coupon)
        prompt_zh, prompt_en = prompt.zh, prompt.en
    return Verdict(
        scan_id=scan_id,
        at=at,
        source=source,
        outcome=decision.outcome,
        zh=said.zh,
        en=said.en,
        next_zh=prompt_zh,
        next_en=prompt_en,
        detail=decision.detail,
        works_from=decision.works_from,
        coupon=coupon,
        campaign=campaign,
        discount_minor=decision.discount_minor,
        left_minor=decision.left_minor,
        currency=currency,
        redemption_id=redemption_id,
        print_job=print_job,
        first_use=prior if decision.outcome is Outcome.ALREADY_REDEEMED else None,
        pays=decision.applied is not None and decision.applied.payment,
        points_spent=0 if decision.applied is None else decision.applied.points_spent,
        others_minor=others_minor,
        offline=offline,
    )


def _prompt(decision: Decision, campaign: Campaign, coupon: Coupon | None) -> Words:
    """What the cashier does with a coupon that counts: the campaign's own words, else what its rules ask for."""
    if campaign.prompt.zh:
        return campaign.prompt
    applied = decision.applied
    if applied is None:
        benefit = benefit_words(campaign, coupon)
        return Words(f"请核对：{benefit.zh}", f"Check: {benefit.en}")
    zh, en = [], []
    if applied.hand_over is not None:
        pieces, skus = applied.hand_over.pieces, applied.hand_over.skus
        zh.append(f"请递上 {pieces} 件：{'、'.join(skus)}")
        en.append(f"Hand over {pieces}: {', '.join(skus)}")
    if applied.if_tenders:
        tenders = names_of(applied.if_tenders)
        zh.append(f"仅限付款方式：{tenders.zh}")
        en.append(f"Only if paid by {tenders.en}")
    if applied.hint is not None:
        hint = offer_words.hint_words(applied.hint, campaign.currency)
        zh.append(hint.zh)
        en.append(hint.en)
    return Words("；".join(zh), "; ".join(en))


def _names(
    decision: Decision,
    zone: tzinfo,
    currency: str,
    coupon: Coupon | None,
    campaign: Campaign | None,
    prior: PriorUse | None,
    at: datetime,
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the braces of the sayings stand for, in Chinese and in English."""
    zh: dict[str, str] = {}
    if prior is not None:
        zh["first_use"] = _moment(prior.at, at, zone)
    if coupon is not None:
        last = coupon.claims.expires if campaign is None else min(coupon.claims.expires, campaign.ends)
        zh["expires"] = time.day_text(last)
    if decision.works_from is not None:
        zh["starts"] = decision.works_from.astimezone(zone).date().isoformat()
        zh["until"] = _moment(decision.works_from, at, zone)
    if (found := decision.objection) is not None:
        zh |= {
            "missing": money.to_text(found.missing_minor, currency),
            "pieces": str(found.missing_pieces),
            "points": str(found.missing_points),
        }
    en = dict(zh)
    if found is not None:
        tenders, again = names_of(found.tenders), objection.again(found)
        zh |= {"tenders": tenders.zh, "again": again.zh}
        en |= {"tenders": tenders.en, "again": again.en}
    if prior is None:  # where a coupon was used if not here; the status list says no more
        zh["first_use"], en["first_use"] = "在其他收银台", "at another till"
    if campaign is not None and decision.discount_minor:
        amount = money.short(decision.discount_minor, currency)
        paid = decision.applied is not None and decision.applied.payment
        zh["benefit"], en["benefit"] = (
            f"{'付' if paid else '减'} {amount}",
            f"{amount} {'paid' if paid else 'off'}",
        )
        if decision.left_minor is not None:
            left = money.short(decision.left_minor, currency)
            zh["benefit"] += f"，本机记录余额 {left}"
            en["benefit"] += f", {left} left as this till knows"
    elif campaign is not None:
        words = benefit_words(campaign, coupon)
        zh["benefit"], en["benefit"] = words.zh, words.en
    return zh, en


def _moment(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """A time as people say it: the hour today, with its date on another day."""
    local: datetime = moment.astimezone(zone)
    today: date = now.astimezone(zone).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
