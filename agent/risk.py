"""The report of what is at risk: what this till accepted of each campaign, what it may still accept, what can be lost.

For store IT and for programs; docs/architecture.md, "Offline risk", says what the numbers bound.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from agent.domain import time
from agent.domain.budget import LIMITS, NOTHING_USED, BudgetUse, left_of, share_percent
from agent.domain.campaign import Campaign
from agent.domain.exposure import exposure
from agent.ports import Clock
from agent.state import TillState, Trust

CAMPAIGNS_MAX = 500
"""Campaigns that one report lists; the sums are of all."""

Name = tuple[str, int]


Uses = Callable[[int, datetime], Awaitable[Mapping[Name, BudgetUse]]]
"""What was accepted of each campaign on a store day, by effective time."""


class UnknownCampaign(Exception):
    """The bundle has no such campaign."""


class NoBundle(Exception):
    """Without one nothing is accepted and nothing is at risk."""


class Risk:
    """The report of a running till. Reads beside the ledger's writer: no verdict waits for it."""

    def __init__(self, state: TillState, clock: Clock, uses: Uses) -> None:
        self._state = state
        self._clock = clock
        self._uses = uses

    async def report(self, only: Name | None) -> dict[str, Any]:
        """`report` now. Raises UnknownCampaign, NoBundle, LedgerUnavailable."""
        state, trust = self._state, self._state.trust
        if trust is None:
            raise NoBundle
        now = state.now(self._clock)
        uses = await self._uses(time.day_number(now.now, trust.zone), now.now)
        return report(state.till, trust, now, uses, only)


CAMPAIGN_PATTERN = r"\A(.{1,32})/([0-9]{1,10})\Z"


def campaign_name(text: str) -> Name | None:
    """(issuer, number) of ISSUER/NUMBER; None for what is no name."""
    found = re.match(CAMPAIGN_PATTERN, text, re.ASCII)
    return None if found is None else (found[1], int(found[2]))


def report(
    till: str,
    trust: Trust,
    now: time.EffectiveTime,
    uses: Mapping[Name, BudgetUse],
    only: Name | None = None,
) -> dict[str, Any]:
    """The Risk object of docs/openapi.yaml. only: of this campaign alone; UnknownCampaign."""
    campaigns, age = trust.contents.campaigns, trust.manifest.age(now.now)
    if only is not None and only not in campaigns:
        raise UnknownCampaign(f"{only[0]}/{only[1]}")
    day = time.day_number(now.now, trust.zone)
    rows = [
        _row(campaign, uses.get(name, NOTHING_USED), share_percent(campaign, age, now.doubt))
        for name, campaign in campaigns.items()
        if (only is None and day <= campaign.ends + campaign.grace_days) or name == only
    ]
    rows.sort(key=_weight)
    return {
        "till": till,
        "at": time.timestamp(now.now),
        "bundle_age": age.value,
        "bundle_issued": time.timestamp(trust.manifest.issued),
        "clock_doubt": now.doubt,
        "totals": list(_totals(rows)),
        "campaigns": rows[:CAMPAIGNS_MAX],
        "not_listed": max(len(rows) - CAMPAIGNS_MAX, 0),
    }


def _row(campaign: Campaign, used: BudgetUse, percent: int) -> dict[str, Any]:
    most, budget = exposure(campaign, 1), campaign.budget
    left = left_of(campaign, used, percent)
    free = left_of(campaign, used, percent, asked=False)
    at_risk = used.value_offline_minor
    return {
        "issuer": campaign.issuer,
        "campaign": campaign.number,
        "version": campaign.version,
        "title_zh": campaign.title.zh,
        "title_en": campaign.title.en,
        "offline_class": campaign.offline_class.value,
        "currency": campaign.currency,
        "percent": percent,
        "soft_percent": None if budget is None else budget.soft_percent,
        "accepted_day": {"count": used.count_day, "value_minor": used.value_day_minor},
        "accepted_unseen": {"count": used.count_offline, "value_minor": at_risk},
        "limits": None
        if budget is None
        else {
            name: {
                "limit": getattr(budget, name),
                "holds": getattr(budget, name) * percent // 100,
                "used": getattr(used, name),
            }
            for name in LIMITS
        },
        "left": {"count": left.count, "value_minor": left.value_minor},
        "left_alone": {"count": free.count, "value_minor": free.value_minor},
        "coupon_minor": most.coupon_minor,
        "most_day_minor": most.till_day_minor,
        "most_unseen_minor": most.till_offline_minor,
        "exposed_minor": None if left.value_minor is None else at_risk + left.value_minor,
    }


def _weight(row: Mapping[str, Any]) -> tuple[bool, int, str, int]:
    """What is not bounded first, then by what can be lost."""
    exposed = row["exposed_minor"]
    return (
        exposed is not None,
        -(exposed or row["accepted_unseen"]["value_minor"]),
        row["issuer"],
        row["campaign"],
    )


def _totals(rows: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """One for each currency."""
    by_currency: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_currency.setdefault(row["currency"], []).append(row)
    for currency, found in sorted(by_currency.items()):
        yield {
            "currency": currency,
            "campaigns": len(found),
            "accepted_day_minor": sum(row["accepted_day"]["value_minor"] for row in found),
            "accepted_unseen_minor": sum(row["accepted_unseen"]["value_minor"] for row in found),
            "left_minor": _sum(row["left"]["value_minor"] for row in found),
            "most_day_minor": _sum(row["most_day_minor"] for row in found),
            "most_unseen_minor": _sum(row["most_unseen_minor"] for row in found),
            "exposed_minor": _sum(row["exposed_minor"] for row in found),
            "not_bounded": sum(row["exposed_minor"] is None for row in found),
        }


def _sum(amounts: Iterable[int | None]) -> int | None:
    """None where one of them is not bounded."""
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
