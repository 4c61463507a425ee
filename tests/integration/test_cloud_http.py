"""The cloud's HTTP API on a real port: who may ask, what is refused, and that nothing secret is said."""

from __future__ import annotations

import gzip
import io
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.domain import campaign as campaigns
from agent.domain import token
from agent.domain.campaign import OfflineClass
from cloud.api.http import BUSY_AFTER
from cloud.errors import StoreUnavailable
from sync import wire
from sync.wire import Limits, ResultStatus
from tests.integration.cloud_server_kit import (
    KEY_BODY,
    STORE_BODY,
    Running,
    enrolment,
    running_cloud,
)
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, TODAY, batch, campaign, sealing_till


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud") as running:
        yield running


async def raw(
    cloud: Running, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], Any]:
    url, data = cloud.url + path, io.BytesIO(body)  # aiohttp warns of long plain bytes
    async with cloud.session.request(method, url, data=data, headers=headers or {}) as response:
        content = await response.read()
        named = {name.lower(): value for name, value in response.headers.items()}
        if response.status >= 400:
            assert response.content_type == wire.PROBLEM_TYPE, content
            problem = wire.decode_problem(response.status, named, content)
            assert problem is not None
            return response.status, named, problem
        return response.status, named, content


async def test_health_and_root_need_no_key(cloud: Running) -> None:
    status, _, body = await raw(cloud, "GET", "/v1/health")
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    status, headers, body = await raw(cloud, "GET", "/v1/root")
    assert (status, headers["content-type"]) == (200, "application/cbor")
    assert cloud.cloud is not None
    assert body == cloud.cloud.roots.newest().document


async def test_batches_arrive_plain_and_compressed(cloud: Running) -> None:
    await cloud.set_up()
    client = await cloud.enrol("T-1")
    small = [client.till.redeem(1)]
    large = [client.till.redeem(index) for index in range(2, 200)]
    assert len(batch(large)) > 512, "the uplink compresses it"
    for events in (small, large):
        results = await client.post(*events)
        assert {result.status for result in results} == {ResultStatus.STORED}
    lines = await cloud.lines("&till=T-1")
    assert [(line["sequence"], line["coupon"]["index"]) for line in lines] == [(n, n) for n in range(1, 200)]
    assert lines[0] | {"received_at": "", "time": "", "hash": ""} == {
        "till": "T-1",
        "lane": "redemption",
        "sequence": 1,
        "hash": "",
        "redemption_id": small[0]["id"],
        "kind": "redeemd.redemption.v1",
        "time": "",
        "received_at": "",
        "coupon": {"issuer": ISSUER, "campaign": CAMPAIGN, "index": 1},
        "discount_minor": 3000,
        "standing": "counts",
        "implausible": None,
        "conflict": None,
        "currency": None,
        "store": None,
        "sale_id": None,
        "lines": [],
    }
    assert await cloud.lines("&till=T-2") == []


async def test_conflicts_and_refusals_can_be_read(cloud: Running) -> None:
    await cloud.set_up()
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await one.post(one.till.redeem(5))
    poison = two.till.redeem(6) | {"subject": "other"}
    results = await two.post(poison, two.till.redeem(5))
    assert [(result.status.value, result.code, result.permanent) for result in results] == [
        ("refused", "wrong_hash", True),
        ("conflict", "", False),
    ]
    _, conflicts = await cloud.admin("GET", "conflicts")
    assert [(line["till"], line["index"], line["winner"]["till"]) for line in conflicts["conflicts"]] == [
        ("T-2", 5, "T-1")
    ]
    _, refusals = await cloud.admin("GET", "refusals")
    assert [(line["till"], line["code"]) for line in refusals["refusals"]] == [("T-2", "wrong_hash")]


