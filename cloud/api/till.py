"""What tills ask: enrol, the bundle, its parts, and their batches. docs/sync-protocol.md, docs/cloud-openapi.yaml."""

from __future__ import annotations

import base64
import hashlib
import json
import math

from aiohttp import web

from agent.domain import record
from agent.domain.bundle import BundleError
from agent.domain.cose import Algorithm
from agent.domain.keys import KeyFault, key_id, load_public_key, signature_ok
from agent.domain.promo import read_typed
from agent.domain.statement import read_key_change
from agent.domain.time import timestamp
from cloud.access import ENROL_CONTEXT, digest, plain_code
from cloud.api import forms
from cloud.api.http import (
    CLOUD,
    ENROL_BYTES_MAX,
    Cloud,
    header_lists,
    json_answer,
    problem,
    read_body,
    read_json,
    read_query,
    signed_till,
    slot,
)
from cloud.checks import CHECK_BYTES_MAX, read_check, told_json
from cloud.errors import Refused
from cloud.ingest import ingest
from cloud.news import WAIT_MAX_S
from cloud.ports import PromoFate
from cloud.seen import Word
from cloud.verdicts import PAGE_MAX
from sync import missing as missing_records
from sync import strict_json, till_health, wire
from sync.missing import SPANS_MAX
from sync.news import NEWS_TYPE
from sync.promos import PROMOS_TYPE, PromoState
from sync.till_health import TillHealth
from sync.verdicts import VERDICTS_TYPE

ROUTES = web.RouteTableDef()
CLOCK_OFF_MAX_S = 2**31 - 1
_WRONG_CODE = "this code is not valid: it is used, older than 24 hours, or mistyped"


@ROUTES.get("/v1/health")
async def health(request: web.Request) -> web.Response:
    await request.app[CLOUD].store.ping()
    return json_answer({"status": "ok"})


@ROUTES.get("/v1/root")
async def root(request: web.Request) -> web.Response:
    return web.Response(body=request.app[CLOUD].roots.newest().document, content_type="application/cbor")


@ROUTES.get("/v1/roots/{epoch:[1-9][0-9]{0,9}}")
async def root_of(request: web.Request) -> web.Response:
    cloud = request.app[CLOUD]
    epoch = int(request.match_info["epoch"])
    document = cloud.roots.document(epoch) if epoch <= cloud.roots.newest().root.epoch else None
    if document is None:
        raise Refused(404, "unknown_root", f"there is no root of epoch {epoch}")
    return web.Response(body=document, content_type="application/cbor")


@ROUTES.post("/v1/enrol")
async def enrol(request: web.Request) -> web.Response:
    cloud = request.app[CLOUD]
    form = forms.enrolment(await read_json(request, ENROL_BYTES_MAX))
    try:
        key = load_public_key(Algorithm.ED25519, form.public_key)
    except KeyFault as error:
        raise Refused(422, "bad_key", f"till_public_key: {error}") from None
    if not signature_ok(key, form.proof, ENROL_CONTEXT + form.code.encode()):
        raise Refused(422, "bad_proof", "proof was not made by the private half of till_public_key")
    address = request.remote or "unknown"
    if (wait_s := math.ceil(cloud.attempts.take(address))) > 0:
        sentence = f"too many wrong codes came from this address just now: try again in {wait_s} s"
        answer = problem(429, "too_many_attempts", sentence)
        answer.headers["Retry-After"] = str(wait_s)
        return answer
    wrong = False
    try:
        async with slot(cloud):
            till = await cloud.store.enrol(
                digest(plain_code(form.code)), form.public_key, timestamp(cloud.now())
            )
        wrong = till is None
    finally:
        if not wrong:
            cloud.attempts.give_back(address)
    if till is None:
        raise Refused(403, "wrong_code", _WRONG_CODE)
    return json_answer(
        {
            "till": till.till,
            "store": till.store,
            "root": base64.b64encode(cloud.roots.newest().document).decode(),
            "lanes": {
                lane: {"sequence": start.after, "hash": start.hash}
                for lane, start in till.keys[-1].lanes.items()
            },
        }
    )


