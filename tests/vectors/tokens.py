"""Token vectors: valid coupons step by step, and one text at least for every fault."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent.domain import cose, token
from agent.domain.cbor import encode
from agent.domain.cose import P256_ORDER, Algorithm
from agent.domain.keys import SigningKey, signing_key_from_seed
from agent.domain.token import AAD, Claims, TokenFault, to_text

SEED = bytes(range(32))
KEY = signing_key_from_seed(SEED)
OLD_SEED = bytes(range(32, 64))
OLD_KEY = signing_key_from_seed(OLD_SEED, Algorithm.EDDSA)
P256_SCALAR = bytes(range(64, 96))
P256_KEY = signing_key_from_seed(P256_SCALAR, Algorithm.ESP256)
SEEDS = {KEY.kid: SEED, OLD_KEY.kid: OLD_SEED, P256_KEY.kid: P256_SCALAR}
STRANGER = signing_key_from_seed(bytes(range(96, 128)))
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_ORDER_8_Y = int.from_bytes(  # of two of the points of order 8; the other two have the negative
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
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


def signed(payload: bytes, protected: bytes | None = None, key: SigningKey = KEY) -> bytes:
    """A token whose signature is right whatever its payload or header says: only the form is wrong."""
    header = cose.protected_header(key.algorithm, key.kid) if protected is None else protected
    return cose.assemble(header, payload, key.sign(cose.to_sign(header, payload, AAD)))


def _valid(name: str, claims: Claims, key: SigningKey = KEY) -> dict[str, Any]:
    payload, octets = token.encode_claims(claims), token.sign(claims, key)
    protected = cose.protected_header(key.algorithm, key.kid)
    return {
        "name": name,
        "kid": key.kid.hex(),
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
        ("padding", good + "=", TokenFault.PADDING),
        ("line end", good + "\n", TokenFault.WHITE_SPACE),
        ("a space within", good[:40] + " " + good[40:], TokenFault.WHITE_SPACE),
        ("a space before", " " + good, TokenFault.NOT_A_TOKEN),
        ("small letters behind the prefix", "RC1" + good[3:].lower(), TokenFault.LOWER_CASE),
        ("one small letter", good[:-1] + good[-1].lower(), TokenFault.LOWER_CASE),
        ("zero for O", good[:40] + "0" + good[41:], TokenFault.BAD_CHARACTER),
        ("a full-width letter", good[:40] + "\uff21" + good[41:], TokenFault.BAD_CHARACTER),
        ("prefix alone", "RC1", TokenFault.INCOMPLETE),
        ("half", good[: len(good) // 2], TokenFault.INCOMPLETE),
        ("last character missing", good[:-1], TokenFault.INCOMPLETE),
        ("stray bits", stray, TokenFault.NOT_CANONICAL_TEXT),
        ("one character more", good + "A", TokenFault.TRAILING_BYTES),  # eight bits again: a whole byte
        ("two characters more", good + "AA", TokenFault.TEXT_LENGTH),
    ]


def _envelopes() -> list[tuple[str, bytes, TokenFault]]:
    good = signed(PLAIN)
    tail = good[-66:]
    p256 = signed(PLAIN, key=P256_KEY)
    other_s = (P256_ORDER - int.from_bytes(p256[-32:], "big")).to_bytes(32, "big")
    return [
        ("one byte more", good + b"\0", TokenFault.TRAILING_BYTES),
        ("tag 18", b"\xd2" + good, TokenFault.TAGGED),
        ("tag 61 and 18", b"\xd8\x3d\xd2" + good, TokenFault.TAGGED),
        ("array of three", encode([b"", {}, PLAIN]), TokenFault.NOT_COSE_SIGN1),
        ("array of indefinite length", b"\x9f" + good[1:] + b"\xff", TokenFault.INDEFINITE_LENGTH),
        ("long head of the array", b"\x98\x04" + good[1:], TokenFault.NOT_MINIMAL),
        ("detached payload", good[:16] + b"\xf6" + tail, TokenFault.PAYLOAD_NOT_BYTES),
        ("signature of 63 bytes", good[:-66] + b"\x58\x3f" + good[-63:], TokenFault.SIGNATURE_LENGTH),
        ("signature in DER", good[:-66] + encode(_der(p256[-64:])), TokenFault.SIGNATURE_LENGTH),
        ("signature as text", good[:-66] + b"\x78\x40" + b"s" * 64, TokenFault.SIGNATURE_FORM),
        ("P-256, the other s", p256[:-32] + other_s, TokenFault.HIGH_S),
        ("P-256, s plus the order", p256[:-32] + b"\xff" * 32, TokenFault.HIGH_S),
        ("long head of the payload", good[:16] + b"\x58\x0a" + good[17:], TokenFault.NOT_MINIMAL),
        ("long head of the signature", good[:-66] + b"\x59\0" + good[-65:], TokenFault.NOT_MINIMAL),
        (
            "payload in chunks",
            good[:16] + b"\x5f" + good[16:-66] + b"\xff" + tail,
            TokenFault.INDEFINITE_LENGTH,
        ),
    ]


def _der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def _headers() -> list[tuple[str, bytes, TokenFault]]:
    good, kid = signed(PLAIN), KEY.kid

    def under(unprotected: dict[int, Any], protected: dict[int, Any] | None = None) -> bytes:
        header = good[2:15] if protected is None else encode(protected)
        signature = KEY.sign(cose.to_sign(header, PLAIN, AAD))
        return b"\x84" + b"".join(map(encode, (header, unprotected, PLAIN, signature)))

    return [
        ("critical label", signed(PLAIN, encode({1: -19, 2: [99], 4: kid})), TokenFault.CRITICAL_HEADER),
        (
            "critical label that we know",
            signed(PLAIN, encode({1: -19, 2: [4], 4: kid})),
            TokenFault.CRITICAL_HEADER,
        ),
        ("content type", signed(PLAIN, encode({1: -19, 3: 60, 4: kid})), TokenFault.UNKNOWN_HEADER),
        ("no alg", signed(PLAIN, encode({4: kid})), TokenFault.ALGORITHM_MISSING),
        ("empty protected header", signed(PLAIN, b""), TokenFault.ALGORITHM_MISSING),
        ("alg unprotected alone", under({1: -19}, {4: kid}), TokenFault.ALGORITHM_UNPROTECTED),
        ("alg in both", under({1: -19}), TokenFault.ALGORITHM_UNPROTECTED),
        ("two algs that contradict", under({1: -9}), TokenFault.ALGORITHM_UNPROTECTED),
        (
            "ES256 by its older name, alg -7",
            signed(PLAIN, encode({1: -7, 4: kid})),
            TokenFault.UNKNOWN_ALGORITHM,
        ),
        ("HMAC, alg 5", signed(PLAIN, encode({1: 5, 4: kid})), TokenFault.UNKNOWN_ALGORITHM),
        ("alg by name", signed(PLAIN, encode({1: "Ed25519", 4: kid})), TokenFault.UNKNOWN_ALGORITHM),
        ("no kid", signed(PLAIN, encode({1: -19})), TokenFault.KID_MISSING),
        ("kid unprotected alone", under({4: kid}, {1: -19}), TokenFault.KID_UNPROTECTED),
        ("kid in both", under({4: kid}), TokenFault.KID_UNPROTECTED),
        ("kid of 7 bytes", signed(PLAIN, encode({1: -19, 4: kid[:7]})), TokenFault.KID_LENGTH),
        ("kid of 9 bytes", signed(PLAIN, encode({1: -19, 4: kid + b"9"})), TokenFault.KID_LENGTH),
        ("something unprotected", under({99: 0}), TokenFault.UNPROTECTED_NOT_EMPTY),
        ("long head of the protected header", b"\x84\x58\x0d" + good[2:], TokenFault.NOT_MINIMAL),
        ("kid before alg", signed(PLAIN, b"\xa2\x04\x48" + kid + b"\x01\x32"), TokenFault.UNSORTED_MAP),
        ("alg twice", signed(PLAIN, b"\xa2\x01\x32\x01\x32"), TokenFault.DUPLICATE_KEY),
        (
            "a byte behind the protected header",
            signed(PLAIN, good[2:15] + b"\0"),
            TokenFault.PROTECTED_HEADER,
        ),
    ]


def _payloads() -> list[tuple[str, bytes, TokenFault]]:
    start = b"\x85" + b"".join(map(encode, (7, 5, 20_740, 20_770)))
    return [
        ("7 in two bytes", b"\x85\x18\x07" + PLAIN[2:], TokenFault.NOT_MINIMAL),
        ("indefinite array", b"\x9f" + PLAIN[1:] + b"\xff", TokenFault.INDEFINITE_LENGTH),
        ("reserved head", b"\x85\x1c" + PLAIN[2:], TokenFault.RESERVED),
        ("long head of the payload's array", b"\x98\x05" + PLAIN[1:], TokenFault.NOT_MINIMAL),
        ("expires as a float", PLAIN.replace(EXPIRES, b"\xfa\x46\xa2\x44\x00"), TokenFault.FLOAT),
        ("expires is not a number", PLAIN.replace(EXPIRES, b"\xf9\x7e\x00"), TokenFault.FLOAT),
        ("expires in a tag", PLAIN.replace(EXPIRES, b"\xc1" + EXPIRES), TokenFault.TAG),
        ("expires as a big number", PLAIN.replace(EXPIRES, b"\xc2\x42\x51\x22"), TokenFault.BIGNUM),
        ("expires undefined", PLAIN.replace(EXPIRES, b"\xf7"), TokenFault.SIMPLE_VALUE),
        ("true as a label", start + b"\xa1\xf5\x00", TokenFault.MAP_KEY),
        ("extras unsorted", start + b"\xa2\x06\x00\x01\x00", TokenFault.UNSORTED_MAP),
        ("extra twice", start + b"\xa2\x01\x00\x01\x01", TokenFault.DUPLICATE_KEY),
        ("three levels", start + encode({1: [0]}), TokenFault.TOO_DEEP),
        ("text that is not UTF-8", start + b"\xa1\x01\x61\xff", TokenFault.BAD_UTF8),
        ("a byte behind the payload", PLAIN + b"\0", TokenFault.PAYLOAD_TRAILING_BYTES),
        ("payload cut short", PLAIN[:-1], TokenFault.PAYLOAD_INCOMPLETE),
        ("four items", encode([7, 5, 20_740, 20_770]), TokenFault.PAYLOAD_FORM),
        ("a map", encode({1: 7}), TokenFault.PAYLOAD_FORM),
        ("campaign as text", encode(["7", 5, 20_740, 20_770, {}]), TokenFault.FIELD_TYPE),
        ("holder as an integer", start + encode({4: 1}), TokenFault.FIELD_TYPE),
        ("index as true", encode([7, True, 20_740, 20_770, {}]), TokenFault.FIELD_BOOLEAN),
        ("expires as null", encode([7, 5, 20_740, None, {}]), TokenFault.FIELD_NULL),
        ("negative index", encode([7, -1, 20_740, 20_770, {}]), TokenFault.FIELD_RANGE),
        ("campaign of 2^32", encode([2**32, 5, 20_740, 20_770, {}]), TokenFault.FIELD_RANGE),
        ("index of 2^32", encode([7, 2**32, 20_740, 20_770, {}]), TokenFault.FIELD_RANGE),
        ("day 65536", encode([7, 5, 20_740, 65_536, {}]), TokenFault.FIELD_RANGE),
        ("value of nothing", start + encode({3: 0}), TokenFault.FIELD_RANGE),
        ("holder of 7 bytes", start + encode({4: bytes(7)}), TokenFault.FIELD_RANGE),
        ("holder of 17 bytes", start + encode({4: bytes(17)}), TokenFault.FIELD_RANGE),
        ("referrer of 9 bytes", start + encode({5: bytes(9)}), TokenFault.FIELD_RANGE),
        ("extra 7", start + encode({7: 0}), TokenFault.UNKNOWN_FIELD),
        ("extra with a name", start + encode({"store": 1}), TokenFault.UNKNOWN_FIELD),
        ("ends before it starts", encode([7, 5, 20_770, 20_769, {}]), TokenFault.EXPIRES_BEFORE_START),
    ]


def _untrusted() -> list[dict[str, Any]]:
    """Tokens of good form that these keys do not stand for."""
    good, kid = signed(PLAIN), KEY.kid.hex()
    payload, p256 = token.encode_claims(TYPICAL), signed(PLAIN, key=P256_KEY)
    more_s = (int.from_bytes(good[-32:], "little") + ED25519_ORDER).to_bytes(32, "little")
    copied = replace(STRANGER, kid=KEY.kid)
    wrong = {"outcome": "bad_signature", "fault": "wrong_algorithm"}
    forged = {"outcome": "bad_signature", "fault": kid}
    forged_p256 = {"outcome": "bad_signature", "fault": P256_KEY.kid.hex()}
    beyond = "beyond_key_limit"
    cases: list[tuple[str, bytes, dict[str, str]]] = [
        ("unknown kid", signed(PLAIN, key=STRANGER), {"outcome": "unknown_key", "fault": STRANGER.kid.hex()}),
        ("another key under a known kid", signed(PLAIN, key=copied), forged),
        ("alg -8 under a key of -19", signed(PLAIN, key=replace(KEY, algorithm=Algorithm.EDDSA)), wrong),
        (
            "alg -19 under a key of -8",
            signed(PLAIN, key=replace(OLD_KEY, algorithm=Algorithm.ED25519)),
            wrong,
        ),
        ("alg -9 under a key of -19", signed(PLAIN, key=replace(P256_KEY, kid=KEY.kid)), wrong),
        ("alg -19 under a key of -9", signed(PLAIN, key=replace(KEY, kid=P256_KEY.kid)), wrong),
        ("signed as a bundle", KEY.sign1(payload, b"redeemd/bundle/1"), forged),
        ("signed without external_aad", KEY.sign1(payload, b""), forged),
        ("signature of another coupon", good[:-64] + token.sign(TYPICAL, KEY)[-64:], forged),
        ("Ed25519, S plus the order", good[:-32] + more_s, forged),
        ("P-256, r and s changed over", p256[:-64] + bytes(32) + b"\0" * 31 + b"\1", forged_p256),
        (
            "campaign not of this key",
            token.sign(Claims(8, 5, 20_740, 20_770), P256_KEY),
            {"outcome": beyond, "fault": "campaign"},
        ),
        (
            "value above the key's",
            token.sign(Claims(7, 5, 20_740, 20_770, value_minor=501), P256_KEY),
            {"outcome": beyond, "fault": "value"},
        ),
    ]
    return [{"name": name, "text": to_text(octets), **answer} for name, octets, answer in cases]


def _key_record(key: SigningKey, campaigns: list[int] | None, value_max_minor: int) -> dict[str, Any]:
    return {
        "kid": key.kid.hex(),
        "issuer": "acme",
        "algorithm": int(key.algorithm),
        "public_key": key.public_key.hex(),
        "campaigns": campaigns,
        "value_max_minor": value_max_minor,
    }


def _refused_keys() -> list[dict[str, Any]]:
    """Public keys that no till loads."""
    field = 2**255 - 19
    small = (0, 1, field - 1, _ORDER_8_Y, field - _ORDER_8_Y)
    point = P256_KEY.public_key
    numbers = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point).public_numbers()
    both = point[1:] + numbers.y.to_bytes(32, "big")
    p256_field = 2**256 - 2**224 + 2**192 + 2**96 - 1
    keys: list[tuple[str, int, bytes]] = [
        *(("small order", -19, (y | sign << 255).to_bytes(32, "little")) for y in small for sign in (0, 1)),
        ("y of the field's size", -19, field.to_bytes(32, "little")),
        ("y above the field", -8, (2**255 - 1).to_bytes(32, "little")),
        ("31 bytes", -19, KEY.public_key[:31]),
        ("33 bytes", -19, KEY.public_key + b"\0"),
        ("a P-256 point", -19, point),
        ("uncompressed point", -9, b"\4" + both),
        ("hybrid point", -9, bytes([6 + numbers.y % 2]) + both),
        ("x alone", -9, point[1:]),
        ("infinity", -9, b"\0"),
        ("not on the curve", -9, b"\2" + bytes(31) + b"\4"),
        ("x above the field", -9, b"\2" + (p256_field + 5).to_bytes(32, "big")),
    ]
    return [{"name": name, "algorithm": number, "public_key": raw.hex()} for name, number, raw in keys]


def _invalid(name: str, text: str, fault: TokenFault) -> dict[str, Any]:
    """What does not begin like a token may be something else: what it is then is not this page's to say."""
    outcome = "truncated" if fault is TokenFault.INCOMPLETE else "malformed"
    answer = {} if fault is TokenFault.NOT_A_TOKEN else {"outcome": outcome}
    return {"name": name, "text": text, **answer, "fault": fault.value}


