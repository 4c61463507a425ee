"""Signed requests: HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530) and Ed25519. Pure.

One narrow profile, the same on both sides. A till signs every request but enrolment; the cloud knows the
till's public key from enrolment. Covered: method, path, query and the digest of the body as sent (after
compression; the digest is there for an empty body too), and how the till says it is, where it says so: whoever ends
TLS between till and cloud could else put words in its mouth. Not covered: the authority, because store proxies
and load balancers rewrite it; the key id names one till of one cloud.

`created` is the till's clock and may be wrong by years: it is recorded, never a reason to refuse, because a
dead clock battery must not lock a till out of the very bundle that tells it the time. A replayed request is
harmless: uploads are idempotent per record id, an online check again reserves for the till that signed it and
for minutes at most, everything else reads, and TLS keeps the answers from an onlooker.

Keys stay outside: signing and verifying are callables, so a key may live in a TPM.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.errors import SignatureError
from sync.till_health import HEADER as HEALTH_HEADER

TAG = "redeemd-till-v1"
LABEL = "till"
COMPONENTS = ("@method", "@path", "@query", "content-digest")
HEALTH = HEALTH_HEADER.lower()
"""Covered as the last component exactly where the request has this field."""
_HEADER_CHARS_MAX = 1024
_KEY_ID = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_PARAMETER = re.compile(r';([a-z][a-z0-9]*)=(?:"([A-Za-z0-9._:/-]{1,128})"|([0-9]{1,12}))')
_SIGNATURE = re.compile(rf"{LABEL}=:([A-Za-z0-9+/]{{86}}==):")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


@dataclass(frozen=True, slots=True)
class SignatureParts:
    """What a signed request claims, parsed and not yet believed.

    created: seconds since 1970 by the till's clock. content_digest: the header as received. params: the
    text of the signature parameters as received, which is what was signed. signature: 64 bytes. health: the field
    HEALTH, None where the request has none.
    """

    key_id: str
    created: int
    nonce: str
    content_digest: str
    params: str
    signature: bytes
    health: str | None = None


def content_digest(body: bytes) -> str:
    """The Content-Digest field of these bytes as sent (RFC 9530 section 2)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def build_signature_base(components: Iterable[tuple[str, str]], params: str) -> bytes:
    """The signature base of RFC 9421 section 2.5. components: name and value. params: as text."""
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()


def _covered(health: str | None) -> str:
    names = COMPONENTS if health is None else (*COMPONENTS, HEALTH)
    return "(" + " ".join(f'"{name}"' for name in names) + ")"


def signature_params(*, created: int, nonce: str, key_id: str, health: str | None = None) -> str:
    """The inner list with its parameters (RFC 9421 section 2.3) as this profile writes it."""
    assert 0 <= created < 10**12, f"created is not a time: {created}"
    assert _KEY_ID.fullmatch(key_id), f"a key id has characters that cannot be signed: {key_id!r}"
    assert _NONCE.fullmatch(nonce), "a nonce is 16 to 64 characters of base64url"
    return f'{_covered(health)};created={created};keyid="{key_id}";alg="ed25519";nonce="{nonce}";tag="{TAG}"'


def signature_base(
    method: str,
    path_with_query: str,
    content_digest: str,
    *,
    created: int,
    nonce: str,
    key_id: str,
    health: str | None = None,
) -> bytes:
    """The bytes a till signs. path_with_query: as on the request line, percent-encoded. health: the field HEALTH."""
    params = signature_params(created=created, nonce=nonce, key_id=key_id, health=health)
    return build_signature_base(_components(method, path_with_query, content_digest, health), params)


def sign_headers(
    method: str,
    path_with_query: str,
    body: bytes,
    *,
    created: int,
    nonce: str,
    key_id: str,
    sign: Callable[[bytes], bytes],
    health: str | None = None,
) -> dict[str, str]:
    """The three fields that sign this request. body: as sent, after compression; empty for GET.

    sign: message to Ed25519 signature of 64 bytes. health: the field HEALTH that the request has.
    """
    digest = content_digest(body)
    params = signature_params(created=created, nonce=nonce, key_id=key_id, health=health)
    signature = sign(
        build_signature_base(_components(method, path_with_query, digest, health), params),
    )
    assert len(signature) == 64, "an Ed25519 signature has 64 bytes"
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{base64.b64encode(signature).decode()}:",
    }


