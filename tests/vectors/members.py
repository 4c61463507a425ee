"""Member vectors: cards step by step and refused ones, and rows of a bundle's list with what is found in them."""

from __future__ import annotations

from typing import Any

from tests.vectors.tokens import KEY, SEED, STRANGER, key_json

DAY = 20_785
WHO = bytes.fromhex("a1a2a3a4a5a6a7a8")
LONG = bytes(range(16))
# pseudonym, level, points, visits, last day, consent
_LISTED: list[tuple[bytes, int, int, int, int | None, bool]] = [
    (WHO, 2, 1_200, 7, 20_700, True),
    (LONG, 0, 0, 0, None, False),
    (bytes([9]) * 8, 100, 2**48 - 1, 10**9, 65_535, True),
]


def _cards() -> dict[str, Any]:
    from agent.domain import cbor
    from agent.domain.member_card import AAD, CARD_PREFIX, Card, sign
    from agent.domain.token import to_text

    def card(pseudonym: bytes = WHO, not_before: int = DAY, expires: int = DAY + 1, level: int = 2) -> Card:
        return Card(pseudonym, not_before, expires, level)

    def text(payload: Any, aad: bytes = AAD) -> str:
        return CARD_PREFIX + to_text(KEY.sign1(cbor.encode(payload), aad))[3:]

    good = [card(), card(pseudonym=LONG, level=0, not_before=0, expires=65_535)]
    plain = [WHO, DAY, DAY + 1, 2]
    refused = [
        ("a day too early", sign(card(not_before=DAY + 1), KEY), "not_yet_valid"),
        ("over", sign(card(not_before=0, expires=DAY - 1), KEY), "expired"),
        ("another key", sign(card(), STRANGER), "unknown_key"),
        ("signed as a coupon", text(plain, b"redeemd/coupon/1"), "bad_signature"),
        ("a short pseudonym", text([WHO[:7], DAY, DAY + 1, 2]), "field_range"),
        ("a long pseudonym", text([bytes(17), DAY, DAY + 1, 2]), "field_range"),
        ("a level beyond the last", text([WHO, DAY, DAY + 1, 101]), "field_range"),
        ("a text as pseudonym", text(["a1a2a3a4", DAY, DAY + 1, 2]), "field_type"),
        ("three fields", text(plain[:3]), "payload_form"),
        ("five fields", text([*plain, 0]), "payload_form"),
        ("days the wrong way", text([WHO, DAY + 1, DAY, 2]), "expires_before_start"),
        ("in small letters", CARD_PREFIX + sign(card(), KEY)[4:].lower(), "lower_case"),
        ("cut", sign(card(), KEY)[:-10], "incomplete"),
        ("only its beginning", CARD_PREFIX, "incomplete"),
    ]
    return {
        "day": DAY,
        "key": key_json(KEY, SEED),
        "valid": [
            {
                "pseudonym": one.pseudonym.hex(),
                "not_before": one.not_before,
                "expires": one.expires,
                "level": one.level,
                "payload": cbor.encode([one.pseudonym, one.not_before, one.expires, one.level]).hex(),
                "text": sign(one, KEY),
            }
            for one in good
        ],
        "refused": [{"name": name, "text": text, "code": code} for name, text, code in refused],
    }


def vectors() -> dict[str, Any]:
    from agent.domain.member_list import Known, name_of, pack

    rows = pack((name_of(one[0]), Known(*one[1:])) for one in _LISTED)
    return {
        "about": "Member cards and the bundle's part members: docs/bundle-format.md",
        "cards": _cards(),
        "rows": rows.hex(),
        "listed": [
            {
                "pseudonym": who.hex(),
                "name": name_of(who).hex(),
                "level": level,
                "points": points,
                "visits": visits,
                "last_day": last,
                "consent": consent,
            }
            for who, level, points, visits, last, consent in _LISTED
        ],
        "unknown": [bytes(8).hex(), (b"\xff" * 16).hex()],
    }