def vectors() -> dict[str, Any]:
    """The content of tokens.json."""
    assert len(PLAIN) == 10, "the envelope vectors count on a payload of 10 bytes"
    octets = [
        *_envelopes(),
        *_headers(),
        *((name, signed(payload), fault) for name, payload, fault in _payloads()),
    ]
    invalid = [*_texts(), *((name, to_text(data), fault) for name, data, fault in octets)]
    return {
        "about": "docs/coupon-format.md; all byte strings are hexadecimal",
        "aad": AAD.hex(),
        "keys": [
            _key_record(KEY, None, 2**32 - 1),
            _key_record(OLD_KEY, None, 2**32 - 1),
            _key_record(P256_KEY, [0, 7, 2**32 - 1], 500),
        ],
        "private": {kid.hex(): seed.hex() for kid, seed in SEEDS.items()},
        "valid": [
            _valid("minimal", MINIMAL),
            _valid("typical", TYPICAL),
            _valid("largest", LARGEST),
            _valid(
                "bound to a store group, with a personal value",
                Claims(1, 2, 3, 4, store_group=9, value_minor=500),
            ),
            _valid("from a referrer", Claims(24, 256, 20_740, 20_740, referrer=bytes(8))),
            _valid("typical, Ed25519 by its older name", TYPICAL, OLD_KEY),
            _valid("minimal, P-256", MINIMAL, P256_KEY),
            _valid("typical, P-256", TYPICAL, P256_KEY),
            _valid("largest but for its value, P-256", replace(LARGEST, value_minor=500), P256_KEY),
        ],
        "invalid": [_invalid(name, text, fault) for name, text, fault in invalid],
        "untrusted": _untrusted(),
        "refused_keys": _refused_keys(),
    }
