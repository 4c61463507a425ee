"""The bundle under attack: each way to feed a till something old, foreign, mixed or too large has its test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import bundle
from agent.domain.bundle import (
    BUNDLE_BYTES_MAX,
    DOCUMENT_BYTES_MAX,
    HELD_BYTES_MAX,
    HELD_PART_BYTES_MAX,
    MANIFEST_AAD,
    PART_BYTES_MAX,
    Age,
    BundleError,
    Manifest,
    Part,
)
from tests.unit.domain_kit import NOON, examples, key
from tests.unit.root_kit import DAY, NEXT_SIGNER, ROOT, ROOT_2, ROOT_KEYS, SIGNER, code_of

PARTS = tuple(bundle.describe_part(name, name.encode()) for name in ("campaigns", "keys", "place"))
MANIFEST = Manifest("T-1", 1, 5, NOON, DAY, 7 * DAY, PARTS)


def read(manifest, current=None, root=ROOT, signer=SIGNER, till="T-1"):
    return bundle.read_manifest(bundle.sign_manifest(manifest, signer), root, till, current)


def payload_of(**changes):
    """A manifest's payload as another implementation would write it."""
    payload = {
        "till": "T-1",
        "epoch": 1,
        "sequence": 5,
        "issued": int(NOON.timestamp()),
        "stale_after_s": 86_400,
        "expires_after_s": 7 * 86_400,
        "parts": [[part.name, part.length, part.sha256] for part in PARTS],
    }
    return {name: value for name, value in (payload | changes).items() if value is not None}


def read_payload(payload, root=ROOT, till="T-1", current=None):
    ordered = dict(sorted(payload.items(), key=lambda item: cbor2.dumps(item[0])))
    return bundle.read_manifest(SIGNER.sign1(cbor2.dumps(ordered), MANIFEST_AAD), root, till, current)


# --- manifests ---


def test_a_manifest_round_trips_and_cbor2_writes_the_same():
    assert read(MANIFEST) == MANIFEST
    assert read_payload(payload_of()) == MANIFEST
    assert read(MANIFEST, current=MANIFEST) == MANIFEST  # the same again is no rollback
    newer = replace(MANIFEST, sequence=6, issued=NOON + DAY)
    assert read(newer, current=MANIFEST) == newer


@pytest.mark.parametrize(
    "older",
    [
        {"sequence": 4},
        {"sequence": 5, "issued": NOON + DAY},  # another manifest under the same number
        {"sequence": 5, "parts": PARTS[:2]},
        {"sequence": 6, "issued": NOON - timedelta(seconds=1)},
    ],
)
def test_rollback_to_an_older_manifest(older):
    assert code_of(read, replace(MANIFEST, **older), MANIFEST) == "rollback"


def test_rollback_by_an_old_epoch():
    current = replace(MANIFEST, epoch=2, sequence=1)
    old = replace(MANIFEST, sequence=900, issued=NOON + DAY)
    assert code_of(read, old, current, ROOT) == "rollback"
    assert code_of(read, old, current, ROOT_2) == "unknown_key"


def test_freeze_is_seen_by_age():
    """Whoever holds back new bundles only makes the old one age: fresh, stale, expired, and never fresh again."""
    second = timedelta(seconds=1)
    ages = [
        (NOON - DAY, Age.FRESH),
        (NOON, Age.FRESH),
        (NOON + DAY - second, Age.FRESH),
        (NOON + DAY, Age.STALE),
        (NOON + 7 * DAY - second, Age.STALE),
        (NOON + 7 * DAY, Age.EXPIRED),
        (NOON + 7000 * DAY, Age.EXPIRED),
    ]
    assert [MANIFEST.age(now) for now, _ in ages] == [age for _, age in ages]
    assert replace(MANIFEST, stale_after=9 * DAY).age(NOON + 8 * DAY) is Age.EXPIRED


def test_fast_forward_with_a_stolen_key_is_mended_by_a_new_epoch():
    poisoned = replace(MANIFEST, sequence=2**32 - 1, issued=datetime(2200, 1, 1, tzinfo=UTC))
    assert read(poisoned, current=MANIFEST) == poisoned
    honest = replace(MANIFEST, sequence=6, issued=NOON + DAY)
    assert code_of(read, honest, poisoned) == "rollback"
    mended = replace(honest, epoch=2, sequence=1)
    assert read(mended, current=poisoned, root=ROOT_2, signer=NEXT_SIGNER) == mended
    assert code_of(read, poisoned, mended, ROOT_2) == "unknown_key"


def test_mix_and_match_of_parts():
    old, new = b"campaigns of yesterday", b"campaigns of today"
    manifest = replace(MANIFEST, parts=(bundle.describe_part("campaigns", new),))
    bundle.check_part(read(manifest).parts[0], new)
    assert code_of(bundle.check_part, manifest.parts[0], old) == "wrong_part"


@pytest.mark.parametrize("content", [b"", b"place", b"Keys", b"keys\0", b"key"])
def test_a_part_of_another_length_or_hash(content):
    bundle.check_part(PARTS[1], b"keys")
    assert code_of(bundle.check_part, PARTS[1], content) == "wrong_part"


def test_a_part_of_the_right_hash_and_a_wrong_length():
    lie = replace(PARTS[1], length=5)
    assert code_of(bundle.check_part, lie, b"keys") == "wrong_part"


def test_a_manifest_for_another_till():
    assert code_of(read, replace(MANIFEST, till="T-2")) == "wrong_till"
    assert code_of(lambda: read(MANIFEST, till="T-10")) == "wrong_till"


