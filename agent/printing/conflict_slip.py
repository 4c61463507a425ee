"""The slip that says that a coupon was redeemed at another till too: its facts, printed by the template `conflict`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from agent.ports import Clock
from agent.receipts.redemption import Language, RedemptionFacts
from agent.state import TillState
from sync.verdicts import Verdict


def slip_maker(language: Language, state: TillState, clock: Clock) -> Callable[[Verdict], str]:
    """A function from a verdict to the facts of its slip as JSON text."""

    def make(verdict: Verdict) -> str:
        contents = None if state.trust is None else state.trust.contents
        coupon = (verdict.coupon["issuer"], verdict.coupon["campaign"])
        campaign = None if contents is None else contents.campaigns.get(coupon)
        now = state.now(clock).now.astimezone(state.zone())
        facts = RedemptionFacts(
            language=language,
            store_name="" if contents is None else getattr(contents.place.title, language),
            till=state.till,
            printed_at=now.replace(tzinfo=None).isoformat(" ", "seconds"),
            redemption_number=verdict.redemption_id,
            campaign_title="" if campaign is None else getattr(campaign.title, language),
            benefit_text="",
            currency=state.currency() or "XXX",
            papers=("conflict",),
            conflict=verdict.zh if language == "zh" else verdict.en,
        )
        return msgspec.json.encode(facts).decode()

    return make
