"""The member card: RCM1 + base32 of a COSE_Sign1, as a coupon is, signed under a name of its own.

    payload = [pseudonym, not_before, expires, level]

It is signed because a pseudonym is no secret: every coupon that is bound to a holder carries it in plain. Days bound
what a photograph of a card is worth: an app shows a card of today and tomorrow, a card of plastic lasts for years.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass

from agent.domain import cbor
from agent.domain.eligibility import LEVEL_MAX
from agent.domain.keys import IssuerKey, SigningKey
from agent.domain.token import DAY_MAX, TokenError, TokenFault, check_field, read_envelope

CARD_PREFIX = "RCM1"
AAD = b"redeemd/member/1"
PSEUDONYM_BYTES = (8, 16)


@dataclass(frozen=True, slots=True)
class Card:
    """What an issuer signs. not_before, expires: days in the store's calendar, both included. level: when signed."""

    pseudonym: bytes
    not_before: int
    expires: int
    level: int = 0


class CardRefused(ValueError):
    """A text that is no card that counts here and today. code: stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


_FIELDS = (
    ("pseudonym", bytes, *PSEUDONYM_BYTES),
    ("not_before", int, 0, DAY_MAX),
    ("expires", int, 0, DAY_MAX),
    ("level", int, 0, LEVEL_MAX),
)


def sign(card: Card, key: SigningKey) -> str:
    """The card's text; TokenError if a field is outside its limits."""
    payload = cbor.encode([card.pseudonym, card.not_before, card.expires, card.level])
    if _card(payload) != card:
        raise AssertionError("a card did not survive its own encoding")
    return CARD_PREFIX + b32encode(key.sign1(payload, AAD)).decode().rstrip("=")


def is_card(text: str) -> bool:
    return text.startswith(CARD_PREFIX)


def read(text: str, keys: Mapping[bytes, IssuerKey], day: int) -> Card:
    """The card, if a key that may sign cards signed it and it counts on `day`; CardRefused.

    A key that is limited to campaigns, or a till's, signs coupons alone.
    """
    try:
        envelope = read_envelope(text, CARD_PREFIX, AAD)
        card = _card(envelope.payload)
    except TokenError as error:
        raise CardRefused(error.fault.value) from None
    key = keys.get(envelope.kid)
    if key is None:
        raise CardRefused("unknown_key")
    if envelope.algorithm is not key.algorithm or not key.verifies(envelope.signature, envelope.signed):
        raise CardRefused("bad_signature")
    if key.campaigns is not None or key.delegation is not None:
        raise CardRefused("beyond_key_limit")
    if not key.not_before <= day <= key.expires:
        raise CardRefused("key_not_valid")
    if day < card.not_before:
        raise CardRefused("not_yet_valid")
    if day > card.expires:
        raise CardRefused("expired")
    return card


def _card(payload: bytes) -> Card:
    try:
        fields = cbor.decode(payload, max_depth=1)
    except cbor.CborError as error:
        inner = {"trailing_bytes": "payload_trailing_bytes", "incomplete": "payload_incomplete"}
        raise TokenError(TokenFault(inner.get(error.code, error.code)), "payload") from None
    if type(fields) is not list or len(fields) != len(_FIELDS):
        raise TokenError(TokenFault.PAYLOAD_FORM, "the payload is an array of four")
    for (name, kind, least, greatest), value in zip(_FIELDS, fields, strict=True):
        check_field(name, value, kind, least, greatest)
    if fields[1] > fields[2]:
        raise TokenError(TokenFault.EXPIRES_BEFORE_START, f"from day {fields[1]} to day {fields[2]}")
    return Card(*fields)
