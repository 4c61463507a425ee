"""COSE_Sign1 (RFC 9052) in the one shape that we write and read.

    [ << {1: alg, 4: kid} >>, {}, payload, signature ]

untagged, the protected header exactly these two labels, the unprotected map empty (everything in it could be changed
by anyone), kid of 8 bytes, signature of 64. The external_aad names what is signed (a coupon, a bundle), so that a
signature made for one thing is worth nothing for another. The algorithms used here are numbered -8, -9 and -19 in the
IANA registry, which all take one byte: the protected header always has 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from agent.domain.cbor import CborError, decode_head, encode, head

KID_BYTES = 8
SIGNATURE_BYTES = 64
PROTECTED_BYTES = 13
ENVELOPE_BYTES_MIN = 1 + 1 + PROTECTED_BYTES + 1 + 1 + 2 + SIGNATURE_BYTES


class Algorithm(IntEnum):
    """Numbers of the IANA COSE registry. A key names the one it is used with; the message must agree."""

    EDDSA = -8  # the older, polymorphic name of Ed25519
    ESP256 = -9  # ECDSA on P-256 with SHA-256, RFC 9864; r || s, low s only
    ED25519 = -19  # RFC 9864


class CoseError(ValueError):
    """Bytes that are not our COSE_Sign1. code: one stable word (those of CborError included)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed and not yet verified COSE_Sign1. signed: the bytes of the Sig_structure that the signature covers."""

    algorithm: Algorithm
    kid: bytes
    payload: bytes
    signature: bytes
    signed: bytes


_HEAD = b"\x84\x4d\xa2\x01"
_KID_LABEL = b"\x04\x48"
_SIGNATURE_HEAD = b"\x58\x40"
_ALGORITHMS = {head(1, -1 - algorithm)[0]: algorithm for algorithm in Algorithm}


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

    The head is compared byte by byte: what differs from our only form is refused, and `_fault` merely finds its name.
    """
    algorithm = _ALGORITHMS.get(data[4]) if len(data) > 4 else None
    if data[:4] != _HEAD or algorithm is None or data[5:7] != _KID_LABEL or data[15:16] != b"\xa0":
        raise CoseError(_fault(data))
    try:
        major, length, start = decode_head(data, 16)
    except CborError as error:
        raise CoseError(error.code) from None
    end = start + length
    if major != 2:
        raise CoseError("payload_not_bytes")
    if len(data) < end + 2 + SIGNATURE_BYTES:
        raise CoseError("incomplete" if _SIGNATURE_HEAD.startswith(data[end : end + 2]) else "signature_form")
    if data[end : end + 2] != _SIGNATURE_HEAD:
        raise CoseError("signature_form")
    if len(data) > end + 2 + SIGNATURE_BYTES:
        raise CoseError("trailing_bytes")
    signed = b"\x84\x6aSignature1" + data[1:15] + head(2, len(aad)) + aad + data[16:end]
    return Envelope(algorithm, data[7:15], data[start:end], data[end + 2 :], signed)


def _fault(data: bytes) -> str:
    """Name what is wrong with a head that is not ours. The first difference decides; never says that all is well."""
    if data[:1] and data[0] >> 5 == 6:
        return "tagged"
    if data[:1] not in (b"", b"\x84"):
        return "not_cose_sign1"
    if data[1:2] not in (b"", b"\x4d"):
        return "protected_header"
    if data[2:4] != _HEAD[2:4][: len(data[2:4])]:
        return "protected_header"
    if data[4:5] and data[4] not in _ALGORITHMS:
        return "unknown_algorithm"
    if data[5:7] != _KID_LABEL[: len(data[5:7])]:
        return "protected_header"
    if data[15:16] not in (b"", b"\xa0"):
        return "unprotected_not_empty"
    return "incomplete"
