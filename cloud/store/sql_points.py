"""The points that records change, in SQL: functions on an open transaction, for the tally and for a release.

A till's signature says who reports, not that it is true. What earned points come from is in the record, and is counted
anew here by the function that the till used, at rates and percentages that head office did set at some time. A
redemption whose points do not add up is kept and listed as implausible; it changes nobody's balance. Nor does one that
is listed for anything else, or held, or a return that did not do what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.domain import cbor
from agent.domain.campaign import Campaign
from agent.domain.points import USUAL_PERCENT, adds_up, part_fits, percent_of, rate_of, spent_for
from agent.domain.record import REDEMPTION_LANE
from cloud.facts import REDEMPTION, REVERSAL, Stored, read_data
from cloud.members import PROGRAM, change_of, points_said, redemption_number
from cloud.store import sql_plausible
from cloud.store.sql import Db
from cloud.store.sql_campaigns import campaign_of
from cloud.store.sql_issued import Issued
from cloud.store.sql_members import change_member

_STANDS = """
SELECT i.till IS NOT NULL OR h.till IS NOT NULL, r.issuer, r.campaign, r.idx, r.discount_minor, r.event FROM record r
LEFT JOIN implausible i ON (i.till, i.lane, i.sequence, i.hash) = (r.till, r.lane, r.sequence, r.hash)
LEFT JOIN held h ON (h.till, h.lane, h.sequence, h.hash) = (r.till, r.lane, r.sequence, r.hash)
WHERE r.till = ? AND r.lane = ? AND r.sequence = ?
"""
_RECORD = (
    "SELECT hash, event_id, time, received_at, discount_minor FROM record"
    " WHERE till = ? AND lane = ? AND sequence = ?"
)
_BEFORE = """
SELECT r.event FROM reversal v
JOIN record r ON (r.till, r.lane, r.sequence, r.hash) = (v.till, v.lane, v.sequence, v.hash)
LEFT JOIN implausible i ON (i.till, i.lane, i.sequence, i.hash) = (v.till, v.lane, v.sequence, v.hash)
WHERE v.issuer = ? AND v.campaign = ? AND v.idx = ? AND v.redemption_id = ? AND v.state = 'applied' AND i.till IS NULL
    AND NOT (v.till = ? AND v.sequence = ?)
