"""Token vectors: valid coupons step by step, and one text at least for every fault."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from agent.domain import cose, token
from agent.domain.cbor import encode
from agent.domain.cose import Algorithm
from agent.domain.keys import SigningKey, signing_key_from_seed
from agent.domain.token import AAD, Claims, TokenFault, to_text

SEED = bytes(range(32))
KEY = signing_key_from_seed(SEED)
MINIMAL = Claims(campaign=0, index=0, not_before=0, expires=0)
TYPICAL = Claims(7, 123_456, 20_740, 20_770, store=12, holder=bytes.fromhex("a1a2a3a4a5a6a7a8"), source=3)
LARGEST = Claims(
    campaign=2**32 - 1,
    index=2**32 - 1,
    not_before=65_535,
    expires=65_535,
    store=2**32 - 1,
    store_group=2**32 - 1,
    value_minor=2**32 - 1,
    holder=bytes.fromhex("000102030405060708090a0b0c0d0e0f"),
    referrer=bytes.fromhex("f0f1f2f3f4f5f6f7"),
    source=2**32 - 1,
)
PLAIN = encode([7, 5, 20_740, 20_770, {}])
EXPIRES = encode(20_770)


def key_json(key: SigningKey, seed: bytes) -> dict[str, Any]:
    return {"seed": seed.hex(), "public_key": key.public_key.hex(), "kid": key.kid.hex()}


def claims_json(claims: Claims) -> dict[str, Any]:
    named = {field.name: getattr(claims, field.name) for field in fields(claims)}
    return {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in named.items()
        if value is not None
    }


def signed(payload: bytes, protected: bytes | None = None) -> bytes:
    """A token whose signature is right whatever its payload or header says: only the form is wrong."""
    header = cose.protected_header(Algorithm.ED25519, KEY.kid) if protected is None else protected
    return cose.assemble(header, payload, KEY.sign(cose.to_sign(header, payload, AAD)))


def _valid(name: str, claims: Claims) -> dict[str, Any]:
    payload, octets = token.encode_claims(claims), token.sign(claims, KEY)
    protected = cose.protected_header(Algorithm.ED25519, KEY.kid)
    return {
        "name": name,
        "claims": claims_json(claims),
        "payload": payload.hex(),
        "to_be_signed": cose.to_sign(protected, payload, AAD).hex(),
        "signature": octets[-64:].hex(),
        "token": octets.hex(),
        "text": to_text(octets),
    }


def _texts() -> list[tuple[str, str, TokenFault]]:
    good = to_text(token.sign(TYPICAL, KEY))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    stray = good[:-1] + alphabet[alphabet.index(good[-1]) + 1]
    return [
        ("empty", "", TokenFault.NOT_A_TOKEN),
        ("another prefix", "RC2" + good[3:], TokenFault.NOT_A_TOKEN),
        ("small letters", good.lower(), TokenFault.NOT_A_TOKEN),
        ("a link", "https://example.org/?c=" + good, TokenFault.NOT_A_TOKEN),
        ("262 characters", "RC1" + "A" * 259, TokenFault.TOO_LONG),
        ("padding", good + "=", TokenFault.BAD_CHARACTER),
        ("line end", good + "\n", TokenFault.BAD_CHARACTER),
        ("small letters behind the prefix", "RC1" + good[3:].lower(), TokenFault.BAD_CHARACTER),
        ("zero for O", good[:40] + "0" + good[41:], TokenFault.BAD_CHARACTER),
        ("prefix alone", "RC1", TokenFault.INCOMPLETE),
        ("half", good[: len(good) // 2], TokenFault.INCOMPLETE),
        ("last character missing", good[:-1], TokenFault.INCOMPLETE),
        ("stray bits", stray, TokenFault.NOT_CANONICAL_TEXT),
        ("one character more", good + "A", TokenFault.TRAILING_BYTES),  # eight bits again: a whole byte
        ("two characters more", good + "AA", TokenFault.NOT_CANONICAL_TEXT),
    ]


def _envelopes() -> list[tuple[str, bytes, TokenFault]]:
    good, kid = signed(PLAIN), KEY.kid
    tail = good[-66:]
    return [
        ("one byte more", good + b"\0", TokenFault.TRAILING_BYTES),
        ("tag 18", b"\xd2" + good, TokenFault.TAGGED),
        ("array of three", encode([b"", {}, PLAIN]), TokenFault.NOT_COSE_SIGN1),
        ("array of indefinite length", b"\x9f" + good[1:] + b"\xff", TokenFault.NOT_COSE_SIGN1),
        ("no kid", signed(PLAIN, encode({1: -19})), TokenFault.PROTECTED_HEADER),
        ("critical label", signed(PLAIN, encode({1: -19, 2: [99], 4: kid})), TokenFault.PROTECTED_HEADER),
        ("ES256, alg -7", signed(PLAIN, encode({1: -7, 4: kid})), TokenFault.UNKNOWN_ALGORITHM),
        ("unprotected alg", good[:15] + encode({1: -19}) + good[16:], TokenFault.UNPROTECTED_NOT_EMPTY),
        ("detached payload", good[:16] + b"\xf6" + tail, TokenFault.PAYLOAD_NOT_BYTES),
        ("signature of 63 bytes", good[:-66] + b"\x58\x3f" + good[-63:], TokenFault.SIGNATURE_FORM),
        (
            "long head of the payload",
            good[:16] + b"\x58\x0a" + good[17:],
            TokenFault.NOT_MINIMAL,
        ),
        (
            "payload in chunks",
            good[:16] + b"\x5f" + good[16:-66] + b"\xff" + tail,
            TokenFault.INDEFINITE_LENGTH,
        ),
    ]


def _payloads() -> list[tuple[str, bytes, TokenFault]]:
    start = b"\x85" + b"".join(map(encode, (7, 5, 20_740, 20_770)))
    return [
        ("7 in two bytes", b"\x85\x18\x07" + PLAIN[2:], TokenFault.NOT_MINIMAL),
        ("indefinite array", b"\x9f" + PLAIN[1:] + b"\xff", TokenFault.INDEFINITE_LENGTH),
        ("reserved head", b"\x85\x1c" + PLAIN[2:], TokenFault.RESERVED),
        ("expires as a float", PLAIN.replace(EXPIRES, b"\xfa\x46\xa2\x44\x00"), TokenFault.UNSUPPORTED_TYPE),
        ("expires in a tag", PLAIN.replace(EXPIRES, b"\xc1" + EXPIRES), TokenFault.UNSUPPORTED_TYPE),
        ("extras unsorted", start + b"\xa2\x06\x00\x01\x00", TokenFault.UNSORTED_MAP),
        ("extra twice", start + b"\xa2\x01\x00\x01\x01", TokenFault.DUPLICATE_KEY),
        ("three levels", start + encode({1: [0]}), TokenFault.TOO_DEEP),
        ("text that is not UTF-8", start + b"\xa1\x01\x61\xff", TokenFault.BAD_UTF8),
        ("a byte behind the payload", PLAIN + b"\0", TokenFault.PAYLOAD_TRAILING_BYTES),
        ("payload cut short", PLAIN[:-1], TokenFault.PAYLOAD_INCOMPLETE),
        ("four items", encode([7, 5, 20_740, 20_770]), TokenFault.PAYLOAD_FORM),
        ("a map", encode({1: 7}), TokenFault.PAYLOAD_FORM),
        ("campaign as text", encode(["7", 5, 20_740, 20_770, {}]), TokenFault.FIELD_TYPE),
        ("index as true", encode([7, True, 20_740, 20_770, {}]), TokenFault.FIELD_TYPE),
        ("expires as null", encode([7, 5, 20_740, None, {}]), TokenFault.FIELD_TYPE),
        ("negative index", encode([7, -1, 20_740, 20_770, {}]), TokenFault.FIELD_RANGE),
        ("index of 2^32", encode([7, 2**32, 20_740, 20_770, {}]), TokenFault.FIELD_RANGE),
        ("day 65536", encode([7, 5, 20_740, 65_536, {}]), TokenFault.FIELD_RANGE),
        ("value of nothing", start + encode({3: 0}), TokenFault.FIELD_RANGE),
        ("holder of 7 bytes", start + encode({4: bytes(7)}), TokenFault.FIELD_RANGE),
        ("extra 7", start + encode({7: 0}), TokenFault.UNKNOWN_FIELD),
        ("extra with a name", start + encode({"store": 1}), TokenFault.UNKNOWN_FIELD),
        ("ends before it starts", encode([7, 5, 20_770, 20_769, {}]), TokenFault.EXPIRES_BEFORE_START),
    ]


def vectors() -> dict[str, Any]:
    """The content of tokens.json."""
    assert len(PLAIN) == 10, "the envelope vectors count on a payload of 10 bytes"
    octets = [*_envelopes(), *((name, signed(payload), fault) for name, payload, fault in _payloads())]
    invalid = [*_texts(), *((name, to_text(data), fault) for name, data, fault in octets)]
    return {
        "about": "docs/coupon-format.md; all byte strings are hexadecimal",
        "key": key_json(KEY, SEED),
        "aad": AAD.hex(),
        "valid": [
            _valid("minimal", MINIMAL),
            _valid("typical", TYPICAL),
            _valid("largest", LARGEST),
            _valid(
                "bound to a store group, with a personal value",
                Claims(1, 2, 3, 4, store_group=9, value_minor=500),
            ),
            _valid("from a referrer", Claims(24, 256, 20_740, 20_740, referrer=bytes(8))),
        ],
        "invalid": [{"name": name, "text": text, "fault": fault.value} for name, text, fault in invalid],
    }
