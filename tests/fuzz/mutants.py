"""Mutants of good tokens: of each token exactly one text may be accepted, and it is the one that was minted.

Mutants come from everything a lenient reader would take: other spellings of the text, other encodings of the same CBOR,
other signatures of the same message, moved headers, and plain damage. A tenth are signed again by the issuer's own key:
a faulty minter must not be able to write a coupon in two ways either. The same seed gives the same mutants.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from agent.domain import cbor, cose, token
from agent.domain.cose import P256_ORDER, Algorithm
from agent.domain.keys import IssuerKey, SigningKey, signing_key_from_seed
from agent.domain.token import AAD, DAY_MAX, Claims, TokenError, encode_claims, sign, to_text

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
CLAIMS = (
    Claims(7, 123_456, 20_740, 20_770, store=12, holder=bytes(range(8)), source=3),
    Claims(1, 1, 1, 1),
    Claims(2**32 - 1, 256, 300, 65_535, 1, 24, 65_536, bytes(range(16)), bytes(8), 23),
)


@dataclass(frozen=True, slots=True)
class Original:
    """A good token and the key behind it."""

    claims: Claims
    key: SigningKey
    protected: bytes
    payload: bytes
    octets: bytes
    text: str


def _original(claims: Claims, key: SigningKey) -> Original:
    octets = sign(claims, key)
    header = cose.protected_header(key.algorithm, key.kid)
    return Original(claims, key, header, encode_claims(claims), octets, to_text(octets))


KEYS = tuple(
    signing_key_from_seed(bytes([7, int(algorithm) & 255]) * 16, algorithm) for algorithm in Algorithm
)
ORIGINALS = tuple(_original(claims, key) for claims in CLAIMS for key in KEYS)
RECORDS = {
    key.kid: IssuerKey(key.kid, "acme", key.algorithm, key.public_key, None, 0, DAY_MAX, 2**40)
    for key in KEYS
}


def claims_of(text: str) -> Claims | None:
    """What `text` says, if it is a token and one of KEYS signed it."""
    try:
        parsed = token.parse(text)
    except TokenError:
        return None
    record = RECORDS.get(parsed.envelope.kid)
    return parsed.claims if record and token.verify(parsed, record) else None


def accepted_forms(
    count: int, seed: int, reader: Callable[[str], Claims | None] = claims_of
) -> dict[str, set[str]]:
    """The texts that `reader` accepted for each token, after `count` different mutants in all. Good is one each."""
    chance = Random(seed)
    seen: set[str] = set()
    accepted = {one.text: {one.text} for one in ORIGINALS if claims_of(one.text) == one.claims}
    assert len(accepted) == len(ORIGINALS), "the originals are good"
    while len(seen) < count:
        original = ORIGINALS[len(seen) % len(ORIGINALS)]
        text, signed_again = mutant(original, chance)
        if text in seen:
            continue
        seen.add(text)
        claims = reader(text)
        # Signed again with other claims it is another coupon, and has to be that one's only form.
        if claims == original.claims or (claims is not None and not signed_again):
            accepted[original.text].add(text)
        elif claims is not None:
            own = to_text(sign(claims, original.key))
            accepted.setdefault(own, {own}).add(text)
    return accepted


def mutant(original: Original, chance: Random) -> tuple[str, bool]:
    """(a text, whether the issuer signed it again). Now and then it is the original's own text."""
    if chance.random() < 0.1:
        return to_text(_signed_again(original, chance)), True
    if chance.random() < 0.3:
        return chance.choice(_OF_TEXT)(original.text, chance), False
    return to_text(chance.choice(_OF_OCTETS)(original, chance))[:400], False


# --- other spellings of the text ---


def _damaged_text(text: str, chance: Random) -> str:
    characters = list(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(characters))
        match chance.randrange(6):
            case 0:
                characters[at] = chance.choice(ALPHABET)
            case 1:
                del characters[at]
            case 2:
                characters.insert(at, characters[at])
            case 3:
                characters[at], characters[at - 1] = characters[at - 1], characters[at]
            case 4:
                characters.insert(at, chance.choice("=\n\r A2\0\ufeffA7-\u200b"))
            case _:
                characters[at] = chance.choice((characters[at].lower(), "0", "1", "Ａ", "²", "_", "8"))
    return "".join(characters)