@ROUTES.post("/v1/tills/{till}/key")
async def change_key(request: web.Request) -> web.Response:
    """Not signed as a request: the statement itself is, by the old key and by the new one."""
    cloud = request.app[CLOUD]
    if request.content_type != wire.STATEMENT_TYPE:
        raise Refused(415, "unsupported_media_type", f"send {wire.STATEMENT_TYPE}")
    try:
        change = read_key_change(await read_body(request), request.match_info["till"])
    except BundleError as error:
        raise Refused(422, error.code, str(error)) from None
    async with slot(cloud):
        till = await cloud.store.change_till_key(change)
    standing = next(key.standing for key in till.keys if key.public_key == change.new)
    return json_answer({"till": till.till, "kid": key_id(change.new).hex(), "standing": standing.value})


@ROUTES.get("/v1/tills/{till}/bundle")
async def bundle(request: web.Request) -> web.Response:
    cloud = request.app[CLOUD]
    till = await signed_till(request, await read_body(request))
    async with slot(cloud):
        published = await cloud.publisher.bundle(till, newer="newer" in request.query)
        health = _note_health(request, cloud, till.till)
        lost = await cloud.store.unheard(till.till, dict(health.delivered)) if health else {}
        if lost:
            await cloud.store.note_unheard(till.till, lost, timestamp(cloud.now()))
    etag = f'"{hashlib.sha256(published.manifest).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    headers |= {missing_records.HEADER: missing_records.to_header(lost)} if lost else {}
    if request.headers.get("If-None-Match", "").strip() == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=published.manifest, content_type="application/cose", headers=headers)


@ROUTES.get("/v1/parts/{sha256:[0-9a-f]{64}}")
async def part(request: web.Request) -> web.Response:
    cloud = request.app[CLOUD]
    await signed_till(request, await read_body(request))
    async with slot(cloud):
        content = await cloud.store.part(bytes.fromhex(request.match_info["sha256"]))
    if content is None:
        raise Refused(404, "unknown_part", "no such part; fetch the bundle again")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return web.Response(body=content, content_type="application/octet-stream", headers=headers)


@ROUTES.get("/v1/tills/{till}/news")
async def news(request: web.Request) -> web.Response:
    """Answered when there is something that the till has not heard of, or when it has waited long enough."""
    cloud = request.app[CLOUD]
    till = await signed_till(request, await read_body(request))
    query = read_query(request, "seen", "wait")
    wait = query.get("wait", "0")
    if not wait.isascii() or not wait.isdigit() or int(wait[:9]) > WAIT_MAX_S:
        raise Refused(422, "bad_field", f"wait is not a number of seconds from 0 to {WAIT_MAX_S}")
    # Not within a slot: whoever waits uses no database.
    heard = await cloud.news.wait(till.till, query.get("seen", ""), int(wait))
    body = json.dumps({"mark": heard.mark, "spread_ms": heard.spread_ms})
    return web.Response(body=body.encode(), headers={"Content-Type": NEWS_TYPE, "Cache-Control": "no-store"})


@ROUTES.post("/v1/tills/{till}/checks")
async def check(request: web.Request) -> web.Response:
    """What is known of coupons now, before the till accepts them; what it asks to be reserved, is."""
    cloud = request.app[CLOUD]
    sent = await read_body(request)
    till = await signed_till(request, sent)
    if request.content_type != "application/json":
        raise Refused(415, "unsupported_media_type", "send application/json")
    now = cloud.now()
    asked = read_check(strict_json.loads(sent, max_bytes=CHECK_BYTES_MAX, max_depth=4), now)
    async with slot(cloud):
        found = await cloud.store.check(till.till, asked, timestamp(now))
    return json_answer(told_json(found))


