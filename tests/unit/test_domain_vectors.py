"""The published vectors: they are what this code writes, and this code does with them what they say."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.bundles.carried import BundleFile
from agent.domain import bundle, cbor, record, status, token
from agent.domain.budget import BudgetUse
from agent.domain.bundle import Age, BundleError
from agent.domain.campaign import Words
from agent.domain.codes import (
    CodeKey,
    CodeKind,
    Codes,
    MemoryTable,
    code_hash,
    read_form,
)
from agent.domain.cose import Algorithm
from agent.domain.decide import LedgerView, PriorUse, Refusal, Setting, decide, verify_scan
from agent.domain.eligibility import Member
from agent.domain.keys import IssuerKey, KeyFault, key_id, load_public_key, signature_ok
from agent.domain.online import Checked, Word
from agent.domain.outcome import Outcome
from agent.domain.parts import Contents, Place, read_parts
from agent.domain.record import GENESIS, ChainHead, RecordFault
from agent.domain.sale import Line, Sale
from agent.domain.scan import read_rules, route
from agent.domain.shop import read_shop
from agent.domain.status import Status
from agent.domain.status_parts import snapshot_name, snapshot_to_wire
from agent.domain.time import EffectiveTime, from_timestamp, timestamp
from agent.domain.token import Claims, Coupon, TokenError, TokenFault
from tests.vectors import examples, generate

FILES = {name: json.loads((generate.FOLDER / name).read_text(encoding="utf-8")) for name in generate.FILES}
TOKENS, DECISIONS, RECORDS, BUNDLE = (
    FILES[f"{name}.json"] for name in ("tokens", "decisions", "records", "bundle")
)


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def test_the_files_are_what_the_generator_writes():
    assert generate.differing() == [], "run: python -m tests.vectors.generate"


def test_the_generator_tells_what_differs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "tokens.json").write_text("{}")
    assert generate.main(["--check"]) == 1
    assert "tokens.json differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "key",
    [RECORDS["key"], BUNDLE["manifest_key"], *BUNDLE["root_keys"]],
    ids=lambda key: key["kid"],
)
def test_the_keys_come_from_their_seeds(key):
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["seed"]))
    assert private.public_key().public_bytes_raw().hex() == key["public_key"]
    assert key_id(bytes.fromhex(key["public_key"])).hex() == key["kid"]


# --- tokens ---


ISSUER_KEYS = {
    bytes.fromhex(key["kid"]): IssuerKey(
        bytes.fromhex(key["kid"]),
        key["issuer"],
        Algorithm(key["algorithm"]),
        bytes.fromhex(key["public_key"]),
        None if key["campaigns"] is None else frozenset(key["campaigns"]),
        0,
        65_535,
        key["value_max_minor"],
    )
    for key in TOKENS["keys"]
}
KNOWN = Contents(Place("", 0, frozenset(), "", Words("", ""), "UTC", ""), ISSUER_KEYS, {}, {}, (), ())


@pytest.mark.parametrize("key", ISSUER_KEYS.values(), ids=lambda key: key.algorithm.name)
def test_the_issuers_keys_come_from_their_private_halves(key):
    """Checked with cryptography alone."""
    private = bytes.fromhex(TOKENS["private"][key.kid.hex()])
    if key.algorithm is Algorithm.ESP256:
        point = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1()).public_key()
        public = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    else:
        public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    assert public == key.public_key
    assert key_id(public) == key.kid


@named(TOKENS["valid"])
def test_a_valid_token(case):
    named_claims: dict[str, Any] = {
        name: bytes.fromhex(value) if isinstance(value, str) else value
        for name, value in case["claims"].items()
    }
    parsed = token.parse(case["text"])
    assert parsed.claims == Claims(**named_claims)
    assert parsed.envelope.kid.hex() == case["kid"]
    assert parsed.envelope.payload.hex() == case["payload"]
    assert parsed.envelope.signed.hex() == case["to_be_signed"]
    assert parsed.envelope.signature.hex() == case["signature"]
    assert verify_scan(case["text"], KNOWN) == Coupon("acme", parsed.claims, parsed.envelope.kid)
    assert token.to_text(bytes.fromhex(case["token"])) == case["text"]


@named(TOKENS["invalid"])
def test_an_invalid_token(case):
    with pytest.raises(TokenError) as caught:
        token.parse(case["text"])
    assert caught.value.fault.value == case["fault"]
    if "outcome" in case:
        assert verify_scan(case["text"], KNOWN) == Refusal(Outcome(case["outcome"]), case["fault"])
    else:
        assert case["fault"] == "not_a_token"


@named(TOKENS["untrusted"])
def test_a_token_that_the_keys_do_not_stand_for(case):
    assert verify_scan(case["text"], KNOWN) == Refusal(Outcome(case["outcome"]), case["fault"])


@named(TOKENS["refused_keys"])
def test_a_public_key_that_is_refused(case):
    with pytest.raises(KeyFault):
        load_public_key(Algorithm(case["algorithm"]), bytes.fromhex(case["public_key"]))


def test_every_fault_has_a_vector():
    assert {case["fault"] for case in TOKENS["invalid"]} == set(TokenFault)


def test_every_vector_has_a_name_and_a_text_of_its_own():
    cases = [*TOKENS["valid"], *TOKENS["invalid"], *TOKENS["untrusted"]]
    assert len({case["name"] for case in cases}) == len({case["text"] for case in cases}) == len(cases)


# --- decisions ---


@pytest.fixture(scope="module")
def contents():
    """The bundle of decisions.json, through the reader that a till uses."""
    keys = [
        key | {"kid": bytes.fromhex(key["kid"]), "public_key": bytes.fromhex(key["public_key"])}
        for key in DECISIONS["keys"]
    ]
    wire = {"place": DECISIONS["place"], "keys": keys, "campaigns": DECISIONS["campaigns"]}
    for listed in DECISIONS["status"]:
        marks = [(index, Status.USED) for index in listed["used"]]
        marks += [(index, Status.REVOKED) for index in listed["revoked"]]
        made = status.make(listed["count"], marks)
        coupons = listed["issuer"], listed["campaign"]
        wire[snapshot_name(*coupons)] = snapshot_to_wire(*coupons, made)
    wire["scan_rules"] = DECISIONS["scan_rules"]
    wire["code_keys"] = [
        key | {"key_id": bytes.fromhex(key["key_id"]), "secret": bytes.fromhex(key["secret"])}
        for key in DECISIONS["code_keys"]
    ]
    read = read_parts({name: cbor.encode(value) for name, value in wire.items()})
    tables = [MemoryTable(bytes.fromhex(content)) for content in DECISIONS["codes"].values()]
    return replace(read, codes=Codes(read.code_keys, tables))


@named(DECISIONS["cases"])
def test_a_decision(case, contents):
    expected = case["expect"]
    coupon = verify_scan(case["text"], contents)
    if isinstance(coupon, Refusal):
        assert (coupon.outcome, coupon.detail or None) == (expected["outcome"], expected["detail"])
        return
    now = from_timestamp(case["now"])
    sale = case["sale"] and Sale(
        "1",
        case["sale"]["currency"],
        case["sale"]["total_minor"],
        tuple(Line(*line) for line in case["sale"]["lines"]),
        case["sale"].get("channel", ""),
        frozenset(case["sale"]["tenders"]) if "tenders" in case["sale"] else None,
        frozenset(case["sale"].get("out_of_stock", ())),
    )
    prior = (
        PriorUse("T-1-1", now, "T-1", case.get("uses", 1), case.get("spent", 0)) if case["prior"] else None
    )
    card = case.get("member")
    member = card and Member(**card | {"pseudonym": bytes.fromhex(card["pseudonym"])})
    effective, zone = EffectiveTime(now, now, case["doubt"]), ZoneInfo(contents.place.zone)
    setting = Setting(effective, zone, contents.place, Age(case["age"]))
    view = LedgerView(prior, BudgetUse(*case["used"]), sales=case.get("sales", 0))
    until = case.get("until")
    checked = Checked(Word(case["word"]), until and from_timestamp(until)) if "word" in case else None
    beside = {"supervised": case.get("supervised", False), "checked": checked}
    found = decide(coupon, contents, sale, view, setting, member, **beside)
    decision = found._replace(objection=None, applied=None)._asdict()
    if not found.asked:  # said only where somebody is, or was, asked
        del decision["asked"]
    if found.left_minor is None:  # of a stored value alone
        del decision["left_minor"]
    del decision["objection"], decision["applied"]
    for missing in ("missing_minor", "missing_pieces", "missing_points"):
        decision[missing] = getattr(found.objection, missing, 0)
    if decision["works_from"] is not None:
        decision["works_from"] = timestamp(decision["works_from"])
    assert decision == expected


def test_the_decisions_cover_every_outcome_but_those_of_the_till_itself():
    missing = set(Outcome) - {case["expect"]["outcome"] for case in DECISIONS["cases"]}
    # said by a till, not by these rules
    assert missing == {Outcome.TILL_STOPPED, Outcome.UNKNOWN_RESULT}


# --- codes ---

CODES = FILES["codes.json"]
CODE_KEY = CodeKey(bytes.fromhex(CODES["key"]["key_id"]), "acme", bytes.fromhex(CODES["key"]["secret"]))


def test_a_spelling():
    for case in CODES["spellings"]:
        assert read_form(case["form"]).fold(case["text"]) == case["code"], case


def test_a_hash():
    for case in CODES["hashes"]:
        assert code_hash(CODE_KEY, CodeKind(case["kind"]), case["code"]).hex() == case["hash"]


def test_a_table_holds_its_codes():
    table = MemoryTable(bytes.fromhex(CODES["table"]["content"]))
    for code, index in CODES["table"]["codes"].items():
        found = Codes({CODE_KEY.key_id: CODE_KEY}, [table]).find(CodeKind.PLAIN, code)
        assert found is not None
        assert found.index == index


def test_a_scan_has_its_kind():
    rules = read_rules(CODES["scan_rules"])
    for case in CODES["kinds"]:
        routed = route(case["text"], rules)
        assert (routed.kind.value, routed.detail) == (case["kind"], case["detail"]), case
        assert case["coupon"] in (None, routed.text), case


# --- records ---


def till_verifies(signature, data):
    public = load_public_key(Algorithm.ED25519, bytes.fromhex(RECORDS["key"]["public_key"]))
    return signature_ok(public, signature, data)


def test_the_chain_holds():
    heads: dict[str, ChainHead] = {}
    for item in RECORDS["events"]:
        event = item["event"]
        body = {name: value for name, value in event.items() if name not in record.NOT_HASHED}
        assert record.canonical_json(body).decode() == item["canonical"]
        before = heads.get(event["lane"])
        assert event["prevhash"] == (before.hash if before else GENESIS)
        heads[event["lane"]] = head = record.check(event, RECORDS["till"], till_verifies)
        assert head.sequence == (before.sequence + 1 if before else 1)
    assert {lane: head.sequence for lane, head in heads.items()} == {"redemption": 4, "evidence": 1}


@named(RECORDS["invalid"])
def test_an_edited_record(case):
    with pytest.raises(RecordFault) as caught:
        record.check(case["event"], RECORDS["till"], till_verifies)
    assert caught.value.code == case["code"]


# --- the bundle ---

ROOT = bundle.read_root(bytes.fromhex(BUNDLE["root"]), None)
MANIFEST = bundle.read_manifest(bytes.fromhex(BUNDLE["manifest"]), ROOT, BUNDLE["till"], None)


def test_the_bundle_is_whole():
    parts = {name: bytes.fromhex(content) for name, content in BUNDLE["parts"].items()}
    assert [part.name for part in MANIFEST.parts] == sorted(parts)
    for part in MANIFEST.parts:
        bundle.check_part(part, parts[part.name])
    contents = read_parts(parts)
    assert (len(contents.keys), len(contents.campaigns), len(contents.promos), contents.skipped) == (
        2,
        8,
        1,
        (),
    )
    listed = contents.status["acme", 1]
    assert [listed[index] for index in range(6)] == [1, 2, 0, 0, 0, 1]
    assert MANIFEST.age(datetime(2026, 11, 22, 23, tzinfo=UTC)) is Age.FRESH


def test_the_bundle_file_holds_it_all(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes.fromhex(BUNDLE["file"]))
    with BundleFile(path) as file:
        assert file.manifest.hex() == BUNDLE["manifest"]
        assert [root.hex() for root in file.roots] == [BUNDLE["root"]]
        for part in MANIFEST.parts:
            assert file.read_part(part).hex() == BUNDLE["parts"][part.name]


def test_what_a_shop_is_told_is_read():
    read = read_shop({name: bytes.fromhex(part) for name, part in BUNDLE["shop"]["parts"].items()})
    badge = read.badges.find(BUNDLE["shop"]["badge_text"])
    assert badge is not None
    assert (badge.role.value, badge.not_before, badge.expires) == ("manager", 20_700, 21_000)
    assert [(message.words.en, message.starts) for message in read.messages] == [
        ("We close at seven", 20_779)
    ]
    assert [(template.name, template.content) for template in read.templates] == [("receipt", b"\x00\xff")]


def test_what_comes_next_is_taken():
    following = bundle.read_manifest(bytes.fromhex(BUNDLE["next_manifest"]), ROOT, BUNDLE["till"], MANIFEST)
    assert following.sequence == MANIFEST.sequence + 1
    assert bundle.read_root(bytes.fromhex(BUNDLE["next_root"]), ROOT).epoch == 2


@named(BUNDLE["invalid_manifests"])
def test_a_manifest_that_is_refused(case):
    with pytest.raises(BundleError) as caught:
        bundle.read_manifest(bytes.fromhex(case["manifest"]), ROOT, BUNDLE["till"], MANIFEST)
    assert caught.value.code == case["code"]


@named(BUNDLE["invalid_roots"])
def test_a_root_that_is_refused(case):
    with pytest.raises(BundleError) as caught:
        bundle.read_root(bytes.fromhex(case["root"]), ROOT)
    assert caught.value.code == case["code"]


# --- the pages ---

PAGES = {
    name: (generate.FOLDER.parents[1] / "docs" / name).read_text(encoding="utf-8")
    for name in ("coupon-format.md", "bundle-format.md", "codes.md")
}


@pytest.mark.parametrize(("name", "vector"), [("Ed25519", "typical"), ("ES256", "typical, P-256")])
def test_an_example_of_the_coupon_page_is_a_vector(name, vector):
    """The page shows what tests/vectors/examples.py writes, and that is the vector."""
    shown = PAGES["coupon-format.md"].split(f"```text example {name}\n", 1)[1].split("\n```", 1)[0]
    assert shown == examples.all_examples()[name], "print it with: python -m tests.vectors.examples"
    (case,) = (case for case in TOKENS["valid"] if case["name"] == vector)
    for piece in ("token", "text"):
        lines = "".join(re.split(rf"^{piece} ", shown, flags=re.MULTILINE)[1].split("\n\n")[0].split())
        assert lines == case[piece]
    pieces = re.split(r"^to be signed ", shown, flags=re.MULTILINE)[1].split("\n\n")[0].splitlines()
    assert "".join(piece.split()[0] for piece in pieces) == case["to_be_signed"]


def test_the_example_of_the_bundle_page_is_a_vector():
    example = PAGES["bundle-format.md"].split("Texts are shown in quotes:", 1)[1].split("```")[1]
    without_notes = re.sub(r" +(envelope|payload)\b.*", "", example)
    octets = re.sub(r'"([^"]*)"', lambda quoted: quoted[1].encode().hex(), without_notes)
    assert "".join(octets.split()) == BUNDLE["manifest"]
    assert BUNDLE["parts"]["status/acme/1"] in PAGES["bundle-format.md"]


def test_the_pages_name_every_code():
    trust = {case["fault"] for case in TOKENS["untrusted"] if not re.fullmatch("[0-9a-f]{16}", case["fault"])}
    assert trust == {"wrong_algorithm", "campaign", "value"}
    for code in (*TokenFault, *set(Outcome), *trust, "campaign_value"):
        assert f"`{code}`" in PAGES["coupon-format.md"] + PAGES["codes.md"], code
    for case in CODES["kinds"]:
        assert f"`{case['kind']}`" in PAGES["codes.md"]
        assert not case["detail"].startswith("gs1_c") or f"`{case['detail']}`" in PAGES["codes.md"]
    codes = {case["code"] for name in ("invalid_manifests", "invalid_roots") for case in BUNDLE[name]}
    for code in (
        codes | {case["code"] for case in RECORDS["invalid"]} | {"wrong_part", "missing_part", "too_large"}
    ):
        assert f"`{code}`" in PAGES["bundle-format.md"], code
