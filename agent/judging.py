"""The decision on what was scanned, and whom to ask before it is made."""

from __future__ import annotations

from dataclasses import replace

from agent import guard
from agent.domain import time
from agent.domain.decide import Decision, LedgerView, Refusal, Setting, decide
from agent.domain.eligibility import Member
from agent.domain.online import UNASKED, Checked, Word
from agent.domain.outcome import Outcome
from agent.domain.sale import Sale
from agent.domain.token import Coupon
from agent.line.online import Checks
from agent.request import Request
from agent.state import Trust

_HOPED = frozenset(
    {Outcome.ACCEPTED, Outcome.SUPERVISOR_NEEDED, Outcome.POINTS_MISSING, Outcome.POINTS_LIMIT}
)
"""What the ledger may turn into a yes: how many points there are only it knows."""


def judge(
    found: Coupon | Refusal,
    trust: Trust,
    sale: Sale | None,
    view: LedgerView,
    now: time.EffectiveTime,
    member: Member | None = None,
    stand: guard.Stand = guard.ALONE,
    checked: Checked | None = None,
) -> Decision:
    """The decision on what `verify_scan` found."""
    if isinstance(found, Refusal):
        return Decision(found.outcome, detail=found.detail or None)
    setting = Setting(now, trust.zone, trust.contents.place, trust.manifest.age(now.now))
    supervised = stand.supervised
    decision = decide(
        found, trust.contents, sale, view, setting, member, supervised=supervised, checked=checked
    )
    return guard.explained(decision, stand)


async def heard(
    checks: Checks, request: Request, trust: Trust, coupon: Coupon, now: time.EffectiveTime
) -> Request:
    """The request with what the cloud says, where it is to be asked. Nothing waits for the cloud but this scan."""
    campaign = trust.contents.campaigns.get(coupon.identity[:2])
    if campaign is None or not checks.wants(campaign, coupon.identity):
        return request
    yes = Checked(Word.YES)
    hoped = judge(coupon, trust, request.sale, LedgerView(), now, request.member, checked=yes)
    if hoped.outcome not in _HOPED:
        return replace(request, checked=UNASKED)  # refused whatever the cloud says
    said = await checks.ask([(coupon, campaign)], request.request_id or request.scan_id)
    return replace(request, checked=said[coupon.identity])
