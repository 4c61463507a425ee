"""The COSE_Sign1 envelope: what the RFC says it is, and no other shape."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import cbor, cose
from agent.domain.cose import Algorithm, CoseError
from tests.unit.domain_kit import examples, key

KID = bytes(range(8))
AAD = b"redeemd/test/1"
SIGNATURE = bytes(range(64))
PROTECTED = cbor2.dumps({1: -19, 4: KID})


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
    "indefinite array": (b"\x9f" + message()[1:] + b"\xff", "indefinite_length"),
    "long array head": (b"\x98\x04" + message()[1:], "not_minimal"),
    "empty protected": (message(protected=b""), "algorithm_missing"),
    "protected as a map": (message(items=[{1: -19, 4: KID}, {}, b"", SIGNATURE]), "protected_header"),
    "protected holds an array": (message(protected=cbor2.dumps([1, -19])), "protected_header"),
    "protected of 2^62": (b"\x84\x5b\x40" + bytes(7), "protected_header"),
    "protected with a byte behind": (message(protected=PROTECTED + b"\0"), "protected_header"),
    "protected cut": (message(protected=PROTECTED[:-1]), "protected_header"),
    "kid before alg": (message(protected=b"\xa2\x04\x48" + KID + b"\x01\x32"), "unsorted_map"),
    "duplicate alg": (message(protected=b"\xa2\x01\x32\x01\x32"), "duplicate_key"),
    "long label in protected": (message(protected=b"\xa2\x18\x01" + PROTECTED[2:]), "not_minimal"),
    "indefinite protected": (message(protected=b"\xbf" + PROTECTED[1:] + b"\xff"), "indefinite_length"),
    "long head of protected": (b"\x84\x58\x0d" + message()[2:], "not_minimal"),
    "alg as a float": (message(protected=b"\xa2\x01\xf9\xcc\xc0\x04\x48" + KID), "float"),
    "no kid and nothing behind": (message(protected=cbor2.dumps({1: -19}))[:5], "kid_missing"),
    "critical label": (message(protected=cbor2.dumps({1: -19, 2: [99], 4: KID})), "critical_header"),
    "critical label of ours": (message(protected=cbor2.dumps({1: -19, 2: [4], 4: KID})), "critical_header"),
    "content type": (message(protected=cbor2.dumps({1: -19, 3: 60, 4: KID})), "unknown_header"),
    "no alg": (message(protected=cbor2.dumps({4: KID})), "algorithm_missing"),
    "ES384": (message(protected=b"\xa2\x01\x38\x22\x04\x48" + KID), "unknown_algorithm"),
    "ES256 by its older name": (message(protected=cbor2.dumps({1: -7, 4: KID})), "unknown_algorithm"),
    "HMAC": (message(protected=cbor2.dumps({1: 5, 4: KID})), "unknown_algorithm"),
    "none": (message(protected=cbor2.dumps({1: None, 4: KID})), "unknown_algorithm"),
    "alg true": (message(protected=cbor2.dumps({1: True, 4: KID})), "unknown_algorithm"),
    "alg by name": (message(protected=cbor2.dumps({1: "EdDSA", 4: KID})), "unknown_algorithm"),
    "no kid": (message(protected=cbor2.dumps({1: -19})), "kid_missing"),
    "kid of 7": (message(protected=cbor2.dumps({1: -19, 4: KID[:7]})), "kid_length"),
    "kid of 9": (message(protected=cbor2.dumps({1: -19, 4: KID + b"9"})), "kid_length"),
    "kid as text": (message(protected=cbor2.dumps({1: -19, 4: "12345678"})), "kid_length"),
    "alg in both": (message(unprotected={1: -19}), "algorithm_unprotected"),
    "another alg in the unprotected": (message(unprotected={1: -9}), "algorithm_unprotected"),
    "alg moved": (message(protected=cbor2.dumps({4: KID}), unprotected={1: -19}), "algorithm_unprotected"),
    "kid in both": (message(unprotected={4: KID}), "kid_unprotected"),
    "kid moved": (message(protected=cbor2.dumps({1: -19}), unprotected={4: KID}), "kid_unprotected"),
    "something else unprotected": (message(unprotected={99: b"x"}), "unprotected_not_empty"),
    "unprotected cut": (message(unprotected={99: b"x"})[:17], "unprotected_not_empty"),
    "unprotected is an array": (message(items=[PROTECTED, [], b"", SIGNATURE]), "not_cose_sign1"),
    "unprotected twice the same": (
        message()[:15] + b"\xa2\x01\x32\x01\x32" + message()[16:],
        "duplicate_key",
    ),
    "unprotected too deep": (message()[:15] + b"\xa1\x07" + b"\x81" * 9, "too_deep"),
    "indefinite unprotected": (message()[:15] + b"\xbf\xff" + message()[16:], "indefinite_length"),
    "detached payload": (message(payload=None), "payload_not_bytes"),
    "payload as text": (message(payload="hello"), "payload_not_bytes"),
    "chunked payload": (message()[:16] + b"\x5f\x45hello\xff" + message()[22:], "indefinite_length"),
    "long head of payload": (message()[:16] + b"\x58\x05" + message()[17:], "not_minimal"),
    "reserved head of payload": (message()[:16] + b"\x5c" + message()[17:], "reserved"),
    "signature of 63": (message(signature=bytes(63)), "signature_length"),
    "signature of 65": (message(signature=bytes(65)), "signature_length"),
    "no signature": (message(signature=b""), "signature_length"),
    "signature as text": (message(signature="s" * 64), "signature_form"),
    "signature is null": (message(signature=None), "signature_form"),
    "signature of 2^16 head": (message()[:22] + b"\x59\x00\x40" + SIGNATURE, "not_minimal"),
    "one byte more": (message() + b"\0", "trailing_bytes"),
    "twice": (message() + message(), "trailing_bytes"),
    "nothing": (b"", "incomplete"),
    "payload of 2^64": (message()[:16] + b"\x5b" + b"\xff" * 8, "incomplete"),
    "high s": (
        message(protected=cbor2.dumps({1: -9, 4: KID}), signature=bytes(32) + b"\x80" + bytes(31)),
        "high_s",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_other_forms_are_refused_by_name(name):
    data, code = FORMS[name]
    with pytest.raises(CoseError) as caught:
        cose.parse(data, AAD)
    assert caught.value.code == code


def test_every_code_of_the_envelope_is_shown_here():
    assert {code for _, code in FORMS.values()} >= cose.CODES - cbor.CODES


def code_of(data):
    """The code of the refusal, "" if there is none."""
    try:
        cose.parse(data, AAD)
    except CoseError as error:
        return error.code
    return ""


ITEMS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-30, 30),
        st.binary(max_size=14),
        st.floats(),
        st.text(max_size=9),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-1, 5), inner, max_size=3),
    max_leaves=6,
)


@examples(400)
@given(st.lists(st.one_of(ITEMS, st.sampled_from([PROTECTED, {}, SIGNATURE])), min_size=3, max_size=5))
def test_whatever_is_no_envelope_has_a_name(items):
    code = code_of(cbor2.dumps(items))
    assert code in cose.CODES if code else items[:2] == [PROTECTED, {}]


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


@pytest.mark.parametrize(("s", "code"), [(cose.P256_HALF_ORDER, ""), (cose.P256_HALF_ORDER + 1, "high_s")])
def test_the_lower_half_ends_at_half_of_the_order(s, code):
    protected = cbor2.dumps({1: -9, 4: KID})
    assert code_of(message(protected=protected, signature=bytes(32) + s.to_bytes(32, "big"))) == code
    assert code_of(message(signature=bytes(32) + s.to_bytes(32, "big"))) == "", "a rule of P-256 alone"


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
