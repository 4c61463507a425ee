"""Signed requests: the published vector of RFC 9421, and nothing but our narrow profile is believed."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hypothesis import given
from hypothesis import strategies as st

from sync import signing
from sync.errors import SignatureError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BODY = b'[{"id":"r-1"}]'
PATH = "/v1/tills/t1/batches/redemptions?x=%20y"
NONCE = "abcdefghijklmnop"


def signed(method: str = "POST", path: str = PATH, body: bytes = BODY) -> dict[str, str]:
    return signing.sign_headers(
        method, path, body, created=1_700_000_000, nonce=NONCE, key_id="t1/a1b2", sign=KEY.sign
    )


def checks(signature: bytes, message: bytes) -> bool:
    try:
        KEY.public_key().verify(signature, message)
    except InvalidSignature:
        return False
    return True


def refusal_code(headers: dict[str, str], method: str = "POST", path: str = PATH, body: bytes = BODY) -> str:
    with pytest.raises(SignatureError) as caught:
        signing.verify(signing.parse_signature(headers), method, path, body, checks)
    return caught.value.code


def test_the_base_is_that_of_rfc_9421_appendix_b_2_6() -> None:
    """Ed25519 is deterministic, so the published signature comes out only over the published base."""
    base = signing.build_signature_base(
        [
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("@method", "POST"),
            ("@path", "/foo"),
            ("@authority", "example.com"),
            ("content-type", "application/json"),
            ("content-length", "18"),
        ],
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"',
    )
    der = base64.b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")
    key = load_der_private_key(der, None)
    assert isinstance(key, Ed25519PrivateKey)
    expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    assert base64.b64encode(key.sign(base)).decode() == expected


def test_the_digest_is_that_of_rfc_9530() -> None:
    """RFC 9530 appendix B.1 and RFC 9421 appendix B.2: the body {"hello": "world"} with and without a line
    end.
    """
    assert signing.content_digest(b'{"hello": "world"}\n') == (
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )
    assert signing.content_digest(b'{"hello": "world"}') == (
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    )


def test_the_base_of_our_profile_reads_as_documented() -> None:
    base = signing.signature_base("GET", "/v1/x", "sha-256=:d:", created=1, nonce=NONCE, key_id="t1")
    assert base.decode() == (
        '"@method": GET\n"@path": /v1/x\n"@query": ?\n"content-digest": sha-256=:d:\n'
        '"@signature-params": ("@method" "@path" "@query" "content-digest");created=1;keyid="t1";alg="ed25519"'
        f';nonce="{NONCE}";tag="redeemd-till-v1"'
    )


@given(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/", "/v1/x", "/v1/x?", "/v1/x?a=1&b=%2F?", "/p/v1"]),
    st.binary(max_size=99),
    st.integers(0, 10**12 - 1),
)
def test_what_was_signed_is_believed(method: str, path: str, body: bytes, created: int) -> None:
    headers = signing.sign_headers(
        method, path, body, created=created, nonce=NONCE, key_id="t1/a1b2", sign=KEY.sign
    )
    parts = signing.parse_signature({name.upper(): value for name, value in headers.items()})
    assert (parts.key_id, parts.created, parts.nonce) == ("t1/a1b2", created, NONCE)
    signing.verify(parts, method, path, body, checks)


def test_any_other_request_is_not() -> None:
    headers = signed()
    assert refusal_code(headers, method="PUT") == "bad_signature"
    assert refusal_code(headers, path=PATH + "z") == "bad_signature"
    assert refusal_code(headers, path=PATH.partition("?")[0]) == "bad_signature"
    assert refusal_code(headers, body=BODY + b" ") == "digest_mismatch"
    other = signed(body=b"other")
    assert (
        refusal_code(headers | {"Content-Digest": other["Content-Digest"]}, body=b"other") == "bad_signature"
    )
    assert refusal_code(headers | {"Signature": signed("GET")["Signature"]}) == "bad_signature"
    later = headers["Signature-Input"].replace("1700000000", "1700000001")
    assert refusal_code(headers | {"Signature-Input": later}) == "bad_signature"
    stranger = headers["Signature-Input"].replace("t1/a1b2", "t2/a1b2")
    assert refusal_code(headers | {"Signature-Input": stranger}) == "bad_signature"


def test_what_a_till_says_of_itself_is_covered() -> None:
    said = '{"version":"1"}'
    headers = signing.sign_headers(
        "GET", "/x", b"", created=1, nonce=NONCE, key_id="t1", sign=KEY.sign, health=said
    )

    def code(**fields: str | None) -> str:
        changed = {**headers, "Redeemd-Health": said, **{k.replace("_", "-"): v for k, v in fields.items()}}
        return refusal_code({k: v for k, v in changed.items() if v is not None}, "GET", "/x", b"")

    parts = signing.parse_signature(headers | {"Redeemd-Health": f" {said} "})
    assert parts.health == said
    signing.verify(parts, "GET", "/x", b"", checks)
    assert code(Redeemd_Health='{"version":"2"}') == "bad_signature"
    assert code(Redeemd_Health=f"{said}, {said}") == "bad_signature", "as fields that stand twice are joined"
    assert code(Redeemd_Health="") == "bad_signature"
    assert code(Redeemd_Health=None) == "bad_signature_format"
    assert code(redeemd_health=said) == "bad_signature_format"
    assert code(Redeemd_Health="\udcff") == "bad_signature_format"
    other = signed("GET", "/x", b"")
    assert code(**{name.replace("-", "_"): value for name, value in other.items()}) == "bad_signature_format"


@pytest.mark.parametrize("name", ["Content-Digest", "Signature-Input", "Signature"])
def test_a_missing_or_repeated_field_is_no_signature(name: str) -> None:
    headers = signed()
    assert refusal_code({key: value for key, value in headers.items() if key != name}) == "unsigned"
    assert refusal_code(headers | {name.lower(): headers[name]}) == "bad_signature_format"
    assert refusal_code(headers | {name: ""}) == "bad_signature_format"
    assert refusal_code(headers | {name: headers[name] + ", x=1"}) == "bad_signature_format"
    assert refusal_code(headers | {name: headers[name] * 50}) == "bad_signature_format"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("till=", "sig1="),
        (' "content-digest")', ")"),  # leaving the body out would let anyone change it
        (' "@query"', ""),
        ('("@method" "@path"', '("@path" "@method"'),
        ("ed25519", "hmac-sha256"),
        ("redeemd-till-v1", "redeemd-till-v2"),
        (f';nonce="{NONCE}"', ""),
        (f';nonce="{NONCE}"', ';nonce="short"'),
        (";created=1700000000", ""),
        (";created=1700000000", ";created=1700000000;created=1700000000"),
        ("created=1700000000", 'created="1700000000"'),
        ("created=1700000000", "created=-1"),
        ("created=1700000000", "created=1700000000;expires=1"),
        ('keyid="t1/a1b2"', "keyid=1"),
        ('keyid="t1/a1b2"', 'keyid="t1\\"x"'),
        (";alg", "; alg"),
    ],
)
def test_any_other_profile_is_refused_before_a_key_is_asked(old: str, new: str) -> None:
    headers = signed()
    changed = headers["Signature-Input"].replace(old, new, 1)
    assert changed != headers["Signature-Input"]
    with pytest.raises(SignatureError) as caught:
        signing.parse_signature(headers | {"Signature-Input": changed})
    assert caught.value.code == "bad_signature_format"


def test_the_order_of_parameters_is_the_signers() -> None:
    params = (
        '("@method" "@path" "@query" "content-digest")'
        f';tag="redeemd-till-v1";nonce="{NONCE}";alg="ed25519";keyid="t1";created=5'
    )
    digest = signing.content_digest(b"")
    base = signing.build_signature_base(
        [("@method", "GET"), ("@path", "/x"), ("@query", "?"), ("content-digest", digest)], params
    )
    headers = {
        "Content-Digest": digest,
        "Signature-Input": f"till={params}",
        "Signature": f"till=:{base64.b64encode(KEY.sign(base)).decode()}:",
    }
    signing.verify(signing.parse_signature(headers), "GET", "/x", b"", checks)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_any_header_is_parsed_or_refused(digest: str, given_input: str, signature: str) -> None:
    headers = {"Content-Digest": digest, "Signature-Input": given_input, "Signature": signature}
    with pytest.raises(SignatureError):
        signing.parse_signature(headers)
