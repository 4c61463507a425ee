"""From an accepted verdict to the receipt document that is committed with it, and back to text for the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.domain.verdict import benefit_words
from agent.receipts.model import receipt_from_json
from agent.receipts.plain import render_text
from agent.receipts.redemption import Language, RedemptionFacts, marked_copy, redemption_receipt

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent.domain.campaign import Words
    from agent.domain.parts import Place, PromoCode
    from agent.domain.sale import Sale
    from agent.domain.verdict import Verdict

Maker = Callable[["Verdict", "Place", "tzinfo", "Sale | None", "PromoCode | None"], str]


def receipt_maker(language: Language) -> Maker:
    """A function from an accepted verdict to its receipt document as JSON text."""

    def said(words: Words) -> str:
        return words.zh if language == "zh" else words.en

    def make(verdict: Verdict, place: Place, zone: tzinfo, sale: Sale | None, promo: PromoCode | None) -> str:
        assert verdict.redemption_id is not None, "only a redemption has a receipt"
        assert verdict.campaign is not None, "only a known campaign is redeemed"
        total = None if sale is None else sale.total_minor
        discount = verdict.discount_minor
        facts = RedemptionFacts(
            language=language,
            store_name=said(place.title),
            till=verdict.redemption_id.rpartition("-")[0],
            printed_at=f"{verdict.at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            redemption_number=verdict.redemption_id,
            campaign_title=said(verdict.campaign.title),
            benefit_text=said(benefit_words(verdict.campaign, verdict.coupon)),
            currency=verdict.currency,
            sale_total_minor=total,
            discount_minor=discount,
            payable_minor=None if total is None or discount is None else total - discount,
            offline=verdict.offline,
            promo_token=None if promo is None else promo.token,
            promo_title="" if promo is None else said(promo.title),
            promo_conditions="" if promo is None else said(promo.conditions),
            promo_short="" if promo is None else promo.short,
        )
        return redemption_receipt(facts).to_json()

    return make


def receipt_text(document: str, copies: int, columns: int, language: Language) -> str:
    """The stored document as the printer would set it, without its QR codes' dots."""
    receipt = receipt_from_json(document)
    return render_text(marked_copy(receipt, copies, language) if copies else receipt, columns)
