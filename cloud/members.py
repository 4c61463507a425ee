"""Members in the cloud: what the loyalty system says of them, and what records add to it.

A member is a pseudonym. Points are what the loyalty system said last, and what tills' records earned and spent since;
each record counts once, with the tally (`cloud.store.sql_members`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from agent.domain.eligibility import LEVEL_MAX, VISITS_MAX
from agent.domain.fields import FieldError, Fields
from agent.domain.member_list import POINTS_MAX
from agent.domain.record import SEQUENCE_MAX
from agent.domain.token import DAY_MAX
from cloud.event_form import is_digest
from cloud.facts import REDEMPTION, REVERSAL, Stored

PROGRAM = "member_program"
"""The kind of notice that a program of points is."""
FORM_MEMBERS_MAX = 10_000
"""Members of one request."""
RECORD_POINTS_MAX = 10**9
"""Points that one record may earn or spend; what says more counts for none."""
_PSEUDONYM = re.compile(r"(?:[0-9a-f]{2}){8,16}", re.ASCII)


class NewMember(NamedTuple):
    """As the loyalty system says it. store: "" for all stores. points, visits, last_day: None leaves what is known."""

    pseudonym: str
    store: str
    level: int
    consent: bool
    points: int | None
    visits: int | None
    last_day: int | None


class MemberLine(NamedTuple):
    """A member as the cloud knows it. points: below 0 where more was spent than there was."""

    pseudonym: str
    store: str
    level: int
    points: int
    visits: int
    last_day: int | None
    consent: bool
    changed_at: str


class MemberStore(Protocol):
    """The part of `cloud.ports.CloudStore` that knows members."""

    async def put_members(self, members: Sequence[NewMember], at: str) -> int:
        """Add or replace; how many. Those that were erased stay unknown. Refused(404) for an unknown store."""

    async def put_program(self, store: str, document: bytes, earn_minor: int) -> None:
        """Replace the program of a store, "" for all, and remember what is paid for a point: tills may lag behind.
        Refused(404) for an unknown store."""

    async def members(self, after: str, limit: int, *, overdrawn: bool = False) -> list[MemberLine]:
        """In order of pseudonyms; only those who spent more than there was."""

    async def members_for(self, store: str, limit: int) -> tuple[list[MemberLine], dict[str, int]]:
        """Those of a store and of all, whoever came last first; and the last record of each of its tills that counts
        in their points. One moment."""


class Change(NamedTuple):
    """What a record changes. digest: what stands for the pseudonym in the redemption of number `of`."""

    digest: str
    of: int
    earned: int
    spent: int
    sale: str
    day: str
    level: int
    visit: bool


def new_member(value: Any) -> NewMember:
    """One item of a request; FieldError."""
    fields = Fields(value, "member")
    member = NewMember(
        fields.text("pseudonym", 32, least=16),
        fields.text("store", 32, default=""),
        fields.integer("level", 0, LEVEL_MAX, default=0),
        fields.boolean("consent"),
        *(
            fields.integer(name, 0, most) if fields.has(name) else None
            for name, most in (("points", POINTS_MAX), ("visits", VISITS_MAX), ("last_day", DAY_MAX))
        ),
    )
    fields.done()
    if not _PSEUDONYM.fullmatch(member.pseudonym):
        raise FieldError("member.pseudonym is not 8 to 16 bytes in lowercase hexadecimal")
    return member


def change_of(
    stored: Stored, data: Mapping[str, Any], till: str, redemption: Mapping[str, Any] | None
) -> Change | None:
    """What a stored record (data: of it) says of a member's points; None for nothing. redemption: what a return
    names."""
    back = stored.kind == REVERSAL
    if back:
        number = redemption_number(data, till)
        of, named = (0, None) if number is None else (number, redemption)
    elif stored.kind == REDEMPTION:
        of, named = stored.sequence, data
    else:
        return None
    member = _map(named, "member")
    digest = member.get("pseudonym")
    if not is_digest(digest):
        return None
    level, day, sale = member.get("level"), data.get("business_date"), _map(data, "sale").get("sale_id")
    return Change(
        digest,
        of,
        points_said(data, "points_earned", back=back),
        points_said(data, "points_spent", back=back),
        sale if isinstance(sale, str) and len(sale) <= 64 and "\0" not in sale else "",
        day if isinstance(day, str) else "",
        level if type(level) is int and 0 <= level <= LEVEL_MAX else 0,
        not back,
    )


def redemption_number(data: Mapping[str, Any], till: str) -> int | None:
    """The sequence of the redemption of this till that a return names."""
    name, _, digits = str(data.get("redemption_id")).rpartition("-")
    if name != till or not digits.isascii() or not digits.isdecimal() or not 0 < len(digits) <= 15:
        return None
    return int(digits) if 0 < int(digits) <= SEQUENCE_MAX else None


def points_said(data: Mapping[str, Any], name: str, *, back: bool = False) -> int:
    """What a record says of points, 0 where that makes no sense; at most 0 of a return (back)."""
    value = data.get(name)
    least, most = (-RECORD_POINTS_MAX, 0) if back else (0, RECORD_POINTS_MAX)
    return value if type(value) is int and least <= value <= most else 0


def _map(value: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found = None if value is None else value.get(name)
    return found if isinstance(found, dict) else {}