@ROUTES.get("/v1/tills/{till}/verdicts")
async def verdicts(request: web.Request) -> web.Response:
    """What this till is told of its coupons that were redeemed twice, behind the number that it has."""
    cloud = request.app[CLOUD]
    till = await signed_till(request, await read_body(request))
    after = read_query(request, "after").get("after", "0")
    if not after.isascii() or not after.isdigit() or len(after) > 15:
        raise Refused(422, "bad_field", "after is not the number of a verdict")
    async with slot(cloud):
        found = await cloud.store.verdicts(till.till, int(after), PAGE_MAX)
    body = json.dumps({"verdicts": found, "more": len(found) == PAGE_MAX}, ensure_ascii=False)
    return web.Response(body=body.encode(), headers={"Content-Type": VERDICTS_TYPE})


@ROUTES.get("/v1/tills/{till}/promos/{code}")
async def typed_promo(request: web.Request) -> web.Response:
    """The coupon behind the name that somebody typed from a receipt: it may be another till's."""
    cloud = request.app[CLOUD]
    till = await signed_till(request, await read_body(request))
    typed = read_typed(request.match_info["code"])
    if typed is None:
        raise Refused(404, "unknown_promo", "no receipt has such a code")
    if (wait_s := math.ceil(cloud.typed.take(till.till))) > 0:  # a till is no place to try codes
        answer = problem(429, "too_many_guesses", f"too many codes were wrong: try again in {wait_s} s")
        answer.headers["Retry-After"] = str(wait_s)
        return answer
    found: list[PromoFate] = []
    try:
        async with slot(cloud):
            found = await cloud.store.promos_on_receipts(typed.campaign, typed.index, typed.short)
    finally:
        if found:
            cloud.typed.give_back(till.till)
    body = json.dumps({"promos": [{"token": fate.token, "state": _state_of(fate).value} for fate in found]})
    return web.Response(
        body=body.encode(), headers={"Content-Type": PROMOS_TYPE, "Cache-Control": "no-store"}
    )


def _state_of(fate: PromoFate) -> PromoState:
    if fate.revoked:
        return PromoState.REVOKED
    return PromoState.USED if fate.used else PromoState.GOOD


@ROUTES.post("/v1/tills/{till}/batches/{lane}")
async def batch(request: web.Request) -> web.Response:
    cloud = request.app[CLOUD]
    sent = await read_body(request)
    till = await signed_till(request, sent, delivers=True)
    lane = request.match_info["lane"]
    if lane not in record.LANES:
        raise Refused(404, "unknown_lane", f"there is no lane {lane[:64]}")
    if request.content_type != wire.BATCH_TYPE:
        raise Refused(415, "unsupported_media_type", f"send {wire.BATCH_TYPE}")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refused(415, "unsupported_encoding", "send the batch as it is or as gzip")
    body = wire.gunzip_bounded(sent, cloud.limits.batch_bytes) if encoding == "gzip" else sent
    async with slot(cloud):
        results = await ingest(cloud.store, till, lane, body, cloud.now, cloud.limits)
        missing = await cloud.store.missing(till.till, lane, SPANS_MAX)
    cloud.seen.note(till.till, timestamp(cloud.now()))
    headers = {"Content-Type": wire.RESULTS_TYPE}
    return web.Response(body=wire.encode_results(results, missing), headers=headers)


def _note_health(request: web.Request, cloud: Cloud, till: str) -> TillHealth | None:
    """It asked, so it is there; what it says of itself is kept where it can be read."""
    now = cloud.now()
    parts = wire.parse_signature(header_lists(request))
    health = till_health.read_header(parts.health or "")
    off_s = max(-CLOCK_OFF_MAX_S, min(parts.created - int(now.timestamp()), CLOCK_OFF_MAX_S))
    at = timestamp(now)
    cloud.seen.note(till, at, None if health is None else Word(health, at, off_s))
    return health
