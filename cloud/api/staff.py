"""Tokens, what staff did, and the session of the operator page."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from aiohttp import web

from agent.domain.fields import Fields
from agent.domain.time import timestamp
from cloud.access import digest, new_token
from cloud.api import forms
from cloud.api.admission import COOKIE, TOKEN_CHARS_MAX, admitted, need
from cloud.api.http import CLOUD, json_answer, read_json, read_query
from cloud.errors import Refused
from cloud.lists import page_limit
from cloud.staff import NEWEST_ACT, PERMISSIONS, ActCursor, Permission, Staff

ROUTES = web.RouteTableDef()
SESSION = timedelta(hours=12)
LOGIN_BYTES_MAX = 1024


@ROUTES.post("/v1/admin/tokens")
async def add_token(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    form = forms.token(await read_json(request))
    expires = None if form.days is None else timestamp(cloud.now() + timedelta(days=form.days))
    token = new_token()
    await cloud.store.add_token(digest(token), form.role, form.name, timestamp(cloud.now()), expires)
    return json_answer(
        {"token": token, "role": form.role.value, "name": form.name, "expires_at": expires}, 201
    )


@ROUTES.get("/v1/admin/tokens")
async def list_tokens(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    return json_answer({"tokens": [dataclasses.asdict(line) for line in await cloud.store.tokens()]})


@ROUTES.post("/v1/admin/tokens/{token}/revoke")
async def revoke_token(request: web.Request) -> web.Response:
    """By the id or the name in the list. It counts no more from the next request on, nor do its sessions."""
    cloud = await need(request, Permission.STAFF)
    line = await cloud.store.revoke_token(request.match_info["token"], timestamp(cloud.now()))
    return json_answer(dataclasses.asdict(line))


@ROUTES.get("/v1/admin/acts")
async def acts(request: web.Request) -> web.Response:
    """What staff and services did, the newest first."""
    cloud = await need(request, Permission.STAFF)
    query = read_query(request, "limit", "after")
    limit = page_limit(query.get("limit"))
    found = await cloud.store.acts(limit, _cursor(query.get("after")))
    answer = json_answer({"acts": [dataclasses.asdict(act) for act in found]})
    if len(found) == limit:
        answer.headers["Next-After"] = "/".join(str(key) for key in found[-1].cursor())
    return answer


@ROUTES.post("/v1/session")
async def log_in(request: web.Request) -> web.Response:
    """{"token"}: a session of it for the page, as a cookie that no script reads. It ends after SESSION."""
    cloud = request.app[CLOUD]
    fields = Fields(await read_json(request, LOGIN_BYTES_MAX), "body")
    token = fields.text("token", TOKEN_CHARS_MAX, least=1)
    fields.done()
    now = cloud.now()
    staff = await cloud.store.staff(digest(token), timestamp(now))
    if staff is None or staff.session:
        raise Refused(401, "not_authorised", "this token is unknown, revoked or expired: ask for a new one")
    session, ends = new_token(), now + SESSION
    await cloud.store.add_session(digest(token), digest(session), timestamp(now), timestamp(ends))
    answer = _who(staff)
    seconds = int(SESSION.total_seconds())
    answer.set_cookie(
        COOKIE, session, max_age=seconds, path="/", httponly=True, secure=True, samesite="Strict"
    )
    return answer


@ROUTES.get("/v1/session")
async def who_am_i(request: web.Request) -> web.Response:
    return _who(await admitted(request))


@ROUTES.post("/v1/session/end")
async def log_out(request: web.Request) -> web.Response:
    """The one thing that a session may change."""
    session = request.cookies.get(COOKIE, "")
    if 0 < len(session) <= TOKEN_CHARS_MAX:
        await request.app[CLOUD].store.end_session(digest(session))
    answer = json_answer({"ended": True})
    answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
    return answer


def _who(staff: Staff) -> web.Response:
    may = sorted(PERMISSIONS[staff.role])
    return json_answer({"name": staff.name, "role": staff.role.value, "may": may})


def _cursor(text: str | None) -> ActCursor:
    if text is None:
        return NEWEST_ACT
    at, _, number = text.partition("/")
    if not at or not number.isascii() or not number.isdigit() or len(number) > 16:
        raise Refused(422, "bad_field", "after is not what the header Next-After gave")
    return ActCursor(at, int(number))
