"""What proves an erasure to somebody outside (a data-protection officer), and how it is checked without the cloud.

Needed for it: the proof, which the key that signs bundles has signed; the root document that names this key; and, for
all that goes beyond the cloud's word, the answer that the erasure was given, and the records as tills signed them.

    records_digest  SHA-256 over b"redeemd/erasure-records/1" NUL salt, canonical JSON of the list of records
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent.domain import record
from agent.domain.cose import Algorithm
from agent.domain.disclosure import MEMBER
from agent.domain.erasure import KIND, NUMBER_MAX
from agent.domain.fields import FieldError, Fields
from agent.domain.keys import SigningKey, load_public_key, signature_ok
from agent.domain.record import EVIDENCE_LANE, GENESIS, LANES, SEQUENCE_MAX, ChainHead, RecordFault

PROOF_CONTEXT = b"redeemd/erasure-proof/v1\0"
TYPE = f"redeemd.{KIND}.v1"
TILLS_MAX, KEYS_MAX = 1_000_000, 1000
RECORD_CHARS_MAX = 128 * 1024
_DIGEST = b"redeemd/erasure-records/1\0"


class Place(NamedTuple):
    """A record in its chain. hash: in hex."""

    till: str
    lane: str
    sequence: int
    hash: str


class Finding(NamedTuple):
    """One thing that was checked. fault: what is wrong, "" if nothing is. said: figures."""

    check: str
    of: str
    fault: str
    said: Mapping[str, int] = {}

    def shown(self) -> dict[str, Any]:
        return {"check": self.check, "of": self.of, **self.said, "fault": self.fault}


def records_digest(salt: bytes, places: Sequence[Place]) -> bytes:
    """Commits to a list of records and tells nothing of it to who has not got the salt."""
    listed = record.canonical_json([one._asdict() for one in places])
    return hashlib.sha256(_DIGEST + salt + listed).digest()


def sign(said: Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    """{"proof", "kid", "signature"}"""
    signed = key.sign(PROOF_CONTEXT + record.canonical_json(said))
    signature = base64.urlsafe_b64encode(signed).rstrip(b"=").decode()
    return {"proof": said, "kid": key.kid.hex(), "signature": signature}


def proof_holds(document: Mapping[str, Any], public_key: bytes) -> bool:
    """Whether that key signed this proof."""
    try:
        raw = base64.urlsafe_b64decode(str(document.get("signature")) + "==")
        signed = PROOF_CONTEXT + record.canonical_json(document.get("proof"))
    except ValueError:  # RecordFault is one
        return False
    return signature_ok(load_public_key(Algorithm.ED25519, public_key), raw, signed)


@dataclass(slots=True)
class Lane:
    """A lane of a till that is read record by record. missing: sequences that were passed by. fault: the first.

    keys: public ones of the till. begins: behind which sequences a key of its own begins, as `cloud.tills.LaneStart`.
    """

    till: str
    lane: str
    keys: Sequence[Any]
    begins: frozenset[int]
    records: int = 0
    missing: int = 0
    fault: str = ""
    last: ChainHead = field(default_factory=ChainHead)

    def take(self, event: Mapping[str, Any]) -> None:
        """The next record: its hash, its signature, and that it follows the one before where that is here."""
        if self.fault:
            return
        try:
            head = record.check(event, self.till, self._verifies)
        except RecordFault as error:
            self.fault = f"{str(event.get('id'))[:80]}: {error}"
            return
        passed = head.sequence - self.last.sequence - 1
        anew = head.sequence > 1 and head.sequence - 1 in self.begins
        before = GENESIS if head.sequence == 1 else self.last.hash
        if event["lane"] != self.lane or passed < 0:
            self.fault = f"{event['id']} stands in another place than it says"
        elif passed == 0 and not anew and event.get("prevhash") != before:
            self.fault = f"{event['id']} does not follow the record before it"
        self.records += 1
        self.missing += 0 if anew else max(passed, 0)
        self.last = head

    def _verifies(self, signature: bytes, data: bytes) -> bool:
        return any(signature_ok(key, signature, data) for key in self.keys)


class _Till(NamedTuple):
    """What a proof says of one till. text: its record, "" if the cloud has it no more."""

    place: Place
    record_id: str
    removed: int
    text: str
    lanes: dict[str, Lane]
    heads: dict[str, ChainHead]


def verify(
    document: Any,
    manifest_keys: Mapping[bytes, bytes],
    handed: Any = None,
    lines: Iterable[str] | None = None,
) -> Iterator[Finding]:
    """Check a proof. FieldError where something has not the form of what it should be.

    manifest_keys: of the root, by their kids. handed: what the erasure was answered. lines: records of tills, as they
    signed them, each lane in order.
    """
    outer = Fields(document, "document")
    said = outer.mapping("proof")
    kid = outer.text("kid", 128)
    public = manifest_keys.get(bytes.fromhex(kid) if _is_hex(kid) else b"")
    if public is None:
        yield Finding("signature", kid, "this root names no such key")
    else:
        yield Finding("signature", kid, "" if proof_holds(document, public) else "not signed by this key")
    number = Fields(said, "proof").integer("erasure", 1, NUMBER_MAX)
    tills = [_read_till(one) for one in Fields(said, "proof").items("tills", TILLS_MAX)]
    for till in tills:
        yield Finding("record", till.record_id, _record_fault(till, number))
    listed = _read_handed(handed) if handed is not None else None
    if listed is not None:
        salt, places = listed
        same = said.get("records_digest") == records_digest(salt, places).hex()
        fault = "" if same else "the proof was made for another list of records"
        yield Finding("records_digest", f"erasure {number}", fault, {"records": len(places)})
    if lines is not None:
        yield from _check_lines(lines, {till.place.till: till for till in tills}, listed[1] if listed else [])


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(one in "0123456789abcdef" for one in text)


def _read_till(item: Any) -> _Till:
    fields = Fields(item, "proof.tills")
    place = Place(
        fields.text("till", 64, least=1),
        fields.text("lane", 16),
        fields.integer("sequence", 1, SEQUENCE_MAX),
        fields.text("hash", 64),
    )
    keys, begins = [], {lane: set[int]() for lane in LANES}
    for one in fields.items("keys", KEYS_MAX):
        key = Fields(one, "proof.tills.keys")
        text = key.text("public_key", 64)
        if not _is_hex(text) or len(text) != 64:
            raise key.error("public_key", "is not 32 bytes in hexadecimal digits")
        keys.append(load_public_key(Algorithm.ED25519, bytes.fromhex(text)))
        behind = Fields(key.mapping("behind"), "proof.tills.keys.behind")
        for lane in LANES:
            begins[lane].add(behind.integer(lane, 0, SEQUENCE_MAX))
    heads = Fields(fields.mapping("heads"), "proof.tills.heads")
    return _Till(
        place,
        fields.text("record_id", 80),
        fields.integer("removed", 0, NUMBER_MAX),
        str(fields.anything("record")),
        {lane: Lane(place.till, lane, keys, frozenset(begins[lane])) for lane in LANES},
        {lane: _read_head(heads.mapping(lane)) for lane in LANES},
    )


def _read_head(item: Any) -> ChainHead:
    fields = Fields(item, "proof.tills.heads")
    return ChainHead(fields.integer("sequence", 0, SEQUENCE_MAX), fields.text("hash", 64))


def _record_fault(till: _Till, number: int) -> str:
    """What is wrong with the record by which a till says that it erased, as the proof has it."""
    if not till.text:
        return "the cloud has not got its record"
    event = _event(till.text)
    alone = Lane(till.place.till, EVIDENCE_LANE, till.lanes[EVIDENCE_LANE].keys, frozenset())
    alone.take(event)
    if alone.fault:
        return alone.fault
    data = event.get("data")
    said = data if isinstance(data, dict) else {}
    stated = Place(till.place.till, str(event.get("lane")), alone.last.sequence, alone.last.hash)
    if stated != till.place or event.get("id") != till.record_id:
        return "the record stands in another place than the proof says"
    up_to = said.get("erasure")
    if event.get("type") != TYPE or type(up_to) is not int or up_to < number:
        return "the record does not say that this was erased"
    return "" if said.get("removed") == till.removed else "the record says another number of what was removed"


def _event(text: str) -> dict[str, Any]:
    """FieldError for what is no event."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise FieldError("a record is no JSON object")
    return event


