"""The coupon token: what is signed, the one text that is accepted for it, and the name of every other one."""

import base64
from dataclasses import fields
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import token
from agent.domain.cose import Algorithm
from agent.domain.decide import Refusal, verify_scan
from agent.domain.outcome import Outcome
from agent.domain.scan import Kind, route
from agent.domain.token import AAD, TEXT_CHARS_MAX, Claims, Coupon, TokenError, TokenFault
from tests.unit.domain_kit import ISSUER_KEY, MANY, claims, contents, examples, issuer_key, text

UINT32 = st.integers(0, 2**32 - 1)
LABELS = {"store": 1, "store_group": 2, "value_minor": 3, "holder": 4, "referrer": 5, "source": 6}
LARGEST = Claims(
    2**32 - 1, 2**32 - 1, 65535, 65535, 2**32 - 1, 2**32 - 1, 2**32 - 1, bytes(16), bytes(8), 2**32 - 1
)


@st.composite
def any_claims(draw):
    first = draw(st.integers(0, 65535))
    return Claims(
        draw(UINT32),
        draw(UINT32),
        first,
        draw(st.integers(first, 65535)),
        draw(st.none() | UINT32),
        draw(st.none() | UINT32),
        draw(st.none() | st.integers(1, 2**32 - 1)),
        draw(st.none() | st.binary(min_size=8, max_size=16)),
        draw(st.none() | st.binary(min_size=8, max_size=8)),
        draw(st.none() | UINT32),
    )


def fault_of(scanned):
    with pytest.raises(TokenError) as caught:
        token.parse(scanned)
    return caught.value.fault


@examples(60)
@given(any_claims())
def test_a_token_written_with_cbor2_and_base64_alone_is_the_same(claimed):
    """The published format, followed with other tools: the same text, and it verifies."""
    extras = {
        label: getattr(claimed, name) for name, label in LABELS.items() if getattr(claimed, name) is not None
    }
    payload = cbor2.dumps([claimed.campaign, claimed.index, claimed.not_before, claimed.expires, extras])
    protected = cbor2.dumps({1: -19, 4: ISSUER_KEY.kid})
    signature = ISSUER_KEY.private.sign(cbor2.dumps(["Signature1", protected, b"redeemd/coupon/1", payload]))
    octets = cbor2.dumps([protected, {}, payload, signature])
    scanned = "RC1" + base64.b32encode(octets).decode().rstrip("=")

    assert token.sign(claimed, ISSUER_KEY) == octets
    assert token.to_text(octets) == scanned
    parsed = token.parse(scanned)
    assert parsed.claims == claimed
    assert token.verify(parsed, issuer_key())
    assert verify_scan(scanned, contents()) in (
        Coupon("acme", claimed, ISSUER_KEY.kid),
        Refusal(Outcome.BEYOND_KEY_LIMIT, "value"),
    )


@examples(200)
@given(st.binary(max_size=161))
def test_the_text_form_is_base32_without_padding(octets):
    """RFC 4648 section 6 to the letter: five bits a character, the last one filled with zeros."""
    bits = "".join(f"{octet:08b}" for octet in octets)
    bits += "0" * (-len(bits) % 5)
    fives = (bits[at : at + 5] for at in range(0, len(bits), 5))
    assert token.to_text(octets) == "RC1" + "".join(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[int(five, 2)] for five in fives
    )


def test_the_largest_token_fits_its_bound():
    assert {field.name for field in fields(Claims)} - set(LABELS) == {
        "campaign",
        "index",
        "not_before",
        "expires",
    }
    octets = token.sign(LARGEST, ISSUER_KEY)
    assert len(octets) == 154
    assert len(token.to_text(octets)) == 250 <= TEXT_CHARS_MAX == 261
    assert token.parse(token.to_text(octets)).claims == LARGEST


