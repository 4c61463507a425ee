"""What the API answers about what is at risk. See `agent.api.answers`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from agent.api.answers import Count, Currency, Minor, Shape, Time
from agent.domain.bundle import Age
from agent.domain.campaign import OfflineClass
from agent.risk import CAMPAIGNS_MAX

Percent = Annotated[int, Meta(ge=0, le=100)]
Sum = Annotated[int, Meta(ge=0)]


class RiskUsed(Shape):
    count: Count
    value_minor: Sum


class RiskLeft(Shape):
    """What may still be accepted without the cloud; null is not bounded."""

    count: Count | None
    value_minor: Sum | None


class RiskLimit(Shape):
    """A limit, a count or an amount in minor units.

    holds: What of it holds by the bundle's age and the clock.
    """

    limit: Count
    holds: Count
    used: Count


class RiskLimits(Shape):
    count_day: RiskLimit
    value_day_minor: RiskLimit
    count_offline: RiskLimit
    value_offline_minor: RiskLimit


class RiskOfCampaign(Shape):
    """percent: What holds of its limits now.
    soft_percent: Past this share of them a supervisor is asked; null without a budget.
    accepted_unseen: Since the cloud last acknowledged everything, and what it refused for good.
    limits: Null without a budget.
    left_alone: Of what is left, without a supervisor.
    coupon_minor: The most that one coupon can cost.
    most_day_minor: The most that this till accepts a day; null is not bounded.
    most_unseen_minor: The most from one contact with the cloud to the next; null is not bounded.
    exposed_minor: Accepted and unseen, with what is left: lost at most from now on; null is not bounded.
    """

    issuer: str
    campaign: Count
    version: Annotated[int, Meta(ge=1)]
    title_zh: str
    title_en: str
    offline_class: OfflineClass
    currency: Currency
    percent: Percent
    soft_percent: Percent | None
    accepted_day: RiskUsed
    accepted_unseen: RiskUsed
    limits: RiskLimits | None
    left: RiskLeft
    left_alone: RiskLeft
    coupon_minor: Minor
    most_day_minor: Sum | None
    most_unseen_minor: Sum | None
    exposed_minor: Sum | None


class RiskTotal(Shape):
    """Amounts that are null are not bounded.

    not_bounded: Campaigns without a budget.
    """

    currency: Currency
    campaigns: Annotated[int, Meta(ge=1)]
    accepted_day_minor: Sum
    accepted_unseen_minor: Sum
    left_minor: Sum | None
    most_day_minor: Sum | None
    most_unseen_minor: Sum | None
    exposed_minor: Sum | None
    not_bounded: Count


class Risk(Shape):
    """at: Effective time.
    clock_doubt: Budgets shrink while there is a doubt.
    totals: Of all campaigns, listed or not; one for each currency.
    campaigns: The most exposed first.
    not_listed: Campaigns beyond the list.
    """

    till: str
    at: Time
    bundle_age: Age
    bundle_issued: Time
    clock_doubt: Literal["", "behind", "ahead"]
    totals: list[RiskTotal]
    campaigns: Annotated[list[RiskOfCampaign], Meta(max_length=CAMPAIGNS_MAX)]
    not_listed: Count
