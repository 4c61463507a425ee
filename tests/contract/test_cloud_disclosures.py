"""Pseudonyms stand beside the records, in every store: what is signed holds none of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.domain import record
from agent.domain.disclosure import disclosure, erased_digest, pair_text
from agent.domain.keys import signature_ok, signing_key_from_seed
from agent.domain.promo import holder_unit, unit_digest
from agent.domain.receipt_rules import referrer
from agent.domain.record import EVIDENCE_LANE, REDEMPTION_LANE
from cloud.erasing import check_chains, proof
from cloud.erasure_proof import proof_holds
from cloud.feed import TYPES, FeedCursor
from cloud.ingest import ingest
from cloud.members import NewMember
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import AT, LATER, NOW, SealingTill, batch, enrolled, sealing_till

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


async def test_who_is_erased_is_gone_everywhere_and_every_chain_verifies(store: CloudStore) -> None:
    one, clone, two = sealing_till("T-1"), sealing_till("T-1"), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    brought, unit = referrer(ANN), unit_digest(holder_unit(ANN))
    await send(store, one, brought_by(one, 1, ANN, BOB), brought_by(one, 2, brought), brought_by(one, 3, BOB))
    assert await send(store, clone, brought_by(clone, 4, ANN)) == ["fork"]
    await send(store, two, brought_by(two, 5, unit, BOB))
    kept = {till: await store.events_of(till, REDEMPTION_LANE, 0, 10) for till in ("T-1", "T-2")}
    assert await store.erased_names("") == (0, [])
    members = [NewMember(who.hex(), "", 2, True, 100, 3, None) for who in (ANN, BOB)]
    assert await store.put_members(members, AT) == 2
    erasure = await store.erase(ANN, AT)
    assert (erasure.number, erasure.at, erasure.disclosures) == (1, AT, 4)
    assert set(erasure.names) == {erased_digest(name).hex() for name in (ANN, brought, unit)}
    told_once = erasure._replace(handed=None)
    assert await store.erase(ANN, LATER) == await store.erasure(1) == told_once, "again is no error"
    for name in (ANN, brought, unit):
        assert await disclosing(store, name) == []
    assert sorted(await disclosing(store, BOB)) == [1, 1, 3]
    assert {till: await store.events_of(till, REDEMPTION_LANE, 0, 10) for till in kept} == kept, (
        "what is signed"
    )
    assert {(chain.till, chain.records, chain.fault) async for chain in check_chains(store)} == {
        ("T-1", 3, ""),
        ("T-1", 0, ""),
        ("T-2", 1, ""),
        ("T-2", 0, ""),
    }
    told = (await store.feed(FeedCursor(), 100, TYPES)).events
    assert ANN.hex() not in str(told)
    assert told[-1].event["id"] == f"erasure-1-{erasure.names[0][:16]}", "a restored cloud numbers anew"
    assert told[-1].event["data"] == {"erasure": 1, "names": list(erasure.names)}
    assert await store.put_members(members, LATER) == 1, "nor may the loyalty system bring her back"
    assert [one.pseudonym for one in await store.members("", 10)] == [BOB.hex()]
    # A till that was offline brings her again; the record is stored, without her.
    assert await send(store, two, brought_by(two, 6, ANN, BOB)) == ["stored"]
    assert (await disclosing(store, ANN), sorted(await disclosing(store, BOB))) == ([], [1, 1, 2, 3])


@pytest.mark.parametrize("many", [40, 60])
async def test_of_many_people_in_one_batch_the_erased_one_is_left_out(store: CloudStore, many: int) -> None:
    till = sealing_till("T-1")
    await enrolled(store, till)
    await store.erase(ANN, AT)
    people = [bytes([number]) * 8 for number in range(many)]
    events = [brought_by(till, index, one, ANN) for index, one in enumerate(people)]
    assert await send(store, till, *events) == ["stored"] * many
    assert await disclosing(store, ANN) == []
    assert [await disclosing(store, one) for one in people] == [[place] for place in range(1, many + 1)]


async def test_tills_are_told_and_what_they_say_proves_it(store: CloudStore) -> None:
    one, two = sealing_till("T-1"), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    first, second = await store.erase(ANN, AT), await store.erase(BOB, LATER)
    number, names = await store.erased_names("")
    assert (number, {name.hex() for name in names}) == (2, {*first.names, *second.names})
    assert {name.hex() for name in (await store.erased_names(LATER))[1]} == set(second.names)
    saying = [
        one.seal({"erasure": number, "removed": 7}, EVIDENCE_LANE, "erasure"),
        one.seal({"erasure": -1, "removed": 7}, EVIDENCE_LANE, "erasure"),
        one.seal({"erasure": number}, EVIDENCE_LANE, "erasure"),
    ]
    results = await ingest(store, one.known(), EVIDENCE_LANE, batch(saying), lambda: NOW)
    assert [result.code for result in results] == ["", "malformed", "malformed"]
    for erasure in (await store.erasures(10))[::-1]:
        (done,) = erasure.done
        assert (done.till, done.record_id, done.hash, done.removed) == ("T-1", "T-1-E1", saying[0]["hash"], 7)
    assert [erasure.number for erasure in await store.erasures(10)] == [2, 1]
    key = signing_key_from_seed(bytes(32))
    document = json.loads(json.dumps(await proof(store, 1, key, LATER)))
    assert (document["proof"]["at"], document["proof"]["open"]) == (AT, ["T-2"])
    assert proof_holds(document, key.public_key)
    assert not proof_holds(document | {"proof": document["proof"] | {"open": []}}, key.public_key)
    assert await store.erasure(3) is None


async def test_a_chain_that_was_changed_does_not_verify(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await enrolled(store, till)
    await send(store, till, till.redeem(1), till.redeem(2))

    def change(db: Any) -> None:
        db.execute("UPDATE record SET event = replace(event, '3000', '9000') WHERE sequence = 2")

    await store._threads.write(change)  # type: ignore[attr-defined]  # behind the port's back
    assert [chain.fault for chain in [one async for one in check_chains(store)] if chain.fault] == [
        "T-1-2: wrong_hash: the event is not what was hashed"
    ]
