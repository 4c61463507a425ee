"""What staff and services ask, with a bearer token: places, tills, and what came in."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from aiohttp import web

from agent.domain.time import timestamp
from cloud import places
from cloud.access import CODE_HOURS, digest, new_code, plain_code
from cloud.api import forms
from cloud.api.admission import need
from cloud.api.http import Cloud, json_answer, read_json, read_query
from cloud.conflicts import shown
from cloud.errors import Refused
from cloud.lists import (
    NEWEST,
    ConflictLine,
    Cursor,
    GapLine,
    ImplausibleLine,
    LedgerLine,
    RefusalLine,
    ReversalLine,
    page_limit,
)
from cloud.staff import Permission

ROUTES = web.RouteTableDef()


@ROUTES.post("/v1/admin/stores")
async def put_store(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.TILLS)
    place, change = forms.place(await read_json(request))
    await places.put_place(cloud.store, place, change=change)
    return json_answer({"store": place.store, "number": place.number}, 201)


@ROUTES.post("/v1/admin/tills")
async def add_till(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.TILLS)
    till, store, move = forms.till(await read_json(request))
    code = new_code()
    expires = timestamp(cloud.now() + timedelta(hours=CODE_HOURS))
    await places.add_till(cloud.store, till, store, digest(plain_code(code)), expires, move=move)
    return json_answer({"till": till, "store": store, "code": code, "expires": expires}, 201)


@ROUTES.post("/v1/admin/tills/{till}/code")
async def renew_code(request: web.Request) -> web.Response:
    """A new enrolment code for a till that is known: for a new disk, or to take a revoked one back."""
    cloud = await need(request, Permission.TILLS)
    till = request.match_info["till"]
    code = new_code()
    expires = timestamp(cloud.now() + timedelta(hours=CODE_HOURS))
    if not await cloud.store.renew_code(till, digest(plain_code(code)), expires):
        raise Refused(404, "unknown_till", f"there is no till {till[:64]}")
    return json_answer({"till": till, "code": code, "expires": expires}, 201)


@ROUTES.get("/v1/admin/tills")
async def list_tills(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    held = await cloud.store.held_counts()
    tills = [
        {
            "till": till.till,
            "store": till.store,
            "state": till.state.value,
            "enrolled_at": till.enrolled_at,
            "revoked_at": till.revoked_at,
            "held": held.get(till.till, 0),
        }
        for till in await cloud.store.tills()
    ]
    return json_answer({"tills": tills})


@ROUTES.post("/v1/admin/tills/{till}/revoke")
async def revoke_till(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.TILLS)
    till = request.match_info["till"]
    wanted = read_query(request, "promos").get("promos", "revoke")
    if wanted not in ("revoke", "keep"):
        raise Refused(422, "bad_field", "promos is neither revoke nor keep")
    promos = await cloud.store.revoke_till(till, timestamp(cloud.now()), keep_promos=wanted == "keep")
    if promos is None:
        raise Refused(404, "unknown_till", f"there is no till {till[:64]}")
    return json_answer({"till": till, "state": "revoked", "promos_revoked": promos})


@ROUTES.post("/v1/admin/tills/{till}/release")
async def release_held(request: web.Request) -> web.Response:
    """What a revoked key reported after its revocation counts from now on."""
    cloud, till, kid = await _settled(request)
    done = await cloud.store.release_held(till, timestamp(cloud.now()), kid)
    return json_answer({"till": till, **dataclasses.asdict(done)})


@ROUTES.post("/v1/admin/tills/{till}/refuse")
async def refuse_held(request: web.Request) -> web.Response:
    """It shall not count; the records stay, and may be released later."""
    cloud, till, kid = await _settled(request)
    refused = await cloud.store.refuse_held(till, timestamp(cloud.now()), kid)
    return json_answer({"till": till, "refused": refused})


async def _settled(request: web.Request) -> tuple[Cloud, str, str | None]:
    """Whose held uses are meant, and of which of its keys."""
    cloud = await need(request, Permission.TILLS)
    till, kid = request.match_info["till"], read_query(request, "key").get("key")
    if await cloud.store.till(till) is None:
        raise Refused(404, "unknown_till", f"there is no till {till[:64]}")
    return cloud, till, None if kid is None else forms.kid(kid).hex()


@ROUTES.get("/v1/admin/ledger")
async def ledger(request: web.Request) -> web.Response:
    """JSON lines in order of (till, lane, sequence). A page that is not the last carries the header `Next-After`."""
    cloud = await need(request, Permission.SETTLE)
    query = read_query(request, "till", "after", "limit")
    limit = page_limit(query.get("limit"))
    lines = await cloud.store.ledger(query.get("till"), _after(query.get("after")), limit)
    body = "".join(f"{json.dumps(_line(line), ensure_ascii=False)}\n" for line in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    if len(lines) == limit:
        headers["Next-After"] = f"{lines[-1].till}/{lines[-1].lane}/{lines[-1].sequence}"
    return web.Response(text=None, body=body.encode(), headers=headers)


@ROUTES.get("/v1/admin/held")
async def held(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    query = read_query(request, "till", "limit")
    lines = await cloud.store.held(query.get("till"), page_limit(query.get("limit")))
    return json_answer({"held": [dataclasses.asdict(line) for line in lines]})


@ROUTES.get("/v1/admin/conflicts")
async def conflicts(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    limit, after, till = _page(request, "till", "state")
    state = request.query.get("state", "lasting")
    if state not in ("lasting", "ended"):
        raise Refused(422, "bad_field", "state is neither lasting nor ended")
    lines = await cloud.store.conflicts(limit, after, till, ended=state == "ended")
    return _listed("conflicts", lines, limit, await shown(places.Places(cloud.store), lines))


@ROUTES.get("/v1/admin/refusals")
async def refusals(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    limit, after, till = _page(request, "till")
    return _listed("refusals", await cloud.store.refusals(limit, after, till), limit)


@ROUTES.get("/v1/admin/gaps")
async def gaps(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    limit, after, till = _page(request, "till")
    return _listed("gaps", await cloud.store.gaps(limit, after, till), limit)


@ROUTES.get("/v1/admin/implausible")
async def implausible(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.READ)
    limit, after, till = _page(request, "till")
    return _listed("implausible", await cloud.store.implausible(limit, after, till), limit)


@ROUTES.get("/v1/admin/reversals")
async def reversals(request: web.Request) -> web.Response:
    cloud = await need(request, Permission.SETTLE)
    limit, after, _ = _page(request)
    return _listed("reversals", await cloud.store.reversals(limit, after), limit)


def _listed(
    name: str,
    lines: Sequence[ConflictLine | RefusalLine | GapLine | ImplausibleLine | ReversalLine],
    limit: int,
    said: list[dict[str, Any]] | None = None,
) -> web.Response:
    """One page; one that may not be the last carries the header `Next-After`. said: the lines as they are answered."""
    answer = json_answer({name: [dataclasses.asdict(line) for line in lines] if said is None else said})
    if len(lines) == limit:
        answer.headers["Next-After"] = "/".join(str(key) for key in lines[-1].cursor())
    return answer


def _page(request: web.Request, *more: str) -> tuple[int, Cursor, str | None]:
    """limit, after and till of a list that is read page by page."""
    query = read_query(request, "limit", "after", *more)
    return page_limit(query.get("limit")), _cursor(query.get("after")), query.get("till")


def _line(line: LedgerLine) -> dict[str, Any]:
    coupon = None
    if line.issuer is not None:
        coupon = {"issuer": line.issuer, "campaign": line.campaign, "index": line.index}
    said = dataclasses.asdict(line)
    for name in ("issuer", "campaign", "index"):
        del said[name]
    return said | {"coupon": coupon}


def _after(text: str | None) -> tuple[str, str, int]:
    if text is None:
        return ("", "", 0)
    till, _, rest = text.partition("/")
    lane, _, sequence = rest.partition("/")
    if not sequence.isascii() or not sequence.isdigit() or len(sequence) > 15:
        raise Refused(422, "bad_field", "after is not TILL/LANE/SEQUENCE as the header Next-After gave it")
    return till, lane, int(sequence)


def _cursor(text: str | None) -> Cursor:
    if text is None:
        return NEWEST
    at, *place, sequence, digest = text.split("/") if text.count("/") == 4 else [""] * 5
    if not at or not sequence.isascii() or not sequence.isdigit() or len(sequence) > 15:
        raise Refused(422, "bad_field", "after is not what the header Next-After gave")
    return at, place[0], place[1], int(sequence), digest
