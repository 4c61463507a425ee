"""The online check: what the cloud knows of a coupon now, by one rule, and what a till makes of its word.

A till that has a line asks before it accepts a coupon of class A, and has the use reserved; for other classes it asks
for a share of its scans (a probe). The cloud answers from what tills have told it; the till's own ledger has the last
say.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.domain.campaign import Campaign, OfflineClass

RESERVE_S = 600
"""How long a use stays reserved for a till beyond what it asked for: the redemption must have arrived by then."""
CHECK_LASTS_MAX_S = 86_400
CHECK_COUPONS_MAX = 32
CHECK_ID_BYTES = 16


class Word(StrEnum):
    YES = "yes"  # nobody else has it; reserved, where that was asked
    USED = "used"
    REVOKED = "revoked"
    RESERVED = "reserved"  # for another till, until then
    UNKNOWN = "unknown"  # no such campaign, or beyond its size
    SILENT = "silent"  # no answer came in time
    UNASKED = "unasked"  # it was refused for something else, or nothing depends on it


CLOUDS_WORDS = frozenset(Word) - {Word.SILENT, Word.UNASKED}
"""The others are a till's own."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of asking. until: with YES when the reservation ends, with RESERVED when the other one does."""

    word: Word
    until: datetime | None = None


SILENCE, UNASKED = Checked(Word.SILENT), Checked(Word.UNASKED)


@dataclass(frozen=True, slots=True)
class Standing:
    """A coupon as the cloud has it. limit: how often it may be used. uses: redemptions that arrived. elsewhere: uses
    reserved for other tills; own: for this till by other checks of its own. Both are reservations that still last.
    """

    known: bool
    limit: int = 1
    revoked: bool = False
    uses: int = 0
    elsewhere: int = 0
    own: int = 0


def word_of(standing: Standing) -> Word:
    """What the cloud says. Of a coupon that counts once the till's own reservation stands in nobody's way: the till
    knows itself what it did. Of one that counts more often each check of the till may have become a use.
    """
    if not standing.known:
        return Word.UNKNOWN
    if standing.revoked:
        return Word.REVOKED
    if standing.uses >= standing.limit:
        return Word.USED
    own = standing.own if standing.limit > 1 else 0
    return Word.RESERVED if standing.uses + standing.elsewhere + own >= standing.limit else Word.YES


def is_probed(campaign: Campaign, identity: tuple[str, int, int], day: int, secret: bytes) -> bool:
    """Whether the till asks about this coupon today: the same for every scan of it, and nobody else can tell.

    secret: of this till; at most 64 bytes.
    """
    percent = campaign.risk.probe_percent
    if not percent or campaign.offline_class is OfflineClass.ONLINE:
        return False
    text = "\0".join(map(str, (*identity, day))).encode()
    drawn = int.from_bytes(hashlib.blake2b(text, key=secret, digest_size=8).digest(), "big")
    return drawn % 100 < percent
