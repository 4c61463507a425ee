"""What a till reads of verdicts, and what it does not."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import WireError
from sync.verdicts import read_verdicts, verdicts_path
from tests.unit.test_sync_document import block

GOOD = json.loads(block("json verdicts"))


def read(document: Any) -> Any:
    return read_verdicts(json.dumps(document).encode())


def test_the_example_of_the_page() -> None:
    (verdict,), more = read(GOOD)
    assert (verdict.number, verdict.kind, verdict.standing, verdict.follows) == (
        7,
        "conflict",
        "lost",
        "open",
    )
    assert (verdict.redemption_id, verdict.other["redemption_id"], more) == ("T-0001-3", "T-0002-881", False)
    assert verdicts_path("T-0001", 7) == "/v1/tills/T-0001/verdicts?after=7"


def test_words_of_a_later_cloud_are_taken() -> None:
    later = copy.deepcopy(GOOD)
    later["verdicts"][0] |= {"kind": "overdrawn", "standing": "shared", "follows": "half", "more": 1}
    (verdict,), _ = read(later | {"more": True, "new": 1})
    assert (verdict.kind, verdict.follows) == ("overdrawn", "half")


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": 10**15},
        {"number": True},
        {"kind": None},
        {"zh": "x" * 501},
        {"en": "line\nline"},
        {"en": "\u202egnorw"},
        {"coupon": {"issuer": "acme", "campaign": -1, "index": 1}},
        {"other": []},
        {"other": {"till": "T"}},
        {"redemption_id": "x" * 129},
    ],
    ids=lambda change: next(iter(change)),
)
def test_anything_else_is_refused(change: dict[str, Any]) -> None:
    wrong = copy.deepcopy(GOOD)
    wrong["verdicts"][0] |= change
    with pytest.raises(WireError):
        read(wrong)


def test_numbers_that_do_not_rise_and_too_many() -> None:
    (one,) = GOOD["verdicts"]
    wrongs: list[Any] = [{"verdicts": [one, one]}, {"verdicts": [one] * 1001}, {"verdicts": {}}, [], 5]
    for wrong in wrongs:
        with pytest.raises(WireError):
            read(wrong)


@given(st.binary(max_size=60))
def test_noise_is_refused_by_name(noise: bytes) -> None:
    with pytest.raises(WireError):
        read_verdicts(noise)
