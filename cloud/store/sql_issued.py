"""Which redemptions are of no coupon that was issued, in SQL: functions on an open transaction.

Who has a till's key can sign redemptions of indexes that no customer holds. Where the cloud alone issues a campaign it
knows which numbers it drew, and the index tells the number (`cloud.indexes`): no list is looked through. What was drawn
since is known by what was issued for it: a record says the hash of the token that was scanned, or that of its code, and
nobody can state it who has not seen the coupon. By the till's time nothing is judged: who makes a record up chooses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agent.domain.record import REDEMPTION_LANE
from cloud.indexes import coupon_number
from cloud.store.sql import Db

NEVER, OTHER = "never_issued", "not_as_issued"
_CAMPAIGN = (
    "SELECT size, index_key, issued FROM campaign WHERE issuer = ? AND campaign = ? AND restored_at IS NULL"
)
_KEYS = "SELECT campaigns, registered FROM issuer_key WHERE issuer = ?"
_COUPONS = (
    "SELECT idx, token, terms FROM coupon WHERE issued_at IS NOT NULL AND issuer = ? AND campaign = ?"
    " AND idx {keys}"
)
_CODE = "SELECT campaign, idx FROM code WHERE issuer = ? AND hash = ?"
_NOTE = (
    "INSERT INTO implausible SELECT till, lane, sequence, hash, ?5, event_id, time, received_at, issuer,"
    " campaign, idx, discount_minor FROM record WHERE till = ?1 AND lane = ?2 AND sequence = ?3 AND idx IS NOT NULL"
    " AND (CAST(?4 AS TEXT) IS NULL OR hash = ?4) ON CONFLICT DO NOTHING"
)


def note(db: Db, records: Iterable[tuple[str, int, str | None, str]]) -> None:
    """List these redemptions, unless something else that cannot be right is listed of them already.

    records: till, sequence, hash (None for whichever stands there; one that was refused is none), and NEVER or OTHER.
    """
    db.executemany(
        _NOTE, [(till, REDEMPTION_LANE, sequence, own, why) for till, sequence, own, why in records]
    )


class _Coupon(NamedTuple):
    """token: as the column. of_till: it was drawn for a till's receipts, whose codes are typed by their short names."""

    token: bytes | None
    of_till: bool


class Issued:
    """What was issued here, as this transaction sees it; each campaign and each coupon is read once."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._drawn: dict[tuple[str, int], tuple[int, bytes, int] | None] = {}
        self._coupons: dict[tuple[str, int, int], _Coupon | None] = {}
        self._restored: bool | None = None

    def never(self, issuer: str, campaign: int, index: int) -> bool:
        """Whether this index was never drawn. False where somebody else may have issued it: the holder of a registered
        key, or this cloud before it was put back from a backup."""
        drawn = self._drawn_of(issuer, campaign)
        if drawn is None:
            return False
        size, key, issued = drawn
        return issued < size and index < size and coupon_number(key, size, index) >= issued

    def fault(self, issuer: str, campaign: int, index: int, data: Mapping[str, Any]) -> str:
        """NEVER, OTHER, or nothing. data: of the redemption's event."""
        drawn = self._drawn_of(issuer, campaign)
        if drawn is None or index >= drawn[0]:
            return ""  # not ours to say, or listed for its index
        if self.never(issuer, campaign, index):
            return NEVER
        of = (issuer, campaign, index)
        self.load([of])
        coupon = self._coupons[of]
        if coupon is None:  # passed over, or forgotten with what came after a backup
            return "" if self._was_restored() else NEVER
        return "" if self._fits(coupon, of, data) else OTHER

    def _fits(self, coupon: _Coupon, of: tuple[str, int, int], data: Mapping[str, Any]) -> bool:
        said = data.get("coupon")
        code = said.get("code") if isinstance(said, dict) else None
        if code is not None:
            return self._is_code(code, of)
        if coupon.token == b"":
            return True
        digest = data.get("token_sha256")
        if digest is None or coupon.token is None:
            return coupon.of_till  # typed, or signed by the till itself
        return bool(digest == coupon.token.hex())

    def _is_code(self, code: object, of: tuple[str, int, int]) -> bool:
        try:
            digest = bytes.fromhex(str(code))
        except ValueError:
            return False
        return bool(self._db.execute(_CODE, (of[0], digest)).fetchone() == of[1:])

    def load(self, coupons: Iterable[tuple[str, int, int]]) -> None:
        """Read these coupons together, where it matters what was issued."""
        wanted: dict[tuple[str, int], set[int]] = {}
        for issuer, campaign, index in coupons:
            if (issuer, campaign, index) not in self._coupons and self._drawn_of(issuer, campaign):
                wanted.setdefault((issuer, campaign), set()).add(index)
        for of, indexes in wanted.items():
            self._coupons |= dict.fromkeys(((*of, index) for index in indexes), None)
            for index, token, terms in self._db.matching(_COUPONS, of, sorted(indexes)):
                of_till = json.loads(terms).get("till") is not None
                self._coupons[*of, index] = _Coupon(None if token is None else bytes(token), of_till)

    def _drawn_of(self, issuer: str, campaign: int) -> tuple[int, bytes, int] | None:
        of = (issuer, campaign)
        if of not in self._drawn:
            self._drawn[of] = self._read(issuer, campaign)
        return self._drawn[of]

    def _read(self, issuer: str, campaign: int) -> tuple[int, bytes, int] | None:
        rows = self._db.execute(_KEYS, (issuer,)).fetchall()
        registered = [bool(elsewhere) for of, elsewhere in rows if of is None or campaign in json.loads(of)]
        if not registered or any(registered):
            return None
        row = self._db.execute(_CAMPAIGN, (issuer, campaign)).fetchone()
        return None if row is None else (row[0], bytes(row[1]), row[2])

    def _was_restored(self) -> bool:
        if self._restored is None:
            self._restored = self._db.execute("SELECT 1 FROM restore LIMIT 1").fetchone() is not None
        return self._restored
