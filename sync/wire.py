"""What till and cloud say to each other, as bytes. Pure. The rules: docs/sync-protocol.md.

A record is one CloudEvents 1.0 object, made and signed by the agent; for this module its text is opaque. A
batch is a JSON array of them (`application/cloudevents-batch+json`). CloudEvents defines no answer per
event, so ours is here: one result per record, or one problem (RFC 9457) for the whole request. What a
result does not say, did not happen: a record without a valid result of its own stays with the till.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sync import strict_json
from sync.errors import SignatureError, SyncError, WireError
from sync.paths import (
    ENROL_PATH,
    batch_path,
    bundle_path,
    checks_path,
    key_path,
    part_path,
    root_path,
    till_path,
)
from sync.signing import (
    SignatureParts,
    build_signature_base,
    content_digest,
    parse_signature,
    sign_headers,
    signature_base,
    verify,
)

__all__ = [  # sync.paths and the request signing of sync.signing are part of the wire that till and cloud share
    "BATCH_TYPE",
    "ENROL_PATH",
    "PROBLEM_NAME",
    "PROBLEM_TYPE",
    "RESULTS_TYPE",
    "REVOCATION_HEADER",
    "STATEMENT_TYPE",
    "Limits",
    "Problem",
    "Record",
    "RecordResult",
    "ResultStatus",
    "SignatureError",
    "SignatureParts",
    "SyncError",
    "WireError",
    "batch_path",
    "build_signature_base",
    "bundle_path",
    "checks_path",
    "content_digest",
    "decode_batch",
    "decode_problem",
    "decode_results",
    "encode_batch",
    "encode_problem",
    "encode_results",
    "gunzip_bounded",
    "gzip_bytes",
    "idempotency_key",
    "key_path",
    "media_type",
    "parse_signature",
    "part_path",
    "root_path",
    "sign_headers",
    "signature_base",
    "till_path",
    "verify",
]

BATCH_TYPE = "application/cloudevents-batch+json"
RESULTS_TYPE = "application/vnd.redeemd.results.v1+json"
PROBLEM_TYPE = "application/problem+json"
PROBLEM_NAME = "urn:redeemd:problem:"
"""Before a code: the `type` of its problem. A name, no address (decision 0036)."""
STATEMENT_TYPE = "application/cbor"
REVOCATION_HEADER = "Redeemd-Revocation"
"""Beside a 403 with the code till_revoked: the signed statement in base64, without which a till believes nothing."""

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_GZIP_WBITS = 31  # zlib's way to say: a gzip member, not a zlib stream


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the protocol, the same on both sides unless a field says whose it is."""

    batch_records: int = 500
    """Most records in one batch."""
    batch_bytes: int = 1024 * 1024
    """Longest batch in bytes, before compression; also what a compressed one may unpack to."""
    event_bytes: int = 64 * 1024
    """Longest event in bytes; the agent makes none longer."""
    json_depth: int = 16
    """Deepest nesting of arrays and objects; the array of the batch is the first level."""
    answer_bytes: int = 1024 * 1024
    """Longest answer to a batch or an enrolment a till reads, in bytes, compressed and not."""
    part_bytes: int = 16 * 1024 * 1024
    """Longest bundle part a till reads, in bytes, compressed and not."""
    sentence_chars: int = 500
    """Longest sentence kept from an answer; a longer one is cut."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Record:
    """One record in the outbox. sequence: gap-free within its lane, from 1. record_id: the event's `id`.

    event: the CloudEvents object as JSON text, carried as it is, byte for byte.
    """

    lane: str
    sequence: int
    record_id: str
    event: str

    @property
    def size_bytes(self) -> int:
        return len(self.event.encode())


class ResultStatus(StrEnum):
    """What became of one record in the cloud. All but REFUSED acknowledge it."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # the cloud has this very record already
    CONFLICT = "conflict"  # stored, and the same coupon was redeemed at another till as well
    REFUSED = "refused"  # not stored; `permanent` says whether trying again can help


