"""The bundle: what a till may know and trust without a line. TUF's ideas in two signed documents.

    root      who may sign manifests: k of n root keys, an epoch            aad redeemd/root/1
              a chain: each root is signed by a threshold of the one before and of itself
    manifest  one COSE_Sign1: epoch, sequence, issued, ages, parts by hash  aad redeemd/bundle/1
    parts     plain bytes, checked by length and SHA-256 before anything reads them

Times in both are whole seconds since 1970-01-01 UTC. docs/bundle-format.md is the published form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from agent.domain import cbor, cose
from agent.domain.fields import FieldError, Fields
from agent.domain.keys import KeyFault, SigningKey, load_public_key, signature_ok
from agent.domain.token import UINT32_MAX

ROOT_AAD = b"redeemd/root/1"
MANIFEST_AAD = b"redeemd/bundle/1"
DOCUMENT_BYTES_MAX = 256 * 1024
PART_BYTES_MAX = 64 * 1024 * 1024
BUNDLE_BYTES_MAX = 1024 * 1024 * 1024
HELD_BYTES_MAX = 64 * 1024 * 1024
"""All parts but the tables of codes: a till holds these in memory while it takes a bundle."""
HELD_PART_BYTES_MAX = 16 * 1024 * 1024
"""One of these: SQLite has up to four copies of a part in memory while it replaces one."""
CODES_PREFIX = "codes/"
"""What the names of tables of codes begin with, which stay on disk."""
PARTS_MAX = 2000
MANIFEST_ITEMS_MAX = 4 * PARTS_MAX + 32
PART_ITEMS_MAX = 1_000_000
"""CBOR items of a part: each may become an object of 64 bytes and more."""
KEYS_MAX = 64
"""Root keys, manifest keys, or signatures of one root."""
DOCUMENT_ITEMS_MAX = 6 * KEYS_MAX + 32
"""CBOR items of a root, or of a statement."""
_SECONDS_MAX = 2**33
"""The year 2242: whatever is added to a time of issue still is a date that Python knows."""


class BundleError(ValueError):
    """A root, manifest or part that must not be used. code: stable; the text says what and why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class Age(StrEnum):
    """How old the bundle is. Each campaign says what each age allows."""

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Root:
    """Who may sign manifests. keys: kid -> raw Ed25519 key; threshold of root_keys sign the next root."""

    epoch: int
    issued: datetime
    threshold: int
    root_keys: Mapping[bytes, bytes]
    manifest_keys: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """A part's name, length in bytes and SHA-256."""

    name: str
    length: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """One state of a till's bundle. (epoch, sequence) only rises."""

    till: str
    epoch: int
    sequence: int
    issued: datetime
    stale_after: timedelta
    expires_after: timedelta
    parts: tuple[Part, ...]

    def age(self, now: datetime) -> Age:
        """How old it is at effective time `now`."""
        if now >= self.issued + self.expires_after:
            return Age.EXPIRED
        return Age.STALE if now >= self.issued + self.stale_after else Age.FRESH


def read_document(payload: bytes, what: str, items_max: int = DOCUMENT_ITEMS_MAX) -> Fields:
    """The fields of a CBOR map of bounded size; `what` names it in errors. BundleError."""
    if len(payload) > DOCUMENT_BYTES_MAX:
        raise BundleError("too_large", f"{what} of {len(payload)} bytes")
    try:
        return Fields(cbor.decode(payload, max_items=items_max), what)
    except (cbor.CborError, FieldError) as error:
        raise BundleError("malformed", f"{what}: {error}") from None


def read_seconds(fields: Fields, name: str) -> datetime:
    """A field of whole seconds since 1970-01-01 UTC; FieldError."""
    return datetime.fromtimestamp(fields.integer(name, 0, _SECONDS_MAX), UTC)


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """A root document as it stands in a file: in form, and not judged. signatures: (kid, signature), any number."""

    root: Root
    payload: bytes
    signatures: tuple[tuple[bytes, bytes], ...]

    def signed_by(self, judge: Root) -> frozenset[bytes]:
        """The kids of `judge`'s root keys that signed this; one key under two kids counts once."""
        return good_signers(judge, ROOT_AAD + b"\0" + self.payload, self.signatures)


def sign_root(root: Root, signers: Iterable[SigningKey]) -> bytes:
    """The root document, signed by each of `signers`."""
    payload = cbor.encode(
        {
            "epoch": root.epoch,
            "issued": int(root.issued.timestamp()),
            "threshold": root.threshold,
            "root_keys": [[kid, key] for kid, key in sorted(root.root_keys.items())],
            "manifest_keys": [[kid, key] for kid, key in sorted(root.manifest_keys.items())],
        }
    )
    return _root_document(payload, ((key.kid, key.sign(ROOT_AAD + b"\0" + payload)) for key in signers))


