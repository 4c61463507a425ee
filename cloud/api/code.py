"""What issuers and staff ask about opaque codes: list them, and say what other codes are."""

from __future__ import annotations

from aiohttp import web

from agent.domain.scan import rule_to_wire
from cloud.api import forms
from cloud.api.admission import need
from cloud.api.http import json_answer, read_json
from cloud.codes import issue_codes
from cloud.errors import Refused
from cloud.staff import Permission

ROUTES = web.RouteTableDef()


@ROUTES.post("/v1/admin/codes")
async def list_codes(request: web.Request) -> web.Response:
    """Codes made here (`count`), or those of somebody else (`codes`), as coupons of a campaign."""
    cloud = await need(request, Permission.ISSUE)
    form = forms.code_order(await read_json(request))
    store = form.terms.store
    if store is not None and await cloud.store.store_of_number(store) is None:
        raise Refused(422, "unknown_store", f"no store has the number {store}: add the store first")
    made = await issue_codes(
        cloud.store,
        form.issuer,
        form.campaign,
        form.terms,
        cloud.now(),
        count=form.count,
        codes=form.codes,
        kind=form.kind,
        form=form.form,
        order=form.order,
    )
    codes = [{"index": issued.index, "code": issued.code} for issued in made.codes]
    said = {"issuer": form.issuer, "campaign": form.campaign, "codes": codes}
    return json_answer(said | {"guess_bits": made.guess_bits, "thief_bits": made.thief_bits}, 201)


@ROUTES.get("/v1/admin/scan-rules")
async def show_scan_rules(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    return json_answer({"rules": [rule_to_wire(rule) for rule in await cloud.store.codes.scan_rules()]})


@ROUTES.post("/v1/admin/scan-rules")
async def put_scan_rules(request: web.Request) -> web.Response:
    """Replace all of them."""
    cloud = await need(request, Permission.TILLS)
    rules = forms.scan_rules(await read_json(request))
    await cloud.store.codes.put_scan_rules(rules)
    return json_answer({"rules": [rule_to_wire(rule) for rule in rules]})
