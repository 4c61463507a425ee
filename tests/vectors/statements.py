"""Statement vectors: the time, a revocation, a key change, and documents that must be refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from agent.domain import cbor, statement
from agent.domain.bundle import MANIFEST_AAD
from agent.domain.keys import SigningKey, signing_key_from_seed
from agent.domain.statement import REVOCATION_AAD, Revocation, TimeStatement
from tests.vectors.bundles import ISSUED, MANIFEST_KEY, ROOT_KEYS, TILL
from tests.vectors.tokens import key_json

OLD_SEED, NEW_SEED = bytes([5]) * 32, bytes([6]) * 32
OLD_KEY, NEW_KEY = signing_key_from_seed(OLD_SEED), signing_key_from_seed(NEW_SEED)
LAST_NUMBER = 6
TIME = TimeStatement(TILL, 7, ISSUED + timedelta(hours=1), ISSUED + timedelta(hours=1))
REVOCATION = Revocation(TILL, OLD_KEY.public_key, ISSUED)
LANES = {"redemption": 41, "evidence": 0}


def _time(signers: list[SigningKey] = ROOT_KEYS[:2], **changes: Any) -> str:
    return statement.sign_time(replace(TIME, **changes), signers).hex()


def _revocation(key: SigningKey = MANIFEST_KEY, **changes: Any) -> str:
    return statement.sign_revocation(replace(REVOCATION, **changes), key).hex()


def _revoked(key: bytes) -> str:
    return statement.sign_revocation(replace(REVOCATION, key=key), MANIFEST_KEY).hex()


def _change(**changes: Any) -> str:
    usual: dict[str, Any] = {"till": TILL, "old": OLD_KEY, "new": NEW_KEY, "lanes": LANES}
    return statement.sign_key_change(**usual | changes).hex()


def _invalid() -> dict[str, list[tuple[str, str, str]]]:
    thief = replace(signing_key_from_seed(bytes([9]) * 32), kid=ROOT_KEYS[0].kid)
    swapped = cbor.decode(bytes.fromhex(_change()))
    swapped |= {"by_old": swapped["by_new"], "by_new": swapped["by_old"]}
    return {
        "time": [
            ("one signature", _time(ROOT_KEYS[:1]), "bad_signature"),
            ("one signature twice", _time(ROOT_KEYS[:1] * 2), "bad_signature"),
            ("one key and a copied kid", _time([ROOT_KEYS[1], thief]), "bad_signature"),
            ("signed by the manifest key", _time([MANIFEST_KEY, ROOT_KEYS[0]]), "bad_signature"),
            ("used before", _time(number=LAST_NUMBER), "used"),
            ("another till", _time(till="T-0002"), "wrong_till"),
            ("number 0", _time(number=0), "malformed"),
            ("one byte more", _time() + "00", "malformed"),
            ("no bytes", "", "malformed"),
        ],
        "revocation": [
            ("another till", _revocation(till="T-0002"), "wrong_till"),
            ("another key", _revoked(NEW_KEY.public_key), "other_key"),
            ("signed by a root key", _revocation(ROOT_KEYS[0]), "unknown_key"),
            ("a copied kid", _revocation(replace(NEW_KEY, kid=MANIFEST_KEY.kid)), "bad_signature"),
            ("signed as a manifest", MANIFEST_KEY.sign1(b"\xa0", MANIFEST_AAD).hex(), "bad_signature"),
            ("an empty map", MANIFEST_KEY.sign1(b"\xa0", REVOCATION_AAD).hex(), "malformed"),
            ("no bytes", "", "malformed"),
        ],
        "key_change": [
            ("another till", _change(till="T-0002"), "wrong_till"),
            ("one key for both", _change(new=OLD_KEY), "malformed"),
            ("signatures changed over", cbor.encode(swapped).hex(), "bad_signature"),
            ("a lane more", _change(lanes=LANES | {"other": 1}), "malformed"),
            ("a lane less", _change(lanes={"redemption": 41}), "malformed"),
            ("a negative sequence", _change(lanes=LANES | {"evidence": -1}), "malformed"),
            ("one byte more", _change() + "00", "malformed"),
        ],
    }


def vectors() -> dict[str, Any]:
    """The content of statements.json."""
    return {
        "about": "docs/bundle-format.md, Statements; root and manifest key are those of bundle.json",
        "till": TILL,
        "last_number": LAST_NUMBER,
        "old_key": key_json(OLD_KEY, OLD_SEED),
        "new_key": key_json(NEW_KEY, NEW_SEED),
        "lanes": LANES,
        "time": _time(),
        "revocation": _revocation(),
        "key_change": _change(),
        "invalid": {
            kind: [{"name": name, "statement": data, "code": code} for name, data, code in cases]
            for kind, cases in _invalid().items()
        },
    }
