"""What staff and the loyalty system ask of members, with a bearer token."""

from __future__ import annotations

from aiohttp import web

from agent.domain.fields import Fields
from cloud.api.admission import need
from cloud.api.http import json_answer, read_json, read_query
from cloud.errors import Refused
from cloud.member_parts import CARDS_MAX, put_members, put_program, sign_cards
from cloud.members import FORM_MEMBERS_MAX, MemberLine
from cloud.staff import Permission

ROUTES = web.RouteTableDef()
LISTED_MAX = 1_000


@ROUTES.post("/v1/admin/members")
async def add_members(request: web.Request) -> web.Response:
    """{"members": [...]}: adds or replaces; what is left out of points, visits and last_day stays as it is."""
    cloud = await need(request, Permission.ISSUE)
    fields = Fields(await read_json(request), "body")
    items = fields.items("members", FORM_MEMBERS_MAX)
    fields.done()
    return json_answer({"count": await put_members(cloud.store, items, cloud.now())}, 201)


@ROUTES.get("/v1/admin/members")
async def list_members(request: web.Request) -> web.Response:
    """In order of pseudonyms, behind `after`; `overdrawn=1`: those who spent more than there was."""
    cloud = await need(request, Permission.SETTLE)
    query = read_query(request, "after", "overdrawn")
    after, overdrawn = query.get("after", ""), query.get("overdrawn", "0")
    if overdrawn not in ("0", "1"):
        raise Refused(422, "bad_field", "overdrawn is neither 0 nor 1")
    if len(after) > 32 or not after.isascii() or "\0" in after:
        raise Refused(422, "bad_field", "after is no pseudonym")
    lines = await cloud.store.members(after, LISTED_MAX, overdrawn=overdrawn == "1")
    more = lines[-1].pseudonym if len(lines) == LISTED_MAX else None
    return json_answer({"members": [_json(line) for line in lines], "next": more})


@ROUTES.post("/v1/admin/member-program")
async def put_member_program(request: web.Request) -> web.Response:
    """{"store": its name or absent for all, "program": {...} or null}: how points are earned and spent."""
    cloud = await need(request, Permission.ISSUE)
    fields = Fields(await read_json(request), "body")
    store, program = fields.text("store", 32, default=""), fields.mapping("program")
    fields.done()
    await put_program(cloud.store, store, program)
    return json_answer({"store": store or None}, 201)


@ROUTES.post("/v1/admin/member-cards")
async def make_cards(request: web.Request) -> web.Response:
    """{"issuer": its name, "cards": [...]}: their texts, in that order. Nothing of them is kept."""
    cloud = await need(request, Permission.ISSUE)
    fields = Fields(await read_json(request), "body")
    issuer, items = fields.text("issuer", 32, least=1), fields.items("cards", CARDS_MAX)
    fields.done()
    return json_answer({"cards": await sign_cards(cloud.store, cloud.keyring, issuer, items)}, 201)


def _json(line: MemberLine) -> dict[str, object]:
    return line._asdict() | {"store": line.store or None}
