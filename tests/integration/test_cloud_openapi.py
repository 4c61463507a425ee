"""docs/cloud-openapi.yaml is valid, names every route and no other, and the real answers fit it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # of openapi-spec-validator, no types
from openapi_spec_validator import OpenAPIV31SpecValidator

from agent.domain import campaign as campaigns
from agent.domain.scan import Kind, Rule, rule_to_wire
from cloud import (
    admin_routes,
    bundle_routes,
    code_routes,
    erasure_routes,
    feed_routes,
    issuer_routes,
    member_routes,
    report_routes,
    staff_routes,
    till_routes,
    webhook_routes,
)
from cloud.reports import REPORTS
from sync import wire
from sync.ports import Answer
from sync.verdicts import VERDICTS_TYPE, read_verdicts, verdicts_path
from tests.integration.cloud_server_kit import KEY_BODY, STORE_BODY, enrolment, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, TODAY, campaign, sealing_till

MODULES = (
    till_routes,
    admin_routes,
    issuer_routes,
    bundle_routes,
    code_routes,
    staff_routes,
    report_routes,
    erasure_routes,
    feed_routes,
    webhook_routes,
)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "cloud-openapi.yaml"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    whole = schema | {"components": document["components"]}  # so that references resolve
    faults = [error.message for error in Draft202012Validator(whole).iter_errors(value)]
    assert faults == [], value


def answer_schema(document: dict[str, Any], method: str, path: str, status: int, kind: str) -> dict[str, Any]:
    responses = document["paths"][path][method]["responses"]
    found = responses.get(str(status), responses.get("default"))
    if "$ref" in found:
        found = document["components"]["responses"][found["$ref"].rpartition("/")[2]]
    schema = found["content"][kind].get("schema", {})
    assert isinstance(schema, dict)
    return schema


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_it_names_every_route_and_no_other(document: dict[str, Any]) -> None:
    served = {
        (
            route.method.lower(),
            re.sub(r"\{(\w+):[^}]*\}+", r"{\1}", route.path).replace("{sha256}}", "{sha256}"),
        )
        for module in (
            till_routes,
            admin_routes,
            issuer_routes,
            bundle_routes,
            code_routes,
            member_routes,
            staff_routes,
            report_routes,
            erasure_routes,
            feed_routes,
            webhook_routes,
        )
        for route in module.ROUTES
        if hasattr(route, "method") and hasattr(route, "path")
    }
    named = {
        (method, path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "delete")
    }
    assert served == named


def test_it_names_every_conflict(document: dict[str, Any]) -> None:
    """But what commands alone say; `restored` is what no other has: one word."""
    sources = [path.read_text("utf-8") for path in Path(admin_routes.__file__).parent.glob("*.py")]
    codes = {code for source in sources for code in re.findall(r'409,\s*"(\w+)"', source)}
    codes -= {"not_closed", "sequences_used_up", "restored"}
    assert {"uses_fixed", "code_exists"} <= codes
    said = document["components"]["responses"]["Taken"]["description"]
    assert set(re.findall(r"[a-z]+_[a-z_]+", said)) == codes


def test_what_requests_hold_fits_it(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    till = sealing_till("T-1")
    for name, value in (
        ("Store", STORE_BODY),
        ("NewIssuerKey", KEY_BODY),
        ("Campaign", campaigns.to_wire(campaign())),
        ("Event", till.redeem(1)),
        ("Enrolment", enrolment(till, "AAAA-BBBB-CCCC")),
    ):
        check(document, schemas[name], value)


async def test_real_answers_fit_it(document: dict[str, Any], tmp_path: Path) -> None:
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
        results = json.loads(wire.encode_results(said))
        check(document, document["components"]["schemas"]["Results"], results)
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
            kind = "application/json" if status < 400 else "application/problem+json"
            route = f"/v1/admin/{path.partition('?')[0]}"
            check(document, answer_schema(document, method, route, status, kind), answer)
            if method == "get" and status == 200:
                assert answer[path], "there is one to look at"
        async with two.uplink() as uplink:
            told = await uplink.get(verdicts_path("T-2", 0))
        assert isinstance(told, Answer)
        read, _ = read_verdicts(told.body)
        assert [(one.standing, one.other["till"]) for one in read] == [("lost", "T-1")]
        schema = answer_schema(document, "get", "/v1/tills/{till}/verdicts", 200, VERDICTS_TYPE)
        check(document, schema, json.loads(told.body))
        assert wire.media_type(told.headers) == VERDICTS_TYPE
        lines = await cloud.lines()
        assert len(lines) == 5
        for line in lines:
            check(document, document["components"]["schemas"]["LedgerLine"], line)
        async with cloud.session.get(f"{cloud.url}/v1/health") as response:
            check(document, document["components"]["schemas"]["Health"], json.loads(await response.text()))


async def test_what_a_check_is_answered_fits_it(document: dict[str, Any], tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
        await one.post(one.till.redeem(1))
        coupons = [{"issuer": ISSUER, "campaign": CAMPAIGN, "index": index} for index in (1, 9, 5_000)]
        body = {"check": "0" * 32, "coupons": [coupons[0], coupons[1] | {"reserve": True}, coupons[2]]}
        check(document, document["components"]["schemas"]["Check"], body)
        async with two.uplink() as uplink:
            heard = await uplink.ask(wire.checks_path("T-2"), json.dumps(body).encode(), wait_s=10)
            other = await uplink.ask(wire.checks_path("T-1"), json.dumps(body).encode(), wait_s=10)
            wrong = await uplink.ask(wire.checks_path("T-2"), b'{"check": "x"}', wait_s=10)
        assert isinstance(heard, Answer)
        assert isinstance(other, Answer)
        assert isinstance(wrong, Answer)
        check(document, document["components"]["schemas"]["Checked"], json.loads(heard.body))
        assert [one["word"] for one in json.loads(heard.body)["coupons"]] == ["used", "yes", "unknown"]
        assert (other.status, wrong.status) == (403, 422), (
            "a till asks for itself, in the form that is written"
        )


async def test_what_is_answered_of_held_uses_fits_it(document: dict[str, Any], tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")
        asked = [
            ("post", "tills/{till}/revoke", "tills/T-1/revoke?promos=keep", 200),
            ("get", "held", "held?till=T-1", 200),
            ("post", "tills/{till}/refuse", "tills/T-1/refuse", 200),
            ("get", "held", "held", 200),
            ("post", "tills/{till}/release", "tills/T-1/release?key=x", 422),
            ("post", "tills/{till}/release", "tills/T-1/release", 200),
        ]
        for method, template, path, expected in asked:
            status, answer = await cloud.admin(method.upper(), path)
            assert status == expected, answer
            kind = "application/json" if status < 400 else "application/problem+json"
            check(document, answer_schema(document, method, f"/v1/admin/{template}", status, kind), answer)
            if method == "get":
                assert len(answer["held"]) == 1
            if template.endswith("revoke"):
                await client.post(client.till.redeem(1))


async def test_what_issuers_are_answered_fits_it(document: dict[str, Any], tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        _, listed = await cloud.admin("GET", "issuers")
        kid = listed["keys"][0]["kid"]
        change = "issuers/{kid}/{change}"
        one = "campaigns/{issuer}/{campaign}"
        asked = [
            ("get", "issuers", "issuers"),
            ("get", "campaigns", "campaigns"),
            ("get", one, f"campaigns/{ISSUER}/{CAMPAIGN}"),
            ("get", one, f"campaigns/{ISSUER}/9"),
            ("post", change, f"issuers/{kid}/withdraw"),
            ("post", change, f"issuers/{kid}/retire"),
        ]
        seen = []
        for method, template, path in asked:
            status, answer = await cloud.admin(method.upper(), path)
            kind = "application/json" if status < 400 else "application/problem+json"
            check(document, answer_schema(document, method, f"/v1/admin/{template}", status, kind), answer)
            seen.append(status)
        assert seen == [200, 200, 200, 404, 200, 409]


def test_a_result_that_says_too_little_does_not_fit_it(document: dict[str, Any]) -> None:
    results = document["components"]["schemas"]["Results"] | {"components": document["components"]}
    validator = Draft202012Validator(results)
    assert validator.is_valid({"results": [{"id": "T-1-1", "status": "stored"}]})
    bare = [{"id": "T-1-1", "status": "conflict"}, {"id": "T-1-1", "status": "refused"}, {"status": "stored"}]
    assert not any(validator.is_valid({"results": [entry]}) for entry in bare)


async def test_what_staff_are_answered_fits_it(document: dict[str, Any], tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        await (await cloud.enrol("T-1")).fetch()
        asked: list[tuple[str, str, str, Any, int]] = [
            ("post", "tokens", "tokens", {"role": "viewer", "name": "x", "days": 3}, 201),
            ("get", "tokens", "tokens", None, 200),
            ("post", "tokens/{token}/revoke", "tokens/x/revoke", None, 200),
            ("post", "tokens/{token}/revoke", "tokens/x/revoke", None, 404),
            ("get", "acts", "acts", None, 200),
            ("get", "overview", "overview", None, 200),
            ("get", "fleet", "fleet", None, 200),
            ("get", "fleet", "fleet?sort=x", None, 422),
            *(("get", "reports/{report}", f"reports/{report}", None, 200) for report in REPORTS),
        ]
        for method, template, path, body, expected in asked:
            status, answer = await cloud.admin(method.upper(), path, body)
            assert status == expected, answer
            kind = "application/json" if status < 400 else "application/problem+json"
            check(document, answer_schema(document, method, f"/v1/admin/{template}", status, kind), answer)
        async with cloud.session.post(f"{cloud.url}/v1/session", json={"token": cloud.token}) as response:
            who = await response.json()
        check(document, answer_schema(document, "post", "/v1/session", 200, "application/json"), who)
