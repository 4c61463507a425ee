"""Keys: points of small order found by curve arithmetic of our own, encodings, PEM, and what a signature is worth."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import keys
from agent.domain.cose import Algorithm
from agent.domain.keys import KeyFault, load_public_key, signature_ok
from tests.unit.domain_kit import examples, issuer_key, key

# Edwards25519 of RFC 8032 section 5.1, in affine coordinates: slow, short and independent of what is under test.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    cross = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + cross, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - cross, -1, P) % P,
    )


def times(factor, point):
    result = NEUTRAL
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


def x_of(y):
    """One x of the curve -x² + y² = 1 + d x² y², or None."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    for root in (x, x * ROOT_OF_MINUS_1 % P):
        if root * root % P == square:
            return root
    return None


def small_order_points():
    """The eight points T with 8 T = neutral: multiply points by the prime order until one of order 8 is left."""
    for y in range(2, 100):
        x = x_of(y)
        if x is None:
            continue
        left = times(L, (x, y))
        points = [times(n, left) for n in range(8)]
        if len(set(points)) == 8:
            return points
    raise AssertionError("no generator of the torsion subgroup among the first points")


def octets(y, sign):
    return (y | sign << 255).to_bytes(32, "little")


def test_the_eight_points_of_small_order_are_refused_in_all_their_encodings():
    points = small_order_points()
    assert all(times(8, point) == NEUTRAL for point in points)
    assert {y for _, y in points} == keys._SMALL_ORDER_Y
    for _, y in points:
        for form in (y, y + P):
            for sign in (0, 1):
                if form < 2**255:
                    with pytest.raises(KeyFault):
                        load_public_key(Algorithm.ED25519, octets(form, sign))


def test_such_a_key_would_sign_everything_in_advance():
    """Why they are refused: under the neutral element one signature counts for any message."""
    neutral = Ed25519PublicKey.from_public_bytes(octets(1, 0))
    signature = octets(1, 0) + bytes(32)
    assert signature_ok(neutral, signature, b"one thing")
    assert signature_ok(neutral, signature, b"another")


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", range(P, 2**255))
def test_encodings_that_are_not_canonical_are_refused(y, sign):
    with pytest.raises(KeyFault, match="canonical"):
        load_public_key(Algorithm.EDDSA, octets(y, sign))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(size):
    with pytest.raises(KeyFault, match=f"not {size}"):
        load_public_key(Algorithm.ED25519, bytes(size))


def test_p256_is_named_and_not_supported_yet():
    with pytest.raises(KeyFault, match="not supported"):
        load_public_key(Algorithm.ESP256, bytes(33))


def test_an_issuer_key_is_checked_when_it_is_made():
    with pytest.raises(KeyFault, match="small order"):
        issuer_key(public_key=octets(0, 1))


def test_the_first_vector_of_rfc_8032():
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signer = keys.signing_key_from_seed(seed)
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signer.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert signer.kid.hex() == "21fe31dfa154a261"


def test_a_signature_has_one_form():
    """RFC 8032 section 5.1.7: s below the order; R compared as bytes."""
    signer, record = key(1), issuer_key()
    signature = signer.sign(b"data")
    s = int.from_bytes(signature[32:], "little")
    assert record.verifies(signature, b"data")
    assert not record.verifies(signature, b"Data")
    for again in (s + L, s + 2 * L, s ^ 1 << 255):
        assert not record.verifies(signature[:32] + again.to_bytes(32, "little"), b"data")
    for wrong in (b"", signature[:63], signature + b"\0", bytes(64)):
        assert not record.verifies(wrong, b"data")


@examples(30)
@given(st.binary(min_size=32, max_size=32))
def test_every_key_made_here_loads_and_survives_its_pem(seed):
    signer = keys.signing_key_from_seed(seed)
    public = load_public_key(Algorithm.ED25519, signer.public_key)
    again = keys.signing_key_from_pem(signer.to_pem())
    assert (again.kid, again.public_key) == (signer.kid, signer.public_key)
    assert signature_ok(public, again.sign(seed), seed)


def test_fresh_keys_differ():
    assert keys.new_signing_key().public_key != keys.new_signing_key().public_key


def other_pem(private, encryption=None):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"garbage",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        other_pem(ec.generate_private_key(ec.SECP256R1())),
        other_pem(x25519.X25519PrivateKey.generate()),
        other_pem(key(1).private, BestAvailableEncryption(b"secret")),
        # a PKCS #8 key of the algorithm 1.2.3.4, which nobody has
        b"-----BEGIN PRIVATE KEY-----\nMBACAQAwBQYDKgMEBAQEAgEB\n-----END PRIVATE KEY-----\n",
    ],
    ids=["empty", "garbage", "no key", "P-256", "X25519", "encrypted", "unknown algorithm"],
)
def test_any_other_pem_is_a_key_fault(pem):
    with pytest.raises(KeyFault):
        keys.signing_key_from_pem(pem)


def test_a_private_key_shows_nothing_of_itself():
    signer = key(1)
    assert "private" not in repr(signer)
    assert bytes([1]).hex() * 4 not in repr(signer)
    assert signer.kid == keys.key_id(signer.public_key)


def test_the_algorithm_of_the_record_does_not_change_the_arithmetic():
    signature = key(1).sign(b"data")
    assert issuer_key(algorithm=Algorithm.EDDSA).verifies(signature, b"data")
    with pytest.raises(InvalidSignature):
        load_public_key(Algorithm.EDDSA, key(2).public_key).verify(signature, b"data")
