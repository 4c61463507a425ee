"""The published vectors of status lists: this code does with them what they say."""

import json
from functools import reduce

import pytest

from agent.domain import status, status_delta
from agent.domain.bundle import BundleError
from agent.domain.status import Status
from agent.domain.status_parts import delta_name, delta_to_wire, read_delta, read_lists
from tests.vectors import generate

VECTORS = json.loads((generate.FOLDER / "status.json").read_text(encoding="utf-8"))
NAME = (VECTORS["issuer"], VECTORS["campaign"])


def parts_of(wire):
    return {name: bytes.fromhex(content) for name, content in wire.items()}


def listed(state):
    marks = [(index, Status.USED) for index in state["used"]]
    return status.make(VECTORS["count"], marks + [(index, Status.REVOKED) for index in state["revoked"]])


@pytest.mark.parametrize("state", VECTORS["states"])
def test_a_state_and_its_hash(state):
    assert listed(state).bits.hex() == state["bits"]
    assert state["hashed"].endswith(state["bits"])
    assert status.state_hash(*NAME, listed(state)).hex() == state["hash"]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_delta(place):
    change = VECTORS["deltas"][place - 1]
    delta = read_delta(bytes.fromhex(VECTORS["parts"][delta_name(*NAME, place)]))
    for name in ("used", "revoked", "valid"):
        assert list(getattr(delta, name)) == change.get(name, [])
        assert status_delta.encode_gaps(change.get(name, [])) == bytes.fromhex(change.get(f"{name}_gaps", ""))
    before, after = (listed(VECTORS["states"][at]) for at in (place - 1, place))
    assert status_delta.apply(before, delta) == after
    made, _ = status_delta.make_delta(
        *NAME,
        before,
        [*((i, 1) for i in delta.used), *((i, 2) for i in delta.revoked), *((i, 0) for i in delta.valid)],
    )
    assert delta_to_wire(made) == delta_to_wire(delta)


@pytest.mark.parametrize("name", ["parts", "merged_parts"])
def test_the_parts_lead_to_the_last_state(name):
    assert read_lists(parts_of(VECTORS[name])) == {NAME: listed(VECTORS["states"][-1])}


def test_the_merged_delta_is_what_merging_makes():
    first, *others = (read_delta(bytes.fromhex(VECTORS["parts"][delta_name(*NAME, n)])) for n in (1, 2, 3))
    merged = read_delta(bytes.fromhex(VECTORS["merged_parts"][delta_name(*NAME, 1)]))
    assert reduce(status_delta.merge, others, first) == merged


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_parts_that_must_be_refused(case):
    with pytest.raises(BundleError) as refused:
        read_lists(parts_of(case["parts"]))
    assert refused.value.code == case["code"]
