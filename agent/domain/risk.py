"""What stands beside a scan when a till may not decide alone: a supervisor's badge, the cloud's word, a member's sales.

A coupon that rules and budget allow may still ask for somebody: past the soft part of a budget, or where one member
uses a campaign in several sales within minutes (EMV terminals keep a log of recent amounts to find such splits).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agent.domain.budget import BudgetUse, Room, room_for
from agent.domain.campaign import Campaign
from agent.domain.outcome import Outcome
from agent.domain.shop import Badges, StaffRole

SUPERVISORS = frozenset({StaffRole.MANAGER})
"""Whose badge lets a coupon through."""
RISKS = frozenset({Outcome.BUDGET_REACHED, Outcome.SPLIT_SALE, Outcome.SUPERVISOR_NEEDED})
"""What `weigh` refuses with."""
BADGE_USES_DAY = 50
"""How many coupons one badge lets through on one till in a day: a badge can be photographed."""


class Asked(StrEnum):
    """What a supervisor is asked for."""

    NOTHING = ""
    SOFT_CAP = "soft_cap"
    SPLIT_SALE = "split_sale"


class BadgeFault(StrEnum):
    """Why a badge that was shown does nothing."""

    UNKNOWN = "badge_unknown"  # withdrawn, or never listed
    NO_SUPERVISOR = "badge_no_supervisor"
    OTHER_DAY = "badge_other_day"
    USED_UP = "badge_used_up"


@dataclass(frozen=True, slots=True)
class Shown:
    """A badge that was shown with a scan. badge: its digest in hex. fault: why it does nothing, if so."""

    badge: str = ""
    fault: BadgeFault | None = None


def shown(badges: Badges, text: str, day: int) -> Shown:
    """The badge with this text, as it counts on store day `day`. How often it was used is not looked at."""
    found = badges.find(text)
    if found is None:
        return Shown("", BadgeFault.UNKNOWN)
    if not found.counts(day):
        return Shown(found.digest.hex(), BadgeFault.OTHER_DAY)
    fault = None if found.role in SUPERVISORS else BadgeFault.NO_SUPERVISOR
    return Shown(found.digest.hex(), fault)


class Weighed(NamedTuple):
    """outcome: ACCEPTED where nothing of this speaks against it. asked: what a supervisor was, or is, asked for."""

    outcome: Outcome
    asked: Asked = Asked.NOTHING


def weigh(
    campaign: Campaign, used: BudgetUse, charge_minor: int, percent: int, sales: int, *, supervised: bool
) -> Weighed:
    """Whether the till may bear this coupon: the hard cap first, which no badge moves, then what a badge allows.

    sales: other sales in which the same member used the campaign within its window; 0 where none is known.
    """
    room = room_for(campaign, used, charge_minor, percent)
    if room is Room.NONE:
        return Weighed(Outcome.BUDGET_REACHED)
    risk = campaign.risk
    split = 0 < risk.split_sales <= sales
    if split and risk.split_refuses:
        return Weighed(Outcome.SPLIT_SALE)
    asked = Asked.SOFT_CAP if room is Room.SUPERVISOR else Asked.SPLIT_SALE if split else Asked.NOTHING
    if asked and not supervised:
        return Weighed(Outcome.SUPERVISOR_NEEDED, asked)
    return Weighed(Outcome.ACCEPTED, asked)
