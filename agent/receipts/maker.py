"""From an accepted verdict to the facts that are committed with it, and from them to the papers that are printed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from agent.domain.benefit_wire import KIND_OF
from agent.domain.receipt_rules import NO_RULES
from agent.domain.verdict import benefit_words
from agent.receipts.book import built_in
from agent.receipts.model import Align, Cut, Receipt, ReceiptError, Text, receipt_from_json
from agent.receipts.redemption import NO_MEANS, Language, Means, Pick, RedemptionFacts, marked_copy, papers

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent.domain.campaign import Words
    from agent.domain.parts import Contents, PromoCode
    from agent.domain.receipt_rules import ReceiptRules
    from agent.domain.sale import Sale
    from agent.domain.token import Coupon
    from agent.domain.verdict import Verdict

log = logging.getLogger(__name__)

Maker = Callable[["Verdict", "Contents", "tzinfo", "Sale | None", "PromoCode | None"], str]


def receipt_maker(language: Language) -> Maker:
    """A function from an accepted verdict to the facts of its receipt as JSON text (`RedemptionFacts`)."""

    def said(words: Words) -> str:
        return words.zh if language == "zh" else words.en

    def make(
        verdict: Verdict, contents: Contents, zone: tzinfo, sale: Sale | None, promo: PromoCode | None
    ) -> str:
        assert verdict.redemption_id is not None, "only a redemption has a receipt"
        assert verdict.campaign is not None, "only a known campaign is redeemed"
        assert verdict.coupon is not None, "only a coupon is redeemed"
        rules, place, coupon = contents.receipt_rules, contents.place, verdict.coupon
        total = None if sale is None else sale.total_minor
        off, pays = verdict.discount_minor, verdict.pays
        facts = RedemptionFacts(
            language=language,
            store_name=said(place.title),
            till=verdict.redemption_id.rpartition("-")[0],
            printed_at=verdict.at.astimezone(zone).replace(tzinfo=None).isoformat(" ", "seconds"),
            redemption_number=verdict.redemption_id,
            campaign_title=said(verdict.campaign.title),
            benefit_text=said(benefit_words(verdict.campaign, verdict.coupon)),
            currency=verdict.currency,
            sale_total_minor=total,
            discount_minor=None if pays else off,
            paid_minor=off if pays else None,
            points_spent=verdict.points_spent,
            points_earned=verdict.points_earned,
            others_minor=verdict.others_minor,
            payable_minor=None if total is None or off is None else total - off - verdict.others_minor,
            left_minor=verdict.left_minor,
            offline=verdict.offline,
            promo_token=None if promo is None else promo.token,
            promo_title="" if promo is None else said(promo.title),
            promo_conditions="" if promo is None else said(promo.conditions),
            promo_short="" if promo is None else promo.short,
            papers=rules.papers(coupon.identity[:2], KIND_OF[type(verdict.campaign.offer.benefit)]),
            **_links(rules, place.store, coupon, said),
        )
        return msgspec.json.encode(facts).decode()

    return make


def _links(rules: ReceiptRules, store: str, coupon: Coupon, said: Callable[[Words], str]) -> dict[str, str]:
    """The links of this receipt with what stands above them; none where the rules name none."""
    if rules is NO_RULES:
        return {}
    join, referral = rules.join_link(store, coupon), rules.referral_link(coupon)
    return {
        "join_link": join,
        "join_words": said(rules.join.words) if rules.join is not None and join else "",
        "referral_link": referral,
        "referral_words": said(rules.referral.words) if rules.referral is not None and referral else "",
    }


def lay_out(stored: str, pick: Pick, means: Means = NO_MEANS) -> str:
    """The document (`Receipt` as JSON) of stored facts. It is kept with the job, so that a copy is what was printed,
    whatever became of the templates. Never raises for facts that `receipt_maker` made: what the templates in force
    cannot print is printed by our own, and what those cannot, as its number alone."""
    facts = msgspec.json.decode(stored, type=RedemptionFacts)
    for chosen in (pick, built_in):
        try:
            return papers(facts, chosen, means).to_json()
        except ReceiptError as error:
            log.error("receipt %s cannot be laid out: %s", facts.redemption_number, error)
    return number_alone(stored)


def number_alone(stored: str) -> str:
    """The document of a receipt that cannot be printed otherwise."""
    facts = msgspec.json.decode(stored, type=RedemptionFacts)
    return Receipt((Text(facts.redemption_number, Align.CENTER, bold=True), Cut())).to_json()


def without_promo(stored: str) -> str:
    """The facts of a receipt, and no promotion."""
    facts = msgspec.json.decode(stored, type=RedemptionFacts)
    return msgspec.json.encode(msgspec.structs.replace(facts, promo_token=None)).decode()


def document_of(kept: str, copies: int) -> Receipt:
    """The kept document, marked as its n-th copy; itself for 0."""
    document = receipt_from_json(kept)
    return marked_copy(document, copies) if copies else document
