"""The coupon token: RC1 + base32 of a COSE_Sign1 over a CBOR array. docs/coupon-format.md is the published form.

    payload = [campaign, index, not_before, expires, {extra: value}]

Exactly one byte form of a coupon is accepted and nothing in it is optional that could be written in two ways. The
identity of a coupon is (issuer, campaign, index): the issuer comes from the key, the rest from the signed payload.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from agent.domain import cbor, cose
from agent.domain.keys import IssuerKey, SigningKey

TEXT_PREFIX = "RC1"
AAD = b"redeemd/coupon/1"
TOKEN_BYTES_MAX = 161
"""Version 9 at EC level M holds 262 alphanumeric characters: the prefix and 161 bytes in base32."""
TEXT_CHARS_MAX = len(TEXT_PREFIX) + (TOKEN_BYTES_MAX * 8 + 4) // 5
UINT32_MAX = 2**32 - 1
DAY_MAX = 2**16 - 1

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FROM_BASE32 = str.maketrans(_ALPHABET, "0123456789ABCDEFGHIJKLMNOPQRSTUV")
_CHARS_OF_REST = (0, 2, 4, 5, 7)  # characters that 0 to 4 bytes beyond whole groups of five take (RFC 4648)


class TokenFault(StrEnum):
    """Why a text is not a token: first the text, then the envelope, the CBOR of the payload, its fields.

    The codes of `cbor` and `cose` stand here too: this is the whole list.
    """

    NOT_A_TOKEN = "not_a_token"
    TOO_LONG = "too_long"
    LOWER_CASE = "lower_case"
    PADDING = "padding"
    WHITE_SPACE = "white_space"
    BAD_CHARACTER = "bad_character"
    INCOMPLETE = "incomplete"  # the text ends before the token does
    TEXT_LENGTH = "text_length"  # a number of characters that no number of bytes gives
    NOT_CANONICAL_TEXT = "not_canonical_text"  # stray bits behind the last byte
    TAGGED = "tagged"
    NOT_COSE_SIGN1 = "not_cose_sign1"
    PROTECTED_HEADER = "protected_header"  # not a byte string that holds one map
    CRITICAL_HEADER = "critical_header"
    UNKNOWN_HEADER = "unknown_header"
    ALGORITHM_MISSING = "algorithm_missing"
    ALGORITHM_UNPROTECTED = "algorithm_unprotected"
    UNKNOWN_ALGORITHM = "unknown_algorithm"
    KID_MISSING = "kid_missing"
    KID_UNPROTECTED = "kid_unprotected"
    KID_LENGTH = "kid_length"
    UNPROTECTED_NOT_EMPTY = "unprotected_not_empty"
    PAYLOAD_NOT_BYTES = "payload_not_bytes"
    SIGNATURE_FORM = "signature_form"
    SIGNATURE_LENGTH = "signature_length"
    HIGH_S = "high_s"
    TRAILING_BYTES = "trailing_bytes"
    NOT_MINIMAL = "not_minimal"
    INDEFINITE_LENGTH = "indefinite_length"
    RESERVED = "reserved"
    FLOAT = "float"
    BIGNUM = "bignum"
    TAG = "tag"
    SIMPLE_VALUE = "simple_value"
    UNSORTED_MAP = "unsorted_map"
    DUPLICATE_KEY = "duplicate_key"
    MAP_KEY = "map_key"
    TOO_DEEP = "too_deep"
    BAD_UTF8 = "bad_utf8"
    PAYLOAD_TRAILING_BYTES = "payload_trailing_bytes"
    PAYLOAD_INCOMPLETE = "payload_incomplete"
    PAYLOAD_FORM = "payload_form"  # not an array of five
    FIELD_BOOLEAN = "field_boolean"
    FIELD_NULL = "field_null"
    FIELD_TYPE = "field_type"
    FIELD_RANGE = "field_range"
    UNKNOWN_FIELD = "unknown_field"
    EXPIRES_BEFORE_START = "expires_before_start"


assert set(TokenFault) >= cose.CODES, "every code below has its fault"


class TokenError(ValueError):
    """A text or bytes that are not a token. fault: the closed reason; detail: for a person, without the text itself."""

    def __init__(self, fault: TokenFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Claims:
    """What an issuer signs.

    campaign, index: 0 to 2^32-1. not_before, expires: days since 1970-01-01 in the store's calendar, both included.
    store, store_group: where alone it counts (numbers of the bundle's store list). value_minor: a personal value within
    the campaign's limits. holder: pseudonym, 8 to 16 bytes. referrer: pseudonym, 8 bytes. source: number of the touch
    point that issued it.
    """

    campaign: int
    index: int
    not_before: int
    expires: int
    store: int | None = None
    store_group: int | None = None
    value_minor: int | None = None
    holder: bytes | None = None
    referrer: bytes | None = None
    source: int | None = None


class Token(NamedTuple):
    """A parsed, not yet verified token."""

    envelope: cose.Envelope
    claims: Claims


class Coupon(NamedTuple):
    """A verified coupon. `identity` is what redemption is counted by.

    kid: of the key that signed it, empty for an opaque code. code_hash: of an opaque code, empty for a signed coupon.
    """

    issuer: str
    claims: Claims
    kid: bytes
    code_hash: bytes = b""

    @property
    def identity(self) -> tuple[str, int, int]:
        """(issuer, campaign, index): never the text, the bytes or the signature."""
        return self.issuer, self.claims.campaign, self.claims.index


# label -> (name of the claim, type, least, greatest): least and greatest are values of integers, lengths of bytes
_EXTRAS: dict[int, tuple[str, type, int, int]] = {
    1: ("store", int, 0, UINT32_MAX),
    2: ("store_group", int, 0, UINT32_MAX),
    3: ("value_minor", int, 1, UINT32_MAX),
    4: ("holder", bytes, 8, 16),
    5: ("referrer", bytes, 8, 8),
    6: ("source", int, 0, UINT32_MAX),
}
_WRONG_TYPE = {bool: TokenFault.FIELD_BOOLEAN, type(None): TokenFault.FIELD_NULL}
_FIXED = (
    ("campaign", 0, UINT32_MAX),
    ("index", 0, UINT32_MAX),
    ("not_before", 0, DAY_MAX),
    ("expires", 0, DAY_MAX),
)


def encode_claims(claims: Claims) -> bytes:
    """The payload bytes; TokenError if a claim is outside its limits (an issuer's mistake is stopped here)."""
    extras = {
        label: value for label, (name, *_) in _EXTRAS.items() if (value := getattr(claims, name)) is not None
    }
    try:
        payload = cbor.encode([claims.campaign, claims.index, claims.not_before, claims.expires, extras])
    except ValueError as error:
        raise TokenError(TokenFault.FIELD_RANGE, str(error)) from None
    if decode_claims(payload) != claims:
        raise AssertionError("a claim did not survive its own encoding")
    return payload


def decode_claims(payload: bytes) -> Claims:
    """Read a payload strictly; TokenError says which field is wrong."""
    try:
        fields = cbor.decode(payload, max_depth=2)
    except cbor.CborError as error:
        inner = {"trailing_bytes": "payload_trailing_bytes", "incomplete": "payload_incomplete"}
        raise TokenError(TokenFault(inner.get(error.code, error.code)), f"payload, {error}") from None
    if type(fields) is not list or len(fields) != 5 or type(fields[4]) is not dict:
        raise TokenError(TokenFault.PAYLOAD_FORM, "the payload is an array of four integers and a map")
    for (name, least, greatest), value in zip(_FIXED, fields, strict=False):
        check_field(name, value, int, least, greatest)
    extras = _extras(fields[4])
    if fields[2] > fields[3]:
        raise TokenError(TokenFault.EXPIRES_BEFORE_START, f"from day {fields[2]} to day {fields[3]}")
    return Claims(fields[0], fields[1], fields[2], fields[3], **extras)


def _extras(fields: Mapping[Any, Any]) -> dict[str, Any]:
    extras = {}
    for label, value in fields.items():
        if type(label) is not int or label not in _EXTRAS:
            raise TokenError(TokenFault.UNKNOWN_FIELD, f"extra {label!r}")
        name, kind, least, greatest = _EXTRAS[label]
        check_field(name, value, kind, least, greatest)
        extras[name] = value
    return extras


def check_field(name: str, value: Any, kind: type, least: int, greatest: int) -> None:
    if type(value) is not kind:  # bool is an int to isinstance
        raise TokenError(
            _WRONG_TYPE.get(type(value), TokenFault.FIELD_TYPE), f"{name} is not {kind.__name__}"
        )
    size: Any = len(value) if isinstance(value, bytes) else value
    if not least <= size <= greatest:
        raise TokenError(TokenFault.FIELD_RANGE, f"{name} is not within {least} to {greatest}")


def sign(claims: Claims, key: SigningKey) -> bytes:
    """The token's bytes, about 100 to 140."""
    token = key.sign1(encode_claims(claims), AAD)
    if len(token) > TOKEN_BYTES_MAX:
        raise TokenError(
            TokenFault.TOO_LONG, f"{len(token)} bytes, at most {TOKEN_BYTES_MAX} fit a QR of version 9"
        )
    return token


def to_text(token: bytes) -> str:
    """RC1 + base32 without padding (RFC 4648 section 6): QR alphanumeric mode, nothing a keyboard layout can mangle."""
    return TEXT_PREFIX + b32encode(token).decode().rstrip("=")


def parse(text: str) -> Token:
    """Read a token's text; TokenError for anything but its one form. Neither trust nor rules are looked at."""
    envelope = read_envelope(text, TEXT_PREFIX, AAD)
    return Token(envelope, decode_claims(envelope.payload))


def read_envelope(text: str, prefix: str, aad: bytes) -> cose.Envelope:
    """The signed message behind a text of this prefix, in its one form; TokenError."""
    if not text.startswith(prefix):
        raise TokenError(TokenFault.NOT_A_TOKEN, f"does not begin with {prefix}")
    if len(text) > TEXT_CHARS_MAX:
        raise TokenError(TokenFault.TOO_LONG, f"{len(text)} characters, at most {TEXT_CHARS_MAX}")
    body = text[len(prefix) :]
    if body.strip(_ALPHABET):  # strip stops at the first stranger; none left means none at all
        stranger = body.strip(_ALPHABET)[0]
        at = text.index(stranger, len(prefix)) + 1
        raise TokenError(_fault_of_stranger(stranger), f"U+{ord(stranger):04X} at character {at}")
    size, stray_bits = divmod(len(body) * 5, 8)
    number = int(body.translate(_FROM_BASE32), 32) if body else 0
    fault: TokenFault | None = None
    if len(body) % 8 not in _CHARS_OF_REST:
        fault = TokenFault.TEXT_LENGTH
    elif number & (1 << stray_bits) - 1:
        fault = TokenFault.NOT_CANONICAL_TEXT
    try:
        envelope = cose.parse((number >> stray_bits).to_bytes(size, "big"), aad)
    except cose.CoseError as error:
        # A cut text mostly is of an odd length or leaves stray bits too: being incomplete explains both.
        if fault is None or error.code == "incomplete":
            fault = TokenFault(error.code)
        raise TokenError(fault) from None
    if fault is not None:
        raise TokenError(fault)
    return envelope


def _fault_of_stranger(character: str) -> TokenFault:
    if character == "=":
        return TokenFault.PADDING
    if character.isspace():
        return TokenFault.WHITE_SPACE
    return TokenFault.LOWER_CASE if "a" <= character <= "z" else TokenFault.BAD_CHARACTER


def verify(token: Token, key: IssuerKey) -> bool:
    """True if `key` made this token's signature with the algorithm both name."""
    envelope = token.envelope
    return envelope.algorithm is key.algorithm and key.verifies(envelope.signature, envelope.signed)
