"""Roots: two of three keepers, one after the other, and nobody who holds fewer keys."""

from dataclasses import replace

import cbor2
import pytest

from agent.domain import bundle
from agent.domain.bundle import MANIFEST_AAD
from tests.unit.domain_kit import NOON, key
from tests.unit.root_kit import DAY, ROOT, ROOT_2, ROOT_KEYS, SIGNER, code_of


def signed_root(root, *signers):
    return bundle.sign_root(root, list(signers or ROOT_KEYS[:2]))


def test_a_root_round_trips_with_any_two_of_three_signatures():
    for signers in (ROOT_KEYS[:2], ROOT_KEYS[1:], ROOT_KEYS):
        assert bundle.read_root(signed_root(ROOT, *signers), None) == ROOT
    assert bundle.read_root(signed_root(ROOT_2), ROOT) == ROOT_2
    assert bundle.read_root(signed_root(ROOT), ROOT) == ROOT  # the same again


@pytest.mark.parametrize(
    "signers",
    [
        [],
        ROOT_KEYS[:1],
        [ROOT_KEYS[0]] * 3,
        [ROOT_KEYS[0], SIGNER],
        [ROOT_KEYS[0], replace(key(99), kid=ROOT_KEYS[1].kid)],
    ],
    ids=["none", "one", "one three times", "a foreign one", "a copied kid"],
)
def test_an_unsigned_or_half_signed_root(signers):
    data = bundle.sign_root(ROOT, signers)
    assert code_of(bundle.read_root, data, None) == "bad_signature"
    assert code_of(bundle.read_root, data, ROOT) == "bad_signature"


def test_one_key_under_two_kids_is_one_signature():
    twice = replace(ROOT, root_keys={b"A" * 8: ROOT_KEYS[0].public_key, b"B" * 8: ROOT_KEYS[0].public_key})
    signers = [replace(ROOT_KEYS[0], kid=kid) for kid in twice.root_keys]
    assert code_of(bundle.read_root, signed_root(twice, *signers), None) == "bad_signature"


def test_a_new_root_needs_the_old_threshold_too():
    stranger = key(50)
    coup = replace(ROOT_2, threshold=1, root_keys={stranger.kid: stranger.public_key})
    assert (
        bundle.read_root(signed_root(coup, stranger), None) == coup
    )  # by itself it holds: trust is not in the file
    assert code_of(bundle.read_root, signed_root(coup, stranger), ROOT) == "bad_signature"
    assert code_of(bundle.read_root, signed_root(coup, stranger, ROOT_KEYS[0]), ROOT) == "bad_signature"
    assert bundle.read_root(signed_root(coup, stranger, *ROOT_KEYS[:2]), ROOT) == coup


@pytest.mark.parametrize(
    "older", [ROOT, replace(ROOT_2, issued=NOON + DAY), replace(ROOT_2, manifest_keys=ROOT.manifest_keys)]
)
def test_rollback_of_the_root_or_a_second_one_of_its_epoch(older):
    assert code_of(bundle.read_root, signed_root(older), ROOT_2) == "rollback"


def test_a_root_that_skips_one_is_not_taken_and_the_chain_is_walked():
    keepers = [key(21), key(22), key(23)]
    root_3 = replace(ROOT_2, epoch=3, root_keys={keeper.kid: keeper.public_key for keeper in keepers})
    root_4 = replace(root_3, epoch=4, threshold=1)
    third = signed_root(root_3, *keepers[:2], *ROOT_KEYS[1:])
    fourth = signed_root(root_4, *keepers[1:])
    assert code_of(bundle.read_root, third, ROOT) == "epoch_gap"
    assert code_of(bundle.read_root, fourth, ROOT) == "bad_signature", (
        "new keepers alone say nothing to an old till"
    )
    trusted = ROOT
    for document in (signed_root(ROOT_2), third, fourth):
        trusted = bundle.read_root(document, trusted)
    assert trusted == root_4
    assert code_of(bundle.read_root, third, root_4) == "rollback"


