"""What a stored redemption or return says for reports, read from whatever a till wrote. Pure.

Reports say what tills did: a redemption counts though its coupon was used elsewhere too, for the customer got what it
gave. What is wrong with records is listed apart, and settlement (`cloud.settling`) decides who pays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.domain.benefit import AmountOff
from agent.domain.campaign import Campaign
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.token import UINT32_MAX

REDEMPTION = "redeemd.redemption.v1"
REVERSAL = "redeemd.reversal.v1"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
NAME_MAX = 64


@dataclass(frozen=True, slots=True)
class Fact:
    """One redemption, or one return (`returned`). day: the store's business day. hour: of it, "" where not said.

    source: number of the touch point, "" for none. basket_minor: the sale's total, None where it is not known.
    extra_minor: what of it lies above the least that the offer asks for, None where it asks for none. rule, arm: the
    promotion that the receipt carried or was held out from; promo: the short name of its code, None for none.
    """

    issuer: str
    campaign: int
    index: int
    returned: bool
    day: str
    hour: str
    source: str
    amount_minor: int
    basket_minor: int | None = None
    extra_minor: int | None = None
    rule: str = ""
    arm: str = ""
    promo: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The columns of a record that facts are read from. discount_minor: None where it is not known."""

    sequence: int
    kind: str
    received_at: str
    issuer: str | None
    campaign: int | None
    index: int | None
    discount_minor: int | None
    event: str


def least_minor(campaign: Campaign | None) -> int:
    """The smallest sale that a coupon of this campaign asks for; 0 for any."""
    if campaign is None:
        return 0
    benefit = campaign.offer.benefit
    step = benefit.steps[0].from_minor if isinstance(benefit, AmountOff) and benefit.steps else 0
    return max(step, campaign.offer.conditions.min_spend_minor)


def read_data(event: str) -> Mapping[str, Any]:
    """The data of an event, empty where it is no object."""
    data = json.loads(event).get("data")
    return data if isinstance(data, dict) else {}


def read_fact(stored: Stored, data: Mapping[str, Any], least: int) -> Fact | None:
    """None for a record that neither redeems nor gives back. data: of its event. least: as `least_minor` says."""
    day, hour = data.get("business_date"), data.get("hour")
    at = (
        day if isinstance(day, str) and _DAY.fullmatch(day) else stored.received_at[:10],
        f"{hour:02}" if type(hour) is int and 0 <= hour < 24 else "",
    )
    coupon = _map(data, "coupon")
    touch = coupon.get("touch")
    source = str(touch) if type(touch) is int and 0 <= touch <= UINT32_MAX else ""
    if stored.kind == REVERSAL:
        identity = _identity(coupon)
        amount = _amount(data.get("amount_minor"))
        return None if identity is None else Fact(*identity, True, *at, source, amount or 0)
    if stored.kind != REDEMPTION or stored.issuer is None or stored.campaign is None or stored.index is None:
        return None
    basket = _amount(_map(data, "sale").get("total_minor"))
    promotion = _map(data, "promotion")
    promo = data.get("promo")
    return Fact(
        *(stored.issuer, stored.campaign, stored.index, False, *at, source, stored.discount_minor or 0),
        basket_minor=basket,
        extra_minor=None if basket is None or not least else max(basket - least, 0),
        rule=_name(promotion.get("rule")),
        arm=_name(promotion.get("arm")),
        promo=promo if isinstance(promo, str) and _name(promo) else None,
    )


def _identity(coupon: Mapping[str, Any]) -> tuple[str, int, int] | None:
    issuer, numbers = coupon.get("issuer"), (coupon.get("campaign"), coupon.get("index"))
    if not isinstance(issuer, str) or not 0 < len(issuer) <= 32 or "\0" in issuer:
        return None
    campaign, index = (one if type(one) is int and 0 <= one <= UINT32_MAX else None for one in numbers)
    return None if campaign is None or index is None else (issuer, campaign, index)


def _map(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _amount(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= AMOUNT_MAX_MINOR else None


def _name(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= NAME_MAX else ""