def _read_handed(answer: Any) -> tuple[bytes, list[Place]]:
    fields = Fields(Fields(answer, "answer").mapping("handed"), "answer.handed")
    salt = fields.text("salt", 64)
    if not _is_hex(salt):
        raise fields.error("salt", "is not in hexadecimal digits")
    places = []
    for one in fields.items("records", TILLS_MAX):
        row = Fields(one, "answer.handed.records")
        told = row.text("till", 64), row.text("lane", 16), row.integer("sequence", 1, SEQUENCE_MAX)
        places.append(Place(*told, row.text("hash", 64)))
    return bytes.fromhex(salt), places


def _check_lines(
    lines: Iterable[str], tills: Mapping[str, _Till], listed: Sequence[Place]
) -> Iterator[Finding]:
    """Every record: its chain, that it discloses nobody, and where those are that the proof and the list name."""
    named = {till.place for till in tills.values()}
    heads = {Place(name, lane, *till.heads[lane]) for name, till in tills.items() for lane in LANES}
    wanted, found, told = {*named, *heads, *listed}, set[Place](), set[str]()
    disclosing = 0
    for text in lines:
        event = _event(text)
        name = str(event.get("source"))[len("/tills/") :]
        if name not in tills:
            if name not in told:
                told.add(name)
                yield Finding("chain", name[:64], "the proof names no key of this till")
            continue
        lane = tills[name].lanes.get(str(event.get("lane")))
        if lane is None:
            raise FieldError("a record names no lane")
        lane.take(event)
        disclosing += MEMBER in event
        place = Place(name, lane.lane, *lane.last)
        if place in wanted and not lane.fault:
            found.add(place)
    given = {name: till for name, till in tills.items() if any(one.records for one in till.lanes.values())}
    for name, till in sorted(given.items()):
        for of, lane in till.lanes.items():
            fault = lane.fault
            if not fault and till.heads[of].sequence and Place(name, of, *till.heads[of]) not in found:
                fault = "the record with which this lane ended when the proof was made is not here"
            yield Finding("chain", f"{name} {of}", fault, {"records": lane.records, "missing": lane.missing})
        fault = "" if till.place in found else "the record that the proof names is not in the chain"
        yield Finding("in_chain", till.record_id, fault)
    yield Finding("given", "tills", "", {"tills": len(given), "named": len(tills)})
    yield Finding(
        "undisclosed", "records", f"{disclosing} records disclose a pseudonym" if disclosing else ""
    )
    if listed:
        yield Finding("listed", "records", "", {"listed": len(listed), "in_chain": len(found & {*listed})})
