"""Which indexes an allotment gets, in SQL: functions on an open transaction.

Who has a till's key can sign redemptions of indexes that no customer holds yet, and an issuer can revoke them. Such an
index is passed over when its number comes: whoever got it would be told that it was used, or revoked. Its number counts
as issued from then on, so the records that say so are listed here, before anybody could take them for those of a
customer.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.domain.record import REDEMPTION_LANE
from cloud.errors import Refused
from cloud.indexes import coupon_index
from cloud.store.sql import Db
from cloud.store.sql_issued import NEVER, Issued, note

LOOK = 500
"""Numbers looked at together, once some were passed over."""
PASSED_MAX = 100_000
"""Most numbers passed over for one allotment: a transaction has an end."""
_COUPON = "issuer = ? AND campaign = ? AND idx {keys}"
_TABLES = ("coupon_use", "held", "reversal", "coupon WHERE revoked_at IS NOT NULL")
_KNOWN = (
    "SELECT idx FROM ("
    + " UNION ALL ".join(f"SELECT issuer, campaign, idx FROM {table}" for table in _TABLES)
    + f") AS known WHERE {_COUPON}"
)
_RECORDS = (
    "SELECT till, sequence, hash FROM ("
    + " UNION ALL ".join(
        f"SELECT issuer, campaign, idx, till, sequence, hash FROM {table} WHERE lane = '{REDEMPTION_LANE}'"
        for table in ("coupon_use", "conflict", "held")
    )
    + f") AS known WHERE {_COUPON}"
)
_ISSUED = f"SELECT idx FROM coupon WHERE issued_at IS NOT NULL AND {_COUPON}"


def draw(
    db: Db, issuer: str, campaign: int, drawn: tuple[int, bytes, int], count: int
) -> tuple[list[int], int]:
    """`count` indexes of which nothing is known, and how many numbers were passed over among them.

    drawn: size, key and numbers drawn before. Refused(409) where so many are not left.
    """
    size, key, issued = drawn
    found: list[int] = []
    passed: list[int] = []
    step = count
    while len(found) < count:
        first = issued + len(found) + len(passed)
        asked = [coupon_index(key, size, number) for number in range(first, min(first + step, size))]
        if not asked:
            left = f"{len(found)} coupons are left of campaign {campaign}, {count} were asked for"
            raise Refused(409, "used_up", left)
        known = {index for (index,) in db.matching(_KNOWN, (issuer, campaign), sorted(asked))}
        for index in asked:
            (passed if index in known else found).append(index)
            if len(found) == count:
                break
        if len(passed) > PASSED_MAX:
            many = f"more than {PASSED_MAX} coupons of campaign {campaign}"
            sentence = f"{many} were redeemed or revoked before they were issued"
            raise Refused(409, "made_up", f"{sentence}: look at what is implausible, and make a new campaign")
        step = max(count - len(found), LOOK)
    if passed:
        _list(db, issuer, campaign, passed)
    return found, len(passed)


def drawn_again(
    db: Db, issuer: str, campaign: int, drawn: tuple[int, bytes, int], first: int, count: int
) -> list[int]:
    """The indexes of an order that was drawn from number `first` on: those behind it that were given to somebody."""
    size, key, issued = drawn
    found: list[int] = []
    while len(found) < count:
        asked = [coupon_index(key, size, number) for number in range(first, min(first + count, issued))]
        assert asked, "an order was drawn whole"
        given = {index for (index,) in db.matching(_ISSUED, (issuer, campaign), sorted(asked))}
        found += [index for index in asked if index in given]
        first += len(asked)
    return found[:count]


def _list(db: Db, issuer: str, campaign: int, passed: Sequence[int]) -> None:
    """Whether or not the tally came to them already: from now on it would take them for issued."""
    issued = Issued(db)
    made_up = sorted(index for index in passed if issued.never(issuer, campaign, index))
    rows = db.matching(_RECORDS, (issuer, campaign), made_up)
    note(db, [(*row, NEVER) for row in sorted(set(rows))])
