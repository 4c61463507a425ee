"""A till's bundle as one file, for a store without a line; and what bundles hold beside offers."""

from __future__ import annotations

from aiohttp import web

from agent.domain import bundle_file
from agent.domain.bundle import BundleError, Part, open_manifest
from agent.domain.bundle_file import ROOTS_MAX, Head
from agent.domain.fields import Fields
from cloud.api.admission import need
from cloud.api.http import Cloud, json_answer, read_json, slot
from cloud.errors import Refused
from cloud.shop import FORM_ITEMS_MAX, PUT, put_receipt_rules
from cloud.staff import Permission
from cloud.tills import TillState

ROUTES = web.RouteTableDef()


@ROUTES.get("/v1/admin/tills/{till}/bundle")
async def bundle_of(request: web.Request) -> web.StreamResponse:
    """The file of docs/bundle-format.md, streamed part by part. It has coupons: who takes it is noted."""
    cloud = await need(request, Permission.TILLS, noted=True)
    name = request.match_info["till"]
    async with slot(cloud):
        till = await cloud.store.till(name)
        if till is None:
            raise Refused(404, "unknown_till", f"there is no till {name[:64]}")
        if till.state is not TillState.ENROLLED:
            raise Refused(409, "not_enrolled", f"till {till.till} is {till.state.value}: enrol it first")
        published = await cloud.publisher.bundle(till)
    parts = {part.sha256: part for part in _parts(published.manifest)}
    head = bundle_file.head_bytes(Head(tuple(_chain(cloud, published.epoch)), published.manifest))
    size = len(head) + sum(part.length + bundle_file.PART_HEADER_BYTES for part in parts.values())
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="{till.till}.bundle"',
        }
    )
    await response.prepare(request)
    await response.write(head)
    for part in parts.values():
        content = await cloud.store.part(part.sha256)
        assert content is not None, "the parts of the newest manifest are kept"
        await response.write(bundle_file.part_header(part.sha256, part.length))
        await response.write(content)
    await response.write_eof()
    return response


@ROUTES.post("/v1/admin/badges")
@ROUTES.post("/v1/admin/messages")
@ROUTES.post("/v1/admin/templates")
async def put_shop(request: web.Request) -> web.Response:
    """{"store": its name or absent for all, KIND: [...]}: replaces what all stores, or one, had of it."""
    cloud = await need(request, Permission.TILLS)
    kind = request.path.rpartition("/")[2]
    fields = Fields(await read_json(request), "body")
    store = fields.text("store", 32, default="")
    items = fields.items(kind, FORM_ITEMS_MAX)
    fields.done()
    count = await PUT[kind](cloud.store, store, items)
    return json_answer({"store": store or None, "count": count}, 201)


@ROUTES.post("/v1/admin/receipt-rules")
async def put_rules(request: web.Request) -> web.Response:
    """{"store": its name or absent for all, "rules": {...}}: replaces what all stores, or one, had."""
    cloud = await need(request, Permission.TILLS)
    fields = Fields(await read_json(request), "body")
    store, rules = fields.text("store", 32, default=""), fields.mapping("rules")
    fields.done()
    count = await put_receipt_rules(cloud.store, store, rules)
    return json_answer({"store": store or None, "count": count}, 201)


def _parts(manifest: bytes) -> tuple[Part, ...]:
    try:
        return open_manifest(manifest).parts
    except BundleError as error:
        raise AssertionError("we signed it ourselves") from error


def _chain(cloud: Cloud, until: int) -> list[bytes]:
    """The roots up to the one that judges this manifest, at most the last ROOTS_MAX."""
    first = max(1, until - ROOTS_MAX + 1)
    documents = [cloud.roots.document(epoch) for epoch in range(first, until + 1)]
    return [document for document in documents if document is not None]
