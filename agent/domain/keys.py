"""Keys: who may sign what. A key record binds an issuer, its campaigns, a window of days and the largest value.

Ed25519 is RFC 8032. Public keys are checked when they are loaded: OpenSSL accepts encodings that are not canonical and
points of small order, under which one signature is valid for many messages.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from agent.domain.cose import KID_BYTES, Algorithm, assemble, protected_header, to_sign

_P = 2**255 - 19
_ORDER_8_Y = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
# The y coordinates of the eight points of small order: of order 4, 1 (the neutral element), 2, and twice 8.
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})


class KeyFault(ValueError):
    """A public key that must not be used. The text says why."""


class PublicKey(Protocol):
    """What is needed of a public key: verify, which raises InvalidSignature."""

    def verify(self, signature: bytes, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One key of one issuer, as the bundle states it.

    public_key: 32 raw bytes for Ed25519. campaigns: the numbers it may sign, None for all of its issuer's.
    not_before, expires: days since 1970-01-01 between which coupons it signed count. value_max_minor: the largest
    value one coupon of this key may promise, in minor units: what a thief of the key can take per coupon.
    """

    kid: bytes
    issuer: str
    algorithm: Algorithm
    public_key: bytes
    campaigns: frozenset[int] | None
    not_before: int
    expires: int
    value_max_minor: int
    _loaded: PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_loaded", load_public_key(self.algorithm, self.public_key))

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """True if `signature` over `signed` was made by this key."""
        return signature_ok(self._loaded, signature, signed)


def signature_ok(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    """`key.verify` as a plain answer."""
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def load_public_key(algorithm: Algorithm, raw: bytes) -> Ed25519PublicKey:
    """The key behind 32 raw bytes; KeyFault for a key that could verify what its owner never signed."""
    if algorithm is Algorithm.ESP256:
        raise KeyFault("ES256 keys are not supported yet")
    if len(raw) != 32:
        raise KeyFault(f"an Ed25519 public key has 32 bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    if y >= _P:
        raise KeyFault("the public key is not in canonical form")
    if y in _SMALL_ORDER_Y:
        raise KeyFault("the public key is a point of small order")
    return Ed25519PublicKey.from_public_bytes(raw)


def key_id(public_key: bytes) -> bytes:
    """The kid of a key made here: the first 8 bytes of the SHA-256 of its raw public half."""
    return hashlib.sha256(public_key).digest()[:KID_BYTES]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key with its kid. Its repr shows the kid only."""

    private: Ed25519PrivateKey = field(repr=False)
    kid: bytes

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""
        return self.private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`."""
        return self.private.sign(data)

    def sign1(self, payload: bytes, aad: bytes) -> bytes:
        """`payload` as a COSE_Sign1 under the profile that `aad` names."""
        protected = protected_header(Algorithm.ED25519, self.kid)
        return assemble(protected, payload, self.private.sign(to_sign(protected, payload, aad)))

    def to_pem(self) -> bytes:
        """PKCS #8, not encrypted: the file's mode (0600) protects it."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_signing_key() -> SigningKey:
    """A fresh key from the system's random source."""
    return _signing_key(Ed25519PrivateKey.generate())


def signing_key_from_seed(seed: bytes) -> SigningKey:
    """The key of a 32-byte seed (RFC 8032 section 5.1.5): for published vectors, never for a real issuer."""
    return _signing_key(Ed25519PrivateKey.from_private_bytes(seed))


def signing_key_from_pem(pem: bytes) -> SigningKey:
    """Read what `to_pem` wrote; KeyFault for anything else."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"not a PEM private key: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault("not an Ed25519 private key")
    return _signing_key(key)


def _signing_key(private: Ed25519PrivateKey) -> SigningKey:
    return SigningKey(private, key_id(private.public_key().public_bytes_raw()))
