"""Signed statements about one till: what time it is, that its key is revoked, that its key is replaced.

    time        k of n root keys say what time it was: lowers a poisoned mark, once    aad redeemd/time/1
    revocation  a manifest key says that a till's key counts no more                   aad redeemd/revocation/1
    key change  a till says, by its old and its new key, from where the new one signs  aad redeemd/key-change/1

Each names the till, so that none works for another one. docs/bundle-format.md is the published form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from agent.domain import cbor, cose
from agent.domain.bundle import (
    KEYS_MAX,
    BundleError,
    Root,
    good_signers,
    read_document,
    read_seconds,
    signature_list,
)
from agent.domain.fields import FieldError, Fields
from agent.domain.keys import KeyFault, SigningKey, load_public_key, signature_ok
from agent.domain.record import LANES

TIME_AAD = b"redeemd/time/1"
TIME_PART = "time"
"""The part of a bundle that may carry a time statement."""
REVOCATION_AAD = b"redeemd/revocation/1"
KEY_CHANGE_AAD = b"redeemd/key-change/1"
STATEMENT_BYTES_MAX = 16 * 1024
NUMBER_MAX = 2**33
SEQUENCE_MAX = 10**15 - 1


@dataclass(frozen=True, slots=True)
class TimeStatement:
    """At `issued` the time was `time` (both UTC, whole seconds). number: each counts once, and they only rise."""

    till: str
    number: int
    time: datetime
    issued: datetime


@dataclass(frozen=True, slots=True)
class Revocation:
    """key: the till's public key (32 raw bytes) that counts no more. A till with another key is not meant."""

    till: str
    key: bytes
    issued: datetime


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The records of `lanes` up to and including each sequence are signed by `old`, those behind it by `new`."""

    till: str
    old: bytes
    new: bytes
    lanes: Mapping[str, int]


# --- time ---


def sign_time(statement: TimeStatement, signers: Iterable[SigningKey]) -> bytes:
    """The statement signed by each of `signers`, root keys."""
    payload = cbor.encode(
        {
            "till": statement.till,
            "number": statement.number,
            "time": int(statement.time.timestamp()),
            "issued": int(statement.issued.timestamp()),
        }
    )
    return _time_document(payload, [(key.kid, key.sign(_time_message(payload))) for key in signers])


def add_time_signature(data: bytes, key: SigningKey) -> bytes:
    """The statement `data` with `key`'s signature added (or made anew): how k keepers sign one after another."""
    _, payload, signatures = _open_time(data)
    others = [item for item in signatures if item[0] != key.kid]
    return _time_document(payload, [*others, (key.kid, key.sign(_time_message(payload)))])


def open_time(data: bytes) -> TimeStatement:
    """Read its form, to show it; whether it may be believed is `read_time`'s question. BundleError."""
    return _open_time(data)[0]


def time_signers(data: bytes) -> list[bytes]:
    """The kids that claim to have signed it, not checked."""
    return [kid for kid, _ in _open_time(data)[2]]


def read_time(data: bytes, root: Root, till: str, last_number: int) -> TimeStatement:
    """The statement, if the root's threshold signed it for this till and none as new was used before. BundleError."""
    statement, payload, signatures = _open_time(data)
    if len(good_signers(root, _time_message(payload), signatures)) < root.threshold:
        raise BundleError("bad_signature", f"fewer than {root.threshold} keys of root {root.epoch} signed")
    if statement.till != till:
        raise BundleError("wrong_till", f"made for {statement.till!r}")
    if statement.number <= last_number:
        raise BundleError("used", f"number {statement.number} is not higher than the last one, {last_number}")
    return statement


def _time_message(payload: bytes) -> bytes:
    return TIME_AAD + b"\0" + payload


def _time_document(payload: bytes, signatures: list[tuple[bytes, bytes]]) -> bytes:
    return cbor.encode({"time_statement": payload, "signatures": [list(item) for item in signatures]})


def _open_time(data: bytes) -> tuple[TimeStatement, bytes, tuple[tuple[bytes, bytes], ...]]:
    outer = _document(data, "time statement")
    try:
        payload = outer.octets("time_statement", 1, STATEMENT_BYTES_MAX)
        signatures = signature_list(outer.items("signatures", KEYS_MAX))
        outer.done()
        fields = read_document(payload, "time statement")
        statement = TimeStatement(
            fields.text("till", 32, least=1),
            fields.integer("number", 1, NUMBER_MAX),
            read_seconds(fields, "time"),
            read_seconds(fields, "issued"),
        )
        fields.done()
    except FieldError as error:
        raise BundleError("malformed", str(error)) from None
    return statement, payload, signatures


