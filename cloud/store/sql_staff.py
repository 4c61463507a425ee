"""`cloud.staff.StaffStore` in SQL that both engines read."""

from __future__ import annotations

import hmac
from typing import Any

from cloud.errors import Refused
from cloud.staff import NEWEST_ACT, Act, ActCursor, Role, Staff, TokenLine
from cloud.store.sql import Db, Threads

LOCK = ("staff",)
ID_CHARS = 12
"""Of a token's hash, in hexadecimal: enough to tell tokens apart, of no use to who guesses."""
_LINES = (
    "SELECT digest, name, role, added_at, expires_at, revoked_at, used_at FROM token WHERE parent IS NULL"
)
_COUNTS = "{t}.revoked_at IS NULL AND ({t}.expires_at IS NULL OR {t}.expires_at > ?2)"
_STAFF = (
    "SELECT t.digest, t.name, t.role, t.parent, t.used_at FROM token t LEFT JOIN token p ON p.digest = t.parent"
    f" WHERE t.digest = ?1 AND {_COUNTS.format(t='t')}"
    f" AND (t.parent IS NULL OR (p.digest IS NOT NULL AND {_COUNTS.format(t='p')}))"
)


class SqlStaff:
    """Over the threads of either engine."""

    _threads: Threads

    async def add_token(
        self, digest: bytes, role: Role, name: str, at: str, expires_at: str | None = None
    ) -> None:
        row = (digest, role.value, name, at, expires_at)
        await self._threads.write(lambda db: _add(db, row), LOCK)

    async def staff(self, digest: bytes, at: str) -> Staff | None:
        return await self._threads.read(lambda db: _staff(db, digest, at))

    async def note_use(self, digest: bytes, at: str) -> None:
        def work(db: Db) -> None:
            db.execute(
                "UPDATE token SET used_at = ?2"
                " WHERE digest = ?1 OR digest = (SELECT parent FROM token WHERE digest = ?1)",
                (digest, at),
            )

        await self._threads.write(work, LOCK)

    async def tokens(self) -> list[TokenLine]:
        return await self._threads.read(_tokens)

    async def revoke_token(self, named: str, at: str) -> TokenLine:
        return await self._threads.write(lambda db: _revoke(db, named, at), LOCK)

    async def add_session(self, token: bytes, session: bytes, at: str, expires_at: str) -> None:
        def work(db: Db) -> None:
            db.execute("DELETE FROM token WHERE parent IS NOT NULL AND expires_at <= ?", (at,))
            db.execute(
                "INSERT INTO token (digest, role, name, added_at, expires_at, parent)"
                " SELECT ?1, role, name, ?3, ?4, digest FROM token WHERE digest = ?2",
                (session, token, at, expires_at),
            )

        await self._threads.write(work, LOCK)

    async def end_session(self, session: bytes) -> None:
        def work(db: Db) -> None:
            db.execute("DELETE FROM token WHERE digest = ? AND parent IS NOT NULL", (session,))

        await self._threads.write(work, LOCK)

    async def begin_act(self, act: Act) -> None:
        row = (act.at, act.number, act.who, act.token, act.role, act.act, act.detail, act.status)
        await self._threads.write(lambda db: db.insert("staff_act", [row]), LOCK)

    async def end_act(self, act: ActCursor, status: int) -> None:
        def work(db: Db) -> None:
            db.execute("UPDATE staff_act SET status = ? WHERE at = ? AND number = ?", (status, *act))

        await self._threads.write(work, LOCK)

    async def acts(self, limit: int, after: ActCursor = NEWEST_ACT) -> list[Act]:
        def work(db: Db) -> list[Act]:
            rows = db.execute(
                "SELECT at, number, who, token, role, act, detail, status FROM staff_act"
                " WHERE (at, number) < (?, ?) ORDER BY at DESC, number DESC LIMIT ?",
                (*after, limit),
            )
            return [Act(*row) for row in rows.fetchall()]

        return await self._threads.read(work)


def _add(db: Db, row: tuple[Any, ...]) -> None:
    db.execute("INSERT INTO token (digest, role, name, added_at, expires_at) VALUES (?, ?, ?, ?, ?)", row)


def _staff(db: Db, digest: bytes, at: str) -> Staff | None:
    row = db.execute(_STAFF, (digest, at)).fetchone()
    # The look-up compares hashes of 256 random bits, so that its time tells nothing of a token; this one none at all.
    if row is None or not hmac.compare_digest(row[0], digest):
        return None
    own, name, role, parent, used_at = row
    return Staff(_id(parent or own), name, Role(role), parent is not None, used_at)


def _tokens(db: Db) -> list[TokenLine]:
    return [_line(row) for row in db.execute(f"{_LINES} ORDER BY added_at, digest").fetchall()]


def _revoke(db: Db, named: str, at: str) -> TokenLine:
    found = [(row[0], _line(row)) for row in db.execute(_LINES).fetchall()]
    chosen = [one for one in found if one[1].id == named] or [
        one for one in found if one[1].name == named and one[1].revoked_at is None
    ]
    if not chosen:
        raise Refused(
            404, "unknown_token", f"there is no token {named[:64]!r}; ids and names are in the list"
        )
    if len(chosen) > 1:
        ids = ", ".join(line.id for _, line in chosen[:10])
        raise Refused(409, "name_not_unique", f"several tokens are named {named[:64]!r}: give the id ({ids})")
    digest, line = chosen[0]
    db.execute("UPDATE token SET revoked_at = coalesce(revoked_at, ?) WHERE digest = ?", (at, digest))
    return line if line.revoked_at else _line(db.execute(f"{_LINES} AND digest = ?", (digest,)).fetchone())


def _line(row: tuple[Any, ...]) -> TokenLine:
    digest, name, role, *times = row
    return TokenLine(_id(digest), name, Role(role), *times)


def _id(digest: bytes) -> str:
    return digest.hex()[:ID_CHARS]
