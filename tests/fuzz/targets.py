"""Everything that reads what a stranger wrote, each a function of bytes that returns, or raises for a bug of ours.

To add one: write the function, which lets through no error but the reader's own and asserts what must hold of what was
accepted, and put it into TARGETS with its seeds. The runner, the hypothesis test and the corpus then know it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agent.domain import (
    bundle,
    bundle_file,
    cbor,
    codes,
    cose,
    scan,
    statement,
    status_delta,
    status_parts,
    token,
)
from agent.domain.bundle import MANIFEST_AAD, ROOT_AAD, BundleError
from agent.domain.keys import SigningKey, signing_key_from_seed
from agent.domain.parts import read_parts
from agent.domain.status import StatusFault, state_hash
from agent.domain.status_parts import read_lists
from agent.domain.token import AAD, TokenError, TokenFault
from tests.fuzz import line_targets, member_targets, people_targets, receipt_targets, report_targets

VECTORS = Path(__file__).parents[1] / "vectors"
CORPUS = VECTORS / "corpus"


@dataclass(frozen=True, slots=True)
class Target:
    """read: raises only what is a bug. seeds: inputs to begin with. most: the longest input that is tried, in bytes."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    most: int


@cache
def _vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def _hexes(*texts: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def _must(holds: bool) -> None:
    assert holds


# --- coupons ---


def read_cbor(data: bytes) -> None:
    """What is accepted has one form."""
    try:
        value = cbor.decode(data)
    except cbor.CborError as error:
        _must(error.code in cbor.CODES and 0 <= error.offset <= len(data))
    else:
        assert cbor.encode(value) == data


def read_envelope(data: bytes) -> None:
    """What is accepted is written back byte for byte, and no part of it is lost."""
    try:
        envelope = cose.parse(data, AAD)
    except cose.CoseError as error:
        _must(error.code in cose.CODES)
    else:
        protected = cose.protected_header(envelope.algorithm, envelope.kid)
        assert cose.assemble(protected, envelope.payload, envelope.signature) == data
        assert envelope.signed == cose.to_sign(protected, envelope.payload, AAD)


def read_token(data: bytes) -> None:
    """Bytes as a token: what is accepted has one form, in its text and in its payload."""
    text = token.to_text(data)
    try:
        parsed = token.parse(text)
    except TokenError as error:
        _must(error.fault in TokenFault)
        _must(error.fault not in (TokenFault.BAD_CHARACTER, TokenFault.NOT_A_TOKEN))
    else:
        assert token.encode_claims(parsed.claims) == parsed.envelope.payload


def read_text(data: bytes) -> None:
    """A scan as a till gets it: any text has a kind; what is a token has one text; no error repeats the text."""
    text = data.decode("utf-8", "surrogateescape")
    assert scan.route(text).kind in scan.Kind
    try:
        parsed = token.parse(text)
    except TokenError as error:
        _must(len(error.detail) < 100)
    else:
        protected = cose.protected_header(parsed.envelope.algorithm, parsed.envelope.kid)
        octets = cose.assemble(protected, parsed.envelope.payload, parsed.envelope.signature)
        assert token.to_text(octets) == text


def _token_seeds(field: str) -> list[bytes]:
    return _hexes(*(case[field] for case in _vectors("tokens.json")["valid"]))


def _text_seeds() -> list[bytes]:
    tokens = _vectors("tokens.json")
    texts = [case["text"] for name in ("valid", "invalid", "untrusted") for case in tokens[name]]
    others = [
        "(255)9501101020917123",
        "]C1811211234567",
        "https://example.org/255/9501101020917123",
        "4006381333931",
    ]
    return [text.encode() for text in [*texts, *others]]


# --- the bundle ---


@cache
def _trust() -> tuple[bundle.Root, SigningKey, list[SigningKey]]:
    found = _vectors("bundle.json")
    signers = [signing_key_from_seed(bytes.fromhex(key["seed"])) for key in found["root_keys"]]
    manifest_key = signing_key_from_seed(bytes.fromhex(found["manifest_key"]["seed"]))
    return bundle.read_root(bytes.fromhex(found["root"]), None), manifest_key, signers


def read_root(data: bytes) -> None:
    """A root as it comes over the line; most of these are not signed."""
    trusted, _, _ = _trust()
    for against in (None, trusted):
        try:
            root = bundle.read_root(data, against)
        except BundleError:
            continue
        assert root.threshold <= len(root.root_keys)


def read_signed_root(data: bytes) -> None:
    """A root's content, signed by every keeper: what one of them could do to the tills."""
    trusted, _, signers = _trust()
    signatures = [[key.kid, key.sign(ROOT_AAD + b"\0" + data)] for key in signers]
    document = cbor.encode({"root": data, "signatures": signatures})
    try:
        root = bundle.read_root(document, trusted)
    except BundleError:
        return
    assert root == trusted or root.epoch > trusted.epoch


def read_manifest(data: bytes) -> None:
    """A manifest as it comes over the line."""
    trusted, _, _ = _trust()
    with suppress(BundleError):
        bundle.read_manifest(data, trusted, _vectors("bundle.json")["till"], None)


def read_signed_manifest(data: bytes) -> None:
    """A manifest's content, signed by the online key: what its thief could do to a till."""
    trusted, key, _ = _trust()
    try:
        manifest = bundle.read_manifest(
            key.sign1(data, MANIFEST_AAD), trusted, _vectors("bundle.json")["till"], None
        )
    except BundleError:
        return
    assert bundle.sign_manifest(manifest, key) == key.sign1(data, MANIFEST_AAD)


@cache
def _parts() -> dict[str, bytes]:
    return {name: bytes.fromhex(content) for name, content in _vectors("bundle.json")["parts"].items()}


PARTS = ("campaigns", "keys", "place", "promos", "status/acme/1", "scan_rules", "code_keys")


def read_one_part(data: bytes) -> None:
    """The first byte says which part of a good bundle is replaced by the rest."""
    parts = dict(_parts())
    parts[PARTS[(data[0] if data else 0) % len(PARTS)]] = data[1:]
    with suppress(BundleError):
        read_parts(parts)


def read_delta(data: bytes) -> None:
    """A delta behind the good snapshot: what is accepted lowers used coupons at most and leads to its state."""
    before = read_lists(_parts())["acme", 1]
    try:
        after = read_lists({**_parts(), "delta/acme/1/1": data})["acme", 1]
    except BundleError:
        return
    delta = status_parts.read_delta(data)
    assert delta.target == state_hash("acme", 1, after)
    changed = {index for index in range(after.count) if after[index] != before[index]}
    assert changed == {*delta.used, *delta.revoked, *delta.valid}
    assert all(after[index] >= before[index] for index in changed.difference(delta.valid))
    assert all(before[index] == 1 for index in delta.valid)


def read_gaps(data: bytes) -> None:
    """What is accepted has one form and ascends."""
    try:
        indexes = status_delta.decode_gaps(data)
    except StatusFault:
        return
    assert status_delta.encode_gaps(indexes) == data
    assert list(indexes) == sorted(set(indexes))


def read_time_statement(data: bytes) -> None:
    """A root-signed statement as somebody brings it on a stick."""
    trusted, _, _ = _trust()
    with suppress(BundleError):
        said = statement.read_time(data, trusted, _vectors("statements.json")["till"], 0)
        assert said.till == _vectors("statements.json")["till"]


def read_revocation(data: bytes) -> None:
    """What a till is told by whoever answers in the cloud's place."""
    trusted, _, _ = _trust()
    said = _vectors("statements.json")
    key = bytes.fromhex(said["old_key"]["public_key"])
    with suppress(BundleError):
        assert statement.read_revocation(data, trusted, said["till"], key).key == key


def read_key_change(data: bytes) -> None:
    """What a cloud is sent by whoever likes: nothing but the statement itself says who it is."""
    till = _vectors("statements.json")["till"]
    with suppress(BundleError):
        change = statement.read_key_change(data, till)
        assert change.till == till
        assert change.old != change.new


def read_bundle_file(data: bytes) -> None:
    """A bundle file from its first byte to its last, as the import walks it."""
    with suppress(BundleError):
        length = bundle_file.head_length(data[: bundle_file.PREFIX_BYTES])
        at = bundle_file.PREFIX_BYTES + length
        head = bundle_file.read_head(data[bundle_file.PREFIX_BYTES : at])
        assert len(head.roots) <= bundle_file.ROOTS_MAX
        while at < len(data):
            digest, size = bundle_file.read_part_header(data[at : at + bundle_file.PART_HEADER_BYTES])
            assert len(digest) == 32
            at += bundle_file.PART_HEADER_BYTES + size


def read_code_table(data: bytes) -> None:
    """A table of opaque codes: whatever is accepted can be searched to its end."""
    try:
        table = codes.MemoryTable(data)
    except BundleError:
        return
    for number in range(0, 256, 5):
        found = table.find(bytes([number]) * codes.HASH_BYTES)
        assert found is None or 0 <= found < 2**32


def _bundle_file_seeds() -> list[bytes]:
    roots = _bundle_seeds("root", "next_root")
    head = bundle_file.Head(tuple(roots), _bundle_seeds("manifest")[0])
    return [b"".join(bundle_file.write(head, list(_parts().values())[3:]))]


def _code_seeds() -> tuple[bytes, bytes, bytes]:
    """Part scan_rules, part code_keys, a table."""
    found = _vectors("codes.json")
    key = {name: value if name == "issuer" else bytes.fromhex(value) for name, value in found["key"].items()}
    table = bytes.fromhex(found["table"]["content"])
    return cbor.encode(found["scan_rules"]), cbor.encode([key]), table


def _bundle_seeds(*names: str) -> list[bytes]:
    found = _vectors("bundle.json")
    return _hexes(*(found[name] for name in names))


def _part_seeds() -> list[bytes]:
    rules, keys, _ = _code_seeds()
    parts = {**_parts(), "scan_rules": rules, "code_keys": keys}
    return [bytes([place]) + parts[name] for place, name in enumerate(PARTS)]


def _delta_seeds() -> list[bytes]:
    """A good one, and a good one for another state: of the first no mutant may pass."""
    listed = read_lists(_parts())["acme", 1]
    made, after = status_delta.make_delta("acme", 1, listed, [(2, 1), (3, 1), (4, 2)])
    other, _ = status_delta.make_delta("acme", 1, after, [(2, 2), (3, 0)])
    return [cbor.encode(status_parts.delta_to_wire(delta)) for delta in (made, other)]


TARGETS: dict[str, Target] = {
    "cbor": Target(read_cbor, lambda: _token_seeds("token") + _token_seeds("payload"), 200),
    "envelope": Target(read_envelope, lambda: _token_seeds("token"), 200),
    "token": Target(read_token, lambda: _token_seeds("token"), 161),
    "text": Target(read_text, _text_seeds, 300),
    "root": Target(read_root, lambda: _bundle_seeds("root", "next_root"), 1_500),
    "signed root": Target(
        read_signed_root,
        lambda: [bundle.open_root(data).payload for data in _bundle_seeds("root", "next_root")],
        1_000,
    ),
    "manifest": Target(read_manifest, lambda: _bundle_seeds("manifest", "next_manifest"), 1_500),
    "signed manifest": Target(
        read_signed_manifest,
        lambda: [
            cose.parse(data, MANIFEST_AAD).payload for data in _bundle_seeds("manifest", "next_manifest")
        ],
        1_000,
    ),
    "part": Target(read_one_part, _part_seeds, 2_000),
    "delta": Target(read_delta, _delta_seeds, 400),
    "time statement": Target(read_time_statement, lambda: _hexes(_vectors("statements.json")["time"]), 1_000),
    "revocation": Target(read_revocation, lambda: _hexes(_vectors("statements.json")["revocation"]), 1_000),
    "key change": Target(read_key_change, lambda: _hexes(_vectors("statements.json")["key_change"]), 1_000),
    "bundle file": Target(read_bundle_file, _bundle_file_seeds, 3_000),
    "code table": Target(read_code_table, lambda: [_code_seeds()[2]], 1_000),
    "image": Target(receipt_targets.read_image, receipt_targets.image_seeds, 300),
    "any png": Target(receipt_targets.read_any_png, receipt_targets.any_png_seeds, 300),
    "receipt template": Target(receipt_targets.read_template, receipt_targets.template_seeds, 1_500),
    "verdicts": Target(line_targets.verdicts, line_targets.verdict_seeds, 2_000),
    "check": Target(line_targets.check, line_targets.check_seeds, 1_000),
    "checked": Target(line_targets.checked, line_targets.checked_seeds, 1_000),
    "news": Target(line_targets.news, line_targets.news_seeds, 200),
    "reversal": Target(line_targets.reversal, line_targets.reversal_seeds, 1_000),
    "missing header": Target(report_targets.missing_header, report_targets.missing_seeds, 300),
    "till health": Target(report_targets.till_health, report_targets.health_seeds, 2_000),
    "disclosed": Target(people_targets.disclosed, people_targets.disclosed_seeds, 500),
    "erased": Target(people_targets.erased, people_targets.erased_seeds, 300),
    "member card": Target(member_targets.card, member_targets.card_seeds, 300),
    "members": Target(member_targets.listed, member_targets.list_seeds, 500),
    "points": Target(member_targets.points, member_targets.point_seeds, 600),
    "facts": Target(report_targets.facts, report_targets.fact_seeds, 1_000),
    "gaps": Target(read_gaps, lambda: [status_delta.encode_gaps((0, 1, 130, 20_000, 3_000_000))], 100),
}


def corpus_file(name: str) -> Path:
    """Where the inputs of target `name` are kept: one in hexadecimal a line, # for comments."""
    return CORPUS / f"{name.replace(' ', '-')}.txt"


def corpus(name: str) -> list[bytes]:
    """The seeds of target `name` and what is kept of earlier runs."""
    path = corpus_file(name)
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    kept = [bytes.fromhex(line.partition("#")[0]) for line in lines if not line.startswith("#")]
    return list(dict.fromkeys([*TARGETS[name].seeds(), *kept]))
