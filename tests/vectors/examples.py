"""The worked examples of docs/coupon-format.md, written from the vectors so that they cannot go stale.

python -m tests.vectors.examples      print them, to be put into the page; a test compares
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.domain import cbor, cose, token
from agent.domain.cose import P256_ORDER, Algorithm
from agent.domain.keys import SigningKey
from tests.vectors.tokens import KEY, P256_KEY, SEEDS, TYPICAL

WIDTH = 88
_NAMES = ("campaign", "index", "not_before", "expires")
_EXTRAS = {1: "store", 4: "holder", 6: "source"}


def example(key: SigningKey) -> str:
    """The token "typical" of `key` from its private half to its text, one piece a line, without the fence."""
    return "\n".join(line.rstrip() for line in _lines(key))


def _lines(key: SigningKey) -> Iterator[str]:
    payload, octets = token.encode_claims(TYPICAL), token.sign(TYPICAL, key)
    protected = cose.protected_header(key.algorithm, key.kid)
    signature = octets[-64:].hex()
    p256 = key.algorithm is Algorithm.ESP256
    yield _piece("private", SEEDS[key.kid].hex(), "the scalar" if p256 else "the seed")
    yield _piece("public key", key.public_key.hex(), "compressed point" if p256 else "RFC 8032")
    yield _piece("kid", key.kid.hex())
    yield ""
    yield from _payload(payload)
    yield ""
    yield _piece("protected", protected.hex(), f"{{1: {int(key.algorithm)}, 4: kid}}")
    yield _piece("external_aad", token.AAD.hex(), '"redeemd/coupon/1"')
    yield ""
    yield _piece("to be signed", "84", "array of 4")
    yield _piece("", "6a" + b"Signature1".hex(), '"Signature1"')
    yield _piece("", f"{0x40 + len(protected):02x}{protected.hex()}", "protected")
    yield _piece("", f"{0x40 + len(token.AAD):02x}{token.AAD.hex()}", "external_aad")
    yield _piece("", cbor.encode(payload).hex(), "payload")
    yield ""
    if p256:
        high = P256_ORDER - int(signature[64:], 16)
        yield _piece("r", signature[:64])
        yield _piece("s as signed", f"{high:064x}", "upper half")
        yield _piece("s", signature[64:], "order - s")
    else:
        yield from _wrapped("signature", signature)
    yield ""
    yield _piece("token", f"84 4d{protected.hex()} a0")
    yield _piece("", cbor.encode(payload).hex())
    yield from _wrapped("", "5840" + signature)
    yield ""
    yield from _wrapped("text", token.to_text(octets))


def _payload(payload: bytes) -> Iterator[str]:
    *fields, extras = cbor.decode(payload)
    yield _piece("payload", "85", "array of 5")
    for name, value in zip(_NAMES, fields, strict=True):
        yield _piece("", cbor.encode(value).hex(), f"{name} {value}")
    yield _piece("", f"{0xA0 + len(extras):02x}", f"{len(extras)} extras")
    for label, value in extras.items():
        shown = value.hex() if isinstance(value, bytes) else value
        yield _piece("", f"{label:02x} {cbor.encode(value).hex()}", f"{_EXTRAS[label]} {shown}")


def _piece(name: str, octets: str, note: str = "") -> str:
    return f"{name:<14}{octets:<34}  {note}" if note else f"{name:<14}{octets}"


def _wrapped(name: str, text: str) -> Iterator[str]:
    for start in range(0, len(text), WIDTH):
        yield _piece("" if start else name, text[start : start + WIDTH])


def all_examples() -> dict[str, Any]:
    """What follows "text example " on the fence -> the lines inside it."""
    return {"Ed25519": example(KEY), "ES256": example(P256_KEY)}


if __name__ == "__main__":
    for name, lines in all_examples().items():
        print(f"```text example {name}\n{lines}\n```\n")
