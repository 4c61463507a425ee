"""What both roads to a redemption ask of the ledger beside the rules: a supervisor's badge, a member's other sales.

Within their transaction, and only for campaigns that ask for it and scans that show a badge: no other pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from agent.domain import record
from agent.domain.campaign import Campaign
from agent.domain.decide import Decision, LedgerView
from agent.domain.eligibility import Member
from agent.domain.online import UNASKED, Checked
from agent.domain.outcome import Outcome
from agent.domain.parts import Contents
from agent.domain.risk import BADGE_USES_DAY, Asked, BadgeFault, Shown, shown
from agent.members import view_for
from agent.ports import Transaction
from agent.records import Moment


@dataclass(frozen=True, slots=True)
class Stand:
    """Who stands by a scan. left: how many coupons the badge may still let through today."""

    shown: Shown
    left: int

    @property
    def supervised(self) -> bool:
        return self.left > 0


ALONE = Stand(Shown(), 0)


def stand_by(tx: Transaction, contents: Contents, text: str, day: int) -> Stand:
    """The badge with this text, as it counts here today; ALONE where none is shown."""
    if not text:
        return ALONE
    found = shown(contents.shop.badges, text, day)
    if found.fault is not None:
        return Stand(found, 0)
    left = BADGE_USES_DAY - tx.badge_uses(found.badge, day)
    return Stand(found if left > 0 else replace(found, fault=BadgeFault.USED_UP), max(left, 0))


def explained(decision: Decision, stand: Stand) -> Decision:
    """With why the badge that was shown did nothing."""
    if decision.outcome is Outcome.SUPERVISOR_NEEDED and stand.shown.fault is not None:
        return decision._replace(detail=stand.shown.fault.value)
    return decision


def supervisor_facts(badge: str, asked: Asked) -> dict[str, Any]:
    """What the record of a redemption says of who let it through; nothing where nobody was asked."""
    return {"supervisor": {"badge": badge, "asked": asked.value}} if asked else {}


def checked_facts(checked: Checked | None) -> dict[str, Any]:
    """What a record says of the online check; nothing where the cloud was not asked."""
    return {} if checked in (None, UNASKED) else {"checked": checked.word.value}


def view_of(
    tx: Transaction, view: LedgerView, campaign: Campaign | None, member: Member, sale_id: str, at: Moment
) -> LedgerView:
    """The view with what the member did before; asks the ledger only for what the campaign looks at."""
    view = view_for(tx, view, campaign, member, at)
    if campaign is None or not campaign.risk.split_sales:
        return view
    since = at.now.now - timedelta(minutes=campaign.risk.split_minutes)
    name = campaign.issuer, campaign.number
    return view._replace(sales=tx.member_sales(name, member.digest, sale_id, since, at.now.now))


def count_member(
    tx: Transaction, campaign: Campaign, member: Member, sale_id: str, day: int, at: datetime
) -> None:
    """The redemption that is recorded next is this member's, in this sale."""
    name = campaign.issuer, campaign.number
    tx.count_member(name, member.digest, day, tx.head(record.REDEMPTION_LANE).sequence + 1)
    if campaign.risk.split_sales:
        tx.note_member_sale(name, member.digest, sale_id, at)
