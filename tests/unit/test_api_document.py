"""docs/openapi.yaml is valid OpenAPI, its lists are the code's lists and its numbers are the code's numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import config
from agent import health, hub
from agent.api import connections, scans, server, status, wire
from agent.api.errors import PROBLEMS
from agent.api.operation import OPERATIONS
from agent.domain.bundle import Age
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.outcome import Outcome, Tone
from agent.domain.sale import LINES_MAX, PIECES_MAX
from agent.domain.verdict import Verdict
from agent.ports import PrintState
from agent.printing.words import CAUSES
from drivers.ports import MAX_SCAN_CHARS, DeviceState
from tests import openapi_page
from tests.api_contract import PAGE, Contract, examples

CONTRACT = Contract()
GUIDE = PAGE.parent / "api.md"


def enum(schema: str, field: str | None = None) -> set[str]:
    found = CONTRACT.schema(schema)
    return set((found if field is None else found["properties"][field])["enum"])


def test_the_page_is_what_the_code_says() -> None:
    """A schema that was mended by hand, or a type that was changed without `make openapi`, is seen here."""
    assert PAGE.read_text(encoding="utf-8") == openapi_page.made(), "run `make openapi`"


def test_every_route_says_what_it_answers() -> None:
    """And in words: a summary of one line that ends."""
    for route in server.ROUTES:
        assert route.handler in OPERATIONS, route
        summary = str(route.handler.__doc__).partition("\n")[0]
        assert summary.endswith("."), route


def test_a_schema_that_no_type_says_is_seen() -> None:
    """A test that cannot fail is a defect."""
    page = PAGE.read_text(encoding="utf-8")
    changed = page.replace("maximum: 1000000000000", "maximum: 2000000000000", 1)
    assert changed != page
    assert changed != openapi_page.made()


def test_the_document_is_openapi() -> None:
    OpenAPIV31SpecValidator(CONTRACT.document).validate()


def test_its_examples_fit_their_schemas() -> None:
    found = examples(CONTRACT.document)
    assert len(found) > 10
    for schema, example in found:
        value = CONTRACT.resolve(example)["value"]
        if not isinstance(value, str):  # the event stream is text
            assert CONTRACT.fault(schema, value) is None, value


def test_its_lists_are_the_codes_lists() -> None:
    assert enum("Outcome") == set(Outcome)
    assert enum("Tone") == set(Tone)
    assert enum("Problem", "code") == set(PROBLEMS)
    assert enum("PrintState") == set(PrintState)
    assert enum("Print", "cause") == {str(cause) for cause in CAUSES}
    assert enum("DeviceState") == set(DeviceState)
    assert enum("BundleNow", "age") == {*Age, "none"}


def test_its_issues_are_those_of_the_code() -> None:
    source = Path(health.__file__).read_text(encoding="utf-8")
    written = set(re.findall(r'Issue\(\s*"(\w+)",\s*"(?:error|warning|info)"', source))
    lost = set(DeviceState) - {DeviceState.READY, DeviceState.STARTING}
    assert enum("Issue", "code") == (
        written
        | set(health._STOPPED_BY)
        | {said[0] for said in health._DISK_SAID.values()}
        | {f"device_{state}" for state in lost}
    )


def test_its_verdict_has_the_fields_of_the_code() -> None:
    from datetime import UTC, datetime

    shown = Verdict("s", datetime.now(UTC), "api", Outcome.EXPIRED, "z", "e", "", "").to_json()
    assert set(CONTRACT.schema("Verdict")["properties"]) == set(shown)
    assert set(CONTRACT.schema("Verdict")["required"]) == set(shown)


def test_its_bounds_are_the_codes_bounds() -> None:
    def bounds(schema: str, field: str) -> dict[str, Any]:
        found = CONTRACT.schema(schema)["properties"][field]
        assert isinstance(found, dict)
        return found

    assert bounds("ScanBody", "text")["maxLength"] == MAX_SCAN_CHARS
    assert bounds("SaleBody", "total_minor")["maximum"] == AMOUNT_MAX_MINOR
    assert bounds("LineBody", "sku")["maxLength"] == wire.NAME_CHARS_MAX
    assert bounds("SaleBody", "lines")["maxItems"] == LINES_MAX
    quantity = bounds("LineBody", "quantity")
    assert (quantity["minimum"], quantity["maximum"]) == (-PIECES_MAX, PIECES_MAX)
    key = CONTRACT.document["components"]["parameters"]["IdempotencyKey"]["schema"]
    assert key["maxLength"] == scans.KEY_CHARS_MAX
    limit = CONTRACT.operations()["get", "/v1/verdicts"]["parameters"][0]["schema"]
    assert (limit["maximum"], limit["default"]) == (hub.VERDICTS_KEPT, scans.VERDICTS_DEFAULT)
    assert CONTRACT.document["servers"][0]["url"].endswith(f":{config.Api().port}")


@pytest.mark.parametrize(
    "said",
    [
        f"at most {wire.BODY_BYTES_MAX} bytes (413)",
        f"nests at most {wire.DEPTH_MAX} deep",
        f"within {wire.BODY_WAIT_S:.0f} s (408)",
        f"at most {connections.CONNECTIONS_MAX} connections; an idle one is closed after {server.IDLE_S} s",
        f"after {status.HEARTBEAT_S:.0f} s of silence",
        f"At most {hub.LISTENERS_MAX} listeners",
        f"does not read for {status.WRITE_S:.0f} s, or is {hub.BACKLOG_MAX} events behind",
        f"retry: {status.RECONNECT_MS}\n",
    ],
)
def test_the_numbers_in_its_text_are_the_codes(said: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert " ".join(said.split()) in " ".join(page.split())


def test_every_error_code_is_explained_where_it_comes() -> None:
    """Each code that an operation can answer stands in the description of one of its answers."""
    described = {
        code
        for operation in CONTRACT.operations().values()
        for response in operation["responses"].values()
        for code in re.findall(r"`(\w+)`", CONTRACT.resolve(response)["description"])
    }
    elsewhere = {"not_found", "method_not_allowed"}
    assert set(PROBLEMS) - described == elsewhere


def rows(heading: str) -> list[list[str]]:
    section = GUIDE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_guides_table_of_errors_is_the_codes() -> None:
    table = {row[1].strip("`"): int(row[0]) for row in rows("Errors")}
    assert table == {code: problem.status for code, problem in PROBLEMS.items()}


def test_the_guides_table_of_outcomes_is_the_codes() -> None:
    named = {code for row in rows("Outcomes") for code in re.findall(r"`(\w+)`", row[0])}
    assert named == set(Outcome)
