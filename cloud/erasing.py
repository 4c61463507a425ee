"""Erasing a person's pseudonym on request: everywhere, and so that it can be proved.

The cloud deletes what discloses it, keeps a digest by which a record that comes later is stripped, and tells tills in
their bundles and systems outside in the feed. Each till erases and says so in a record of its own chain. No signed
byte changes, so every chain verifies as before; `check_chains` does, and `cloud.erasure_proof` from outside.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from typing import Any

from agent.domain.cose import Algorithm
from agent.domain.disclosure import is_pseudonym
from agent.domain.keys import SigningKey, load_public_key
from agent.domain.record import EVIDENCE_LANE, LANES, ChainHead
from cloud import erasure_proof
from cloud.erasure_proof import Lane
from cloud.erasures import Done, ErasedRecord, Erasure
from cloud.errors import Refused
from cloud.ports import CloudStore
from cloud.tills import Till, TillState

ERASURES_SHOWN = 1000
_PAGE = 500


def read_pseudonym(text: str) -> bytes:
    """Refused(422)."""
    if not is_pseudonym(text):
        raise Refused(422, "bad_field", "a pseudonym is 8 to 16 bytes in lowercase hexadecimal digits")
    return bytes.fromhex(text)


async def shown(store: CloudStore, erasure: Erasure) -> dict[str, Any]:
    """What was erased when, and which tills have not said that they did."""
    done = {one.till for one in erasure.done}
    enrolled = [till.till for till in await store.tills() if till.state is TillState.ENROLLED]
    return {
        "erasure": erasure.number,
        "at": erasure.at,
        "names": list(erasure.names),
        "disclosures": erasure.disclosures,
        "records_digest": erasure.records_digest.hex() if erasure.records_digest else None,
        "tills": [_place(one) for one in erasure.done],
        "open": [till for till in enrolled if till not in done],
    }


def answered(erasure: Erasure) -> dict[str, Any]:
    """What only who asked for the erasure is told: which records named the person. It is kept nowhere."""
    if erasure.handed is None:
        return {"handed": None}
    salt, places = erasure.handed
    return {"handed": {"salt": salt.hex(), "records": [one._asdict() for one in places]}}


def _place(done: Done) -> dict[str, Any]:
    sequence = int(done.record_id.rpartition("E")[2])
    return {"lane": EVIDENCE_LANE, "sequence": sequence, **done._asdict()}


async def proof(store: CloudStore, number: int, key: SigningKey, at: str) -> dict[str, Any]:
    """{"proof", "kid", "signature"}: signed by the key that signs bundles. Refused(404).

    Each till that says that it erased comes with its record, the keys that sign for it and where its chains ended.
    """
    erasure = await store.erasure(number)
    if erasure is None:
        raise Refused(404, "unknown_erasure", f"there is no erasure {number}")
    known = {till.till: till for till in await store.tills()}
    said = {"about": "redeemd erasure", "made_at": at, **await shown(store, erasure)}
    records = await store.erased_records(number)
    said["tills"] = [_with_record(one, known[one["till"]], records[one["till"]]) for one in said["tills"]]
    return erasure_proof.sign(said, key)


def _with_record(place: dict[str, Any], till: Till, record: ErasedRecord) -> dict[str, Any]:
    heads = {lane: record.heads.get(lane, ChainHead()) for lane in LANES}
    return place | {
        "record": record.text,
        "keys": [
            {"public_key": key.public_key.hex(), "behind": {lane: key.lanes[lane].after for lane in LANES}}
            for key in till.keys
        ],
        "heads": {lane: head._asdict() for lane, head in heads.items()},
    }


async def check_chains(store: CloudStore) -> AsyncIterator[Lane]:
    """Every stored record again: its hash, its signature, and that it follows the one before where that is here."""
    for till in await store.tills():
        keys = [load_public_key(Algorithm.ED25519, key.public_key) for key in till.keys]
        for lane in LANES:
            begins = frozenset(key.lanes[lane].after for key in till.keys)
            checked = Lane(till.till, lane, keys, begins)
            async for sequence, text in _events(store, till.till, lane):
                checked.take(json.loads(text))
                if not checked.fault and checked.last.sequence != sequence:
                    checked.fault = f"the record at {sequence} says that it stands at {checked.last.sequence}"
                if checked.fault:
                    break
            yield checked


async def records(store: CloudStore, tills: Collection[str]) -> AsyncIterator[str]:
    """The records of these tills, of all if none is named, as they were signed: nothing is disclosed beside them."""
    for till in await store.tills():
        if not tills or till.till in tills:
            for lane in LANES:
                async for _, text in _events(store, till.till, lane):
                    yield text


async def _events(store: CloudStore, till: str, lane: str) -> AsyncIterator[tuple[int, str]]:
    after = 0
    while page := await store.events_of(till, lane, after, _PAGE):
        after = page[-1][0]
        for row in page:
            yield row
