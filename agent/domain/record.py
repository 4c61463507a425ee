"""The immutable record that goes to the cloud: a CloudEvent, hash-chained per lane and signed by the till.

    hash       SHA-256 over the RFC 8785 canonical JSON of the event without `hash`, `signature` and `disclosed`
    prevhash   the hash of the event before it in the same lane; 64 zeros for the first
    signature  Ed25519 over b"redeemd/record/v1" NUL hash, base64url without padding
    disclosed  the pseudonyms behind salted digests in `data`; may be taken away (`agent.domain.disclosure`)

A gap in `sequence`, a `prevhash` that does not fit or two events of one sequence show that a till's history was cut,
edited or restored from a copy.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

REDEMPTION_LANE = "redemption"
EVIDENCE_LANE = "evidence"
LANES = (REDEMPTION_LANE, EVIDENCE_LANE)
GENESIS = "0" * 64
SEQUENCE_MAX = 10**15 - 1
"""What fifteen digits hold."""
DEPTH_MAX = 16
"""Arrays and objects within one another in an event."""
_CONTEXT = b"redeemd/record/v1\0"
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
NOT_HASHED = frozenset(("hash", "signature", "disclosed"))
"""Members of an event that stand beside what is signed."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SEQUENCE = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)


def record_id(till: str, lane: str, sequence: int) -> str:
    """The event's id, short enough to read out: T-0001-42 for a redemption, T-0001-E7 for evidence."""
    return f"{till}-{'' if lane == REDEMPTION_LANE else 'E'}{sequence}"


class RecordFault(ValueError):
    """An event that is not what it claims to be. code: stable. detail: for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class ChainHead(NamedTuple):
    """The last record of a lane: its sequence (0 before the first) and hash (hex)."""

    sequence: int = 0
    hash: str = GENESIS


def canonical_json(value: Any) -> bytes:
    """RFC 8785 for the values we use (ASCII keys, integers within 2^53, texts, true, false, null): no floats.

    RecordFault("malformed") for any other value: what comes from a till is checked with this function too.
    """
    _check_canonical(value, DEPTH_MAX)
    try:
        return _CANONICAL.encode(value).encode()
    except UnicodeEncodeError:
        raise RecordFault("malformed", "a text with half a surrogate pair") from None


def _check_canonical(value: Any, depth: int) -> None:
    """Texts are left to the encoder. Plain tests by kind, the commonest first: this runs within every redemption."""
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if not -(2**53) < value < 2**53:
            raise RecordFault("malformed", "an integer beyond what JSON carries exactly")
        return
    if not isinstance(value, dict | list | tuple):
        raise RecordFault("malformed", f"{type(value).__name__} has no place in a record")
    if depth == 0:
        raise RecordFault("malformed", f"nested deeper than {DEPTH_MAX}")
    items: Iterable[Any] = value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not key.isascii():
                raise RecordFault("malformed", "a key that is not an ASCII text")
        items = value.values()
    for item in items:
        _check_canonical(item, depth - 1)


def _base64url(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


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
    encode: Callable[[Any], bytes] = canonical_json,
) -> tuple[str, ChainHead]:
    """Make the next event of a lane: its JSON text as stored and sent, and the new head. kind: redemption, evidence.

    encode: writes what `canonical_json` would write; a caller that is in a hurry brings a faster one.
    """
    event = {
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
    body = encode(event)
    digest = hashlib.sha256(body).digest()
    # The text is what was hashed, with the two last members put behind it: written once, not twice.
    closing = f',"hash":"{digest.hex()}","signature":"{_base64url(sign(_CONTEXT + digest))}"}}'
    return body[:-1].decode() + closing, ChainHead(previous.sequence + 1, digest.hex())


def check(event: Mapping[str, Any], till: str, verify: Callable[[bytes, bytes], bool]) -> ChainHead:
    """The event's own place in its lane, after hash and signature were checked; RecordFault otherwise.

    verify(signature, data) answers with the till's public key. Whether `prevhash` fits is the ledger's question.
    """
    if event.get("source") != f"/tills/{till}":
        raise RecordFault("wrong_till", f"source {str(event.get('source'))[:80]!r}")
    sequence, stated, signature = (event.get(name) for name in ("sequence", "hash", "signature"))
    if not isinstance(sequence, str) or not _SEQUENCE.fullmatch(sequence):
        raise RecordFault("malformed", "sequence is not a decimal number from 1")
    raw = _signature_bytes(signature)
    body = {name: value for name, value in event.items() if name not in NOT_HASHED}
    digest = hashlib.sha256(canonical_json(body)).digest()
    if stated != digest.hex():
        raise RecordFault("wrong_hash", "the event is not what was hashed")
    if not verify(raw, _CONTEXT + digest):
        raise RecordFault("bad_signature", "not signed by this till's key")
    lane = event.get("lane")
    if lane not in LANES:
        raise RecordFault("malformed", f"lane is none of {', '.join(LANES)}")
    if event.get("id") != record_id(till, str(lane), int(sequence)):
        raise RecordFault("malformed", "id does not name the till, the lane and the sequence")
    return ChainHead(int(sequence), digest.hex())


def _signature_bytes(text: Any) -> bytes:
    """The 64 bytes behind their one base64url form: Python's decoder would pass over strangers and stray bits."""
    try:
        raw = base64.urlsafe_b64decode(text + "==") if isinstance(text, str) and len(text) == 86 else b""
    except ValueError:
        raw = b""
    if len(raw) != 64 or _base64url(raw) != text:
        raise RecordFault("malformed", "signature is not 64 bytes in base64url")
    return raw