def add_signature(data: bytes, key: SigningKey) -> bytes:
    """The root document `data` with `key`'s signature added (or made anew): how k keepers sign one after another."""
    signed = open_root(data)
    others = [item for item in signed.signatures if item[0] != key.kid]
    return _root_document(signed.payload, [*others, (key.kid, key.sign(ROOT_AAD + b"\0" + signed.payload))])


def _root_document(payload: bytes, signatures: Iterable[tuple[bytes, bytes]]) -> bytes:
    return cbor.encode({"root": payload, "signatures": [list(item) for item in signatures]})


def open_root(data: bytes) -> SignedRoot:
    """Read a root's form; whether it may be trusted is `read_root`'s question."""
    outer = read_document(data, "root document")
    try:
        payload = outer.octets("root", 1, DOCUMENT_BYTES_MAX)
        signatures = outer.items("signatures", KEYS_MAX)
        outer.done()
        fields = read_document(payload, "root")
        root = Root(
            fields.integer("epoch", 1, UINT32_MAX),
            read_seconds(fields, "issued"),
            fields.integer("threshold", 1, KEYS_MAX),
            _key_list(fields.items("root_keys", KEYS_MAX)),
            _key_list(fields.items("manifest_keys", KEYS_MAX)),
        )
        fields.done()
    except FieldError as error:
        raise BundleError("malformed", str(error)) from None
    return SignedRoot(root, payload, signature_list(signatures))


def read_root(data: bytes, trusted: Root | None) -> Root:
    """Read a root; it must be signed by its own threshold and, where a root is trusted already, by that one's too.

    trusted: the root before it, or the same one again. A till walks the chain one epoch at a time.
    """
    signed = open_root(data)
    root = signed.root
    for judge in (root,) if trusted is None else (root, trusted):
        if len(signed.signed_by(judge)) < judge.threshold:
            raise BundleError(
                "bad_signature", f"fewer than {judge.threshold} keys of root {judge.epoch} signed"
            )
    if trusted is None or root == trusted:
        return root
    if root.epoch <= trusted.epoch:
        raise BundleError("rollback", f"another root of epoch {root.epoch} after {trusted.epoch}")
    if root.epoch > trusted.epoch + 1:
        raise BundleError("epoch_gap", f"root {root.epoch} does not follow {trusted.epoch}")
    return root


def _key_list(items: list[Any]) -> dict[bytes, bytes]:
    keys: dict[bytes, bytes] = {}
    for item in items:
        if type(item) is not list or [type(value) for value in item] != [bytes, bytes] or len(item[0]) != 8:
            raise BundleError("malformed", "a key is [kid of 8 bytes, key]")
        try:
            load_public_key(cose.Algorithm.ED25519, item[1])
        except KeyFault as error:
            raise BundleError("bad_key", str(error)) from None
        if item[0] in keys:
            raise BundleError("bad_key", f"kid {item[0].hex()} stands twice")
        keys[item[0]] = item[1]
    return keys


def signature_list(items: list[Any]) -> tuple[tuple[bytes, bytes], ...]:
    """The pairs [kid, signature] of a document that root keys sign."""
    for item in items:
        if type(item) is not list or [type(value) for value in item] != [bytes, bytes]:
            raise BundleError("malformed", "a signature is [kid, signature]")
    return tuple((kid, signature) for kid, signature in items)


