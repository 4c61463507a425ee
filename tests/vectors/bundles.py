"""Bundle vectors: a root of two of three keys, a manifest, its parts, and documents that must be refused."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.domain import bundle, bundle_file, cbor, shop
from agent.domain.bundle import MANIFEST_AAD, Manifest, Root
from agent.domain.bundle_file import Head
from agent.domain.keys import SigningKey, signing_key_from_seed
from tests.vectors.decisions import CAMPAIGNS, KEYS, PLACE, PROMOS
from tests.vectors.tokens import key_json

ROOT_SEEDS = [bytes([number]) * 32 for number in (1, 2, 3)]
MANIFEST_SEED = bytes([4]) * 32
ROOT_KEYS = [signing_key_from_seed(seed) for seed in ROOT_SEEDS]
MANIFEST_KEY = signing_key_from_seed(MANIFEST_SEED)
TILL = "T-0001"
ISSUED = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
STATUS_BITS = bytes.fromhex("0904")  # coupons 0 to 5: used, revoked, valid, valid, valid, used

PARTS: dict[str, bytes] = {
    "place": cbor.encode(PLACE),
    "keys": cbor.encode(KEYS),
    "campaigns": cbor.encode(CAMPAIGNS),
    # Level 0: stored blocks, which every zlib writes alike.
    "status/acme/1": cbor.encode(
        {"issuer": "acme", "campaign": 1, "count": 6, "bits": zlib.compress(STATUS_BITS, 0)}
    ),
    "promos": cbor.encode(PROMOS),
}
ROOT = Root(
    1,
    ISSUED - timedelta(days=30),
    2,
    {key.kid: key.public_key for key in ROOT_KEYS},
    {MANIFEST_KEY.kid: MANIFEST_KEY.public_key},
)
MANIFEST = Manifest(
    TILL,
    1,
    42,
    ISSUED,
    timedelta(days=1),
    timedelta(days=7),
    tuple(bundle.describe_part(name, content) for name, content in sorted(PARTS.items())),
)


BADGE_KEY, BADGE_TEXT = bytes(range(32)), "EMP-004711"
SHOP: dict[str, bytes] = {
    "badges": cbor.encode(
        {"key": BADGE_KEY, "badges": [[shop.badge_digest(BADGE_KEY, BADGE_TEXT), "manager", 20_700, 21_000]]}
    ),
    "messages": cbor.encode(
        [{"words": {"zh": "今晚七点闭店", "en": "We close at seven"}, "starts": 20_779, "ends": 20_779}]
    ),
    "templates": cbor.encode([{"name": "receipt", "version": 3, "content": b"\x00\xff"}]),
}


def _file(roots: tuple[bytes, ...], manifest: bytes) -> str:
    return b"".join(bundle_file.write(Head(roots, manifest), PARTS.values())).hex()


def _manifest(key: SigningKey = MANIFEST_KEY, **changes: Any) -> str:
    return bundle.sign_manifest(replace(MANIFEST, **changes), key).hex()


def _root(signers: list[SigningKey], **changes: Any) -> str:
    return bundle.sign_root(replace(ROOT, **changes), signers).hex()


def vectors() -> dict[str, Any]:
    """The content of bundle.json."""
    thief = replace(signing_key_from_seed(bytes([9]) * 32), kid=MANIFEST_KEY.kid)
    good = _manifest()
    manifests = [
        ("one sequence back", _manifest(sequence=41), "rollback"),
        ("another one of the same sequence", _manifest(expires_after=timedelta(days=8)), "rollback"),
        ("newer, issued earlier", _manifest(sequence=43, issued=ISSUED - timedelta(seconds=1)), "rollback"),
        ("another till", _manifest(till="T-0002", sequence=43), "wrong_till"),
        ("another epoch", _manifest(epoch=2), "wrong_epoch"),
        ("signed by a root key", _manifest(ROOT_KEYS[0]), "unknown_key"),
        ("a copied kid", _manifest(thief), "bad_signature"),
        ("last byte changed", good[:-2] + f"{int(good[-2:], 16) ^ 1:02x}", "bad_signature"),
        ("signed as a coupon", MANIFEST_KEY.sign1(b"\xa0", b"redeemd/coupon/1").hex(), "bad_signature"),
        ("an empty map", MANIFEST_KEY.sign1(b"\xa0", MANIFEST_AAD).hex(), "malformed"),
        ("one byte more", good + "00", "malformed"),
        ("no bytes", "", "malformed"),
    ]
    roots = [
        ("one signature", _root(ROOT_KEYS[:1]), "bad_signature"),
        ("one signature three times", _root(ROOT_KEYS[:1] * 3), "bad_signature"),
        ("no signature", _root([]), "bad_signature"),
        ("another one of the same epoch", _root(ROOT_KEYS, threshold=1), "rollback"),
        ("epoch 3 after epoch 1", _root(ROOT_KEYS, epoch=3, issued=ISSUED), "epoch_gap"),
        ("a key of small order", _root(ROOT_KEYS, manifest_keys={bytes(8): bytes(32)}), "bad_key"),
        ("one byte more", _root(ROOT_KEYS) + "00", "malformed"),
    ]
    return {
        "about": "docs/bundle-format.md; `current` is the good manifest, `trusted` the good root",
        "root_keys": [key_json(key, seed) for key, seed in zip(ROOT_KEYS, ROOT_SEEDS, strict=True)],
        "manifest_key": key_json(MANIFEST_KEY, MANIFEST_SEED),
        "till": TILL,
        "root": _root(ROOT_KEYS[:2]),
        "next_root": _root(ROOT_KEYS[1:], epoch=2, issued=ISSUED),
        "manifest": good,
        "next_manifest": _manifest(sequence=43, issued=ISSUED + timedelta(days=1)),
        "parts": {name: content.hex() for name, content in PARTS.items()},
        "file": _file((bundle.sign_root(ROOT, ROOT_KEYS[:2]),), bytes.fromhex(good)),
        "shop": {
            "badge_text": BADGE_TEXT,
            "parts": {name: content.hex() for name, content in SHOP.items()},
        },
        "invalid_manifests": [
            {"name": name, "manifest": data, "code": code} for name, data, code in manifests
        ],
        "invalid_roots": [{"name": name, "root": data, "code": code} for name, data, code in roots],
    }
