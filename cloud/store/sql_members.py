"""`cloud.members.MemberStore` in SQL that both engines read; what counts records is a function on their transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from agent.domain.disclosure import erased_digest
from agent.domain.member_list import POINTS_MAX
from agent.domain.time import EPOCH_DAY
from cloud.errors import Refused
from cloud.members import PROGRAM, Change, MemberLine, NewMember
from cloud.store.sql import Db, Threads

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

    async def put_program(self, store: str, document: bytes, earn_minor: int) -> None:
        def work(db: Db) -> None:
            put_notice(db, PROGRAM, store, document)
            if earn_minor:
                db.execute(
                    "INSERT INTO points_rate VALUES (?, ?) ON CONFLICT DO NOTHING", (store, earn_minor)
                )

        await self._threads.write(work)

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


def put_notice(db: Db, kind: str, store: str, document: bytes) -> None:
    """Replace what tills of a store, "" for all, show or recognise beside offers. Refused(404) for an unknown store."""
    known = db.execute("SELECT 1 FROM place WHERE store = ?", (store,)).fetchone()
    if store and known is None:
        raise Refused(404, "unknown_store", f"there is no store {store}")
    db.execute(
        "INSERT INTO notice VALUES (?, ?, ?) ON CONFLICT (kind, store)"
        " DO UPDATE SET document = excluded.document",
        (kind, store, document),
    )


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


def change_member(db: Db, pseudonym: str, store: str, change: Change, at: str) -> None:
    """What one record changed; whoever is not known yet becomes a member of the store."""
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
