"""The plain records of a batch, written together: functions on an open transaction, for `cloud.sql_records`.

Plain is what nearly every record is: the next of its lane, by a key in force, of a coupon that nobody used before,
with nothing odd about it; or one that is there already. What is needed to tell is read at once for the whole batch.
All others go their way one by one, in their order, between the runs of plain ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.domain.status import Status
from cloud import sql_promos
from cloud.chain import Entry, Fate, Ruling
from cloud.sql import Db, Row
from cloud.sql_campaigns import read_campaign
from cloud.sql_plausible import implausible_because
from cloud.sql_status import mark

Coupon = tuple[str, int, int]
PLAIN_KINDS = frozenset(("redeemd.redemption.v1", "redeemd.evidence.v1"))
"""Records of these types do nothing but what `store_plain` writes; a type that does more is not plain."""
_NO_COUPON = (None, None, None)
_TERMS = (
    "SELECT c.document, c.size, v.most_minor FROM campaign c LEFT JOIN campaign_value v"
    " ON v.issuer = c.issuer AND v.campaign = c.campaign WHERE c.issuer = ? AND c.campaign = ?"
)
_USED, _READY, _RETURNED, _IN_CONFLICT = range(4)
_KNOWN = (
    f"SELECT {_USED} AS what, issuer, campaign, idx FROM coupon_use"
    f" UNION ALL SELECT {_READY}, issuer, campaign, idx FROM promo WHERE out <> 1 AND out <> 3"
    f" UNION ALL SELECT {_RETURNED}, issuer, campaign, idx FROM reversal WHERE state = 'waiting'"
)
_OPEN = f" UNION ALL SELECT {_IN_CONFLICT}, issuer, campaign, idx FROM conflict"
_ASKED = "SELECT what, idx FROM ({known}) AS known WHERE issuer = ? AND campaign = ? AND idx {{keys}}"
_ASK, _ASK_AGAIN = _ASKED.format(known=_KNOWN), _ASKED.format(known=_KNOWN + _OPEN)
"""What there is of coupons, in one look: each further question costs more than what it finds."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a campaign. uses: how often a coupon of it may be redeemed. most_minor: what one may take off at most."""

    uses: int
    size: int
    most_minor: int | None


@dataclass(slots=True)
class Batch:
    """What tells plain records. end: the highest place that is taken. touched: coupons of the records seen so far.

    ready: coupons that are promo codes which nobody handed out yet, as far as it is known. returned: coupons with a
    return that waits for its redemption.
    """

    revoked: set[bytes]
    end: int
    terms: dict[tuple[str, int], Terms] = field(default_factory=dict)
    used: set[Coupon] = field(default_factory=set)
    in_conflict: set[Coupon] = field(default_factory=set)
    ready: set[Coupon] = field(default_factory=set)
    returned: set[Coupon] = field(default_factory=set)
    touched: set[Coupon] = field(default_factory=set)

    def is_plain(self, entry: Entry, ruling: Ruling) -> bool:
        """Ask once for each record, in their order."""
        coupon = entry.coupon
        if ruling.fate is Fate.DUPLICATE:
            return coupon is None or (coupon not in self.in_conflict and coupon not in self.touched)
        plain = ruling.fate is Fate.STORE and self._is_plain_here(entry, ruling) and self._is_first_use(entry)
        if ruling.fate is Fate.STORE:
            self.end = max(self.end, ruling.place)
        if coupon is not None:
            self.touched.add(coupon)
        return plain

    def _is_plain_here(self, entry: Entry, ruling: Ruling) -> bool:
        # Behind all that is known there is no hole that it could fill.
        in_order = not ruling.holes and ruling.place > self.end
        known = entry.kind in PLAIN_KINDS and not entry.promo_state
        return in_order and known and entry.signer not in self.revoked

    def _is_first_use(self, entry: Entry) -> bool:
        if entry.coupon is None:
            return True
        coupon, terms = entry.coupon, self.terms.get((entry.coupon.issuer, entry.coupon.campaign))
        if terms is None or coupon in self.used or coupon in self.touched or coupon in self.returned:
            return False
        return not implausible_because((terms.size, terms.most_minor), entry)


def read_batch(db: Db, entries: Sequence[Entry], end: int, revoked: set[bytes], again: bool) -> Batch:
    """What there is of the coupons of these entries.

    end: the highest place that is taken in their lane. again: some of them are there already.
    """
    batch = Batch(revoked, end)
    wanted: dict[tuple[str, int], set[int]] = {}
    for coupon in (entry.coupon for entry in entries if entry.coupon is not None):
        wanted.setdefault((coupon.issuer, coupon.campaign), set()).add(coupon.index)
    for campaign, indexes in wanted.items():
        found = db.execute(_TERMS, campaign).fetchone()
        if found is not None:
            batch.terms[campaign] = Terms(read_campaign(found[0]).uses, *found[1:])
        known = (batch.used, batch.ready, batch.returned, batch.in_conflict)
        for what, index in db.matching(_ASK_AGAIN if again else _ASK, campaign, sorted(indexes)):
            known[what].add((*campaign, index))
    return batch


def store_plain(db: Db, till: str, lane: str, entries: Sequence[Entry], at: str, batch: Batch) -> None:
    """Record these entries, all plain and none of them there yet."""
    records: list[Row] = []
    uses: list[Row] = []
    used: dict[tuple[str, int], list[int]] = {}
    for entry in entries:
        coupon, record_id, sequence, digest = entry.coupon, entry.record_id, entry.sequence, entry.hash
        said = (
            record_id,
            entry.kind,
            entry.time,
            *(coupon or _NO_COUPON),
            entry.discount_minor,
            entry.text,
            at,
        )
        records.append((till, lane, sequence, digest, entry.prevhash, *said))
        if coupon is not None:
            uses.append((*coupon, till, lane, sequence, record_id, at, entry.time, digest, 1))
            used.setdefault(coupon[:2], []).append(coupon.index)
    db.insert("record", records)
    db.insert("coupon_use", uses)
    for campaign, indexes in used.items():
        if batch.terms[campaign].uses == 1:
            mark(db, *campaign, [(index, Status.USED) for index in indexes])
    sql_promos.tell(db, till, [entry.promo for entry in entries if entry.promo is not None])
    # A promo code that comes back was handed out, whether or not the till has said so.
    back = [entry.coupon for entry in entries if entry.coupon in batch.ready]
    db.executemany(
        "UPDATE promo SET out = 1 WHERE issuer = ? AND campaign = ? AND idx = ? AND out <> 1 AND out <> 3",
        back,
    )