# --- revocation ---


def sign_revocation(statement: Revocation, key: SigningKey) -> bytes:
    """The statement as a COSE_Sign1 by a manifest key."""
    payload = {
        "till": statement.till,
        "key": statement.key,
        "issued": int(statement.issued.timestamp()),
    }
    return key.sign1(cbor.encode(payload), REVOCATION_AAD)


def read_revocation(data: bytes, root: Root, till: str, key: bytes) -> Revocation:
    """The statement, if one of the root's manifest keys signed it for this till and this very key. BundleError."""
    fields = read_document(_signed_revocation(data, root), "revocation")
    try:
        statement = Revocation(
            fields.text("till", 32, least=1), fields.octets("key", 32, 32), read_seconds(fields, "issued")
        )
        fields.done()
    except FieldError as error:
        raise BundleError("malformed", str(error)) from None
    if statement.till != till:
        raise BundleError("wrong_till", f"made for {statement.till!r}")
    if statement.key != key:
        raise BundleError("other_key", "it revokes another key than this till's")
    return statement


def revocation_stands(data: bytes, root: Root) -> bool:
    """Whether a statement that was heeded once is signed by a manifest key that `root`, the newest one, still lists.

    What a stolen key has said ends with the root that drops it; the cloud says anew what it still means.
    """
    try:
        _signed_revocation(data, root)
    except BundleError as error:
        return error.code not in ("unknown_key", "bad_signature")
    return True


def _signed_revocation(data: bytes, root: Root) -> bytes:
    """Its payload, if one of the root's manifest keys signed it."""
    if len(data) > STATEMENT_BYTES_MAX:
        raise BundleError("too_large", f"revocation of {len(data)} bytes")
    try:
        envelope = cose.parse(data, REVOCATION_AAD)
    except cose.CoseError as error:
        raise BundleError("malformed", f"revocation: {error.code}") from None
    raw = root.manifest_keys.get(envelope.kid)
    if raw is None or envelope.algorithm is not cose.Algorithm.ED25519:
        raise BundleError("unknown_key", f"no manifest key {envelope.kid.hex()} in root {root.epoch}")
    if not signature_ok(load_public_key(envelope.algorithm, raw), envelope.signature, envelope.signed):
        raise BundleError("bad_signature", "revocation")
    return envelope.payload


# --- key change ---


def sign_key_change(till: str, old: SigningKey, new: SigningKey, lanes: Mapping[str, int]) -> bytes:
    """The statement signed by both keys: the old one gives the till's name away, the new one takes it."""
    payload = cbor.encode({"till": till, "old": old.public_key, "new": new.public_key, "lanes": {**lanes}})
    message = KEY_CHANGE_AAD + b"\0" + payload
    return cbor.encode({"key_change": payload, "by_old": old.sign(message), "by_new": new.sign(message)})


def read_key_change(data: bytes, till: str) -> KeyChange:
    """The statement, if both keys that it names signed it for this till. Whether `old` is the till's is the cloud's
    question. BundleError."""
    outer = _document(data, "key change")
    try:
        payload = outer.octets("key_change", 1, STATEMENT_BYTES_MAX)
        by_old, by_new = outer.octets("by_old", 64, 64), outer.octets("by_new", 64, 64)
        outer.done()
        fields = read_document(payload, "key change")
        lanes = Fields(fields.mapping("lanes"), "key change.lanes")
        change = KeyChange(
            fields.text("till", 32, least=1),
            fields.octets("old", 32, 32),
            fields.octets("new", 32, 32),
            {lane: lanes.integer(lane, 0, SEQUENCE_MAX) for lane in LANES},
        )
        lanes.done()
        fields.done()
    except FieldError as error:
        raise BundleError("malformed", str(error)) from None
    if change.till != till:
        raise BundleError("wrong_till", f"made for {change.till!r}")
    if change.old == change.new:
        raise BundleError("malformed", "old and new are one key")
    message = KEY_CHANGE_AAD + b"\0" + payload
    for name, raw, signature in (("old", change.old, by_old), ("new", change.new, by_new)):
        try:
            key = load_public_key(cose.Algorithm.ED25519, raw)
        except KeyFault as error:
            raise BundleError("bad_key", f"{name}: {error}") from None
        if not signature_ok(key, signature, message):
            raise BundleError("bad_signature", f"not signed by the {name} key")
    return change


def _document(data: bytes, what: str) -> Fields:
    if len(data) > STATEMENT_BYTES_MAX:
        raise BundleError("too_large", f"{what} of {len(data)} bytes")
    return read_document(data, what)