async def test_unsigned_and_wrongly_signed_requests_get_401(cloud: Running) -> None:
    await cloud.set_up()
    client = await cloud.enrol("T-1")
    stranger = sealing_till("T-1", 9)
    path, body = wire.batch_path("T-1", "redemption"), batch([client.till.redeem(1)])
    kind = {"Content-Type": wire.BATCH_TYPE}
    good = kind | client.signed("POST", path, body)
    client_key = client.till.key
    client.till.key = stranger.key
    forged = kind | client.signed("POST", path, body)
    client.till.key = client_key
    unknown = {name: value.replace('keyid="T-1"', 'keyid="T-9"') for name, value in good.items()}
    without = {name: value for name, value in good.items() if name != "Signature"}
    for headers, sent, where, code in (
        (kind, body, path, "unsigned"),
        (without, body, path, "unsigned"),
        (forged, body, path, "bad_signature"),
        (unknown, body, path, "unknown_key"),
        (good, body + b" ", path, "digest_mismatch"),
        (good, body, path.replace("redemption", "evidence"), "bad_signature"),
        (good, body, path + "?x=1", "bad_signature"),
        (kind, b"", "/v1/tills/T-1/bundle", "unsigned"),
        (kind, b"", f"/v1/parts/{'0' * 64}", "unsigned"),
    ):
        method = "POST" if "batches" in where else "GET"
        status, _, problem = await raw(cloud, method, where, sent, headers)
        assert (status, problem.code) == (401, code), where
    assert await cloud.lines() == []
    assert (await raw(cloud, "POST", path, body, good))[0] == 200


async def test_a_till_speaks_for_itself_and_a_revoked_one_for_nobody(cloud: Running) -> None:
    await cloud.set_up()
    one, _ = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    path = wire.bundle_path("T-2")
    status, _, problem = await raw(cloud, "GET", path, b"", one.signed("GET", path))
    assert (status, problem.code) == (403, "wrong_till")
    assert (await cloud.admin("POST", "tills/T-1/revoke"))[0] == 200
    path = wire.bundle_path("T-1")
    status, _, problem = await raw(cloud, "GET", path, b"", one.signed("GET", path))
    assert (status, problem.code) == (403, "till_revoked")
    assert (await cloud.admin("POST", "tills/T-7/revoke"))[0] == 404
    _, answer = await cloud.admin("GET", "tills")
    assert [(till["till"], till["state"]) for till in answer["tills"]] == [
        ("T-1", "revoked"),
        ("T-2", "enrolled"),
    ]


