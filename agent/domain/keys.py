"""Keys: who may sign what. A key record binds an issuer, its campaigns, a window of days and the largest value.

Two kinds: Ed25519 (RFC 8032), and ECDSA on P-256 with SHA-256 (FIPS 186-5) for issuers whose key store lacks Ed25519.
A key is used with the one algorithm that its record names.

Public keys are checked when they are loaded. Ed25519: OpenSSL accepts encodings that are not canonical and points of
small order, under which one signature is valid for many messages; both are refused. A point outside the prime-order
subgroup that is not of small order is not looked for: it costs 25 times the rest of loading a key, and gains its owner
signatures on which verifiers differ, never one that others did not make. P-256: a compressed point, one form, on the
curve by construction, and the group has prime order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from agent.domain.cose import (
    KID_BYTES,
    P256_HALF_ORDER,
    P256_ORDER,
    SIGNATURE_BYTES,
    Algorithm,
    assemble,
    protected_header,
    to_sign,
)

_P = 2**255 - 19
_ORDER_8_Y = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
# The y coordinates of the eight points of small order: of order 4, 1 (the neutral element), 2, and twice 8.
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})
_CURVE = ec.SECP256R1()
# RFC 6979: the same data gives the same signature, and a poor random source cannot betray the key.
_ECDSA = ec.ECDSA(SHA256(), deterministic_signing=True)
_ED25519_BYTES = 32
_P256_BYTES = 33


class KeyFault(ValueError):
    """A public key that must not be used. The text says why."""


class PublicKey(Protocol):
    """What is needed of a public key: verify, which raises InvalidSignature, and the bytes that key records hold."""

    def verify(self, signature: bytes, data: bytes) -> None: ...

    def public_bytes_raw(self) -> bytes: ...


class PrivateKey(Protocol):
    """What is needed of a private key. `Ed25519PrivateKey` is one."""

    def sign(self, data: bytes) -> bytes: ...

    def public_key(self) -> PublicKey: ...

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002  cryptography's name
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Delegation:
    """What an issuer lets a till sign with the till's own key, for receipts: these coupons and no others.

    indexes: campaign number -> the coupons of it, ascending. valid_days: campaign number -> how long one counts.
    """

    till: str
    indexes: Mapping[int, tuple[int, ...]]
    valid_days: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One key of one issuer, as the bundle states it.

    public_key: 32 raw bytes for Ed25519, 33 for P-256 (compressed point). campaigns: the numbers it may sign, None for
    all of its issuer's. not_before, expires: days since 1970-01-01 between which coupons it signed count.
    value_max_minor: the largest value one coupon of this key may promise, in minor units: what a thief of the key can
    take per coupon. delegation: for a till's key, which may sign what it lists; its thief takes that much in all.
    """

    kid: bytes
    issuer: str
    algorithm: Algorithm
    public_key: bytes
    campaigns: frozenset[int] | None
    not_before: int
    expires: int
    value_max_minor: int
    delegation: Delegation | None = None
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


class _P256PublicKey:
    """A P-256 key that verifies r || s in the one form that is accepted: 64 bytes, s in the lower half."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key

    def verify(self, signature: bytes, data: bytes) -> None:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if len(signature) != SIGNATURE_BYTES or s > P256_HALF_ORDER:
            raise InvalidSignature
        self._key.verify(encode_dss_signature(r, s), data, _ECDSA)

    def public_bytes_raw(self) -> bytes:
        """The compressed point, 33 bytes."""
        return self._key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


class _P256PrivateKey:
    """A P-256 key that signs in the form that `_P256PublicKey` accepts."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.private_bytes = key.private_bytes

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, _ECDSA))
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")

    def public_key(self) -> _P256PublicKey:
        return _P256PublicKey(self._key.public_key())


def load_public_key(algorithm: Algorithm, raw: bytes) -> PublicKey:
    """The key behind its raw bytes; KeyFault for a key that could verify what its owner never signed.

    Ed25519 (both names): 32 bytes of RFC 8032. P-256: the 33 bytes of a compressed point, SEC 1 section 2.3.3.
    """
    return _load_p256(raw) if algorithm is Algorithm.ESP256 else _load_ed25519(raw)


