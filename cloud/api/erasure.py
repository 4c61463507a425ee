"""Erasure on request over HTTP: permission staff, for it cannot be undone."""

from __future__ import annotations

from aiohttp import web

from agent.domain.fields import Fields
from agent.domain.time import timestamp
from cloud import erasing
from cloud.api.admission import need
from cloud.api.http import json_answer, read_json
from cloud.errors import Refused
from cloud.staff import Permission

ROUTES = web.RouteTableDef()


@ROUTES.post("/v1/admin/erasures")
async def erase(request: web.Request) -> web.Response:
    """The pseudonym comes in the body: paths and queries are logged and noted, bodies are not."""
    cloud = await need(request, Permission.STAFF)
    fields = Fields(await read_json(request), "erasure")
    pseudonym = erasing.read_pseudonym(fields.text("pseudonym", 32, least=1))
    fields.done()
    erasure = await cloud.store.erase(pseudonym, timestamp(cloud.now()))
    return json_answer(await erasing.shown(cloud.store, erasure) | erasing.answered(erasure), 201)


@ROUTES.get("/v1/admin/erasures")
async def listed(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    found = await cloud.store.erasures(erasing.ERASURES_SHOWN)
    return json_answer({"erasures": [await erasing.shown(cloud.store, one) for one in found]})


@ROUTES.get("/v1/admin/erasures/{erasure}/proof")
async def proof(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    text = request.match_info["erasure"]
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise Refused(404, "unknown_erasure", "there is no such erasure")
    key = cloud.roots.newest().manifest_key
    return json_answer(await erasing.proof(cloud.store, int(text), key, timestamp(cloud.now())))
