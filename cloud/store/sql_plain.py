"""The plain records of a batch, written together: functions on an open transaction, for `cloud.store.sql_records`.

Plain is what nearly every record is: the next of its lane, by a key in force, of a coupon that nobody used before,
with nothing odd about it; or one that is there already. What is needed to tell is read at once for the whole batch.
All others go their way one by one, in their order, between the runs of plain ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.domain.status import Status
from cloud.chain import Entry, Fate, Ruling
from cloud.store import sql_promos
from cloud.store.sql import Db, Row
from cloud.store.sql_campaigns import read_campaign
from cloud.store.sql_plausible import implausible_because
from cloud.store.sql_status import mark

Coupon = tuple[str, int, int]
PLAIN_KINDS = frozenset(("redeemd.redemption.v1", "redeemd.evidence.v1"))
"""Records of these types do nothing but what `store_plain` writes; a type that does more is not plain."""
_NO_COUPON = (None, None, None)
_TERMS = """
SELECT c.document, c.size, v.most_minor,
    (SELECT change FROM mark m WHERE m.issuer = c.issuer AND m.campaign = c.campaign ORDER BY change DESC LIMIT 1),
    EXISTS (SELECT 1 FROM promo p WHERE p.issuer = c.issuer AND p.campaign = c.campaign AND p.out <> 1),
    EXISTS (SELECT 1 FROM reversal r WHERE r.issuer = c.issuer AND r.campaign = c.campaign AND r.state = 'waiting')
FROM campaign c LEFT JOIN campaign_value v ON v.issuer = c.issuer AND v.campaign = c.campaign
WHERE c.issuer = ? AND c.campaign = ?
"""
_USED, _READY, _RETURNED, _IN_CONFLICT = range(4)
_FROM = (
    "coupon_use",
    "promo WHERE out <> 1 AND out <> 3",
    "reversal WHERE state = 'waiting'",
    "conflict",
)


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a campaign. once: each coupon of it may be redeemed once. size, most_minor: as `implausible_because` asks."""

    once: bool
    size: int
    most_minor: int | None


@dataclass(slots=True)
class Batch:
    """What tells plain records. end: the highest place that is taken. touched: coupons of the records seen so far.

    odd: coupons that were used before, or that a return waits for. ready: those that are promo codes which nobody
    handed out yet, as far as it is known. marks: the last mark of a campaign, while nobody else gives one.
    """

    revoked: set[bytes]
    end: int
    terms: dict[tuple[str, int], Terms] = field(default_factory=dict)
    marks: dict[tuple[str, int], int] = field(default_factory=dict)
    odd: set[Coupon] = field(default_factory=set)
    in_conflict: set[Coupon] = field(default_factory=set)
    ready: set[Coupon] = field(default_factory=set)
    touched: set[Coupon] = field(default_factory=set)

    def is_plain(self, entry: Entry, ruling: Ruling) -> bool:
        """Ask once for each record, in their order."""
        coupon, fate, place = entry.coupon, ruling.fate, ruling.place
        if fate is Fate.DUPLICATE:
            return coupon is None or (coupon not in self.in_conflict and coupon not in self.touched)
        plain = False
        if fate is Fate.STORE:
            # Behind all that is known there is no hole that it could fill.
            plain = place > self.end and not ruling.holes and entry.kind in PLAIN_KINDS
            plain = plain and not entry.promo_state and entry.signer not in self.revoked
            self.end = max(place, self.end)
        if coupon is not None:
            fresh = coupon not in self.odd and coupon not in self.touched
            plain = plain and fresh and self._is_plausible(entry)
            self.touched.add(coupon)
        return plain

    def _is_plausible(self, entry: Entry) -> bool:
        assert entry.coupon is not None, "only redemptions are asked about"
        terms = self.terms.get(entry.coupon[:2])
        return terms is not None and not implausible_because((terms.size, terms.most_minor), entry)


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
        promos = returns = True
        if found is not None:
            document, size, most_minor, last, promos, returns = found
            batch.terms[campaign] = Terms(read_campaign(document).uses == 1, size, most_minor)
            batch.marks[campaign] = last or 0
        # Each further table costs half a look more for each coupon: what is empty for all of them is left out.
        tables = [_USED, *[_READY] * promos, *[_RETURNED] * returns, *[_IN_CONFLICT] * again]
        known = {_USED: batch.odd, _READY: batch.ready, _RETURNED: batch.odd, _IN_CONFLICT: batch.in_conflict}
        for what, index in db.matching(_asked(tables), campaign, sorted(indexes)):
            known[what].add((*campaign, index))
    return batch


def _asked(tables: Sequence[int]) -> str:
    """What these tables know of coupons, in one look: each further question costs more than what it finds."""
    known = " UNION ALL ".join(
        f"SELECT {what} AS what, issuer, campaign, idx FROM {_FROM[what]}" for what in tables
    )
    return f"SELECT what, idx FROM ({known}) AS known WHERE issuer = ? AND campaign = ? AND idx {{keys}}"


def store_plain(db: Db, till: str, lane: str, entries: Sequence[Entry], at: str, batch: Batch) -> None:
    """Record these entries, all plain and none of them there yet."""
    records: list[Row] = []
    uses: list[Row] = []
    used: dict[tuple[str, int], list[int]] = {}
    for one in entries:
        coupon, record_id, sequence, digest = one.coupon, one.record_id, one.sequence, one.hash
        said = (record_id, one.kind, one.time, *(coupon or _NO_COUPON), one.discount_minor, one.text, at)
        records.append((till, lane, sequence, digest, one.prevhash, *said))
        if coupon is not None:
            uses.append((*coupon, till, lane, sequence, record_id, at, one.time, digest, 1))
            used.setdefault(coupon[:2], []).append(coupon[2])
    db.insert("record", records)
    db.insert("coupon_use", uses)
    for campaign, indexes in used.items():
        if batch.terms[campaign].once:
            found = [(index, Status.USED) for index in indexes]
            batch.marks[campaign] = mark(db, *campaign, found, batch.marks.get(campaign))
    sql_promos.tell(db, till, [entry.promo for entry in entries if entry.promo is not None])
    # A promo code that comes back was handed out, whether or not the till has said so.
    back = [entry.coupon for entry in entries if entry.coupon in batch.ready]
    db.executemany(
        "UPDATE promo SET out = 1 WHERE issuer = ? AND campaign = ? AND idx = ? AND out <> 1 AND out <> 3",
        back,
    )
