"""Redemptions that cannot be right, in SQL: functions on an open transaction.

A till's signature says who reports, not that it is true. Such a record is kept and counts like any other, for what a
till took it took; it is listed, so that settlement pays nothing for it unseen.
"""

from __future__ import annotations

from agent.domain.benefit import exposure_minor
from agent.domain.campaign import Campaign
from agent.domain.points import percent_of
from cloud.chain import Entry
from cloud.store.sql import Db

_CAMPAIGN = (
    "SELECT size, most_minor FROM campaign LEFT JOIN campaign_value USING (issuer, campaign)"
    " WHERE issuer = ? AND campaign = ?"
)
_INSERT = "INSERT INTO implausible VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"


def put(db: Db, *row: object) -> None:
    """List what cannot be right (the columns of `implausible`), unless something else is listed of that record."""
    db.execute(_INSERT, row)


def raise_most(db: Db, campaign: Campaign) -> None:
    """Keep what one coupon may take off at most by any version, and the most points that its sale may earn: a till
    offline may still have an older one."""
    db.execute(
        "INSERT INTO campaign_value (issuer, campaign, most_minor) VALUES (?, ?, ?)"
        " ON CONFLICT (issuer, campaign) DO UPDATE SET most_minor = excluded.most_minor"
        " WHERE excluded.most_minor > campaign_value.most_minor",
        (campaign.issuer, campaign.number, exposure_minor(campaign.offer.benefit)),
    )
    db.execute(
        "UPDATE campaign_value SET points_percent = ?1 WHERE issuer = ?2 AND campaign = ?3"
        " AND coalesce(points_percent, 0) < ?1",
        (percent_of(campaign.offer.benefit), campaign.issuer, campaign.number),
    )


def note(db: Db, till: str, lane: str, place: int, entry: Entry, at: str) -> None:
    """List a redemption if it cannot be right."""
    assert entry.coupon is not None, "only redemptions are looked at"
    coupon = (entry.coupon.issuer, entry.coupon.campaign, entry.coupon.index)
    reason = implausible_because(db.execute(_CAMPAIGN, coupon[:2]).fetchone(), entry)
    if reason:
        said = (entry.record_id, entry.time, at, *coupon, entry.discount_minor)
        put(db, till, lane, place, entry.hash, reason, *said)


def implausible_because(campaign: tuple[int, int | None] | None, entry: Entry) -> str:
    """A code, or nothing. campaign: its size, and what one coupon may take off at most; None if it is not known."""
    assert entry.coupon is not None, "only redemptions are looked at"
    if campaign is None:
        return "unknown_campaign"
    size, most_minor = campaign
    if entry.coupon.index >= size:
        return "no_such_coupon"
    above = entry.discount_minor is not None and most_minor is not None and entry.discount_minor > most_minor
    return "above_value" if above else "wrong_shares" if entry.unsettled else ""
