"""docs/sync-protocol.md says what the code does: its examples verify and its tables are the code's tables.

The examples are checked with nothing but the page's own rules and the standard library, as another team
would.
"""

import base64
import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync import protocol, till_health, uplink, wire
from sync.backoff import RETRY_AFTER_MAX_S, Backoff
from sync.missing import RESEND_MAX, RESEND_S, SPANS_MAX, decode_missing
from sync.ports import FailureKind
from sync.status import Treatment, rule_for
from sync.wire import Limits, ResultStatus

PAGE = (Path(__file__).parents[2] / "docs" / "sync-protocol.md").read_text(encoding="utf-8")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def block(info: str) -> str:
    found = re.search(rf"^```{info}\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no block {info}"
    return found[1]


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def canonical(event: dict[str, Any]) -> bytes:
    """RFC 8785 for ASCII keys and integers."""
    return json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def test_the_example_event_is_hashed_and_signed_as_the_page_says() -> None:
    event = json.loads(block("json event"))
    public = base64.b64decode(re.findall(r"`([A-Za-z0-9+/]{43}=)`", PAGE)[0])
    assert public == KEY.public_key().public_bytes_raw()
    stated, signature = event.pop("hash"), event.pop("signature")
    digest = hashlib.sha256(canonical(event)).digest()
    assert digest.hex() == stated
    KEY.public_key().verify(base64.urlsafe_b64decode(signature + "=="), b"redeemd/record/v1\0" + digest)


def test_the_example_event_makes_a_batch() -> None:
    assert [event["id"] for event in wire.decode_batch(f"[{block('json event')}]".encode())] == ["T-0001-1"]


def test_the_example_answer_has_every_status() -> None:
    ids = [f"T-0001-{n}" for n in range(1, 5)]
    results, faults = wire.decode_results(block("json results").encode(), ids)
    assert ([result.status for result in results], faults) == (list(ResultStatus), [])
    assert {row[0].split("`")[1] for row in rows("Results") if "`" in row[0]} == set(ResultStatus)


def test_the_example_of_what_is_missing_is_read() -> None:
    body = block("json missing").encode()
    assert decode_missing(body) == ((4, 6),)
    assert wire.decode_results(body, ["T-0001-7"])[1] == []
    assert f"at most {SPANS_MAX} spans" in PAGE
    assert f"at most {RESEND_MAX} for one answer" in PAGE
    assert f"does nothing for {RESEND_S / 60:.0f} minutes" in PAGE


def test_the_example_problem_is_one() -> None:
    body = block("json problem").encode()
    problem = wire.decode_problem(400, {"content-type": wire.PROBLEM_TYPE}, body)
    assert problem is not None
    assert problem.permanent
    assert json.loads(wire.encode_problem(problem)) == json.loads(body)


def test_the_example_request_is_signed_as_the_page_says() -> None:
    headers = dict(line.split(": ", 1) for line in block("http signed").splitlines())
    body = b'{"hello": "world"}\n'
    base = block("text base").encode()
    signature = base64.b64decode(headers["Signature"].removeprefix("till=:").removesuffix(":"))
    KEY.public_key().verify(signature, base)
    parts = wire.parse_signature(headers)
    path = "/v1/tills/T-0001/batches/redemption"
    wire.verify(parts, "POST", path, body, lambda signature, message: message == base)
    assert headers == wire.sign_headers(
        "POST", path, body, created=parts.created, nonce=parts.nonce, key_id=parts.key_id, sign=KEY.sign
    )


def test_the_example_of_a_tills_health_is_signed_as_the_page_says() -> None:
    headers = dict(line.split(": ", 1) for line in block("http health").splitlines())
    said = headers[till_health.HEADER]
    assert till_health.read_header(said) is not None
    parts = wire.parse_signature(headers)
    params = headers["Signature-Input"].removeprefix("till=")
    base = (
        '"@method": GET\n"@path": /v1/tills/T-0001/bundle\n"@query": ?\n'
        f'"content-digest": {headers["Content-Digest"]}\n"redeemd-health": {said}\n"@signature-params": {params}'
    )
    KEY.public_key().verify(parts.signature, base.encode())
    path = wire.bundle_path("T-0001")
    wire.verify(parts, "GET", path, b"", lambda signature, message: message == base.encode())


def statuses(cell: str) -> set[int]:
    found: set[int] = set()
    for part in cell.split(", "):
        found |= (
            set(range(int(part[0]) * 100, int(part[0]) * 100 + 100)) if part.endswith("xx") else {int(part)}
        )
    return found


def test_the_table_of_statuses_is_the_codes_table() -> None:
    named: set[int] = set()
    for cell, _cloud, till, kind in rows("Status codes"):
        codes = (
            set(range(100, 600)) - named
            if cell == "other"
            else statuses(cell) - named - ({511} if cell == "5xx" else set())
        )
        named |= codes
        for code in codes:
            rule = rule_for(code)
            assert (rule.kind or "") == kind.strip("`"), code
            assert (rule.treatment is Treatment.SPLIT) == till.startswith("halves"), code
            assert (rule.treatment is Treatment.PER_RECORD) == till.startswith("settles"), code
            assert ("smaller batch" in till) == (rule.kind is FailureKind.BUSY), code
    assert named == set(range(100, 600))


def test_the_table_of_limits_is_the_codes_table() -> None:
    assert {row[0].strip("`"): int(row[1]) for row in rows("Limits")} == asdict(Limits())


@pytest.mark.parametrize(
    "said",
    [
        f"first batch has {protocol.FIRST_BATCH_RECORDS} records",
        f"min({Backoff().cap_s:.0f} s, {Backoff().base_s:.0f} s * 2^(n-1))",
        f"after {protocol.SET_ASIDE_FLOOR_S:.0f} s plus a random time up to {protocol.SET_ASIDE.base_s:.0f} s",
        f"more than {protocol.SUSPECTS_MAX} are set aside",
        f"{uplink.Timeouts().connect_s:.0f} s for a connection, {uplink.Timeouts().idle_s:.0f} s in silence",
        f"and {uplink.Timeouts().total_s:.0f} s in all",
    ],
)
def test_the_numbers_in_the_text_are_the_codes(said: str) -> None:
    assert RETRY_AFTER_MAX_S == protocol.SET_ASIDE.cap_s == 3600  # "one hour", twice
    assert said in " ".join(PAGE.split())
