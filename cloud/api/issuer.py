"""What issuers ask, with a bearer token: keys, campaigns, coupons, revocations."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from aiohttp import web

from agent.domain import campaign as campaigns
from agent.domain.cose import Algorithm
from agent.domain.promo import read_typed
from agent.domain.time import timestamp
from cloud.api import forms
from cloud.api.admission import need
from cloud.api.http import Cloud, json_answer, read_json
from cloud.delegation import put_signing
from cloud.errors import Refused
from cloud.issue import add_issuer, issue, why_unsigned
from cloud.ports import HeldKey, IssuedOrder, KeyState, Offer
from cloud.shop import why_unprinted
from cloud.staff import Permission
from cloud.tills import TillState

ROUTES = web.RouteTableDef()
ORDERS_SHOWN = 1000
_ALGORITHM_NAMES = {algorithm: name for name, algorithm in forms.ALGORITHMS.items()} | {
    Algorithm.EDDSA: "eddsa"
}
_STATES = {"retire": KeyState.RETIRED, "withdraw": KeyState.WITHDRAWN}


@ROUTES.post("/v1/admin/issuers")
async def add_issuer_key(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.ISSUE)
    form = forms.new_key(await read_json(request))
    held = await add_issuer(cloud.store, cloud.keyring, **dataclasses.asdict(form))
    return json_answer(_key(held), 201)


@ROUTES.get("/v1/admin/issuers")
async def list_issuer_keys(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    return json_answer({"keys": [_key(held) for held in await cloud.store.held_keys()]})


@ROUTES.post("/v1/admin/issuers/{kid}/{change}")
async def change_issuer_key(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.ISSUE)
    change, kid = request.match_info["change"], request.match_info["kid"]
    if change not in _STATES:
        raise Refused(404, "not_found", f"a key can be asked to {' or '.join(_STATES)}")
    return json_answer(_key(await cloud.store.change_key(forms.kid(kid), _STATES[change])))


@ROUTES.post("/v1/admin/campaigns")
async def put_campaign(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.ISSUE)
    campaign, promo = forms.offer(await read_json(request))
    unprinted = await why_unprinted(cloud.store, campaign, promo)
    await cloud.publisher.offer(campaign, promo)
    said = {"issuer": campaign.issuer, "campaign": campaign.number, "version": campaign.version}
    warnings = [text for text in (await why_unsigned(cloud.store, campaign), unprinted) if text]
    return json_answer(said | {"warnings": warnings}, 201)


@ROUTES.get("/v1/admin/campaigns")
async def list_campaigns(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    return json_answer({"campaigns": [_summary(offer) for offer in await cloud.store.offers()]})


@ROUTES.get("/v1/admin/campaigns/{issuer}/{campaign}")
async def show_campaign(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    offer = await _offer_asked_for(request, cloud)
    counts = await cloud.store.mark_counts(offer.campaign.issuer, offer.campaign.number)
    promo = None if offer.promo is None else dataclasses.asdict(offer.promo)
    said = {"campaign": campaigns.to_wire(offer.campaign), "promo": promo, "issued": offer.issued}
    return json_answer(said | counts._asdict() | {"tills": await _tills(cloud, offer)})


@ROUTES.get("/v1/admin/campaigns/{issuer}/{campaign}/orders")
async def list_orders(request: web.Request) -> web.Response:
    """The newest ORDERS_SHOWN named requests for its coupons."""
    cloud = await need(request, Permission.READ)
    offer = await _offer_asked_for(request, cloud)
    found = await cloud.store.orders(offer.campaign.issuer, offer.campaign.number, ORDERS_SHOWN)
    return json_answer({"orders": [_order(one) for one in found]})


@ROUTES.post("/v1/admin/coupons")
async def issue_coupons(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.ISSUE)
    form = forms.order(await read_json(request))
    if form.terms.store is not None and await cloud.store.store_of_number(form.terms.store) is None:
        sentence = f"no store has the number {form.terms.store}: add the store first"
        raise Refused(422, "unknown_store", sentence)
    what = (form.issuer, form.campaign, form.count, form.terms)
    made = await issue(cloud.store, cloud.keyring, *what, cloud.now(), form.order)
    coupons = [{"index": coupon.index, "token": coupon.text} for coupon in made]
    return json_answer({"issuer": form.issuer, "campaign": form.campaign, "coupons": coupons}, 201)


@ROUTES.post("/v1/admin/till-signing")
async def let_tills_sign(request: web.Request) -> web.Response:
    """How many coupons of a campaign each till may sign itself, with its own key, when its pool is empty; 0 ends it."""
    cloud = await need(request, Permission.ISSUE)
    signing = await put_signing(cloud.store, await read_json(request))
    return json_answer(dataclasses.asdict(signing), 201)


@ROUTES.get("/v1/admin/promos/{issuer}/{code}")
async def show_promo(request: web.Request) -> web.Response:
    """What became of a receipt's promo code, for a shop where somebody types it. It may hold a coupon."""
    cloud = await need(request, Permission.ISSUE)
    issuer, typed = request.match_info["issuer"], read_typed(request.match_info["code"])
    fate = (
        None
        if typed is None
        else await cloud.store.promo_named(issuer, typed.campaign, typed.index, typed.short)
    )
    if typed is None or fate is None:
        raise Refused(404, "unknown_promo", "no receipt of this issuer has that code")
    said = {"issuer": issuer, "campaign": typed.campaign, "index": typed.index, "code": typed.short}
    return json_answer(said | fate._asdict() | {"token": fate.token or None})


@ROUTES.post("/v1/admin/revocations")
async def revoke(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.ISSUE)
    form = forms.revocation(await read_json(request))
    changed = await cloud.store.revoke(form.issuer, form.campaign, form.indexes, timestamp(cloud.now()))
    return json_answer({"issuer": form.issuer, "campaign": form.campaign, "revoked": changed})


async def _offer_asked_for(request: web.Request, cloud: Cloud) -> Offer:
    issuer, text = request.match_info["issuer"], request.match_info["campaign"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
    offer = await cloud.store.offer(issuer, number)
    if offer is None:
        raise Refused(404, "unknown_campaign", f"issuer {issuer[:32]} has no campaign {text[:10]}")
    return offer


async def _tills(cloud: Cloud, offer: Offer) -> int:
    """How many tills may take its coupons: what the loss by copies is multiplied by."""
    stores = offer.campaign.stores
    count = 0
    for till in await cloud.store.tills():
        place = await cloud.store.place(till.store)
        assert place is not None, "a till stands in a store that is known"
        count += till.state is not TillState.REVOKED and (stores is None or place.number in stores)
    return count


def _order(one: IssuedOrder) -> dict[str, Any]:
    kind, _, name = one.order.partition(" ")
    return one._asdict() | {"kind": kind, "order": name, "terms": json.loads(one.terms)}


def _summary(offer: Offer) -> dict[str, Any]:
    wire = campaigns.to_wire(offer.campaign)
    names = ("issuer", "version", "title", "starts", "ends", "size", "offline_class")
    return {"campaign": wire["number"], "issued": offer.issued} | {name: wire[name] for name in names}


def _key(held: HeldKey) -> dict[str, Any]:
    key = held.key
    return {
        "issuer": key.issuer,
        "kid": key.kid.hex(),
        "algorithm": _ALGORITHM_NAMES[key.algorithm],
        "public_key": key.public_key.hex(),
        "campaigns": None if key.campaigns is None else sorted(key.campaigns),
        "not_before": key.not_before,
        "expires": key.expires,
        "value_max_minor": key.value_max_minor,
        "state": held.state.value,
        "registered": held.registered,
    }
