"""Record vectors: four events of one lane, one of which discloses a pseudonym, one of the other, and edited ones."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from agent.domain import record
from agent.domain.disclosure import disclosure, pair_text, with_disclosed
from agent.domain.keys import signing_key_from_seed
from agent.domain.record import ChainHead
from tests.vectors.tokens import key_json

SEED = bytes(range(32, 64))
KEY = signing_key_from_seed(SEED)
TILL = "T-0001"
SAID = disclosure(bytes(range(16)), bytes.fromhex("5f1d0c3a9b7e2468"))
EVENTS: list[tuple[str, str, str, str, dict[str, Any]]] = [
    (
        "redemption",
        "redemption",
        "2026-11-22T09:30:00.000Z",
        "acme/7/123456",
        {"charge_minor": 3000, "discount_minor": 3000},
    ),
    (
        "redemption",
        "redemption",
        "2026-11-22T09:31:02.500Z",
        "acme/7/5",
        {"discount_minor": None, "offline": True},
    ),
    (
        "redemption",
        "redemption",
        "2026-11-22T09:32:00.001Z",
        "acme/8/9",
        {
            "z": "last",
            "a": ['"quoted" \\ \u007f\u2028', "满 100 减 30", "tab\tline\nbell\u0007", "😀"],
            "B": -1,
        },
    ),
    (
        "redemption",
        "redemption",
        "2026-11-22T09:32:30.000Z",
        "acme/7/6",
        {"discount_minor": 100, "coupon": {"referrer": SAID.digest}},
    ),
    ("evidence", "evidence", "2026-11-22T09:33:00.000Z", "scan", {"outcome": "expired"}),
]


def _events() -> list[dict[str, Any]]:
    heads: dict[str, ChainHead] = {}
    made = []
    for lane, kind, time, subject, data in EVENTS:
        text, heads[lane] = record.seal(
            lane=lane,
            previous=heads.get(lane, ChainHead()),
            till=TILL,
            kind=kind,
            time=time,
            subject=subject,
            data=data,
            sign=KEY.sign,
        )
        if SAID.digest in text:
            text = with_disclosed(text, pair_text([SAID]))
        event = json.loads(text)
        body = {name: value for name, value in event.items() if name not in record.NOT_HASHED}
        made.append({"event": event, "canonical": record.canonical_json(body).decode()})
    return made


def resigned(event: dict[str, Any], sign: Callable[[bytes], bytes]) -> dict[str, Any]:
    """An edited event with the right hash and signature again: what a till with its key could send."""
    body = {name: value for name, value in event.items() if name not in record.NOT_HASHED}
    digest = hashlib.sha256(record.canonical_json(body)).digest()
    signature = base64.urlsafe_b64encode(sign(b"redeemd/record/v1\0" + digest)).rstrip(b"=").decode()
    return body | {"hash": digest.hex(), "signature": signature}


def vectors() -> dict[str, Any]:
    """The content of records.json."""
    events = _events()
    first = events[0]["event"]
    other = "A" if first["signature"][0] != "A" else "B"
    edits: list[tuple[str, dict[str, Any], str]] = [
        ("amount raised", {"data": {**first["data"], "discount_minor": 9000}}, "wrong_hash"),
        ("moved in the chain", {"sequence": "2"}, "wrong_hash"),
        ("another event before it", {"prevhash": "1" * 64}, "wrong_hash"),
        ("field added", {"note": "x"}, "wrong_hash"),
        ("another till", {"source": "/tills/T-0002"}, "wrong_till"),
        ("another signature", {"signature": other + first["signature"][1:]}, "bad_signature"),
        ("signature cut", {"signature": first["signature"][:-1]}, "malformed"),
        ("sequence as a number", {"sequence": 1}, "malformed"),
        ("sequence with a leading zero", {"sequence": "01"}, "malformed"),
        ("a fraction", {"data": {"amount": 1.5}}, "malformed"),
        ("the id of another record", resigned(first | {"id": "T-0001-2"}, KEY.sign), "malformed"),
        ("the id of the other lane", resigned(first | {"id": "T-0001-E1"}, KEY.sign), "malformed"),
        ("a lane that is none", resigned(first | {"lane": "other"}, KEY.sign), "malformed"),
    ]
    return {
        "about": "docs/bundle-format.md, Records; hash and signature cover `canonical`",
        "key": key_json(KEY, SEED),
        "till": TILL,
        "events": events,
        "invalid": [{"name": name, "event": first | edit, "code": code} for name, edit, code in edits],
    }
