"""COSE_Sign1 (RFC 9052) in the one shape that we write and read.

    [ << {1: alg, 4: kid} >>, {}, payload, signature ]

untagged, the protected header exactly these two labels, the unprotected map empty (everything in it could be changed
by anyone), kid of 8 bytes, signature of 64. The external_aad names what is signed (a coupon, a bundle), so that a
signature made for one thing is worth nothing for another. The algorithms used here are numbered -8, -9 and -19 in the
IANA registry, which all take one byte: the protected header always has 13.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from agent.domain import cbor
from agent.domain.cbor import MAX_DEPTH, CborError, decode, decode_head, decode_item, encode, head

KID_BYTES = 8
SIGNATURE_BYTES = 64
PROTECTED_BYTES = 13
ENVELOPE_BYTES_MIN = 1 + 1 + PROTECTED_BYTES + 1 + 1 + 2 + SIGNATURE_BYTES
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SP 800-186 section 3.2.1.3
P256_HALF_ORDER = P256_ORDER // 2
"""ECDSA accepts (r, s) and (r, order - s). Of the two, the one with s in the lower half is a signature here."""


class Algorithm(IntEnum):
    """Numbers of the IANA COSE registry. A key names the one it is used with; the message must agree."""

    EDDSA = -8  # the older, polymorphic name of Ed25519
    ESP256 = -9  # ECDSA on P-256 with SHA-256, RFC 9864; r || s, low s only
    ED25519 = -19  # RFC 9864


class CoseError(ValueError):
    """Bytes that are not our COSE_Sign1. code: one of CODES."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


CODES = cbor.CODES | {
    *("tagged", "not_cose_sign1", "protected_header", "critical_header", "unknown_header"),
    *("algorithm_missing", "algorithm_unprotected", "unknown_algorithm"),
    *("kid_missing", "kid_unprotected", "kid_length", "unprotected_not_empty"),
    *("payload_not_bytes", "signature_form", "signature_length", "high_s"),
}


class Envelope(NamedTuple):
    """A parsed and not yet verified COSE_Sign1. signed: the bytes of the Sig_structure that the signature covers."""

    algorithm: Algorithm
    kid: bytes
    payload: bytes
    signature: bytes
    signed: bytes


_HEAD = b"\x84\x4d\xa2\x01"
_KID_LABEL = b"\x04\x48"
_EMPTY_MAP = 0xA0
_SIGNATURE_HEAD = b"\x58\x40"
_ALGORITHMS = {head(1, -1 - algorithm)[0]: algorithm for algorithm in Algorithm}
_NUMBERS = frozenset(map(int, Algorithm))
_ALGORITHM, _CRITICAL, _KID = 1, 2, 4  # labels of RFC 9052 section 3.1


def protected_header(algorithm: Algorithm, kid: bytes) -> bytes:
    """The 13 bytes of `{1: algorithm, 4: kid}`."""
    assert len(kid) == KID_BYTES, "a kid has 8 bytes"
    return encode({1: int(algorithm), 4: kid})


def to_sign(protected: bytes, payload: bytes, aad: bytes) -> bytes:
    """The Sig_structure of RFC 9052 section 4.4 for context "Signature1"."""
    return encode(["Signature1", protected, aad, payload])


