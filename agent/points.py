"""Points of members: what one may spend here now, what a redemption earns and spends, what a return takes back.

The balance is head office's as of its list, with what this till's later records changed: `through` of the list names
the last record that is in it. What other tills did since is not known here, so the list's program bounds what one
member may spend at one till, a day and since `through`; the cloud adds up and finds who spent more than there was.
Points are kept for members who agreed to be recorded. Those of whom the list does not know are the POS's, as it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agent.domain import record
from agent.domain.benefit import PointsSpend
from agent.domain.campaign import Campaign
from agent.domain.eligibility import Member
from agent.domain.member_list import MemberList, Program
from agent.domain.points import earned, part_of
from agent.domain.pricing import Applied
from agent.domain.sale import Sale
from agent.member_port import PointsHere
from agent.ports import Transaction
from agent.records import Moment


def asks(campaigns: Iterable[Campaign | None]) -> bool:
    """Whether one of them pays with points: only then is the ledger asked for them."""
    return any(one is not None and isinstance(one.offer.benefit, PointsSpend) for one in campaigns)


def balance(tx: Transaction, member: Member, at: Moment) -> Member:
    """The member with the points that there are, as far as this till knows."""
    return _counted(member, at.trust.contents.members, _here(tx, member, at))


def spendable(tx: Transaction, member: Member, at: Moment) -> Member:
    """The member with the points that may be spent here now."""
    members, here = at.trust.contents.members, _here(tx, member, at)
    counted = _counted(member, members, here)
    if members.program is None:
        return counted
    room, limit = _room(members.program, here)
    if counted.points <= room:
        return counted
    return replace(counted, points=room, points_kept=counted.points - room, points_limit=limit)


def _here(tx: Transaction, member: Member, at: Moment) -> PointsHere:
    through = at.trust.contents.members.through.get(at.trust.manifest.till, 0)
    return tx.points_here(member.digest, through, at.day, at.now.now)


def _counted(member: Member, members: MemberList, here: PointsHere) -> Member:
    if member.as_of is None:  # what the POS says holds what this till told it; what is held it cannot know
        return replace(member, points=max(member.points - here.held, 0))
    listed = members.find(member.pseudonym)
    if listed is None or not member.consent:
        return replace(member, points=0)
    return replace(member, points=max(listed.points + here.change - here.held, 0), as_of=members.as_of)


def _room(program: Program, here: PointsHere) -> tuple[int, str]:
    """How many points the program lets be spent here now, and the narrowest of its limits.

    That is a name of the program, or `not_here` where it lets none be spent at all. Of two equal ones it is that of the
    day, which being online does not end.
    """
    if not min(program.count_day, program.count_offline, program.points_day, program.points_offline):
        return 0, "not_here"
    if here.times_day >= program.count_day:
        return 0, "count_day"
    if here.times >= program.count_offline:
        return 0, "count_offline"
    day, offline = program.points_day - here.spent_day, program.points_offline - here.spent
    return max(min(day, offline) - here.held, 0), "points_day" if day <= offline else "points_offline"


def note(
    tx: Transaction,
    at: Moment,
    member: Member | None,
    sale: Sale | None,
    due_minor: int,
    applied: Applied | None,
) -> dict[str, Any]:
    """Keep what the redemption that is recorded next earns and spends; the members of its record.

    A sale earns what its payment is worth once, and each multiplier of it so much more. due_minor: what is paid.
    """
    if member is None or sale is None or applied is None:
        return {}
    program, gains, spent = at.trust.contents.members.program, 0, applied.points_spent
    found: dict[str, Any] = {}
    if program is not None and program.earn_minor and member.consent:
        first = not tx.earned_before(member.digest, sale.sale_id, at.day)
        gains = earned(due_minor, program.earn_minor, applied.points_percent, first=first)
        found = {"points_from": {"due_minor": due_minor, "earn_minor": program.earn_minor, "first": first}}
    if gains or spent:
        number = tx.head(record.REDEMPTION_LANE).sequence + 1
        tx.add_points(number, member.digest, at.day, sale.sale_id, gains, spent)
    return found | {"points_earned": gains}


def give_back(
    tx: Transaction,
    at: Moment,
    number: int,
    before_minor: int,
    now_minor: int,
    all_minor: int,
    *,
    whole: bool,
) -> dict[str, int]:
    """Points follow what goes back of redemption `number`: in the end exactly what was earned and spent.

    before_minor, now_minor, all_minor: what went back of its discount before, goes back now, was there at all. Where it
    took nothing off, points go back with all of it.
    """
    found = tx.points_of(number)
    if found is None:
        return {"points_earned": 0, "points_spent": 0}
    member, sale_id, gains, spent = found

    of = before_minor, now_minor, all_minor
    back = {
        "points_earned": -part_of(gains, *of, whole=whole),
        "points_spent": -part_of(spent, *of, whole=whole),
    }
    reversal = tx.head(record.REDEMPTION_LANE).sequence + 1
    tx.add_points(reversal, member, at.day, sale_id, back["points_earned"], back["points_spent"])
    return back