async def test_what_a_batch_may_not_be(tmp_path: Path) -> None:
    limits = Limits(batch_bytes=4096, batch_records=3)
    async with running_cloud(tmp_path / "cloud", limits=limits) as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")
        path = wire.batch_path("T-1", "redemption")
        body = batch([client.till.redeem(1)])
        four = batch([{"id": str(number)} for number in range(4)])
        squeezed = {"Content-Encoding": "gzip"}
        for sent, headers, expected, code in (
            (b"x" * 4097, {}, 413, "too_large"),
            (gzip.compress(b"x" * 100_000), squeezed, 413, "too_large"),
            (gzip.compress(body)[:-3], squeezed, 400, "bad_gzip"),
            (body, squeezed, 400, "bad_gzip"),
            (body, {"Content-Encoding": "br"}, 415, "unsupported_encoding"),
            (body, {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
            (b"{}", {}, 400, "not_a_batch"),
            (b"[", {}, 400, "not_json"),
            (b"[\xff]", {}, 400, "not_utf8"),
            (four, {}, 413, "too_many"),
        ):
            sending = {"Content-Type": wire.BATCH_TYPE} | headers | client.signed("POST", path, sent)
            status, said, problem = await raw(cloud, "POST", path, sent, sending)
            assert (status, problem.code) == (expected, code), sent[:40]
            assert said.get("accept-encoding") == ("gzip" if code == "unsupported_encoding" else None)
        lane = wire.batch_path("T-1", "other")
        sending = {"Content-Type": wire.BATCH_TYPE} | client.signed("POST", lane, body)
        assert (await raw(cloud, "POST", lane, body, sending))[0] == 404
        assert (await raw(cloud, "GET", "/v1/none"))[0] == 404
        status, said, _ = await raw(cloud, "DELETE", path)
        assert (status, said.get("allow")) == (405, "POST")
        results = await client.post(json.loads(body)[0])
        assert results[0].status is ResultStatus.STORED, "none of it held up the record"


async def test_admin_needs_a_token_with_the_role(cloud: Running) -> None:
    assert (await cloud.admin("POST", "stores", STORE_BODY, token="rca_wrong"))[0] == 401
    assert (await raw(cloud, "GET", "/v1/admin/ledger"))[0] == 401
    _, reader = await cloud.admin("POST", "tokens", {"role": "viewer", "name": "report"})
    _, issuer = await cloud.admin("POST", "tokens", {"role": "issuer", "name": "crm"})
    await cloud.set_up()
    order = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 1, "not_before": TODAY, "expires": TODAY}
    assert (await cloud.admin("POST", "coupons", order, token=reader["token"]))[0] == 403
    assert (await cloud.admin("POST", "coupons", order, token=issuer["token"]))[0] == 201
    assert (await cloud.admin("POST", "stores", STORE_BODY, token=issuer["token"]))[0] == 403
    assert (await cloud.admin("GET", "conflicts", token=reader["token"]))[0] == 200
    assert (await cloud.admin("POST", "tokens", {"role": "viewer", "name": "x"}, token=reader["token"]))[
        0
    ] == 403


async def test_coupons_are_signed_and_each_has_its_own_index(cloud: Running) -> None:
    await cloud.set_up()
    order = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 40, "not_before": TODAY, "expires": TODAY + 9}
    status, answer = await cloud.admin(
        "POST", "coupons", order | {"store": 12, "value_minor": 500, "source": 3}
    )
    assert status == 201
    assert cloud.cloud is not None
    key = (await cloud.cloud.store.issuer_keys())[0]
    assert len({coupon["index"] for coupon in answer["coupons"]}) == 40
    for coupon in answer["coupons"]:
        parsed = token.parse(coupon["token"])
        assert token.verify(parsed, key)
        claims = parsed.claims
        assert (claims.campaign, claims.index) == (CAMPAIGN, coupon["index"])
        assert (claims.store, claims.value_minor, claims.source, claims.expires) == (12, 500, 3, TODAY + 9)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("coupons", {"count": 10_001}, 422, "bad_field"),
        ("coupons", {"count": 0}, 422, "bad_field"),
        ("coupons", {"not_before": TODAY + 10}, 422, "bad_terms"),
        ("coupons", {"campaign": 99}, 422, "unknown_campaign"),
        ("coupons", {"issuer": "other"}, 422, "unknown_campaign"),
        ("coupons", {"store": 99}, 422, "unknown_store"),
        ("coupons", {"value_minor": 3_001}, 422, "value_too_high"),
        ("coupons", {"not_before": TODAY - 99, "expires": TODAY - 31}, 422, "outside_campaign"),
        ("coupons", {"not_before": TODAY + 61, "expires": TODAY + 99}, 422, "outside_campaign"),
        ("coupons", {"not_before": TODAY, "expires": TODAY + 99}, 422, "outside_campaign"),
        ("coupons", {"not_before": TODAY - 99, "expires": TODAY}, 422, "outside_campaign"),
        ("coupons", {"count": 1001}, 409, "used_up"),
        ("coupons", {"value_minor": 0}, 422, "bad_field"),
        ("coupons", {"holder_name": "x"}, 422, "bad_field"),
        ("stores", STORE_BODY | {"zone": "Mars/Base"}, 422, "bad_field"),
        ("stores", STORE_BODY | {"zone": "../etc"}, 422, "bad_field"),
        ("stores", STORE_BODY | {"currency": "yen"}, 422, "bad_field"),
        ("stores", STORE_BODY | {"store": "../x"}, 422, "bad_field"),
        ("stores", STORE_BODY | {"store": "S-2"}, 409, "number_taken"),
        ("stores", [], 422, "bad_field"),
        ("issuers", KEY_BODY | {"issuer": "a/b"}, 422, "bad_field"),
        ("issuers", KEY_BODY | {"not_before": 60_001}, 422, "bad_window"),
        ("campaigns", {"campaign": {}}, 422, "bad_field"),
        ("tills", {"till": "T 1", "store": "S-0012"}, 422, "bad_field"),
        ("tills", {"till": "T-1", "store": "S-9"}, 404, "unknown_store"),
        ("revocations", {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [1000]}, 422, "no_such_coupon"),
        ("revocations", {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": ["1"]}, 422, "bad_field"),
        ("tokens", {"role": "root", "name": "x"}, 422, "bad_field"),
    ],
)
async def test_what_an_admin_may_not_ask(
    cloud: Running, path: str, body: Any, status: int, code: str
) -> None:
    await cloud.set_up()
    if path == "coupons":
        usual = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 1, "not_before": TODAY, "expires": TODAY}
        body = usual | body
    found, problem = await cloud.admin("POST", path, body)
    assert (found, problem["code"]) == (status, code), problem


