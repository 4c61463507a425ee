"""docs/cloud-openapi.yaml is valid, names every route and no other, and the real answers fit it.

Every cloud of the tests is held against it (`tests.cloud_contract`): what is asked here is asked to be answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types
from openapi_spec_validator import OpenAPIV31SpecValidator

from agent.domain import campaign as campaigns
from agent.domain.scan import Kind, Rule, rule_to_wire
from cloud.api import page
from cloud.api.server import make_app
from cloud.reports import REPORTS
from sync import wire
from sync.ports import Answer
from sync.verdicts import VERDICTS_TYPE, read_verdicts, verdicts_path
from tests import cloud_contract, cloud_witness
from tests.integration.cloud_server_kit import KEY_BODY, STORE_BODY, enrolment, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, TODAY, campaign, sealing_till


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return cloud_contract.document()


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


async def test_it_names_every_route_and_no_other(document: dict[str, Any], tmp_path: Path) -> None:
    pages = {route.handler for route in page.ROUTES if isinstance(route, web.RouteDef)}
    async with running_cloud(tmp_path / "cloud") as cloud:
        assert cloud.cloud is not None
        served = {
            (route.method.lower(), route.resource.canonical)
            for route in make_app(cloud.cloud).router.routes()
            if route.method != "HEAD" and route.handler not in pages and route.resource is not None
        }
    assert served == {place for place, _ in operations(document)}


RAISED = re.compile(r'(?:Refused|problem)\(\s*(\d{3}),\s*"(\w+)"')
BY_COMMANDS = {("409", "not_closed"), ("409", "sequences_used_up")}
"""What commands alone are told."""
NOWHERE = {("405", "method_not_allowed")}


def test_it_names_every_code_that_the_cloud_refuses_with(document: dict[str, Any]) -> None:
    """And each where its status is: a client matches codes."""
    sources = [path.read_text("utf-8") for path in (Path(__file__).parents[2] / "cloud").rglob("*.py")]
    raised = {found for source in sources for found in RAISED.findall(source)} - BY_COMMANDS
    assert {("409", "uses_fixed"), ("503", "store_unavailable"), ("422", "too_many_people")} <= raised
    named: dict[str, set[str]] = {}
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            assert status.isdigit(), "a default says of nothing when it comes"
            if status >= "400":
                schema = cloud_contract.resolve(response)["content"]["application/problem+json"]["schema"]
                named.setdefault(status, set()).update(schema["properties"]["code"]["enum"])
    assert {(status, code) for status, code in raised if code not in named.get(status, ())} == set()


def operations(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "delete"):
                yield (method, path), operation


def test_the_judge_sees_faults() -> None:
    """A test that cannot fail is a defect."""
    judge = cloud_contract.answer_fault
    health: tuple[str, str, int, Any, str] = ("get", "/v1/health", 200, {}, "application/json")
    assert judge(*health, b'{"status": "ok"}') is None
    assert judge(*health, b"{}") is not None
    assert judge("get", "/v1/health", 200, {}, "text/plain", b"") == "of media type text/plain"
    assert judge("get", "/v1/health", 418, {}, "text/plain", b"") == "the document has no such status"
    assert judge("get", "/v1/wealth", 200, {}, "text/plain", b"") == "the document has no such operation"
    problem = wire.encode_problem(wire.Problem(503, "busy", "come again", False))
    busy = ("get", "/v1/health", 503, {"Retry-After": "2"}, wire.PROBLEM_TYPE)
    assert judge(*busy, problem) is None
    assert judge("get", "/v1/health", 503, {}, wire.PROBLEM_TYPE, problem) == "without ['Retry-After']"
    assert judge(*busy, problem.replace(b'"busy"', b'"lazy"')) is not None


async def test_it_sees_each_answer_of_an_application() -> None:
    async def health(_request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    faults = cloud_contract.hold(app)
    app.router.add_get("/v1/health", health)
    async with TestClient(TestServer(app)) as client:
        await client.get("/v1/health")
        await client.post("/v1/health")
    missing, nowhere = faults
    assert missing.startswith("GET /v1/health 200: $: 'status' is a required property"), missing
    assert nowhere.startswith("POST /v1/health 405: $: None is not of type 'object'"), nowhere


def test_the_answers_of_a_process_are_judged_to_its_last_whole_line(tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    cloud_witness.environment(answers)
    with pytest.raises(AssertionError, match="no cloud wrote"):
        cloud_witness.faults(answers)
    said = ["GET", "/v1/health", False, 200, {}, "application/json"]
    lines = [json.dumps([*said, body]) for body in ('{"status": "ok"}', "{}", '{"status": "ok"}')]
    answers.write_text("\n".join(lines)[:-9], "utf-8")
    (fault,) = cloud_witness.faults(answers)
    assert fault.startswith("GET /v1/health 200: $: 'status' is a required property"), fault


def test_what_requests_hold_fits_it() -> None:
    till = sealing_till("T-1")
    for name, value in (
        ("Store", STORE_BODY),
        ("NewIssuerKey", KEY_BODY),
        ("Campaign", campaigns.to_wire(campaign())),
        ("Event", till.redeem(1)),
        ("Enrolment", enrolment(till, "AAAA-BBBB-CCCC")),
    ):
        assert cloud_contract.fault({"$ref": f"#/components/schemas/{name}"}, value) is None, value


async def test_real_answers_fit_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
        evidence = one.till.seal({"outcome": "x", "coupon": None}, "evidence", "evidence")
        poison = two.till.redeem(2) | {"subject": "poison"}
        first = one.till.redeem(1)
        said = await one.post(first, evidence, one.till.give_back(first, coupon_returns=False))
        said += await two.post(poison, two.till.redeem(1), two.till.redeem(3))
        two.till.redeem(4)  # it never comes: a gap
        said += await two.post(two.till.redeem(5_000))
        assert {result.status.value for result in said} == {"stored", "refused", "conflict"}
        order = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 2, "not_before": TODAY, "expires": TODAY}
        new_campaign = {"campaign": campaigns.to_wire(campaign(number=8)), "promo": None}
        asked: list[tuple[str, str, Any]] = [
            ("post", "tokens", {"role": "viewer", "name": "x"}),
            ("post", "stores", STORE_BODY),
            ("post", "stores", {}),
            ("post", "issuers", KEY_BODY),
            ("post", "campaigns", new_campaign),
            ("post", "campaigns", new_campaign),
            ("post", "coupons", order),
            ("post", "codes", order),
            ("post", "codes", order | {"codes": ["x"]}),
            ("post", "scan-rules", {"rules": [rule_to_wire(Rule(Kind.MEMBER_CARD, "88", 9, 16, "digits"))]}),
            ("post", "revocations", {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [5]}),
            ("post", "tills", {"till": "T-3", "store": STORE_BODY["store"]}),
            ("get", "tills", None),
            ("get", "conflicts", None),
            ("get", "reversals", None),
            ("get", "refusals", None),
            ("get", "gaps", None),
            ("get", "implausible", None),
            ("get", "gaps?limt=1", None),
        ]
        for method, path, body in asked:
            status, answer = await cloud.admin(method.upper(), path, body)
            if method == "get" and status == 200:
                assert answer[path], "there is one to look at"
        async with two.uplink() as uplink:
            told = await uplink.get(verdicts_path("T-2", 0))
        assert isinstance(told, Answer)
        read, _ = read_verdicts(told.body)
        assert [(one.standing, one.other["till"]) for one in read] == [("lost", "T-1")]
        assert wire.media_type(told.headers) == VERDICTS_TYPE
        lines = await cloud.lines()
        assert len(lines) == 5
        async with cloud.session.get(f"{cloud.url}/v1/health") as response:
            assert response.status == 200


async def test_what_a_check_is_answered_fits_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
        await one.post(one.till.redeem(1))
        coupons = [{"issuer": ISSUER, "campaign": CAMPAIGN, "index": index} for index in (1, 9, 5_000)]
        body = {"check": "0" * 32, "coupons": [coupons[0], coupons[1] | {"reserve": True}, coupons[2]]}
        async with two.uplink() as uplink:
            heard = await uplink.ask(wire.checks_path("T-2"), json.dumps(body).encode(), wait_s=10)
            other = await uplink.ask(wire.checks_path("T-1"), json.dumps(body).encode(), wait_s=10)
            wrong = await uplink.ask(wire.checks_path("T-2"), b'{"check": "x"}', wait_s=10)
        assert isinstance(heard, Answer)
        assert isinstance(other, Answer)
        assert isinstance(wrong, Answer)
        assert [one["word"] for one in json.loads(heard.body)["coupons"]] == ["used", "yes", "unknown"]
        assert (other.status, wrong.status) == (403, 422), (
            "a till asks for itself, in the form that is written"
        )


async def test_what_is_answered_of_held_uses_fits_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")
        asked = [
            ("post", "tills/T-1/revoke?promos=keep", 200),
            ("get", "held?till=T-1", 200),
            ("post", "tills/T-1/refuse", 200),
            ("get", "held", 200),
            ("post", "tills/T-1/release?key=x", 422),
            ("post", "tills/T-1/release", 200),
        ]
        for method, path, expected in asked:
            status, answer = await cloud.admin(method.upper(), path)
            assert status == expected, answer
            if method == "get":
                assert len(answer["held"]) == 1
            if "revoke" in path:
                await client.post(client.till.redeem(1))


async def test_what_issuers_are_answered_fits_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        _, listed = await cloud.admin("GET", "issuers")
        kid = listed["keys"][0]["kid"]
        asked = [
            ("get", "issuers", 200),
            ("get", "campaigns", 200),
            ("get", f"campaigns/{ISSUER}/{CAMPAIGN}", 200),
            ("get", f"campaigns/{ISSUER}/9", 404),
            ("post", f"issuers/{kid}/withdraw", 200),
            ("post", f"issuers/{kid}/retire", 409),
        ]
        for method, path, expected in asked:
            status, answer = await cloud.admin(method.upper(), path)
            assert status == expected, answer


def test_a_result_that_says_too_little_does_not_fit_it(document: dict[str, Any]) -> None:
    results = document["components"]["schemas"]["Results"] | {"components": document["components"]}
    validator = Draft202012Validator(results)
    assert validator.is_valid({"results": [{"id": "T-1-1", "status": "stored"}]})
    bare = [{"id": "T-1-1", "status": "conflict"}, {"id": "T-1-1", "status": "refused"}, {"status": "stored"}]
    assert not any(validator.is_valid({"results": [entry]}) for entry in bare)


async def test_what_staff_are_answered_fits_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        await (await cloud.enrol("T-1")).fetch()
        asked: list[tuple[str, str, Any, int]] = [
            ("post", "tokens", {"role": "viewer", "name": "x", "days": 3}, 201),
            ("get", "tokens", None, 200),
            ("post", "tokens/x/revoke", None, 200),
            ("post", "tokens/x/revoke", None, 404),
            ("get", "acts", None, 200),
            ("get", "overview", None, 200),
            ("get", "fleet", None, 200),
            ("get", "fleet?sort=x", None, 422),
            *(("get", f"reports/{report}", None, 200) for report in REPORTS),
        ]
        for method, path, body, expected in asked:
            status, answer = await cloud.admin(method.upper(), path, body)
            assert status == expected, answer
        async with cloud.session.post(f"{cloud.url}/v1/session", json={"token": cloud.token}) as response:
            assert response.status == 200