def test_a_manifest_of_another_epoch():
    assert code_of(read, replace(MANIFEST, epoch=2)) == "wrong_epoch"


def test_a_manifest_by_a_key_that_the_root_does_not_name():
    assert code_of(lambda: read(MANIFEST, signer=NEXT_SIGNER)) == "unknown_key"
    assert code_of(lambda: read(MANIFEST, signer=ROOT_KEYS[0])) == "unknown_key"


def test_a_manifest_by_another_key_under_a_copied_kid():
    thief = replace(key(99), kid=SIGNER.kid)
    assert code_of(lambda: read(MANIFEST, signer=thief)) == "bad_signature"


def test_a_coupon_signature_is_no_manifest():
    data = SIGNER.sign1(cbor2.dumps(payload_of()), b"redeemd/coupon/1")
    assert code_of(bundle.read_manifest, data, ROOT, "T-1", None) == "bad_signature"


def test_an_oversize_manifest_is_refused_before_it_is_read():
    assert code_of(bundle.read_manifest, bytes(DOCUMENT_BYTES_MAX + 1), ROOT, "T-1", None) == "too_large"
    assert code_of(bundle.read_root, bytes(DOCUMENT_BYTES_MAX + 1), None) == "too_large"


def test_parts_beyond_what_a_till_may_hold():
    held = [
        [f"status/a/{n}", HELD_PART_BYTES_MAX, bytes(32)]
        for n in range(HELD_BYTES_MAX // HELD_PART_BYTES_MAX)
    ]
    assert len(read_payload(payload_of(parts=held)).parts) == 4
    assert code_of(read_payload, payload_of(parts=[*held, ["keys", 1, bytes(32)]])) == "too_large"
    assert (
        code_of(read_payload, payload_of(parts=[["keys", HELD_PART_BYTES_MAX + 1, bytes(32)]])) == "too_large"
    )
    count = (BUNDLE_BYTES_MAX - HELD_BYTES_MAX) // PART_BYTES_MAX
    whole = held + [[f"codes/a/1/{n}", PART_BYTES_MAX, bytes(32)] for n in range(count)]
    assert len(read_payload(payload_of(parts=whole)).parts) == 19
    assert code_of(read_payload, payload_of(parts=[*whole, ["codes/a/2/1", 1, bytes(32)]])) == "too_large"


@pytest.mark.parametrize(
    "changes",
    [
        {"till": None},
        {"till": ""},
        {"till": "T" * 33},
        {"till": "T\n1"},
        {"till": b"T-1"},
        {"epoch": 0},
        {"epoch": True},
        {"sequence": 0},
        {"sequence": 2**32},
        {"sequence": "5"},
        {"issued": -1},
        {"issued": 2**33 + 1},
        {"issued": 2**40},
        {"issued": 2**64 - 1},
        {"stale_after_s": 0},
        {"expires_after_s": 2**32},
        {"expires_after_s": None},
        {"parts": {}},
        {"parts": None},
        {"parts": [[]]},
        {"parts": [["keys", 4]]},
        {"parts": [["keys", 4, bytes(31)]]},
        {"parts": [["keys", -1, bytes(32)]]},
        {"parts": [["keys", True, bytes(32)]]},
        {"parts": [["keys", PART_BYTES_MAX + 1, bytes(32)]]},
        {"parts": [["", 4, bytes(32)]]},
        {"parts": [["k" * 101, 4, bytes(32)]]},
        {"parts": [["keys\n", 4, bytes(32)]]},
        {"parts": [["keys", 4, bytes(32)], ["keys", 4, bytes(32)]]},
        {"parts": [["p", 0, bytes(32)]] * 2001},
        {"extra": 1},
    ],
    ids=lambda changes: str(changes)[:50],
)
def test_a_signed_manifest_is_read_strictly_all_the_same(changes):
    assert code_of(read_payload, payload_of(**changes)) == "malformed"


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\xa0\x00", b"\xbf\xff", b"\xa2\x61\x62\x00\x61\x61\x00"])
def test_a_manifest_that_is_no_deterministic_map(payload):
    data = SIGNER.sign1(payload, MANIFEST_AAD)
    assert code_of(bundle.read_manifest, data, ROOT, "T-1", None) == "malformed"


def test_the_last_time_of_issue_can_still_be_reckoned_with():
    last = replace(
        MANIFEST, issued=datetime.fromtimestamp(2**33, UTC), expires_after=timedelta(seconds=2**32 - 1)
    )
    assert read(last).age(NOON) is Age.FRESH
    assert read(last).age(datetime(2500, 1, 1, tzinfo=UTC)) is Age.EXPIRED


@examples(150)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_byte_of_a_manifest_can_be_changed(at, change):
    data = bytearray(bundle.sign_manifest(MANIFEST, SIGNER))
    data[at % len(data)] ^= change
    with pytest.raises(BundleError):
        bundle.read_manifest(bytes(data), ROOT, "T-1", None)


@examples(150)
@given(st.binary(max_size=60))
def test_random_bytes_are_a_bundle_error_and_nothing_else(data):
    for action in (
        lambda: bundle.read_root(data, ROOT),
        lambda: bundle.read_manifest(data, ROOT, "T-1", None),
    ):
        with pytest.raises(BundleError):
            action()


def test_a_part_line_names_length_and_hash():
    assert bundle.describe_part("keys", b"abc") == Part(
        "keys", 3, bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    )