def test_keepers_sign_one_after_the_other():
    document = signed_root(ROOT, ROOT_KEYS[2])
    assert code_of(bundle.read_root, document, None) == "bad_signature"
    assert bundle.open_root(document).signed_by(ROOT) == {ROOT_KEYS[2].kid}
    document = bundle.add_signature(bundle.add_signature(document, ROOT_KEYS[0]), ROOT_KEYS[0])
    assert document == signed_root(ROOT, ROOT_KEYS[2], ROOT_KEYS[0])
    assert bundle.read_root(document, None) == ROOT
    assert code_of(bundle.add_signature, b"\xa0", ROOT_KEYS[0]) == "malformed"


def test_a_manifest_signature_is_no_root_signature():
    payload = cbor2.loads(signed_root(ROOT))["root"]
    forged = [[signer.kid, signer.sign(MANIFEST_AAD + b"\0" + payload)] for signer in ROOT_KEYS]
    assert (
        code_of(bundle.read_root, cbor2.dumps({"root": payload, "signatures": forged}), None)
        == "bad_signature"
    )


def root_document(signers=ROOT_KEYS, **changes):
    """A root document as another implementation would write it, signed whatever it says."""
    payload = {
        "epoch": 1,
        "issued": int(ROOT.issued.timestamp()),
        "root_keys": sorted([kid, raw] for kid, raw in ROOT.root_keys.items()),
        "threshold": 2,
        "manifest_keys": [[SIGNER.kid, SIGNER.public_key]],
    } | changes
    octets = cbor2.dumps({name: value for name, value in payload.items() if value is not None})
    signatures = [[signer.kid, signer.sign(b"redeemd/root/1\0" + octets)] for signer in signers]
    return cbor2.dumps({"root": octets, "signatures": signatures})


def test_cbor2_writes_the_same_root():
    assert root_document() == signed_root(ROOT, *ROOT_KEYS)
    assert bundle.read_root(root_document(), None) == ROOT


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"epoch": 0}, "malformed"),
        ({"issued": 2**40}, "malformed"),  # far beyond what a date can say
        ({"issued": 2**63}, "malformed"),
        ({"issued": None}, "malformed"),
        ({"threshold": 0}, "malformed"),
        ({"threshold": 65}, "malformed"),
        ({"threshold": 4}, "bad_signature"),
        ({"root_keys": []}, "bad_signature"),
        ({"root_keys": [[SIGNER.kid, SIGNER.public_key]] * 65}, "malformed"),
        ({"root_keys": [[SIGNER.kid[:7], SIGNER.public_key]]}, "malformed"),
        ({"root_keys": [[SIGNER.kid, 5]]}, "malformed"),
        ({"root_keys": [5]}, "malformed"),
        ({"manifest_keys": [[SIGNER.kid, SIGNER.public_key[:31]]]}, "bad_key"),
        ({"manifest_keys": [[SIGNER.kid, bytes(32)]]}, "bad_key"),
        ({"manifest_keys": [[SIGNER.kid, b"\xff" * 32]]}, "bad_key"),
        ({"manifest_keys": [[SIGNER.kid, SIGNER.public_key], [SIGNER.kid, key(77).public_key]]}, "bad_key"),
        ({"zz": 1}, "malformed"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_root_is_read_strictly(changes, code):
    assert code_of(bundle.read_root, root_document(**changes), None) == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        cbor2.dumps({}),
        cbor2.dumps({"root": b""}),
        cbor2.dumps({"root": b"\xa0", "signatures": 5}),
    ]
    + [
        cbor2.dumps({"root": cbor2.loads(root_document())["root"], "signatures": bad})
        for bad in ([5], [[b"", 5]])
    ]
    + [cbor2.dumps({"root": cbor2.loads(root_document())["root"], "signatures": [[bytes(8), b""]] * 65})]
    + [root_document() + b"\0"],
)
def test_a_root_document_of_another_form(data):
    assert code_of(bundle.read_root, data, None) == "malformed"
