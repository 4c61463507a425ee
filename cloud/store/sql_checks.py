"""`cloud.checks.CheckStore` in SQL that both engines read."""

from __future__ import annotations

from collections.abc import Iterable

from agent.domain.online import Standing, Word, word_of
from cloud.chain import CouponRef, Entry
from cloud.checks import Asked, Check, Told
from cloud.store.sql import Db, Threads, campaign_lock
from cloud.store.sql_campaigns import campaign_of

_OF_COUPON = "issuer = ? AND campaign = ? AND idx = ?"
_CLASS_A = '"offline_class":"A"'


class SqlChecks:
    """Over the threads of either engine."""

    _threads: Threads

    async def check(self, till: str, check: Check, at: str) -> list[Told]:
        reserved = {(one.issuer, one.campaign) for one in check.coupons if one.reserve}
        if not reserved:
            return await self._threads.read(
                lambda db: [_told(db, till, check, one, at) for one in check.coupons]
            )
        # One after the other for each campaign, as its records are: of two tills that ask at once one is told yes.
        locks = [campaign_lock(*name) for name in {(one.issuer, one.campaign) for one in check.coupons}]

        def work(db: Db) -> list[Told]:
            for issuer, campaign in sorted(reserved):
                db.execute(
                    "DELETE FROM reservation WHERE issuer = ? AND campaign = ? AND until <= ?",
                    (issuer, campaign, at),
                )
            return [_reserved(db, till, check, _told(db, till, check, one, at)) for one in check.coupons]

        return await self._threads.write(work, *locks)


def _told(db: Db, till: str, check: Check, one: Asked, at: str) -> Told:
    coupon = (one.issuer, one.campaign, one.index)
    campaign = campaign_of(db, one.issuer, one.campaign)
    if campaign is None or one.index >= campaign.size:
        return Told(one, Word.UNKNOWN, None)
    used = db.execute(f"SELECT uses FROM coupon_use WHERE {_OF_COUPON}", coupon).fetchone()
    listed = db.execute(f"SELECT revoked_at FROM coupon WHERE {_OF_COUPON}", coupon).fetchone()
    rows = db.execute(
        f"SELECT till, check_id, until FROM reservation WHERE {_OF_COUPON} AND until > ?", (*coupon, at)
    ).fetchall()
    elsewhere = [until for holder, _, until in rows if holder != till]
    own = sum(holder == till and name != check.check for holder, name, _ in rows)
    revoked = listed is not None and listed[0] is not None
    uses = 0 if used is None else used[0]
    word = word_of(Standing(True, campaign.uses, revoked, uses, len(elsewhere), own))
    return Told(one, word, max(elsewhere, default=None) if word is Word.RESERVED else None)


def _reserved(db: Db, till: str, check: Check, told: Told) -> Told:
    one = told.asked
    if not one.reserve or told.word is not Word.YES:
        return told
    coupon = (one.issuer, one.campaign, one.index)
    campaign = campaign_of(db, one.issuer, one.campaign)
    if campaign is not None and campaign.uses == 1:  # a scan that came to nothing gives way to the next
        db.execute(f"DELETE FROM reservation WHERE {_OF_COUPON} AND till = ?", (*coupon, till))
    db.execute(
        "INSERT INTO reservation VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (issuer, campaign, idx, till, check_id) DO UPDATE SET until = excluded.until",
        (*coupon, till, check.check, check.until),
    )
    return Told(one, told.word, check.until)


def arrived(db: Db, till: str, entries: Iterable[Entry]) -> None:
    """Redemptions are recorded: what was reserved for them is free. One of each coupon's, the one that ends first."""
    for entry in entries:
        if entry.coupon is not None and _CLASS_A in entry.text:
            _release(db, till, entry.coupon)


def _release(db: Db, till: str, coupon: CouponRef) -> None:
    name = (coupon.issuer, coupon.campaign, coupon.index)
    found = db.execute(
        f"SELECT check_id FROM reservation WHERE {_OF_COUPON} AND till = ? ORDER BY until, check_id LIMIT 1",
        (*name, till),
    ).fetchone()
    if found is not None:
        db.execute(
            f"DELETE FROM reservation WHERE {_OF_COUPON} AND till = ? AND check_id = ?", (*name, till, *found)
        )
