"""Statements about one till: only the right signers, for the right till and key, and in one form."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import bundle, statement
from agent.domain.bundle import BundleError
from agent.domain.statement import KeyChange
from tests.unit.domain_kit import examples
from tests.vectors import generate
from tests.vectors.bundles import MANIFEST_KEY, ROOT, ROOT_KEYS, TILL
from tests.vectors.statements import LANES, LAST_NUMBER, NEW_KEY, OLD_KEY, REVOCATION, TIME

VECTORS = json.loads((generate.FOLDER / "statements.json").read_text(encoding="utf-8"))
READERS = {
    "time": lambda data: statement.read_time(data, ROOT, TILL, LAST_NUMBER),
    "revocation": lambda data: statement.read_revocation(data, ROOT, TILL, OLD_KEY.public_key),
    "key_change": lambda data: statement.read_key_change(data, TILL),
}
GOOD = {
    "time": TIME,
    "revocation": REVOCATION,
    "key_change": KeyChange(TILL, OLD_KEY.public_key, NEW_KEY.public_key, LANES),
}
INVALID = [(kind, case) for kind, cases in VECTORS["invalid"].items() for case in cases]


@pytest.mark.parametrize("kind", READERS)
def test_the_good_one_is_read(kind):
    assert READERS[kind](bytes.fromhex(VECTORS[kind])) == GOOD[kind]


@pytest.mark.parametrize(("kind", "case"), INVALID, ids=[f"{kind}-{case['name']}" for kind, case in INVALID])
def test_the_others_are_refused(kind, case):
    with pytest.raises(BundleError) as refused:
        READERS[kind](bytes.fromhex(case["statement"]))
    assert refused.value.code == case["code"]


@examples(300)
@given(st.sampled_from(sorted(READERS)), st.data())
def test_no_changed_byte_is_accepted(kind, data):
    good = bytearray.fromhex(VECTORS[kind])
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BundleError):
        READERS[kind](bytes(good))


@examples(200)
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
def test_any_bytes_are_an_error_and_nothing_else(kind, data):
    with pytest.raises(BundleError):
        READERS[kind](data)


@pytest.mark.parametrize("kind", READERS)
def test_one_that_is_too_long_is_not_read(kind):
    with pytest.raises(BundleError) as refused:
        READERS[kind](bytes(statement.STATEMENT_BYTES_MAX + 1))
    assert refused.value.code == "too_large"


def test_keepers_sign_one_after_another():
    first = statement.sign_time(TIME, ROOT_KEYS[:1])
    assert statement.open_time(first) == TIME
    with pytest.raises(BundleError, match="bad_signature"):
        READERS["time"](first)
    second = statement.add_time_signature(first, ROOT_KEYS[2])
    assert READERS["time"](second) == TIME
    assert statement.add_time_signature(second, ROOT_KEYS[2]) == second


def test_a_statement_of_one_kind_is_none_of_another():
    """Each is signed under a name of its own."""
    document = bundle.sign_root(ROOT, ROOT_KEYS)
    for reader in READERS.values():
        with pytest.raises(BundleError):
            reader(document)
    as_manifest = bytes.fromhex(VECTORS["revocation"])
    with pytest.raises(BundleError, match="bad_signature"):
        bundle.read_manifest(as_manifest, ROOT, TILL, None)


def test_a_revocation_does_not_reach_the_key_that_comes_after():
    data = statement.sign_revocation(REVOCATION, MANIFEST_KEY)
    with pytest.raises(BundleError, match="other_key"):
        statement.read_revocation(data, ROOT, TILL, NEW_KEY.public_key)


def test_a_time_statement_counts_once():
    later = replace(TIME, number=TIME.number + 1, time=TIME.time + timedelta(days=1))
    data = statement.sign_time(later, ROOT_KEYS)
    assert statement.read_time(data, ROOT, TILL, TIME.number) == later
    with pytest.raises(BundleError, match="used"):
        statement.read_time(data, ROOT, TILL, later.number)


def test_the_page_names_every_code():
    page = (generate.FOLDER.parents[1] / "docs" / "bundle-format.md").read_text(encoding="utf-8")
    said = page.partition("## Statements")[2].partition("## Records")[0]
    for code in {case["code"] for _, case in INVALID} | {"too_large", "bad_key"}:
        assert f"`{code}`" in said, code