@pytest.mark.parametrize(
    "claimed", [claims(), LARGEST, claims(store=12)], ids=["typical", "largest", "store"]
)
def test_every_proper_prefix_is_truncated(claimed):
    whole = token.to_text(token.sign(claimed, ISSUER_KEY))
    for end in range(len(whole)):
        expected = Outcome.TRUNCATED if end >= 3 else Outcome.NOT_A_COUPON
        answer = verify_scan(whole[:end], contents())
        assert isinstance(answer, Refusal)
        assert answer.outcome is expected, end


@examples(150)
@given(st.text(max_size=300).filter(lambda scanned: not scanned.startswith("RC1")))
def test_any_other_text_is_not_a_coupon(scanned):
    found = verify_scan(scanned, contents())
    assert isinstance(found, Refusal)
    if route(scanned).kind is Kind.OTHER:  # neither a product nor an address nor anything else that is known
        assert found == Refusal(Outcome.NOT_A_COUPON, "not_a_token")


@examples(150)
@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(scanned):
    answer = verify_scan("RC1" + scanned, contents())
    assert isinstance(answer, Refusal)
    assert answer.outcome in (Outcome.TRUNCATED, Outcome.MALFORMED)


def accepted(scanned):
    """The bytes of a text that verifies, else None."""
    try:
        parsed = token.parse(scanned)
    except TokenError:
        return None
    return scanned if token.verify(parsed, issuer_key()) else None


def test_no_single_byte_can_be_changed():
    """All 255 other values of each byte; of the signature the eight bits alone, unless more examples are asked for."""
    octets = bytearray(token.sign(claims(), ISSUER_KEY))
    assert accepted(token.to_text(bytes(octets)))
    for at, original in enumerate(octets):
        bits_only = at >= len(octets) - 64 and not MANY
        for change in (1 << bit for bit in range(8)) if bits_only else range(1, 256):
            octets[at] = original ^ change
            assert accepted(token.to_text(bytes(octets))) is None, (at, change)
        octets[at] = original


def test_other_spellings_of_the_same_bytes():
    """What lenient base32 decoders take: each is refused, and by its own name."""
    whole = text(store=300)
    octets = token.sign(claims(store=300), ISSUER_KEY)
    assert len(octets) % 5
    body = whole[3:]
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    stray = whole[:-1] + last[last.index(whole[-1]) + 1]
    spellings = {
        "rc1" + body: TokenFault.NOT_A_TOKEN,
        "\ufeff" + whole: TokenFault.NOT_A_TOKEN,
        " " + whole: TokenFault.NOT_A_TOKEN,
        whole.lower(): TokenFault.NOT_A_TOKEN,
        "RC1" + body.lower(): TokenFault.LOWER_CASE,
        whole + "=": TokenFault.PADDING,
        whole + "\n": TokenFault.WHITE_SPACE,
        whole + " ": TokenFault.WHITE_SPACE,
        whole + "\u00a0": TokenFault.WHITE_SPACE,
        whole[:50] + "\u200b" + whole[50:]: TokenFault.BAD_CHARACTER,
        whole[:50] + "-" + whole[50:]: TokenFault.BAD_CHARACTER,
        whole + "A": TokenFault.TEXT_LENGTH,
        stray: TokenFault.NOT_CANONICAL_TEXT,
        token.to_text(octets + b"\0"): TokenFault.TRAILING_BYTES,
        "RC1" + "A" * (TEXT_CHARS_MAX - 2): TokenFault.TOO_LONG,
        "RC1" + "é" * 10**6: TokenFault.TOO_LONG,
    }
    for scanned, fault in spellings.items():
        assert fault_of(scanned) is fault, scanned[:80]


