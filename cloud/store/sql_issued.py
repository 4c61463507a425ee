"""Which coupons were never issued, in SQL: functions on an open transaction.

Who has a till's key can sign redemptions of indexes that no customer holds. Where the cloud alone issues a campaign it
knows which numbers it drew, and the index tells the number (`cloud.indexes`): no list is looked through.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from agent.domain.record import REDEMPTION_LANE
from cloud.indexes import coupon_number
from cloud.store.sql import Db

_CAMPAIGN = (
    "SELECT size, index_key, issued FROM campaign WHERE issuer = ? AND campaign = ? AND restored_at IS NULL"
)
_KEYS = "SELECT campaigns, registered FROM issuer_key WHERE issuer = ?"
_NOTE = (
    "INSERT INTO implausible SELECT till, lane, sequence, hash, 'never_issued', event_id, time, received_at, issuer,"
    " campaign, idx, discount_minor FROM record WHERE till = ?1 AND lane = ?2 AND sequence = ?3 AND idx IS NOT NULL"
    " AND (CAST(?4 AS TEXT) IS NULL OR hash = ?4) ON CONFLICT DO NOTHING"
)


def note(db: Db, records: Iterable[tuple[str, int, str | None]]) -> None:
    """List these redemptions, unless something else that cannot be right is listed of them already.

    records: till, sequence and hash, None for whichever stands there; one that was refused is none.
    """
    db.executemany(_NOTE, [(till, REDEMPTION_LANE, sequence, own) for till, sequence, own in records])


class Issued:
    """What was issued here, as this transaction sees it; each campaign is read once."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._drawn: dict[tuple[str, int], tuple[int, bytes, int] | None] = {}

    def never(self, issuer: str, campaign: int, index: int) -> bool:
        """Whether no coupon of this index was ever issued. False where somebody else may have issued it: the holder of
        a registered key, or this cloud before it was put back from a backup."""
        of = (issuer, campaign)
        if of not in self._drawn:
            self._drawn[of] = self._read(issuer, campaign)
        drawn = self._drawn[of]
        if drawn is None:
            return False
        size, key, issued = drawn
        return issued < size and index < size and coupon_number(key, size, index) >= issued

    def _read(self, issuer: str, campaign: int) -> tuple[int, bytes, int] | None:
        rows = self._db.execute(_KEYS, (issuer,)).fetchall()
        registered = [bool(elsewhere) for of, elsewhere in rows if of is None or campaign in json.loads(of)]
        if not registered or any(registered):
            return None
        row = self._db.execute(_CAMPAIGN, (issuer, campaign)).fetchone()
        return None if row is None else (row[0], bytes(row[1]), row[2])