def parse_signature(headers: Mapping[str, str]) -> SignatureParts:
    """Read the three fields of a request, and HEALTH where it has one; names in any case, each exactly once.

    Raises SignatureError with code unsigned (a field is missing) or bad_signature_format.
    """
    digest = _field(headers, "content-digest")
    given = _field(headers, "signature-input")
    params = given.removeprefix(f"{LABEL}=")
    matched_signature = _SIGNATURE.fullmatch(_field(headers, "signature"))
    if not _DIGEST.fullmatch(digest) or matched_signature is None or params == given:
        raise SignatureError(
            "bad_signature_format", f"not a signature labelled {LABEL!r} with a sha-256 digest"
        )
    health = _health(headers)
    covered = _covered(health)
    if not params.startswith(covered):
        raise SignatureError("bad_signature_format", f"the signature must cover exactly {covered}")
    fields = _parameters(params[len(covered) :])
    if (fields["alg"], fields["tag"]) != ("ed25519", TAG) or not _NONCE.fullmatch(fields["nonce"]):
        raise SignatureError("bad_signature_format", f'the profile is alg="ed25519" and tag="{TAG}"')
    return SignatureParts(
        key_id=fields["keyid"],
        created=int(fields["created"]),
        nonce=fields["nonce"],
        content_digest=digest,
        params=params,
        signature=_decode(matched_signature[1]),
        health=health,
    )


def verify(
    parts: SignatureParts,
    method: str,
    path_with_query: str,
    body: bytes,
    verify: Callable[[bytes, bytes], bool],
) -> None:
    """Believe the request or raise SignatureError with code digest_mismatch or bad_signature.

    verify: (signature, message) to whether the key named by `parts.key_id` made it. path_with_query: as
    received, still percent-encoded. body: as received, before decompression.
    """
    if not hmac.compare_digest(parts.content_digest, content_digest(body)):
        raise SignatureError("digest_mismatch", "the body is not the one the digest names")
    base = build_signature_base(
        _components(method, path_with_query, parts.content_digest, parts.health), parts.params
    )
    if not verify(parts.signature, base):
        raise SignatureError("bad_signature", f"the signature was not made by the key {parts.key_id}")


def _components(
    method: str, path_with_query: str, digest: str, health: str | None
) -> Sequence[tuple[str, str]]:
    path, _, query = path_with_query.partition("?")
    # RFC 9421 2.2.6 and 2.2.7: an empty path is "/", the query keeps its "?" and an absent one is "?" alone.
    covered = zip(COMPONENTS, (method, path or "/", f"?{query}", digest), strict=True)
    return (*covered, *(() if health is None else ((HEALTH, health),)))


def _health(headers: Mapping[str, str]) -> str | None:
    """Of any length: whether it can be read is asked after the signature."""
    values = [value for key, value in headers.items() if key.lower() == HEALTH]
    if len(values) > 1 or not all(value.isascii() for value in values):
        raise SignatureError("bad_signature_format", f"the field {HEALTH} stands twice or is not ASCII")
    return values[0].strip(" \t") if values else None


def _field(headers: Mapping[str, str], name: str) -> str:
    values = [value for key, value in headers.items() if key.lower() == name]
    if not values:
        raise SignatureError("unsigned", f"the field {name} is missing")
    if len(values) > 1 or len(values[0]) > _HEADER_CHARS_MAX:
        raise SignatureError("bad_signature_format", f"the field {name} stands twice or is too long")
    return values[0].strip(" \t")


def _parameters(text: str) -> dict[str, str]:
    """The five parameters in any order, each once, and nothing else."""
    found = _PARAMETER.findall(text)
    fields = {name: quoted or number for name, quoted, number in found}
    numbers = {name for name, _, number in found if number}
    whole = "".join(match[0] for match in _PARAMETER.finditer(text)) == text
    expected = {"created", "keyid", "alg", "nonce", "tag"}
    if not whole or len(found) != len(expected) or fields.keys() != expected or numbers != {"created"}:
        raise SignatureError(
            "bad_signature_format", "the parameters are created, keyid, alg, nonce and tag, each once"
        )
    return fields


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:  # pragma: no cover - the pattern admits only whole base64
        raise SignatureError("bad_signature_format", "the signature is not base64") from None