def test_a_bad_character_is_named_with_its_place_and_never_the_text():
    with pytest.raises(TokenError, match=r"^bad_character: U\+0031 at character 6$"):
        token.parse("RC1AB1AAAA")  # the 1 of the prefix is not the one that is meant
    with pytest.raises(TokenError) as caught:
        token.parse("RC1SECRET!")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"campaign": -1}, TokenFault.FIELD_RANGE),
        ({"index": 2**32}, TokenFault.FIELD_RANGE),
        ({"index": 2**64}, TokenFault.FIELD_RANGE),
        ({"campaign": True}, TokenFault.FIELD_BOOLEAN),
        ({"campaign": None}, TokenFault.FIELD_NULL),
        ({"campaign": "7"}, TokenFault.FIELD_TYPE),
        ({"expires": 65536}, TokenFault.FIELD_RANGE),
        ({"not_before": 10, "expires": 9}, TokenFault.EXPIRES_BEFORE_START),
        ({"value_minor": 0}, TokenFault.FIELD_RANGE),
        ({"holder": bytes(7)}, TokenFault.FIELD_RANGE),
        ({"holder": bytes(17)}, TokenFault.FIELD_RANGE),
        ({"referrer": bytes(9)}, TokenFault.FIELD_RANGE),
        ({"holder": "member-1"}, TokenFault.FIELD_TYPE),
        ({"store": False}, TokenFault.FIELD_BOOLEAN),
    ],
)
def test_an_issuers_mistake_is_stopped_before_it_is_signed(changes, fault):
    with pytest.raises(TokenError) as caught:
        token.sign(claims(**changes), ISSUER_KEY)
    assert caught.value.fault is fault


# docs/coupon-format.md, "The payload": the least and the greatest value, or length in bytes.
LIMITS = {
    "campaign": (0, 2**32 - 1),
    "index": (0, 2**32 - 1),
    "not_before": (0, 65_535),
    "expires": (0, 65_535),
    "store": (0, 2**32 - 1),
    "store_group": (0, 2**32 - 1),
    "value_minor": (1, 2**32 - 1),
    "holder": (8, 16),
    "referrer": (8, 8),
    "source": (0, 2**32 - 1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_field_ends_where_the_page_says(name):
    assert set(LIMITS) == {field.name for field in fields(Claims)}
    octets = name in ("holder", "referrer")
    whole: dict[str, Any] = {"campaign": 0, "index": 0, "not_before": 0, "expires": 65_535}
    if name == "expires":
        whole["expires"] = 0
    for limit, beyond in zip(LIMITS[name], (-1, 1), strict=True):
        good = Claims(**whole | {name: bytes(limit) if octets else limit})
        assert token.decode_claims(token.encode_claims(good)) == good
        wrong = bytes(limit + beyond) if octets else limit + beyond
        with pytest.raises(TokenError) as caught:
            token.encode_claims(Claims(**whole | {name: wrong}))
        assert caught.value.fault is TokenFault.FIELD_RANGE


def test_the_key_pins_the_algorithm():
    parsed = token.parse(text())
    assert token.verify(parsed, issuer_key())
    assert not token.verify(parsed, issuer_key(algorithm=Algorithm.EDDSA))
    other = parsed._replace(envelope=parsed.envelope._replace(algorithm=Algorithm.EDDSA))
    assert not token.verify(other, issuer_key())


def test_a_bundle_signature_is_no_coupon():
    octets = ISSUER_KEY.sign1(token.encode_claims(claims()), b"redeemd/bundle/1")
    assert octets != ISSUER_KEY.sign1(token.encode_claims(claims()), AAD)
    assert verify_scan(token.to_text(octets), contents()) == Refusal(
        Outcome.BAD_SIGNATURE, ISSUER_KEY.kid.hex()
    )


def test_identity_is_what_is_signed():
    one = verify_scan(text(), contents())
    again = verify_scan(text(source=3, expires=claims().expires + 1), contents())
    assert isinstance(one, Coupon)
    assert isinstance(again, Coupon)
    assert one.identity == again.identity == ("acme", 7, 5)


@pytest.mark.parametrize(
    ("scanned", "answer"),
    [
        ("", Refusal(Outcome.NOT_A_COUPON, "not_a_token")),
        ("https://example.org/RC1", Refusal(Outcome.WEB_ADDRESS, "")),
        ("RC1", Refusal(Outcome.TRUNCATED, "incomplete")),
        ("RC1!", Refusal(Outcome.MALFORMED, "bad_character")),
    ],
)
def test_texts_that_are_no_tokens(scanned, answer):
    assert verify_scan(scanned, contents()) == answer