def good_signers(root: Root, message: bytes, signatures: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The kids of those of `root`'s root keys that signed `message`, one for each key; others are passed over."""
    good: dict[bytes, bytes] = {}
    for kid, signature in signatures:
        raw = root.root_keys.get(kid)
        if raw is not None and signature_ok(load_public_key(cose.Algorithm.ED25519, raw), signature, message):
            good[raw] = kid
    return frozenset(good.values())


def sign_manifest(manifest: Manifest, key: SigningKey) -> bytes:
    """The manifest as a COSE_Sign1."""
    payload = {
        "till": manifest.till,
        "epoch": manifest.epoch,
        "sequence": manifest.sequence,
        "issued": int(manifest.issued.timestamp()),
        "stale_after_s": int(manifest.stale_after.total_seconds()),
        "expires_after_s": int(manifest.expires_after.total_seconds()),
        "parts": [[part.name, part.length, part.sha256] for part in manifest.parts],
    }
    return key.sign1(cbor.encode(payload), MANIFEST_AAD)


def read_manifest(
    data: bytes, root: Root, till: str, current: Manifest | None, stated: datetime | None = None
) -> Manifest:
    """Verify and read a manifest for `till`; BundleError for anything unsigned, foreign or older than `current`.

    stated: the time that the root keys say it was (`statement.read_time`): the manifest may be issued before `current`
    then, though not before that.
    """
    if len(data) > DOCUMENT_BYTES_MAX:
        raise BundleError("too_large", f"manifest of {len(data)} bytes")
    try:
        envelope = cose.parse(data, MANIFEST_AAD)
    except cose.CoseError as error:
        raise BundleError("malformed", f"manifest: {error.code}") from None
    raw = root.manifest_keys.get(envelope.kid)
    if raw is None or envelope.algorithm is not cose.Algorithm.ED25519:
        raise BundleError("unknown_key", f"no manifest key {envelope.kid.hex()} in root {root.epoch}")
    if not signature_ok(load_public_key(envelope.algorithm, raw), envelope.signature, envelope.signed):
        raise BundleError("bad_signature", "manifest")
    manifest = _manifest(envelope.payload)
    _check_order(manifest, root, till, current, stated)
    return manifest


def open_manifest(data: bytes) -> Manifest:
    """Read a manifest's form, as what it says of itself: nothing in it may be believed before `read_manifest`."""
    try:
        return _manifest(cose.parse(data, MANIFEST_AAD).payload)
    except cose.CoseError as error:
        raise BundleError("malformed", f"manifest: {error.code}") from None


def _manifest(payload: bytes) -> Manifest:
    fields = read_document(payload, "manifest", MANIFEST_ITEMS_MAX)
    try:
        manifest = Manifest(
            fields.text("till", 32, least=1),
            fields.integer("epoch", 1, UINT32_MAX),
            fields.integer("sequence", 1, UINT32_MAX),
            read_seconds(fields, "issued"),
            timedelta(seconds=fields.integer("stale_after_s", 1, UINT32_MAX)),
            timedelta(seconds=fields.integer("expires_after_s", 1, UINT32_MAX)),
            tuple(_part(item) for item in fields.items("parts", PARTS_MAX)),
        )
        fields.done()
    except FieldError as error:
        raise BundleError("malformed", str(error)) from None
    return manifest


def _part(item: Any) -> Part:
    if type(item) is not list or [type(value) for value in item] != [str, int, bytes]:
        raise BundleError("malformed", "a part is [name, length, sha256]")
    name, length, digest = item
    if not 0 <= length <= PART_BYTES_MAX or len(digest) != 32:
        raise BundleError("malformed", f"part {name[:100]!r}")
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise BundleError("malformed", f"a part's name {name[:100]!r}")
    return Part(name, length, digest)


def _check_order(
    manifest: Manifest, root: Root, till: str, current: Manifest | None, stated: datetime | None
) -> None:
    if manifest.till != till:
        raise BundleError("wrong_till", f"made for {manifest.till!r}")
    if manifest.epoch != root.epoch:
        raise BundleError("wrong_epoch", f"epoch {manifest.epoch} under root {root.epoch}")
    if len({part.name for part in manifest.parts}) != len(manifest.parts):
        raise BundleError("malformed", "a part stands twice")
    if sum(part.length for part in manifest.parts) > BUNDLE_BYTES_MAX:
        raise BundleError("too_large", f"the parts hold more than {BUNDLE_BYTES_MAX} bytes")
    held = [part.length for part in manifest.parts if not part.name.startswith(CODES_PREFIX)]
    if max(held, default=0) > HELD_PART_BYTES_MAX or sum(held) > HELD_BYTES_MAX:
        sentence = (
            f"more than {HELD_PART_BYTES_MAX} bytes in a part or {HELD_BYTES_MAX} in all, but for codes"
        )
        raise BundleError("too_large", sentence)
    if current is None or manifest == current:
        return
    order = (manifest.epoch, manifest.sequence)
    if order <= (current.epoch, current.sequence):
        raise BundleError("rollback", f"{order} after {(current.epoch, current.sequence)}")
    # A new epoch may be issued earlier: that is how a till comes back from a stolen key that signed for the far future.
    # Within one, the root keys' word on the time alone leads back behind what a clock that was ahead has signed.
    floor = current.issued if stated is None else min(stated, current.issued)
    if manifest.epoch == current.epoch and manifest.issued < floor:
        raise BundleError("rollback", "issued before the one we have")


def describe_part(name: str, content: bytes) -> Part:
    """The manifest's line for a part."""
    return Part(name, len(content), hashlib.sha256(content).digest())


def check_part(part: Part, content: bytes) -> None:
    """BundleError unless `content` is exactly what the manifest promised."""
    if len(content) != part.length or hashlib.sha256(content).digest() != part.sha256:
        raise BundleError("wrong_part", f"{part.name} is not what the manifest names")
