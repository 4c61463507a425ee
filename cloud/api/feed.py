"""What systems outside read with a bearer token: the feed. docs/integration.md."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection, Mapping

from aiohttp import web

from cloud.api.admission import need
from cloud.api.http import Cloud, read_query, slot
from cloud.errors import Refused
from cloud.feed import MEDIA_TYPE, TYPES, FeedCursor, FeedPage, read_cursor
from cloud.staff import Permission
from cloud.webhook_desk import LATEST, read_types

ROUTES = web.RouteTableDef()
LIMIT_MAX = 500
LIMIT_DEFAULT = 100
WAIT_MAX_S = 30
LOOK_EVERY_S = 1.0
PASSED_BY_MAX = 20
"""Pages without an event of the types asked for that one request passes by."""
WAITERS_MAX = 100
"""Readers that wait at once; a further one is answered at once."""
_waiting = web.AppKey("feed_waiting", set[object])


@ROUTES.get("/v1/events")
async def events(request: web.Request) -> web.Response:
    """One page; the header `Next-After` says where the next begins. Equal to what was sent: there is nothing new."""
    cloud = await need(request, Permission.SETTLE)
    query = read_query(request, "after", "limit", "type", "wait")
    limit, wait_s = (
        _number(query, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT),
        _number(query, "wait", 0, WAIT_MAX_S, 0),
    )
    types = read_types(query["type"].split(",")) if "type" in query else TYPES
    text = query.get("after", "0.0")
    after = await cloud.store.feed_end() if text == LATEST else read_cursor(text)
    if after is None:
        raise Refused(422, "bad_field", "after is neither latest nor what the header Next-After gave")
    page = await _page(request.app, cloud, after, limit, types, wait_s)
    told = json.dumps([one.event for one in page.events], ensure_ascii=False, separators=(",", ":"))
    headers = {"Content-Type": MEDIA_TYPE, "Next-After": str(page.after), "Cache-Control": "no-store"}
    return web.Response(body=told.encode(), headers=headers)


async def _page(
    app: web.Application,
    cloud: Cloud,
    after: FeedCursor,
    limit: int,
    types: Collection[str],
    wait_s: int,
) -> FeedPage:
    """The next page that holds something, or what there is when the time is up."""
    until = time.monotonic() + wait_s
    waiters, own = app[_waiting], object()
    passed_by = 0
    try:
        while True:
            async with slot(cloud):
                page = await cloud.store.feed(after, limit, types)
            moved, after = page.after != after, page.after
            passed_by += moved
            if page.events or passed_by >= PASSED_BY_MAX or (not moved and time.monotonic() >= until):
                return page
            if not moved:
                if len(waiters) >= WAITERS_MAX and own not in waiters:
                    return page
                waiters.add(own)
                await asyncio.sleep(LOOK_EVERY_S)
    finally:
        waiters.discard(own)


def _number(query: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 5 or not least <= int(text) <= most:
        raise Refused(422, "bad_field", f"{name} is not {least} to {most}")
    return int(text)


def add_to(app: web.Application) -> None:
    app[_waiting] = set()
    app.add_routes(ROUTES)
