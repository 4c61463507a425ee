"""Erasing a person's pseudonym on request: everywhere, and so that it can be proved.

The cloud deletes what discloses it, keeps a digest by which a record that comes later is stripped, and tells tills in
their bundles and systems outside in the feed. Each till erases and says so in a record of its own chain. No signed
byte changes, so every chain verifies as before; `check_chains` does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from agent.domain import record
from agent.domain.cose import Algorithm
from agent.domain.disclosure import is_pseudonym
from agent.domain.keys import SigningKey, load_public_key, signature_ok
from agent.domain.record import GENESIS, LANES, RecordFault
from cloud.erasures import Erasure
from cloud.errors import Refused
from cloud.ports import CloudStore
from cloud.tills import TillState

PROOF_CONTEXT = b"redeemd/erasure-proof/v1\0"
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
        "tills": [one._asdict() for one in erasure.done],
        "open": [till for till in enrolled if till not in done],
    }


async def proof(store: CloudStore, number: int, key: SigningKey, at: str) -> dict[str, Any]:
    """{"proof", "kid", "signature"}: signed by the key that signs bundles. Refused(404)."""
    erasure = await store.erasure(number)
    if erasure is None:
        raise Refused(404, "unknown_erasure", f"there is no erasure {number}")
    said = {"about": "redeemd erasure", "made_at": at, **await shown(store, erasure)}
    signed = key.sign(PROOF_CONTEXT + record.canonical_json(said))
    signature = base64.urlsafe_b64encode(signed).rstrip(b"=").decode()
    return {"proof": said, "kid": key.kid.hex(), "signature": signature}


def proof_holds(document: dict[str, Any], public_key: bytes) -> bool:
    """Whether that key signed this proof."""
    raw = base64.urlsafe_b64decode(str(document["signature"]) + "==")
    key = load_public_key(Algorithm.ED25519, public_key)
    return signature_ok(key, raw, PROOF_CONTEXT + record.canonical_json(document["proof"]))


class Chain(NamedTuple):
    """A lane of a till that was checked. fault: what is wrong with it first, "" if nothing is."""

    till: str
    lane: str
    records: int
    fault: str


async def check_chains(store: CloudStore) -> AsyncIterator[Chain]:
    """Every stored record again: its hash, its signature, and that it follows the one before where that is here."""
    for till in await store.tills():
        keys = [load_public_key(Algorithm.ED25519, key.public_key) for key in till.keys]

        def verifies(signature: bytes, data: bytes, keys: list[Any] = keys) -> bool:
            return any(signature_ok(key, signature, data) for key in keys)

        for lane in LANES:
            begins = {
                key.lanes[lane].after for key in till.keys
            }  # a key goes on behind its own end of the chain
            count, before, fault = 0, (0, GENESIS), ""
            while not fault and (page := await store.events_of(till.till, lane, before[0], _PAGE)):
                for sequence, text in page:
                    event = json.loads(text)
                    fault = _fault(event, till.till, sequence, before, begins, verifies)
                    if fault:
                        break
                    count, before = count + 1, (sequence, event["hash"])
            yield Chain(till.till, lane, count, fault)


def _fault(
    event: dict[str, Any], till: str, sequence: int, before: tuple[int, str], begins: set[int], verifies: Any
) -> str:
    try:
        record.check(event, till, verifies)
    except RecordFault as error:
        return f"{event.get('id')}: {error}"
    follows = before[0] + 1 == sequence and (before[0] not in begins or not before[0])
    if follows and event["prevhash"] != before[1]:
        return f"{event['id']} does not follow the record before it"
    return ""
