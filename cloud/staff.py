"""Who of the staff and of the services may do what, and what they did: roles, tokens, acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class Permission(StrEnum):
    """What a request needs. READ: how tills and campaigns stand, and what is wrong. TILLS: stores, tills, what they
    show and scan, held uses. ISSUE: keys, campaigns, coupons, revocations. SETTLE: each record, settlement, exports.
    STAFF: tokens, and who did what.
    """

    READ = "read"
    TILLS = "tills"
    ISSUE = "issue"
    SETTLE = "settle"
    STAFF = "staff"


class Role(StrEnum):
    """What a token is for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ISSUER = "issuer"
    SETTLEMENT = "settlement"
    ADMIN = "admin"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.TILLS}),
    Role.ISSUER: frozenset({Permission.READ, Permission.ISSUE}),
    Role.SETTLEMENT: frozenset({Permission.READ, Permission.SETTLE}),
    Role.ADMIN: frozenset(Permission),
}


def roles_with(permission: Permission) -> str:
    """The roles that may, in words."""
    return ", ".join(role.value for role in Role if permission in PERMISSIONS[role])


@dataclass(frozen=True, slots=True)
class Staff:
    """Who asks. id: of the token, the first digits of its hash. session: by a page's session of that token, which
    reads and changes nothing. used_at: when the token was last noted as used.
    """

    id: str
    name: str
    role: Role
    session: bool
    used_at: str | None

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A token as it is listed: never the token."""

    id: str
    name: str
    role: Role
    added_at: str
    expires_at: str | None
    revoked_at: str | None
    used_at: str | None


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody asked for which changes something, or takes records away.

    at, number: its key. who: the token's name. token: its id, empty for a command on the cloud's machine. act: method
    and path, or the command. detail: what the request named, as JSON. status: of the answer; None where it is not
    known whether it was done, for an act is noted before it is done.
    """

    at: str
    number: int
    who: str
    token: str
    role: str
    act: str
    detail: str
    status: int | None

    def cursor(self) -> ActCursor:
        return ActCursor(self.at, self.number)


class ActCursor(NamedTuple):
    at: str
    number: int


NEWEST_ACT = ActCursor("~", 0)
"""Before the newest: no time is written so."""


class StaffStore(Protocol):
    """The part of `cloud.ports.CloudStore` that knows staff. Times as the cloud writes them."""

    async def add_token(
        self, digest: bytes, role: Role, name: str, at: str, expires_at: str | None = None
    ) -> None: ...

    async def staff(self, digest: bytes, at: str) -> Staff | None:
        """Whose token or session this is; None if unknown, revoked or expired at `at`, or its token is."""

    async def note_use(self, digest: bytes, at: str) -> None:
        """The token, or that of the session, is in use."""

    async def tokens(self) -> list[TokenLine]:
        """In order of when they were added; no sessions."""

    async def revoke_token(self, named: str, at: str) -> TokenLine:
        """By its id, or by its name where one token that counts has it; Refused(404, 409). Again is no error."""

    async def add_session(self, token: bytes, session: bytes, at: str, expires_at: str) -> None:
        """A page's session of a token; sessions that are over are forgotten."""

    async def end_session(self, session: bytes) -> None: ...

    async def begin_act(self, act: Act) -> None: ...

    async def end_act(self, act: ActCursor, status: int) -> None: ...

    async def acts(self, limit: int, after: ActCursor = NEWEST_ACT) -> list[Act]:
        """The newest first."""
