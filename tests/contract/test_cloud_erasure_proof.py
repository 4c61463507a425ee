"""Somebody outside checks the proof of an erasure, on both engines: no part of it can be changed unnoticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from agent.domain.fields import FieldError
from agent.domain.keys import signing_key_from_seed
from agent.domain.record import EVIDENCE_LANE, REDEMPTION_LANE
from cloud.erasing import answered, proof, records, shown
from cloud.erasure_proof import Finding, sign, verify
from cloud.ingest import ingest
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.contract.test_cloud_disclosures import ANN, BOB, brought_by, send
from tests.unit.cloud_kit import AT, LATER, NOW, batch, enrolled, sealing_till

KEY = signing_key_from_seed(bytes(32))
ROOT = {KEY.kid: KEY.public_key}


class Case:
    """What somebody outside is given: proof, answer, records (events)."""

    def __init__(self, document: Any, answer: Any, lines: list[str]) -> None:
        self.document, self.answer = document, answer
        self.events = [json.loads(line) for line in lines]

    def check(self) -> list[Finding]:
        lines = [json.dumps(event) for event in self.events]
        return list(verify(self.document, ROOT, self.answer, lines))

    def say(self, **said: Any) -> None:
        """As if the cloud had said so itself."""
        self.document = sign(self.document["proof"] | said, KEY)


async def erased(store: CloudStore) -> Case:
    one, two, clone = sealing_till("T-1"), sealing_till("T-2", 2), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    await send(store, one, brought_by(one, 1, ANN, BOB), brought_by(one, 2), brought_by(one, 3, ANN))
    await send(store, two, brought_by(two, 4))
    assert await send(store, clone, brought_by(clone, 5, ANN)) == ["fork"]
    done = await store.erase(ANN, AT)
    for till in (one, two):
        said = [
            till.seal({"x": 1}, EVIDENCE_LANE, "scan"),
            till.seal({"erasure": 1, "removed": 2}, EVIDENCE_LANE, "erasure"),
        ]
        await ingest(store, till.known(), EVIDENCE_LANE, batch(said), lambda: NOW)
    document = json.loads(json.dumps(await proof(store, 1, KEY, LATER)))
    answer = json.loads(json.dumps(await shown(store, done) | answered(done)))
    return Case(document, answer, [line async for line in records(store, ())])


async def test_it_names_the_records_and_holds(store: CloudStore) -> None:
    case = await erased(store)
    assert [(one["till"], one["lane"], one["sequence"]) for one in case.answer["handed"]["records"]] == [
        ("T-1", REDEMPTION_LANE, 1),
        ("T-1", REDEMPTION_LANE, 3),
        ("T-2", REDEMPTION_LANE, 1),
    ]
    tills = case.document["proof"]["tills"]
    assert [(one["till"], one["lane"], one["sequence"], one["record_id"]) for one in tills] == [
        ("T-1", EVIDENCE_LANE, 2, "T-1-E2"),
        ("T-2", EVIDENCE_LANE, 2, "T-2-E2"),
    ]
    found = case.check()
    assert [one.fault for one in found if one.fault] == []
    said = {(one.check, one.of): dict(one.said) for one in found}
    assert said["chain", "T-1 redemption"] == {"records": 3, "missing": 0}
    assert said["listed", "records"] == {"listed": 3, "in_chain": 2}, "one was refused: it is in no chain"
    kept = str(await shown(store, (await store.erasures(1))[0]))
    assert not any(event["hash"] in kept for event in case.events if event["lane"] == REDEMPTION_LANE), (
        "the records of one person are joined nowhere"
    )
    assert ANN.hex() not in json.dumps([case.document, case.answer, case.events])


Change = Callable[[Case], Any]


def _edit(case: Case, **said: Any) -> None:
    first, *others = case.document["proof"]["tills"]
    case.say(tills=[first | said, *others])


def _record(case: Case, **said: Any) -> None:
    event = json.loads(case.document["proof"]["tills"][0]["record"])
    _edit(case, record=json.dumps(event | said))


def _shorter(case: Case, lane: str) -> None:
    last = [event for event in case.events if event["lane"] == lane and event["source"] == "/tills/T-1"][-1]
    case.events.remove(last)


CHANGES: dict[str, tuple[Change, str, str]] = {
    "what is signed": (lambda case: case.document["proof"].update(open=["T-9"]), "signature", "not signed"),
    "a key that the root does not name": (
        lambda case: case.document.update(kid="00"),
        "signature",
        "no such key",
    ),
    "another hash": (lambda case: _edit(case, hash="0" * 64), "record", "another place"),
    "another sequence": (lambda case: _edit(case, sequence=1), "record", "another place"),
    "another till": (lambda case: _edit(case, till="T-2"), "record", "wrong_till"),
    "more removed": (lambda case: _edit(case, removed=9), "record", "another number"),
    "no record": (lambda case: _edit(case, record=""), "record", "has not got"),
    "a changed record": (lambda case: _record(case, data={}), "record", "wrong_hash"),
    "somebody else's key": (
        lambda case: _edit(case, keys=case.document["proof"]["tills"][1]["keys"]),
        "record",
        "bad_signature",
    ),
    "a later erasure": (lambda case: case.say(erasure=2), "record", "does not say"),
    "another list": (lambda case: case.answer["handed"]["records"].pop(), "records_digest", "another list"),
    "another salt": (lambda case: case.answer["handed"].update(salt="00"), "records_digest", "another list"),
    "a changed record in the chain": (lambda case: case.events[1].update(time=LATER), "chain", "wrong_hash"),
    "a record put elsewhere": (lambda case: case.events.insert(2, case.events[0]), "chain", "another place"),
    "the end of a lane cut": (lambda case: _shorter(case, REDEMPTION_LANE), "chain", "ended"),
    "the record that says so cut": (
        lambda case: _shorter(case, EVIDENCE_LANE),
        "in_chain",
        "not in the chain",
    ),
    "somebody disclosed": (lambda case: case.events[0].update(disclosed="x"), "undisclosed", "1 records"),
    "records of another till": (
        lambda case: case.events[0].update(source="/tills/T-7"),
        "chain",
        "names no key",
    ),
}


async def test_each_change_is_found(store: CloudStore) -> None:
    whole = await erased(store)
    for name, (change, check, fault) in CHANGES.items():
        case = copy.deepcopy(whole)
        change(case)
        faults = [one for one in case.check() if one.fault]
        assert any(one.check == check and fault in one.fault for one in faults), (name, faults)


async def test_a_record_left_out_is_counted_and_what_follows_it_verifies(store: CloudStore) -> None:
    case = await erased(store)
    del case.events[1]
    (chain,) = (one for one in case.check() if one.of == "T-1 redemption")
    assert (chain.fault, dict(chain.said)) == ("", {"records": 2, "missing": 1})


@pytest.mark.parametrize(
    "document", [None, [], {}, {"proof": {}, "kid": ""}, {"proof": {"erasure": 1, "tills": [1]}, "kid": "x"}]
)
def test_what_is_no_proof_is_said_to_be_none(document: Any) -> None:
    with pytest.raises(FieldError):
        list(verify(document, ROOT))
