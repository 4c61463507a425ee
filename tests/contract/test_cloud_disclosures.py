"""Pseudonyms stand beside the records, in every store: what is signed holds none of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.domain import record
from agent.domain.disclosure import disclosure, pair_text
from agent.domain.keys import signature_ok
from agent.domain.record import REDEMPTION_LANE
from cloud.ingest import ingest
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import NOW, SealingTill, batch, enrolled, sealing_till

ANN, BOB = bytes.fromhex("aa" * 8), bytes.fromhex("bb" * 12)


def brought_by(till: SealingTill, index: int, *people: bytes, salt: int = 1) -> dict[str, Any]:
    """A redemption that names these people."""
    said = [disclosure(bytes([salt]) * 16, one) for one in people]
    event = till.redeem(index, people=[one.digest for one in said])
    return event | ({"disclosed": pair_text(said)} if said else {})


async def send(store: CloudStore, till: SealingTill, *events: dict[str, Any]) -> list[str]:
    results = await ingest(store, till.known(), REDEMPTION_LANE, batch(events), lambda: NOW)
    return [result.code or result.status.value for result in results]


async def disclosing(store: CloudStore, person: bytes) -> list[int]:
    return [sequence for _, _, sequence, _ in await store.disclosing(person.hex(), 100)]


async def test_what_is_signed_is_kept_without_and_verifies(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await enrolled(store, till)
    events = [brought_by(till, 1, ANN, BOB), brought_by(till, 2), brought_by(till, 3, ANN)]
    assert await send(store, till, *events) == ["stored"] * 3
    assert await send(store, till, *events) == ["duplicate"] * 3
    assert (await disclosing(store, ANN), await disclosing(store, BOB)) == ([1, 3], [1])
    assert len(await store.disclosing(ANN.hex(), 1)) == 1
    public = till.key.private.public_key()
    kept = await store.events_of("T-1", REDEMPTION_LANE, 0, 10)
    assert [sequence for sequence, _ in kept] == [1, 2, 3]
    for _, event in kept:
        assert not any(person.hex() in event for person in (ANN, BOB))
        record.check(json.loads(event), "T-1", lambda signature, data: signature_ok(public, signature, data))


async def test_a_record_refused_for_its_place_keeps_what_it_discloses(store: CloudStore) -> None:
    till, clone = sealing_till("T-1"), sealing_till("T-1")
    await send(store, till, brought_by(till, 1, ANN))
    forked = brought_by(clone, 2, BOB)
    for _ in range(2):
        assert await send(store, clone, forked) == ["fork"]
    assert await disclosing(store, BOB) == [1]
    (refusal,) = await store.refusals(10)
    assert BOB.hex() not in refusal.event


async def test_a_quarantined_record_that_comes_again_discloses_once(store: CloudStore) -> None:
    till = sealing_till("T-1")
    first, second = till.redeem(1), brought_by(till, 2, ANN)
    assert await send(store, till, first | {"hash": "b" * 64}, second) == ["wrong_hash", "broken_chain"]
    assert await send(store, till, first, second) == ["stored", "stored"]
    assert await disclosing(store, ANN) == [2]


@pytest.mark.parametrize("stated", ["x", 7, pair_text([disclosure(bytes(16), ANN)])])
async def test_what_discloses_something_else_is_refused_and_keeps_no_pseudonym(
    store: CloudStore, stated: object
) -> None:
    till = sealing_till("T-1")
    event = brought_by(till, 1, BOB) | {"disclosed": stated}
    assert await send(store, till, event, brought_by(till, 2)) == ["malformed", "stored"]
    (refusal,) = await store.refusals(10)
    assert "disclosed" not in refusal.event
    assert await disclosing(store, ANN) == await disclosing(store, BOB) == []
