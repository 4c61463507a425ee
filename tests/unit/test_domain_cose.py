"""The COSE_Sign1 envelope: what the RFC says it is, and no other shape."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import cose
from agent.domain.cose import Algorithm, CoseError
from tests.unit.domain_kit import examples, key

KID = bytes(range(8))
AAD = b"redeemd/test/1"
SIGNATURE = bytes(range(64))


def message(protected=None, unprotected=None, payload=b"hello", signature=SIGNATURE, items=None):
    """A COSE_Sign1 written by cbor2, right or wrong."""
    header = cbor2.dumps({1: -19, 4: KID}) if protected is None else protected
    parts = [header, {} if unprotected is None else unprotected, payload, signature]
    return cbor2.dumps(parts if items is None else items)


@examples(100)
@given(
    st.sampled_from(Algorithm),
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=300),
    st.binary(max_size=40),
)
def test_cbor2_builds_the_same_bytes(algorithm, kid, payload, aad):
    protected = cbor2.dumps({1: int(algorithm), 4: kid})
    assert cose.protected_header(algorithm, kid) == protected
    data = cose.assemble(protected, payload, SIGNATURE)
    assert data == cbor2.dumps([protected, {}, payload, SIGNATURE])
    signed = cbor2.dumps(["Signature1", protected, aad, payload])
    assert cose.to_sign(protected, payload, aad) == signed
    assert cose.parse(data, aad) == cose.Envelope(algorithm, kid, payload, SIGNATURE, signed)


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 65535, 65536])
def test_every_length_of_head_round_trips(size):
    data = message(payload=bytes(size))
    assert cose.parse(data, AAD).payload == bytes(size)
    for end in (*range(min(len(data), 40)), *range(len(data) - 70, len(data))):
        with pytest.raises(CoseError, match=r"^incomplete$"):
            cose.parse(data[:end], AAD)


FORMS = {
    "tagged 18": (b"\xd2" + message(), "tagged"),
    "tagged 61": (b"\xd8\x3d\xd2" + message(), "tagged"),
    "three items": (message(items=[b"", {}, b""]), "not_cose_sign1"),
    "a map": (b"\xa0", "not_cose_sign1"),
    "indefinite array": (b"\x9f" + message()[1:] + b"\xff", "not_cose_sign1"),
    "long array head": (b"\x98\x04" + message()[1:], "not_cose_sign1"),
    "empty protected": (message(protected=b""), "protected_header"),
    "no kid": (message(protected=cbor2.dumps({1: -19})), "protected_header"),
    "kid of 7": (message(protected=cbor2.dumps({1: -19, 4: KID[:7]})), "protected_header"),
    "kid before alg": (message(protected=b"\xa2\x04\x48" + KID + b"\x01\x32"), "protected_header"),
    "critical label": (message(protected=cbor2.dumps({1: -19, 2: [99], 4: KID})), "protected_header"),
    "duplicate alg": (message(protected=b"\xa2\x01\x32\x01\x32" + bytes(8)), "protected_header"),
    "long head of protected": (b"\x84\x58\x0d" + message()[2:], "protected_header"),
    "ES384": (message(protected=b"\xa2\x01\x38\x22\x04\x48" + KID[:7]), "unknown_algorithm"),
    "HMAC": (message(protected=cbor2.dumps({1: 5, 4: KID})), "unknown_algorithm"),
    "none": (message(protected=cbor2.dumps({1: None, 4: KID})), "unknown_algorithm"),
    "alg in the unprotected": (message(unprotected={1: -19}), "unprotected_not_empty"),
    "kid in the unprotected": (message(unprotected={4: KID}), "unprotected_not_empty"),
    "detached payload": (message(payload=None), "payload_not_bytes"),
    "payload as text": (message(payload="hello"), "payload_not_bytes"),
    "chunked payload": (message()[:16] + b"\x5f\x45hello\xff" + message()[22:], "indefinite_length"),
    "long head of payload": (message()[:16] + b"\x58\x05" + message()[17:], "not_minimal"),
    "reserved head of payload": (message()[:16] + b"\x5c" + message()[17:], "reserved"),
    "signature of 63": (message(signature=bytes(63)), "signature_form"),
    "signature of 65": (message(signature=bytes(65)), "signature_form"),
    "no signature": (message(signature=b""), "signature_form"),
    "signature of 2^16 head": (message()[:22] + b"\x59\x00\x40" + SIGNATURE, "signature_form"),
    "one byte more": (message() + b"\0", "trailing_bytes"),
    "twice": (message() + message(), "trailing_bytes"),
    "nothing": (b"", "incomplete"),
    "payload of 2^64": (message()[:16] + b"\x5b" + b"\xff" * 8, "incomplete"),
}


@pytest.mark.parametrize("name", FORMS)
def test_other_forms_are_refused_by_name(name):
    data, code = FORMS[name]
    with pytest.raises(CoseError) as caught:
        cose.parse(data, AAD)
    assert caught.value.code == code


@examples(500)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_stands_in_the_envelope(at, byte):
    data = bytearray(message())
    data[at % len(data)] = byte
    try:
        envelope = cose.parse(bytes(data), AAD)
    except CoseError:
        return
    rebuilt = cose.assemble(
        cose.protected_header(envelope.algorithm, envelope.kid), envelope.payload, envelope.signature
    )
    assert rebuilt == bytes(data)


def test_a_signature_counts_for_one_profile_only():
    signer = key(3)
    data = signer.sign1(b"payload", b"redeemd/coupon/1")
    public = signer.private.public_key()
    right = cose.parse(data, b"redeemd/coupon/1")
    public.verify(right.signature, right.signed)
    other = cose.parse(data, b"redeemd/bundle/1")
    with pytest.raises(Exception, match=r"^$"):
        public.verify(other.signature, other.signed)


def test_the_smallest_envelope_is_as_long_as_stated():
    assert len(message(payload=b"")) == cose.ENVELOPE_BYTES_MIN