@dataclass(frozen=True, slots=True)
class RecordResult:
    """The cloud's answer to one record.

    code: stable reason, empty unless refused. sentence: the same for people. permanent: only for a refused
    record, the same bytes will never be stored. conflict: only for CONFLICT, with whom, when and what
    follows.
    """

    record_id: str
    status: ResultStatus
    code: str = ""
    sentence: str = ""
    permanent: bool = False
    conflict: dict[str, Any] | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the cloud holds the record, so that the till may drop it from the outbox."""
        return self.status is not ResultStatus.REFUSED


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal of a whole request, RFC 9457. permanent: the same request will never be accepted."""

    status: int
    code: str
    sentence: str
    permanent: bool = False


# --- batches ---


def encode_batch(records: Sequence[Record]) -> bytes:
    """The batch as bytes, events in the order given and untouched."""
    return b"[" + b",".join(record.event.encode() for record in records) + b"]"


def decode_batch(body: bytes, limits: Limits = DEFAULT_LIMITS) -> list[dict[str, Any]]:
    """The events of an unpacked batch, each an object with a usable `id`, unique in it; no more is judged.

    Raises WireError: the whole batch is refused (400, or 413 for too_large and too_many).
    """
    events = strict_json.loads(body, max_bytes=limits.batch_bytes, max_depth=limits.json_depth)
    if not isinstance(events, list):
        raise WireError("not_a_batch", "a batch is a JSON array of CloudEvents objects")
    if len(events) > limits.batch_records:
        raise WireError(
            "too_many", f"{len(events)} records in one batch, at most {limits.batch_records} are allowed"
        )
    seen: set[str] = set()
    for position, event in enumerate(events):
        record_id = event.get("id") if isinstance(event, dict) else None
        if not isinstance(record_id, str) or not _ID.fullmatch(record_id):
            raise WireError(
                "not_a_batch", f"entry {position} is not an object with an id of 1 to 64 characters"
            )
        if record_id in seen:
            raise WireError("duplicate_id", f"the id {record_id} stands twice in one batch")
        seen.add(record_id)
    return events


def idempotency_key(body: bytes) -> str:
    """The key of a batch: its content decides, so the same batch sent again carries the same key.

    32 hex digits of SHA-256 over the batch before compression.
    """
    return hashlib.sha256(body).hexdigest()[:32]


# --- results ---


def encode_results(results: Sequence[RecordResult], missing: Sequence[tuple[int, int]] = ()) -> bytes:
    """The body of a 200 answer to a batch, in any order, media type RESULTS_TYPE. missing: see `sync.missing`."""
    named = {"missing": [{"first": first, "last": last} for first, last in missing]} if missing else {}
    return _dump({"results": [_result_object(result) for result in results], **named})


def _result_object(result: RecordResult) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": result.record_id, "status": result.status.value}
    if result.status is ResultStatus.REFUSED:
        assert _CODE.fullmatch(result.code), f"a refusal needs a code in lower_snake_case: {result.code!r}"
        entry |= {"code": result.code, "sentence": result.sentence, "permanent": result.permanent}
    if result.status is ResultStatus.CONFLICT:
        assert result.conflict is not None, "a conflict says with whom"
        entry["conflict"] = result.conflict
    return entry


def decode_results(
    body: bytes, sent_ids: Sequence[str], limits: Limits = DEFAULT_LIMITS
) -> tuple[list[RecordResult], list[str]]:
    """The believable results for the records sent, and one sentence per protocol fault.

    A record that is not answered, answered twice or answered in words unknown here has no result: it stays
    with the till. Members unknown here are ignored, so that a newer cloud may say more.
    """
    try:
        document = strict_json.loads(body, max_bytes=limits.answer_bytes, max_depth=limits.json_depth)
    except WireError as error:
        return [], [f"the answer to a batch cannot be read: {error.sentence}"]
    entries = document.get("results") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return [], ["the answer to a batch has no list of results"]
    faults: list[str] = []
    by_id: dict[str, list[RecordResult]] = {record_id: [] for record_id in sent_ids}
    for entry in entries:
        result = _read_result(entry, limits)
        if isinstance(result, str):
            faults.append(result)
        elif result.record_id not in by_id:
            faults.append(f"a result names {result.record_id}, which was not sent")
        else:
            by_id[result.record_id].append(result)
    results: list[RecordResult] = []
    for record_id, answers in by_id.items():
        if len(answers) == 1:
            results.append(answers[0])
        else:
            faults.append(f"{len(answers)} usable results for record {record_id}, expected 1")
    return results, faults


