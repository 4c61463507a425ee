"""Keys: points of small order found by curve arithmetic of our own, encodings, PEM, and what a signature is worth."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import keys
from agent.domain.cose import P256_HALF_ORDER, P256_ORDER, Algorithm
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


# --- P-256 ---

# SP 800-186 section 3.2.1.3; affine coordinates, for what is under test to be held against.
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def on_p256(x):
    """One y with y² = x³ - 3x + b, or None."""
    square = (x**3 - 3 * x + P256_B) % P256
    y = pow(square, (P256 + 1) // 4, P256)
    return y if y * y % P256 == square else None


def p256_key(number=5):
    return keys.signing_key_from_seed(number.to_bytes(32, "big"), Algorithm.ESP256)


@examples(100)
@given(st.integers(0, 2**256 - 1) | st.integers(0, 200) | st.integers(P256 - 100, P256 + 100))
def test_a_p256_key_is_loaded_if_it_is_a_point(x):
    raw = b"\2" + x.to_bytes(32, "big")
    if x < P256 and on_p256(x) is not None:
        assert load_public_key(Algorithm.ESP256, raw).public_bytes_raw() == raw
    else:
        with pytest.raises(KeyFault, match="no point"):
            load_public_key(Algorithm.ESP256, raw)


def test_another_form_of_a_point_is_refused():
    raw = p256_key().public_key
    x, y = int.from_bytes(raw[1:], "big"), on_p256(int.from_bytes(raw[1:], "big"))
    if y % 2 != raw[0] - 2:
        y = P256 - y
    both = raw[1:] + y.to_bytes(32, "big")
    assert ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    for other in (
        b"\4" + both,
        bytes([6 + y % 2]) + both,
        both,
        raw[1:],
        b"\0",
        b"",
        b"\4" + raw[1:],
        raw + b"\0",
    ):
        with pytest.raises(KeyFault, match="compressed point"):
            load_public_key(Algorithm.ESP256, other)


def test_the_signature_of_rfc_6979():
    """Appendix A.2.5, P-256 with SHA-256: "sample" has its s in the upper half, "test" in the lower."""
    scalar = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    signer = p256_key(scalar)
    assert signer.public_key.hex() == "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    assert s > N // 2
    assert signer.sign(b"sample") == r.to_bytes(32, "big") + (N - s).to_bytes(32, "big")
    assert signer.sign(b"test").hex() == (
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"
    )


@examples(40)
@given(st.integers(1, N - 1), st.binary(max_size=60))
def test_a_p256_signature_has_one_form(scalar, data):
    signer = p256_key(scalar)
    public = load_public_key(Algorithm.ESP256, signer.public_key)
    signature = signer.sign(data)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    assert len(signature) == 64
    assert 0 < s <= N // 2 == P256_HALF_ORDER
    assert N == P256_ORDER
    assert signature_ok(public, signature, data)
    assert not signature_ok(public, signature, data + b"!")
    for r_again, s_again in ((r, N - s), (N - r, s), (r, 0), (0, s), (0, 0), (r, s + N), (r + N, s), (s, r)):
        if max(r_again, s_again) < 2**256:
            again = r_again.to_bytes(32, "big") + s_again.to_bytes(32, "big")
            assert not signature_ok(public, again, data)
    for wrong in (b"", signature[:63], signature + b"\0", encode_dss_signature(r, s)):
        assert not signature_ok(public, wrong, data)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_of_each_algorithm_survives_its_pem(algorithm):
    signer = keys.new_signing_key(algorithm)
    again = keys.signing_key_from_pem(signer.to_pem(), algorithm)
    assert (again.kid, again.public_key, again.algorithm) == (signer.kid, signer.public_key, algorithm)
    assert signer.kid == keys.key_id(signer.public_key)
    record = issuer_key(kid=signer.kid, algorithm=algorithm, public_key=signer.public_key)
    assert record.verifies(again.sign(b"data"), b"data")
    other = Algorithm.ESP256 if algorithm is not Algorithm.ESP256 else Algorithm.ED25519
    with pytest.raises(KeyFault, match="not a"):
        keys.signing_key_from_pem(signer.to_pem(), other)


def public_pem(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_public_pem_is_read_as_the_record_holds_it():
    ours = keys.new_signing_key()
    assert keys.public_key_from_pem(public_pem(ours.private)) == (Algorithm.ED25519, ours.public_key)
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    raw = bytes([2 + numbers.y % 2]) + numbers.x.to_bytes(32, "big")
    assert keys.public_key_from_pem(public_pem(private)) == (Algorithm.ESP256, raw)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        public_pem(ec.generate_private_key(ec.SECP384R1())),
        public_pem(x25519.X25519PrivateKey.generate()),
        keys.new_signing_key().to_pem(),
        Ed25519PublicKey.from_public_bytes(octets(1, 0)).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ),
    ],
    ids=["empty", "no key", "P-384", "X25519", "a private key", "small order"],
)
def test_any_other_public_pem_is_a_key_fault(pem):
    with pytest.raises(KeyFault):
        keys.public_key_from_pem(pem)


def mixed_order_key():
    """A key that only its owner could make: its point has a part of order 8."""
    x = int.from_bytes(key(1).public_key, "little")
    y, sign = x & (1 << 255) - 1, x >> 255
    point = next((root, y) for root in (x_of(y), P - x_of(y)) if root % 2 == sign)
    mixed = add(point, small_order_points()[1])
    assert times(L, mixed) != NEUTRAL
    assert times(L, point) == NEUTRAL
    return octets(mixed[1], mixed[0] % 2)


def test_a_mixed_order_key_is_loaded_and_verifies_nothing_of_the_other_key():
    """docs/coupon-format.md, "Keys": not looked for, as it gives nobody what its owner did not sign."""
    public = load_public_key(Algorithm.ED25519, mixed_order_key())
    assert not signature_ok(public, key(1).sign(b"data"), b"data")


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