def _spelled(text: str, chance: Random) -> str:
    body = text[3:]
    at = chance.randrange(len(body))
    return chance.choice(
        (
            text.lower(),
            "rc1" + body,
            "RC1" + body[:at] + body[at:].lower(),
            text + "=" * chance.randint(1, 8),
            text + chance.choice(("\r\n", "\n", " ", "\t", "\0", "A", "AA", "AAAAAAAA")),
            chance.choice(("\ufeff", " ", "\n", "]Q1", "https://example.org/", "rc1:")) + text,
            "RC1" + body[:at] + chance.choice((" ", "-", "\n", "\u00ad", "=")) + body[at:],
            "RC1" + body.translate(str.maketrans(ALPHABET, "0123456789ABCDEFGHIJKLMNOPQRSTUV")),
            "RC1" + body.translate(str.maketrans("OIL", "011")),
        )
    )


def _last_character(text: str, chance: Random) -> str:
    """Other unused bits, where there are any."""
    return text[:-1] + chance.choice(ALPHABET)


_OF_TEXT: tuple[Callable[[str, Random], str], ...] = (_damaged_text, _damaged_text, _spelled, _last_character)


# --- other bytes ---


def _damaged_octets(original: Original, chance: Random) -> bytes:
    octets = bytearray(original.octets)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(octets))
        match chance.randrange(5):
            case 0:
                octets[at] ^= 1 << chance.randrange(8)
            case 1:
                octets[at] = chance.randrange(256)
            case 2:
                octets.insert(at, chance.choice((0, octets[at], 0xFF, 0xA0, chance.randrange(256))))
            case 3:
                del octets[at]
            case _:
                octets += chance.randbytes(chance.randint(1, 3))
    return bytes(octets)


def _loose_envelope(original: Original, chance: Random) -> bytes:
    return loose([original.protected, {}, original.payload, original.octets[-64:]], chance)


def _loose_inside(original: Original, chance: Random) -> bytes:
    """Header or payload encoded otherwise, inside an envelope of the right form."""
    protected, payload = original.protected, original.payload
    if chance.random() < 0.5:
        protected = loose(cbor.decode(protected), chance)
    else:
        payload = loose(cbor.decode(payload), chance)
    return cbor.encode([protected, {}, payload, original.octets[-64:]])


def _moved_headers(original: Original, chance: Random) -> bytes:
    labels = {1: int(original.key.algorithm), 4: original.key.kid}
    added = {2: [4], 3: "x", 5: b"", 33: b"certificate", 1: -19, 4: bytes(8)}
    protected = {label: labels[label] for label in (1, 4) if chance.random() < 0.7}
    unprotected = {label: labels[label] for label in (1, 4) if chance.random() < 0.5}
    chance.choice((protected, unprotected)).update([chance.choice(list(added.items()))])
    if chance.random() < 0.3:
        protected[1] = chance.choice((-19, -9, -8, -7, -35, 5, None, "EdDSA"))
    header = cbor.encode(protected)
    return cbor.encode([header, unprotected, original.payload, original.octets[-64:]])


def _other_signature(original: Original, chance: Random) -> bytes:
    """Signatures that some verifiers take for the same: s plus or minus the order, other widths, DER."""
    body, signature = original.octets[:-64], original.octets[-64:]
    if original.key.algorithm is Algorithm.ESP256:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        r, s = chance.choice(
            (
                (r, P256_ORDER - s),
                (P256_ORDER - r, s),
                (s, r),
                (r, s + P256_ORDER),
                (r, chance.getrandbits(256)),
            )
        )
        return body + (r % 2**256).to_bytes(32, "big") + (s % 2**256).to_bytes(32, "big")
    s = int.from_bytes(signature[32:], "little")
    s = chance.choice(
        (s + ED25519_ORDER * chance.randint(1, 15), ED25519_ORDER - s, s ^ 1 << 255, chance.getrandbits(253))
    )
    sign_of_r = bytes([signature[31] ^ chance.choice((0, 0, 128))])
    return body + signature[:31] + sign_of_r + (s % 2**256).to_bytes(32, "little")