"""
_DISCLOSED = "SELECT pseudonym FROM disclosure WHERE till = ? AND lane = ? AND sequence = ? AND digest = ?"


class Points:
    """Counts the points of records within one transaction; what head office set is read once."""

    def __init__(self, db: Db, issued: Issued) -> None:
        self._db, self._issued = db, issued
        self._rates: dict[str, frozenset[int] | None] = {}

    def wrong(self, till: str, data: Mapping[str, Any]) -> bool:
        """Whether the tally is going to list this redemption for its points."""
        if data.get("member") is None:
            return False
        store = self._db.execute("SELECT store FROM till WHERE till = ?", (till,)).fetchone()
        coupon = data["coupon"]
        return self._fault(str(store[0]), data, campaign_of(self._db, coupon["issuer"], coupon["campaign"]))

    def _fault(self, store: str, data: Mapping[str, Any], campaign: Campaign | None) -> bool:
        """Whether a redemption's points cannot be right. store: where the till stands."""
        if campaign is None:
            return False  # listed for that
        spent, percent = data.get("points_spent", 0), data.get("points_percent", USUAL_PERCENT)
        if not adds_up(data) or type(spent) is not int or type(percent) is not int:
            return True
        if rate := rate_of(data):
            rates = self._rates_of(store)
            if rates is not None and rate not in rates:
                return True
        if data.get("campaign_version", campaign.version) == campaign.version:
            benefit = campaign.offer.benefit
            return percent != percent_of(benefit) or spent != spent_for(
                benefit, data.get("discount_minor") or 0
            )
        return percent > self._most_percent(campaign)

    def _rates_of(self, store: str) -> frozenset[int] | None:
        """All that was to be paid for one point in this store at some time; None where a backup may have lost some."""
        if store not in self._rates:
            if self._db.execute("SELECT 1 FROM restore LIMIT 1").fetchone() is not None:
                self._rates[store] = None
            else:
                known = self._db.execute(
                    "SELECT earn_minor FROM points_rate WHERE store IN ('', ?)", (store,)
                )
                now = self._db.execute(
                    "SELECT document FROM notice WHERE kind = ? AND store IN ('', ?)", (PROGRAM, store)
                )
                programs = [cbor.decode(bytes(document)) for (document,) in now.fetchall()]
                current = {int(one["earn_minor"]) for one in programs if one is not None}
                self._rates[store] = frozenset({row[0] for row in known.fetchall()} | current)
        return self._rates[store]

    def _most_percent(self, campaign: Campaign) -> int:
        row = self._db.execute(
            "SELECT points_percent FROM campaign_value WHERE issuer = ? AND campaign = ?",
            (campaign.issuer, campaign.number),
        ).fetchone()
        kept = None if row is None else row[0]
        return max(kept or USUAL_PERCENT, percent_of(campaign.offer.benefit))

    def count(
        self, till: str, store: str, stored: Stored, data: Mapping[str, Any], campaign: Campaign | None
    ) -> None:
        """Add what a record of a till changed; whoever is not known yet becomes a member of its store."""
        if stored.kind == REDEMPTION and data.get("member") is not None:
            self._redeemed(till, store, stored, data, campaign)
        elif stored.kind == REVERSAL and (data.get("points_earned") or data.get("points_spent")):
            self._returned(till, store, stored, data)

    def _redeemed(
        self, till: str, store: str, stored: Stored, data: Mapping[str, Any], campaign: Campaign | None
    ) -> None:
        coupon = stored.issuer, stored.campaign, stored.index
        if self._fault(store, data, campaign):
            self._list("wrong_points", till, stored.sequence, coupon)
        if self._stands(till, stored.sequence) is not None:
            self._change(till, store, stored, data, None)

    def _list(self, reason: str, till: str, sequence: int, coupon: Sequence[Any]) -> None:
        """Unless something else that cannot be right is listed of the record already."""
        digest, *said, discount = self._db.execute(_RECORD, (till, REDEMPTION_LANE, sequence)).fetchone()
        sql_plausible.put(self._db, till, REDEMPTION_LANE, sequence, digest, reason, *said, *coupon, discount)

    def _stands(self, till: str, sequence: int) -> tuple[Any, ...] | None:
        """(issuer, campaign, index, discount_minor, event) of a redemption against which nothing speaks."""
        row = self._db.execute(_STANDS, (till, REDEMPTION_LANE, sequence)).fetchone()
        if row is None or row[1] is None:
            return None
        listed, issuer, campaign, index, _, event = row
        if listed or self._issued.fault(issuer, campaign, index, read_data(event)):
            return None
        return tuple(row[1:])

    def _returned(self, till: str, store: str, stored: Stored, data: Mapping[str, Any]) -> None:
        number = redemption_number(data, till)
        found = None if number is None else self._stands(till, number)
        if found is None:
            return
        *coupon, discount, event = found
        redeemed = read_data(event)
        if not self._fits(till, stored, coupon, data, redeemed, discount or 0):
            self._list("return_wrong_points", till, stored.sequence, coupon)
            return
        self._change(till, store, stored, data, redeemed)

    def _fits(
        self,
        till: str,
        stored: Stored,
        coupon: Sequence[Any],
        data: Mapping[str, Any],
        redeemed: Mapping[str, Any],
        discount: int,
    ) -> bool:
        """Whether a return that acted gives back its part of the points, and no more with all before it."""
        amount, whole = data.get("amount_minor"), data.get("whole")
        if type(amount) is not int or type(whole) is not bool:
            return False
        before = self._db.execute(_BEFORE, (*coupon, data["redemption_id"], till, stored.sequence)).fetchall()
        others = [read_data(event) for (event,) in before]
        for name in ("points_earned", "points_spent"):
            all_points, back = points_said(redeemed, name), -points_said(data, name, back=True)
            if -back != data.get(name, 0) or not part_fits(all_points, back, amount, discount, whole=whole):
                return False
            if back - sum(points_said(other, name, back=True) for other in others) > all_points:
                return False
        return True

    def _change(
        self,
        till: str,
        store: str,
        stored: Stored,
        data: Mapping[str, Any],
        redeemed: Mapping[str, Any] | None,
    ) -> None:
        """Only who agreed to be recorded is disclosed, and only until they are erased."""
        change = change_of(stored, data, till, redeemed)
        if change is None:
            return
        row = self._db.execute(_DISCLOSED, (till, REDEMPTION_LANE, change.of, change.digest)).fetchone()
        if row is not None:
            change_member(self._db, str(row[0]), store, change, stored.received_at)


def count_released(db: Db, till: str, sequence: int) -> None:
    """The points of a redemption that was held when the tally passed it; one that is to come is counted there."""
    row = db.execute(
        "SELECT r.sequence, r.kind, r.received_at, r.issuer, r.campaign, r.idx, r.discount_minor, r.event, t.store"
        " FROM record r JOIN till t ON t.till = r.till JOIN tally_place p ON p.till = r.till"
        " WHERE r.till = ? AND r.lane = ? AND r.sequence = ? AND r.sequence <= p.sequence"
        " AND NOT EXISTS (SELECT 1 FROM tally_late l WHERE l.till = r.till AND l.sequence = r.sequence)",
        (till, REDEMPTION_LANE, sequence),
    ).fetchone()
    if row is None or row[3] is None:
        return
    stored, store = Stored(*row[:8]), str(row[8])
    campaign = campaign_of(db, str(stored.issuer), int(str(stored.campaign)))
    Points(db, Issued(db)).count(till, store, stored, read_data(stored.event), campaign)