def assemble(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The finished COSE_Sign1."""
    assert len(signature) == SIGNATURE_BYTES, "a signature has 64 bytes"
    return encode([protected, {}, payload, signature])


def parse(data: bytes, aad: bytes) -> Envelope:
    """Split a COSE_Sign1; CoseError("incomplete") when `data` ends too soon, another code for any other form.

    What differs from our only form is refused by comparing bytes; `_fault` merely finds its name.
    """
    algorithm = _ALGORITHMS.get(data[4]) if len(data) >= ENVELOPE_BYTES_MIN else None
    if algorithm is None or data[:4] != _HEAD or data[5:7] != _KID_LABEL or data[15] != _EMPTY_MAP:
        raise CoseError(_fault(data))
    try:
        major, length, start = decode_head(data, 16)
    except CborError as error:
        raise CoseError(error.code) from None
    end = start + length
    if major != 2 or data[end : end + 2] != _SIGNATURE_HEAD or len(data) != end + 2 + SIGNATURE_BYTES:
        raise CoseError(_fault(data))
    signature = data[end + 2 :]
    if algorithm is Algorithm.ESP256 and int.from_bytes(signature[32:], "big") > P256_HALF_ORDER:
        raise CoseError("high_s")
    signed = b"\x84\x6aSignature1" + data[1:15] + head(2, len(aad)) + aad + data[16:end]
    return Envelope(algorithm, data[7:15], data[start:end], signature, signed)


def _fault(data: bytes) -> str:
    """Name what is wrong with bytes that are not our form, item by item: the first difference decides."""
    if data[:1] and data[0] >> 5 == 6:
        return "tagged"
    try:
        major, count, at = decode_head(data, 0)
        if (major, count) != (4, 4):
            return "not_cose_sign1"
        protected, at = _protected(data, at)
        unprotected, at = _unprotected(data, at) if at < len(data) else ({}, at)
        fault = _header_fault(protected, unprotected)
        return fault or _rest_fault(data, at)
    except (CborError, CoseError) as error:
        return error.code


def _protected(data: bytes, at: int) -> tuple[dict[Any, Any], int]:
    """The map inside the first item and the offset behind it."""
    major, length, start = decode_head(data, at)
    end = start + length
    if major != 2 or (end > len(data) and length != PROTECTED_BYTES):
        raise CoseError("protected_header")
    if end > len(data):
        raise CoseError("incomplete")
    try:
        header = decode(data[start:end]) if length else {}  # RFC 9052 writes an empty map as no bytes
    except CborError as error:
        ends = error.code in ("incomplete", "trailing_bytes")
        raise CoseError("protected_header" if ends else error.code) from None
    if type(header) is not dict:
        raise CoseError("protected_header")
    return header, end


def _unprotected(data: bytes, at: int) -> tuple[dict[Any, Any], int]:
    """The map that should be empty and the offset behind it."""
    try:
        header, end = decode_item(data, at, MAX_DEPTH)
    except CborError as error:  # ours is one byte: what goes on and is cut is not ours
        raise CoseError("unprotected_not_empty" if error.code == "incomplete" else error.code) from None
    if type(header) is not dict:
        raise CoseError("not_cose_sign1")
    return header, end


def _header_fault(protected: dict[Any, Any], unprotected: dict[Any, Any]) -> str | None:
    """What is wrong with the two headers, or None."""
    if _CRITICAL in protected:
        return "critical_header"
    if _ALGORITHM in unprotected:
        return "algorithm_unprotected"
    if _ALGORITHM not in protected:
        return "algorithm_missing"
    if type(protected[_ALGORITHM]) is not int or protected[_ALGORITHM] not in _NUMBERS:
        return "unknown_algorithm"
    if _KID in unprotected:
        return "kid_unprotected"
    if _KID not in protected:
        return "kid_missing"
    if type(protected[_KID]) is not bytes or len(protected[_KID]) != KID_BYTES:
        return "kid_length"
    if len(protected) > 2:
        return "unknown_header"
    return "unprotected_not_empty" if unprotected else None


def _rest_fault(data: bytes, at: int) -> str:
    """What is wrong with payload and signature, which begin at `at`, or with what follows them."""
    major, length, start = decode_head(data, at)
    if major != 2:
        return "payload_not_bytes"
    major, size, start = decode_head(data, start + length)
    if major != 2:
        return "signature_form"
    if size != SIGNATURE_BYTES:
        return "signature_length"
    assert len(data) != start + size, "a form of ours was refused"
    return "incomplete" if len(data) < start + size else "trailing_bytes"