def _load_ed25519(raw: bytes) -> PublicKey:
    if len(raw) != _ED25519_BYTES:
        raise KeyFault(f"an Ed25519 public key has {_ED25519_BYTES} bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    if y >= _P:
        raise KeyFault("the public key is not in canonical form")
    if y in _SMALL_ORDER_Y:
        raise KeyFault("the public key is a point of small order")
    return Ed25519PublicKey.from_public_bytes(raw)


def _load_p256(raw: bytes) -> PublicKey:
    if len(raw) != _P256_BYTES or raw[0] not in (2, 3):
        raise KeyFault(
            f"a P-256 public key is a compressed point of {_P256_BYTES} bytes that begins with 02 or 03"
        )
    try:
        return _P256PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, raw))
    except ValueError:
        raise KeyFault("the public key is no point of the curve P-256") from None


def key_id(public_key: bytes) -> bytes:
    """The kid of a key made here: the first 8 bytes of the SHA-256 of its raw public half."""
    return hashlib.sha256(public_key).digest()[:KID_BYTES]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its kid and the algorithm it signs with. Its repr shows neither key."""

    private: PrivateKey = field(repr=False)
    kid: bytes
    algorithm: Algorithm = Algorithm.ED25519

    @property
    def public_key(self) -> bytes:
        """32 raw bytes for Ed25519, the compressed point of 33 for P-256."""
        return self.private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`; for P-256 r || s with s in the lower half."""
        return self.private.sign(data)

    def sign1(self, payload: bytes, aad: bytes) -> bytes:
        """`payload` as a COSE_Sign1 under the profile that `aad` names."""
        protected = protected_header(self.algorithm, self.kid)
        return assemble(protected, payload, self.sign(to_sign(protected, payload, aad)))

    def to_pem(self) -> bytes:
        """PKCS #8, not encrypted: the file's mode (0600) protects it."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_signing_key(algorithm: Algorithm = Algorithm.ED25519) -> SigningKey:
    """A fresh key from the system's random source."""
    if algorithm is Algorithm.ESP256:
        return _signing_key(_P256PrivateKey(ec.generate_private_key(_CURVE)), algorithm)
    return _signing_key(Ed25519PrivateKey.generate(), algorithm)


def signing_key_from_seed(seed: bytes, algorithm: Algorithm = Algorithm.ED25519) -> SigningKey:
    """The key of 32 bytes: for published vectors, never for a real issuer.

    Ed25519: the seed of RFC 8032 section 5.1.5. P-256: the private scalar, big-endian, 1 to the order - 1.
    """
    if algorithm is Algorithm.ESP256:
        scalar = int.from_bytes(seed, "big")
        return _signing_key(_P256PrivateKey(ec.derive_private_key(scalar, _CURVE)), algorithm)
    return _signing_key(Ed25519PrivateKey.from_private_bytes(seed), algorithm)


def signing_key_from_pem(pem: bytes, algorithm: Algorithm = Algorithm.ED25519) -> SigningKey:
    """Read what `to_pem` wrote of a key for `algorithm`; KeyFault for anything else."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"not a PEM private key: {error}") from None
    if algorithm is Algorithm.ESP256:
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyFault("not a P-256 private key")
        return _signing_key(_P256PrivateKey(key), algorithm)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault("not an Ed25519 private key")
    return _signing_key(key, algorithm)


def public_key_from_pem(pem: bytes) -> tuple[Algorithm, bytes]:
    """The algorithm and the raw bytes, as key records hold them, of a PEM public key (RFC 8410, RFC 5480).

    KeyFault for another kind of key, and for one that `load_public_key` refuses.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFault(f"not a PEM public key: {error}") from None
    if isinstance(key, Ed25519PublicKey):
        algorithm, raw = Algorithm.ED25519, key.public_bytes_raw()
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        algorithm, raw = Algorithm.ESP256, key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    else:
        raise KeyFault("neither an Ed25519 nor a P-256 public key")
    load_public_key(algorithm, raw)
    return algorithm, raw


def _signing_key(private: PrivateKey, algorithm: Algorithm) -> SigningKey:
    return SigningKey(private, key_id(private.public_key().public_bytes_raw()), algorithm)
