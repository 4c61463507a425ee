"""The immutable record that goes to the cloud: a CloudEvent, hash-chained per lane and signed by the till.

    hash       SHA-256 over the RFC 8785 canonical JSON of the event without `hash` and `signature`
    prevhash   the hash of the event before it in the same lane; 64 zeros for the first
    signature  Ed25519 over b"redeemd/record/v1" NUL hash, base64url without padding

A gap in `sequence`, a `prevhash` that does not fit or two events of one sequence show that a till's history was cut,
edited or restored from a copy.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REDEMPTION_LANE = "redemption"
EVIDENCE_LANE = "evidence"
LANES = (REDEMPTION_LANE, EVIDENCE_LANE)
GENESIS = "0" * 64
_CONTEXT = b"redeemd/record/v1\0"


def record_id(till: str, lane: str, sequence: int) -> str:
    """The event's id, short enough to read out: T-0001-42 for a redemption, T-0001-E7 for evidence."""
    return f"{till}-{'' if lane == REDEMPTION_LANE else 'E'}{sequence}"


class RecordFault(ValueError):
    """An event that is not what it claims to be. code: stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last record of a lane: its sequence (0 before the first) and hash (hex)."""

    sequence: int = 0
    hash: str = GENESIS


def canonical_json(value: Any) -> bytes:
    """RFC 8785 for the values we use (ASCII keys, integers within 2^53, texts, true, false, null): no floats."""
    _assert_canonical(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _assert_canonical(value: Any) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            assert -(2**53) < value < 2**53, "an integer beyond what JSON carries exactly"
        case list() | tuple():
            for item in value:
                _assert_canonical(item)
        case dict():
            for key, item in value.items():
                assert isinstance(key, str), "keys are texts"
                assert key.isascii(), "keys are ASCII"
                _assert_canonical(item)
        case _:
            raise AssertionError(f"{type(value).__name__} has no place in a record")


def seal(
    *,
    lane: str,
    previous: ChainHead,
    till: str,
    kind: str,
    time: str,
    subject: str,
    data: Mapping[str, Any],
    sign: Callable[[bytes], bytes],
) -> tuple[str, ChainHead]:
    """Make the next event of a lane: its JSON text as stored and sent, and the new head. kind: redemption, evidence."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": record_id(till, lane, previous.sequence + 1),
        "source": f"/tills/{till}",
        "type": f"redeemd.{kind}.v1",
        "time": time,
        "subject": subject,
        "datacontenttype": "application/json",
        "lane": lane,
        "sequence": str(previous.sequence + 1),
        "prevhash": previous.hash,
        "data": data,
    }
    digest = hashlib.sha256(canonical_json(event)).digest()
    event["hash"] = digest.hex()
    event["signature"] = base64.urlsafe_b64encode(sign(_CONTEXT + digest)).rstrip(b"=").decode()
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return text, ChainHead(previous.sequence + 1, event["hash"])


def check(event: Mapping[str, Any], till: str, verify: Callable[[bytes, bytes], bool]) -> ChainHead:
    """The event's own place in its lane, after hash and signature were checked; RecordFault otherwise.

    verify(signature, data) answers with the till's public key. Whether `prevhash` fits is the ledger's question.
    """
    if event.get("source") != f"/tills/{till}":
        raise RecordFault("wrong_till", f"source {str(event.get('source'))[:80]!r}")
    sequence, stated, signature = (event.get(name) for name in ("sequence", "hash", "signature"))
    if (
        not isinstance(sequence, str)
        or not sequence.isascii()
        or not sequence.isdigit()
        or len(sequence) > 15
    ):
        raise RecordFault("malformed", "sequence is not a decimal number")
    if not isinstance(signature, str) or len(signature) != 86:
        raise RecordFault("malformed", "signature is not 64 bytes in base64url")
    body = {name: value for name, value in event.items() if name not in ("hash", "signature")}
    try:
        digest = hashlib.sha256(canonical_json(body)).digest()
        raw = base64.urlsafe_b64decode(signature + "==")
    except (AssertionError, ValueError, UnicodeEncodeError) as error:
        raise RecordFault("malformed", str(error)) from None
    if stated != digest.hex():
        raise RecordFault("wrong_hash", "the event is not what was hashed")
    if not verify(raw, _CONTEXT + digest):
        raise RecordFault("bad_signature", "not signed by this till's key")
    return ChainHead(int(sequence), digest.hex())