async def test_coupons_that_every_till_would_refuse_are_not_issued(cloud: Running) -> None:
    await cloud.set_up(number=8, offline_class=OfflineClass.BOUND, budget=None)
    await cloud.admin("POST", "issuers", KEY_BODY | {"issuer": "poor", "value_max_minor": 2_999})
    wire_form = campaigns.to_wire(campaign(issuer="poor"))
    assert (await cloud.admin("POST", "campaigns", {"campaign": wire_form}))[0] == 201
    days = {"count": 1, "not_before": TODAY, "expires": TODAY}
    bound, poor = days | {"issuer": ISSUER, "campaign": 8}, days | {"issuer": "poor", "campaign": CAMPAIGN}
    for body, expected in (
        (bound, "store_needed"),
        (bound | {"store": 12}, None),
        (poor, "beyond_key_limit"),
        (poor | {"value_minor": 3_000}, "beyond_key_limit"),
        (poor | {"value_minor": 2_999}, None),
    ):
        status, answer = await cloud.admin("POST", "coupons", body)
        assert (status, answer.get("code")) == ((422, expected) if expected else (201, None)), answer
    assert cloud.cloud is not None
    for issuer, number in ((ISSUER, 8), ("poor", CAMPAIGN)):
        offer = await cloud.cloud.store.offer(issuer, number)
        assert offer is not None
        assert offer.issued == 1, "an order that is refused spends no index"


async def test_bad_queries_and_bodies(cloud: Running) -> None:
    for query in ("limit=0", "limit=10001", "limit=x", "after=1", "after=a/b/x"):
        assert (await cloud.admin("GET", f"ledger?{query}"))[0] == 422
    headers = {"Authorization": f"Bearer {cloud.token}"}
    for body, kind, expected in (
        (b"{", "application/json", 400),
        (b'{"a":1,"a":2}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * (1024 * 1024 + 1), "application/json", 413),
    ):
        found = await raw(cloud, "POST", "/v1/admin/stores", body, headers | {"Content-Type": kind})
        assert found[0] == expected
    for path, size in (("admin/stores", 1024 * 1024 + 1), ("enrol", 4097), ("enrol", 1024 * 1024 + 1)):
        sending = headers | {"Content-Type": "application/json"}
        status, _, problem = await raw(cloud, "POST", f"/v1/{path}", b" " * size, sending)
        assert (status, problem.code, problem.permanent) == (413, "too_large", True), "one code everywhere"


async def test_an_overloaded_cloud_says_when_to_come_back(cloud: Running) -> None:
    await cloud.set_up()
    client = await cloud.enrol("T-1")
    assert cloud.cloud is not None
    for _ in range(BUSY_AFTER):
        await cloud.cloud.slots.acquire()
    path, body = wire.batch_path("T-1", "redemption"), batch([client.till.redeem(1)])
    headers = {"Content-Type": wire.BATCH_TYPE} | client.signed("POST", path, body)
    status, named, problem = await raw(cloud, "POST", path, body, headers)
    assert (status, problem.code, problem.permanent) == (503, "busy", False)
    assert int(named["retry-after"]) >= 1
    for _ in range(BUSY_AFTER):
        cloud.cloud.slots.release()
    assert (await raw(cloud, "POST", path, body, headers))[0] == 200


async def test_a_database_that_fails_acknowledges_nothing(
    cloud: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cloud.set_up()
    client = await cloud.enrol("T-1")
    assert cloud.cloud is not None

    async def broken(*_: object) -> None:
        raise StoreUnavailable("disk full")

    async def mistaken(*_: object) -> None:
        raise RuntimeError("secret detail")

    path, body = wire.batch_path("T-1", "redemption"), batch([client.till.redeem(1)])
    headers = {"Content-Type": wire.BATCH_TYPE} | client.signed("POST", path, body)
    for fault, expected in ((broken, 503), (mistaken, 500)):
        monkeypatch.setattr(cloud.cloud.store, "append", fault)
        status, _, problem = await raw(cloud, "POST", path, body, headers)
        assert (status, problem.permanent) == (expected, False)
        assert "secret" not in problem.sentence
    monkeypatch.undo()
    assert (await raw(cloud, "POST", path, body, headers))[0] == 200


async def test_nothing_secret_is_logged(cloud: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await cloud.set_up()
    _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
    await cloud.post_enrolment(enrolment(sealing_till("T-1"), made["code"]))
    order = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 1, "not_before": TODAY, "expires": TODAY}
    _, issued = await cloud.admin("POST", "coupons", order)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("redeemd")]
    assert any("/v1/enrol" in line for line in said)
    for secret in (cloud.token, made["code"], issued["coupons"][0]["token"]):
        assert all(secret not in line for line in said)