_OF_OCTETS: tuple[Callable[[Original, Random], bytes], ...] = (
    _damaged_octets,
    _damaged_octets,
    _loose_envelope,
    _loose_inside,
    _moved_headers,
    _other_signature,
)


def _signed_again(original: Original, chance: Random) -> bytes:
    """What a faulty minter with the right key would write: a good signature over a loose header or payload."""
    protected, payload = original.protected, original.payload
    if chance.random() < 0.2:
        protected = loose(cbor.decode(protected), chance)
    else:
        payload = loose(cbor.decode(payload), chance)
        if chance.random() < 0.3:
            payload = bytes(_damaged(bytearray(payload), chance))
    signature = original.key.sign(cose.to_sign(protected, payload, AAD))
    return cose.assemble(protected, payload, signature)


def _damaged(octets: bytearray, chance: Random) -> bytearray:
    octets[chance.randrange(len(octets))] = chance.randrange(256)
    return octets


# --- CBOR as lenient as it comes ---


def loose(value: Any, chance: Random, rate: float = 0.15) -> bytes:
    """`value` in CBOR, each item at `rate` in one of the forms that mean the same to a lenient decoder."""
    return b"".join(_loose(value, chance, rate))


def _loose(value: Any, chance: Random, rate: float) -> Iterator[bytes]:
    freely = chance.random() < rate
    if freely and chance.random() < 0.2:
        yield chance.choice((b"\xd2", b"\xd8\x3d", b"\xd9\xd9\xf7", b"\xd8\x18", b"\xc1"))
    match value:
        case int() if freely and value >= 0:
            yield _loose_integer(value, chance)
        case int():
            yield cbor.encode(value)
        case bytes() | str():
            yield from _loose_string(value, chance, freely)
        case list():
            yield b"\x9f" if freely else cbor.head(4, len(value))
            for item in value:
                yield from _loose(item, chance, rate)
            if freely:
                yield b"\xff"
        case dict():
            yield from _loose_map(value, chance, rate, freely)
        case _:
            raise TypeError(f"{type(value).__name__} is in no token")


def _loose_integer(value: int, chance: Random) -> bytes:
    octets = value.to_bytes(8, "big")
    forms = [bytes([24 + width]) + octets[-(1 << width) :] for width in range(4) if value < 1 << (8 << width)]
    forms += [b"\xc2\x48" + octets, b"\xfb" + struct.pack(">d", value), b"\xc2\x44" + octets[-4:]]
    if value < 2:
        forms.append(b"\xf4" if value == 0 else b"\xf5")
    return chance.choice(forms)


def _loose_string(value: bytes | str, chance: Random, freely: bool) -> Iterator[bytes]:
    octets = value.encode() if isinstance(value, str) else value
    major = 3 if isinstance(value, str) else 2
    if not freely:
        yield cbor.head(major, len(octets)) + octets
    elif chance.random() < 0.5:
        cut = chance.randint(0, len(octets))
        chunks = (cbor.head(major, len(chunk)) + chunk for chunk in (octets[:cut], octets[cut:]))
        yield bytes([major << 5 | 31]) + b"".join(chunks) + b"\xff"
    else:
        yield bytes([major << 5 | 25]) + len(octets).to_bytes(2, "big") + octets


def _loose_map(value: dict[Any, Any], chance: Random, rate: float, freely: bool) -> Iterator[bytes]:
    entries = list(value.items())
    if freely:
        chance.shuffle(entries)
    if freely and entries and chance.random() < 0.5:
        entries.append(chance.choice(entries))
    endless = freely and chance.random() < 0.5
    yield b"\xbf" if endless else cbor.head(5, len(entries))
    for key, item in entries:
        yield from _loose(key, chance, rate)
        yield from _loose(item, chance, rate)
    if endless:
        yield b"\xff"
