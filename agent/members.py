"""Who the customer is, as this till may know it: a pseudonym, what is told of it, and a digest to count by.

The till counts a member's uses under a digest keyed with its secret, which outlives its keys: a copy of its database
names nobody, and nobody who knows a pseudonym finds it there. The digest is made of the name under which the cloud says
that a pseudonym was erased, so that this till finds what it counted of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from agent import points
from agent.domain import member_card, time
from agent.domain.campaign import Campaign
from agent.domain.decide import LedgerView
from agent.domain.disclosure import erased_digest
from agent.domain.eligibility import Member
from agent.domain.member_card import CardRefused
from agent.domain.token import Coupon
from agent.ports import Clock, CommitUnknown, Ledger, LedgerUnavailable, Transaction
from agent.records import Moment, moment_of
from agent.secret import derived
from agent.state import TillState

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Told:
    """What a POS or a page says of the customer: a pseudonym, or a card's text. consent: None where it is silent."""

    pseudonym: bytes = b""
    card: str = ""
    level: int = 0
    visits: int = 0
    absent_days: int | None = None
    points: int = 0
    consent: bool | None = None


class Customer(NamedTuple):
    """Whose sale it is. told: as named, by which a repeated request is known again, whatever the bundle says then.
    fault: why the card that was named counts for nothing; then there is no member.
    """

    told: Told | None = None
    member: Member | None = None
    fault: str = ""


NOBODY = Customer()


class Members:
    """Members as one till knows them. secret: the till's. pos_wins: what the POS says goes before what the bundle says.

    Without that the bundle's word counts, for head office signed it: the POS only fills in whom it does not list. A
    POS's word that there is no consent counts always.
    """

    def __init__(
        self, state: TillState, clock: Clock, ledger: Ledger, secret: bytes, *, pos_wins: bool = False
    ) -> None:
        self._state, self._clock, self._ledger = state, clock, ledger
        self._secret = derived(secret, "member")
        self._pos_wins = pos_wins

    def customer(self, told: Told | None) -> Customer:
        try:
            return Customer(told, self.known(told))
        except CardRefused as refused:
            return Customer(told, None, refused.code)

    def known(self, told: Told | None) -> Member | None:
        """The member that is named; CardRefused where a card names none."""
        if told is None:
            return None
        trust = self._state.trust
        now = self._state.now(self._clock).now
        day = time.day_number(now, self._state.zone())
        pseudonym, level = told.pseudonym, told.level
        if told.card:
            card = member_card.read(told.card, {} if trust is None else trust.contents.keys, day)
            pseudonym, level = card.pseudonym, max(level, card.level)
        digest = self.digest(erased_digest(pseudonym))
        found = None if trust is None or self._pos_wins else trust.contents.members.find(pseudonym)
        if found is None or trust is None:
            consent = told.consent or False
            return Member(pseudonym, level, told.visits, told.absent_days, told.points, consent, digest)
        return Member(
            pseudonym,
            found.level,
            found.visits,
            None if found.last_day is None else max(day - found.last_day, 0),
            found.points,
            found.consent and told.consent is not False,
            digest,
            as_of=trust.contents.members.as_of,
        )

    async def shown(self, member: Member | None) -> Member | None:
        """The member with the points that a page shows: the list's, and what this till earned and spent since."""
        trust = self._state.trust
        if member is None or member.as_of is None or trust is None:
            return member
        at = moment_of(self._state, trust, self._clock)
        try:
            return await self._ledger.write(lambda tx: points.balance(tx, member, at), lambda _tx: None)
        except (LedgerUnavailable, CommitUnknown):
            return member

    def digest(self, erased: bytes) -> bytes:
        """By which this till counts a member. erased: `erased_digest` of the pseudonym."""
        return hashlib.blake2b(erased, key=self._secret, digest_size=DIGEST_BYTES).digest()


def kept_of(member: Member | None, coupons: Iterable[Coupon]) -> Member | None:
    """What a hold keeps of a member: without consent no pseudonym, unless a coupon of the hold names it itself."""
    if member is None or member.consent or any(one.claims.holder == member.pseudonym for one in coupons):
        return member
    return replace(member, pseudonym=b"")


def view_for(
    tx: Transaction, view: LedgerView, campaign: Campaign | None, member: Member | None, at: Moment
) -> LedgerView:
    """The view with this member's uses of the campaign; asks the ledger only where the campaign limits them."""
    if member is None or campaign is None:
        return view
    limits = campaign.offer.conditions.limits
    if not (limits.member_day or limits.member_month):
        return view
    name = campaign.issuer, campaign.number
    day, month = tx.member_uses(name, member.digest, time.month_start(at.day), at.day, at.now.now)
    return view._replace(member_day=day, member_month=month)


def as_now(
    tx: Transaction, member: Member | None, campaigns: Iterable[Campaign | None], at: Moment
) -> Member | None:
    """The member with what may be spent and with the visits since the list was made; asks the ledger only for what the
    campaigns look at. What the POS says of visits is the POS's."""
    if member is None:
        return None
    known = [one for one in campaigns if one is not None]
    if points.asks(known):
        member = points.spendable(tx, member, at)
    if member.as_of is None or not any(
        one.offer.conditions.first_visit or one.offer.conditions.absent_days for one in known
    ):
        return member
    through = at.trust.contents.members.through.get(at.trust.manifest.till, 0)
    visits = tx.member_visits(member.digest, through, at.now.now)
    return replace(member, visits=member.visits + visits, absent_days=0) if visits else member
