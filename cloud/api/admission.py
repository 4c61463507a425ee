"""Who is let in with a bearer token or a page's session, and the note of what they did.

A session comes as a cookie, so a browser sends it whoever made the page: it reads, and changes nothing but its own end.
"""

from __future__ import annotations

import json
import logging
import secrets
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from agent.domain.time import timestamp
from cloud.access import digest
from cloud.api.http import CLOUD, JSON_BYTES_MAX, Cloud, read_body
from cloud.errors import Refused, StoreUnavailable
from cloud.staff import Act, ActCursor, Permission, Staff, roles_with

log = logging.getLogger("redeemd.cloud")

COOKIE = "__Host-redeemd"
"""The prefix: over TLS or on this machine alone, for this host alone (RFC 6265bis, 4.1.3)."""
TOKEN_CHARS_MAX = 200
USE_NOTED_EVERY = timedelta(minutes=5)
STAFF = web.RequestKey("staff", Staff)
ACT = web.RequestKey("act", ActCursor)
_READS = ("GET", "HEAD")
_NAMED = frozenset(
    ("campaign", "count", "expires", "issuer", "kid", "name", "number", "order", "role", "store", "till")
)
"""Members of a body that an act's note repeats: names and numbers, nothing secret and nobody's."""
_DETAIL_CHARS_MAX = 80


async def need(request: web.Request, permission: Permission, *, noted: bool = False) -> Cloud:
    """Let pass who has this permission; Refused (401, 403) for anyone else. noted: keep a note though it only reads.

    What changes something is noted before it is done; `end_act` adds how it was answered.
    """
    cloud = request.app[CLOUD]
    staff = await admitted(request)
    if not staff.may(permission):
        sentence = (
            f"{staff.name!r} has the role {staff.role.value}; this needs one of: {roles_with(permission)}"
        )
        raise Refused(403, "role_too_low", sentence)
    changes = request.method not in _READS
    if changes and staff.session:
        raise Refused(
            403, "session_reads", "a page's session only reads: send a token for what changes something"
        )
    request[STAFF] = staff
    if changes or noted:
        request[ACT] = await _begin(request, cloud, staff)
    return cloud


async def admitted(request: web.Request) -> Staff:
    """Whose token or session came with the request; Refused(401) without one that counts."""
    cloud = request.app[CLOUD]
    secret = bearer(request) or request.cookies.get(COOKIE, "")
    if not 0 < len(secret) <= TOKEN_CHARS_MAX:
        raise Refused(401, "not_authorised", "send a token: Authorization: Bearer ...")
    hashed, now = digest(secret), cloud.now()
    staff = await cloud.store.staff(hashed, timestamp(now))
    if staff is None:
        raise Refused(401, "not_authorised", "this token is unknown, revoked or expired: ask for a new one")
    if staff.used_at is None or now - datetime.fromisoformat(staff.used_at) >= USE_NOTED_EVERY:
        await cloud.store.note_use(hashed, timestamp(now))
    return staff


def bearer(request: web.Request) -> str:
    """The bearer token (RFC 6750), empty where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _begin(request: web.Request, cloud: Cloud, staff: Staff) -> ActCursor:
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical
    place = ActCursor(timestamp(cloud.now()), secrets.randbits(53))
    detail = json.dumps(await _detail(request), ensure_ascii=False, separators=(",", ":"))
    said = (staff.name, staff.id, staff.role.value, f"{request.method} {path}", detail)
    await cloud.store.begin_act(Act(*place, *said, status=None))
    return place


async def _detail(request: web.Request) -> dict[str, Any]:
    """Names and numbers that the request states: in its path, its query, its body."""
    found: dict[str, Any] = dict(request.match_info) | dict(request.query)
    if request.method not in _READS and (request.content_length or 0) <= JSON_BYTES_MAX:
        try:
            body = json.loads(await read_body(request) or b"{}")
        except (ValueError, RecursionError):  # the handler says what is wrong with it
            body = None
        found |= _members(body) | _members(body.get("campaign") if isinstance(body, dict) else None)
    return {name: _short(value) for name, value in found.items()}


def _members(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        return {}
    return {name: body[name] for name in sorted(_NAMED & body.keys()) if isinstance(body[name], str | int)}


def _short(value: Any) -> Any:
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    return str(value)[:_DETAIL_CHARS_MAX].replace("\0", "")


async def end_act(request: web.Request, status: int) -> None:
    """Say how an act was answered, if the request was one. A database that is gone leaves it open."""
    place = request.get(ACT)
    if place is not None:
        try:
            await request.app[CLOUD].store.end_act(place, status)
        except StoreUnavailable as error:
            log.error("the end of an act was not noted: %s", error)
