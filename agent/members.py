"""Who the customer is, as this till may know it: a pseudonym, what is told of it, and a digest to count by.

The till counts a member's uses under a digest keyed with its own key: a copy of its database names nobody, and nobody
who knows a pseudonym finds it there. The digest is made of the name under which the cloud says that a pseudonym was
erased, so that this till finds what it counted of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from agent.domain import time
from agent.domain.campaign import Campaign
from agent.domain.decide import LedgerView
from agent.domain.disclosure import erased_digest
from agent.domain.eligibility import Member
from agent.domain.keys import SigningKey
from agent.domain.token import Coupon
from agent.ports import Transaction
from agent.records import Moment

DIGEST_BYTES = 16


class Members:
    """Members as one till knows them. key: the till's."""

    def __init__(self, key: SigningKey) -> None:
        self._secret = hashlib.sha256(key.sign(b"redeemd/member/1")).digest()

    def known(self, told: Member | None) -> Member | None:
        """The member that a POS or a page names, with the digest by which it is counted here."""
        return None if told is None else replace(told, digest=self.digest(erased_digest(told.pseudonym)))

    def digest(self, erased: bytes) -> bytes:
        """erased: `erased_digest` of the pseudonym."""
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
    return replace(view, member_day=day, member_month=month)
