"""`cloud.members.MemberStore` in SQL that both engines read; what counts records is a function on their transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from agent.domain.disclosure import erased_digest
from agent.domain.member_list import POINTS_MAX
from agent.domain.record import REDEMPTION_LANE
from agent.domain.time import EPOCH_DAY
from cloud.errors import Refused
from cloud.facts import REVERSAL, Stored, read_data
from cloud.members import Change, MemberLine, NewMember, change_of, redemption_number
from cloud.sql import Db, Threads

LOCK = ("tally",)
"""Members are changed by whoever counts records: one at a time."""
_COLUMNS = "pseudonym, store, level, points, visits, last_day, consent, changed_at"
_PUT = (
    f"INSERT INTO member ({_COLUMNS}, last_sale) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pseudonym)"
    " DO UPDATE SET store = excluded.store, level = excluded.level, points = excluded.points,"
    " visits = excluded.visits, last_day = excluded.last_day, consent = excluded.consent,"
    " changed_at = excluded.changed_at, last_sale = excluded.last_sale"
)
_FOR = (
    f"SELECT {_COLUMNS} FROM member WHERE store IN ('', ?)"
    " ORDER BY coalesce(last_day, -1) DESC, pseudonym LIMIT ?"
)
_PLACES = "SELECT p.till, p.sequence FROM tally_place p JOIN till t ON t.till = p.till WHERE t.store = ?"


class SqlMembers:
    """Over the threads of either engine."""

    _threads: Threads

    async def put_members(self, members: Sequence[NewMember], at: str) -> int:
        return await self._threads.write(lambda db: _put(db, members, at), LOCK)

    async def members(self, after: str, limit: int, *, overdrawn: bool = False) -> list[MemberLine]:
        where = "pseudonym > ? AND points < 0" if overdrawn else "pseudonym > ?"
        sql = f"SELECT {_COLUMNS} FROM member WHERE {where} ORDER BY pseudonym LIMIT ?"
        rows = await self._threads.read(lambda db: db.execute(sql, (after, limit)).fetchall())
        return [_line(row) for row in rows]

    async def members_for(self, store: str, limit: int) -> tuple[list[MemberLine], dict[str, int]]:
        def work(db: Db) -> tuple[list[MemberLine], dict[str, int]]:
            rows = db.execute(_FOR, (store, limit)).fetchall()
            return [_line(row) for row in rows], dict(db.execute(_PLACES, (store,)).fetchall())

        return await self._threads.read(work)


def _line(row: Sequence[Any]) -> MemberLine:
    return MemberLine(*(*row[:6], bool(row[6]), row[7]))


def _put(db: Db, members: Sequence[NewMember], at: str) -> int:
    known_stores = {"", *(row[0] for row in db.execute("SELECT store FROM place").fetchall())}
    count = 0
    for new in members:
        if new.store not in known_stores:
            raise Refused(404, "unknown_store", f"there is no store {new.store}")
        if _erased(db, new.pseudonym):
            continue
        known = _known(db, new.pseudonym)
        points, visits, last, sale = (0, 0, None, "") if known is None else known[1:]
        points = points if new.points is None else new.points
        visits = visits if new.visits is None else new.visits
        last = last if new.last_day is None else new.last_day
        row = (new.pseudonym, new.store, new.level, points, visits, last, int(new.consent), at, sale)
        db.execute(_PUT, row)
        count += 1
    return count


def _erased(db: Db, pseudonym: str) -> bool:
    digest = erased_digest(bytes.fromhex(pseudonym))
    return db.execute("SELECT 1 FROM erased WHERE digest = ?", (digest,)).fetchone() is not None


def _known(db: Db, pseudonym: str) -> tuple[MemberLine, int, int, int | None, str] | None:
    row = db.execute(f"SELECT {_COLUMNS}, last_sale FROM member WHERE pseudonym = ?", (pseudonym,)).fetchone()
    return None if row is None else (_line(row[:8]), row[3], row[4], row[5], row[8])


def count_points(db: Db, till: str, store: str, stored: Stored, data: Mapping[str, Any]) -> None:
    """Add what this record of a till changed; whoever is not known yet becomes a member of its store.

    Only who agreed to be recorded is disclosed, and only until they are erased.
    """
    back = stored.kind == REVERSAL
    if not back and data.get("member") is None:
        return
    change = change_of(stored, data, till, _redemption(db, data, till) if back else None)
    if change is None:
        return
    found = db.execute(
        "SELECT pseudonym FROM disclosure WHERE till = ? AND lane = ? AND sequence = ? AND digest = ?",
        (till, REDEMPTION_LANE, change.of, change.digest),
    ).fetchone()
    if found is not None:
        _change(db, str(found[0]), store, change, stored.received_at)


def _redemption(db: Db, data: Mapping[str, Any], till: str) -> Mapping[str, Any] | None:
    number = redemption_number(data, till)
    if number is None or not (data.get("points_earned") or data.get("points_spent")):
        return None
    row = db.execute(
        "SELECT event FROM record WHERE till = ? AND lane = ? AND sequence = ?",
        (till, REDEMPTION_LANE, number),
    ).fetchone()
    return None if row is None else read_data(row[0])


def _change(db: Db, pseudonym: str, store: str, change: Change, at: str) -> None:
    known = _known(db, pseudonym)
    if known is None:
        line, sale = MemberLine(pseudonym, store, change.level, 0, 0, None, True, at), ""
    else:
        line, sale = known[0], known[4]
    points = min(line.points + change.earned - change.spent, POINTS_MAX)
    anew = change.visit and (not change.sale or change.sale != sale)  # its second coupon is no second visit
    day = _day(change.day) if change.visit else None
    last = max((one for one in (line.last_day, day) if one is not None), default=None)
    row = (pseudonym, line.store, line.level, points, line.visits + anew, last, int(line.consent), at)
    db.execute(_PUT, (*row, change.sale if change.visit else sale))


def _day(text: str) -> int | None:
    try:
        return (date.fromisoformat(text) - EPOCH_DAY).days
    except ValueError:
        return None