def _read_result(entry: object, limits: Limits) -> RecordResult | str:
    """One result, or a sentence saying what is wrong with it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not _ID.fullmatch(entry["id"]):
        return "a result has no usable id"
    record_id: str = entry["id"]
    status, conflict = entry.get("status"), entry.get("conflict")
    code, sentence, permanent = entry.get("code"), entry.get("sentence"), entry.get("permanent")
    if status in (ResultStatus.STORED, ResultStatus.DUPLICATE):
        return RecordResult(record_id, ResultStatus(status))
    if status == ResultStatus.CONFLICT and isinstance(conflict, dict):
        return RecordResult(record_id, ResultStatus.CONFLICT, conflict=conflict)
    if (
        status == ResultStatus.REFUSED
        and isinstance(code, str)
        and _CODE.fullmatch(code)
        and isinstance(sentence, str)
        and isinstance(permanent, bool)
    ):
        return RecordResult(record_id, ResultStatus.REFUSED, code, _one_line(sentence, limits), permanent)
    return f"the result of record {record_id} is not one this version knows (status {str(status)[:40]!r})"


# --- problems ---


def encode_problem(problem: Problem) -> bytes:
    """The body of any answer with status 400 and above, media type PROBLEM_TYPE."""
    assert _CODE.fullmatch(problem.code), f"a problem needs a code in lower_snake_case: {problem.code!r}"
    return _dump(
        {
            "type": PROBLEM_NAME + problem.code,
            "title": problem.code.replace("_", " "),
            "status": problem.status,
            "detail": problem.sentence,
            "code": problem.code,
            "permanent": problem.permanent,
        }
    )


def decode_problem(
    status: int, headers: Mapping[str, str], body: bytes, limits: Limits = DEFAULT_LIMITS
) -> Problem | None:
    """The cloud's own problem, None if the answer is in other words than the cloud's (a proxy's page)."""
    if media_type(headers) != PROBLEM_TYPE:
        return None
    try:
        document = strict_json.loads(body, max_bytes=limits.answer_bytes, max_depth=limits.json_depth)
    except WireError:
        return None
    if not isinstance(document, dict) or document.get("status") != status:
        return None
    code, sentence = document.get("code"), document.get("detail")
    if not isinstance(code, str) or not _CODE.fullmatch(code) or not isinstance(sentence, str):
        return None
    return Problem(status, code, _one_line(sentence, limits), document.get("permanent") is True)


def _one_line(sentence: str, limits: Limits) -> str:
    """Foreign text fit for a log and a terminal: bounded, no control characters."""
    return "".join(char if char.isprintable() else " " for char in sentence[: limits.sentence_chars])


def media_type(headers: Mapping[str, str]) -> str:
    """The media type of lower-cased headers without its parameters, empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


# --- compression ---


def gzip_bytes(body: bytes) -> bytes:
    """One gzip member without a time stamp: equal bodies give equal bytes."""
    packer = zlib.compressobj(level=6, wbits=_GZIP_WBITS)
    return packer.compress(body) + packer.flush()


def gunzip_bounded(body: bytes, max_bytes: int) -> bytes:
    """Unpack exactly one gzip member to at most max_bytes; never holds more than that.

    A server must unpack here and not in its framework: the signature covers the bytes as sent, so the
    framework has to hand them over untouched (aiohttp: `web.AppRunner(application,
    auto_decompress=False)`).

    Raises WireError with code too_large or bad_gzip (broken, cut short, or followed by something).
    """
    unpacker = zlib.decompressobj(wbits=_GZIP_WBITS)
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise WireError("bad_gzip", f"the body is not gzip: {error}") from None
    if len(plain) > max_bytes:
        raise WireError("too_large", f"the body unpacks to more than {max_bytes} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise WireError("bad_gzip", "the gzip body is cut short or has something after its end")
    return plain


def _dump(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
