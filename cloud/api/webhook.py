"""Webhooks over HTTP. They carry records to wherever their address says, so they need the permission staff."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.domain.fields import Fields
from cloud import webhook_desk
from cloud.api.admission import need
from cloud.api.deliver import SENDING
from cloud.api.http import json_answer, read_json
from cloud.feed import TYPES
from cloud.staff import Permission
from cloud.webhooks import URL_CHARS_MAX

ROUTES = web.RouteTableDef()


@ROUTES.post("/v1/admin/webhooks")
async def add(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    fields = Fields(await read_json(request), "webhook")
    url = fields.text("url", URL_CHARS_MAX, least=1)
    types = fields.texts("types", 1, len(TYPES), 64) if fields.has("types") else ()
    after = fields.text("after", 40, least=1, default=webhook_desk.LATEST)
    fields.done()
    knock = request.app[SENDING].outbound.knock
    return json_answer(await webhook_desk.add(cloud.store, url, types, after, cloud.now(), knock), 201)


@ROUTES.get("/v1/admin/webhooks")
async def listed(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    hooks = [await webhook_desk.shown(cloud.store, hook) for hook in await cloud.store.webhooks()]
    return json_answer({"webhooks": hooks})


@ROUTES.get("/v1/admin/webhooks/{webhook}")
async def show(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    hook = await webhook_desk.found(cloud.store, request.match_info["webhook"])
    said: dict[str, Any] = await webhook_desk.shown(cloud.store, hook)
    return json_answer(said | {"deliveries": await webhook_desk.asides(cloud.store, hook.webhook)})


@ROUTES.delete("/v1/admin/webhooks/{webhook}")
async def remove(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    await webhook_desk.remove(cloud.store, request.match_info["webhook"])
    return json_answer({"webhook": request.match_info["webhook"], "removed": True})


@ROUTES.post("/v1/admin/webhooks/{webhook}/test")
async def try_out(request: web.Request) -> web.Response:
    """One event of a type of its own, sent at once; what the endpoint answered."""
    cloud = await need(request, Permission.STAFF)
    hook = await webhook_desk.found(cloud.store, request.match_info["webhook"])
    answer = await request.app[SENDING].send(hook, webhook_desk.test_event(hook, cloud.now()))
    return json_answer({"webhook": hook.webhook, "verdict": answer.verdict.value, "answer": answer.said})


@ROUTES.post("/v1/admin/webhooks/{webhook}/disable")
async def disable(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    hook = await webhook_desk.set_disabled(cloud.store, request.match_info["webhook"], True, cloud.now())
    return json_answer(await webhook_desk.shown(cloud.store, hook))


@ROUTES.post("/v1/admin/webhooks/{webhook}/enable")
async def enable(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    hook = await webhook_desk.set_disabled(cloud.store, request.match_info["webhook"], False, cloud.now())
    return json_answer(await webhook_desk.shown(cloud.store, hook))


@ROUTES.post("/v1/admin/webhooks/{webhook}/rotate")
async def rotate(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    return json_answer(await webhook_desk.rotate(cloud.store, request.match_info["webhook"], cloud.now()))


@ROUTES.post("/v1/admin/webhooks/{webhook}/replay")
async def replay(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.STAFF)
    count = await webhook_desk.replay(cloud.store, request.match_info["webhook"], cloud.now())
    return json_answer({"webhook": request.match_info["webhook"], "replayed": count})
