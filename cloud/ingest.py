"""Take a till's batch: check each record, then judge and record them in one transaction, one result per record.

The caller has verified the request's signature, so whatever the batch claims, this till claims. A batch that cannot
be read at all is refused whole, and the till halves it until one record stands alone; the first such batch also
leaves a mark at the next place of the lane, so that those behind the culprit are not held up (`cloud.chain`).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent.domain import cose, disclosure, record
from agent.domain.fields import FieldError
from agent.domain.keys import load_public_key, signature_ok
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.settlement import unsettled
from agent.domain.time import timestamp
from agent.domain.token import UINT32_MAX
from cloud import event_form, returns
from cloud.chain import (
    PROMO_STATES,
    UNKNOWN_HASH,
    ChainView,
    CouponRef,
    Entry,
    Fate,
    Ruling,
    TillErased,
    judge,
)
from cloud.lists import Win
from cloud.ports import Appended, CloudStore
from cloud.tills import Till
from sync import wire
from sync.wire import Limits, RecordResult, ResultStatus

REDEMPTION = "redeemd.redemption.v1"
REVERSAL = returns.KIND
PROMO = "redeemd.promo.v1"
ERASURE = "redeemd.erasure.v1"
_LANE_OF = {
    REDEMPTION: record.REDEMPTION_LANE,
    REVERSAL: record.REDEMPTION_LANE,
    "redeemd.evidence.v1": record.EVIDENCE_LANE,
    PROMO: record.EVIDENCE_LANE,
    ERASURE: record.EVIDENCE_LANE,
}
"""Types that stand in one lane only: a use hidden in the other would escape the ledger's order."""
UNREADABLE = "unreadable"
CONFLICT_FOLLOWS = "recorded"
"""What follows a conflict: both records stand and the coupon is on the status list; no policy settles it yet."""

_SEQUENCE = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)
_SENTENCES = {
    "wrong_till": "the event names another till as its source",
    "wrong_lane": "the event belongs to another lane than the one it was sent in",
    "malformed": "the event is not a record of this protocol",
    "wrong_hash": "the event is not what was hashed",
    "bad_signature": "the event is not signed by this till's key",
    "too_large": "the event is larger than a record may be",
    "wrong_key": "the event is signed by a key of this till, but not by the one that signs at its place",
}


async def ingest(
    store: CloudStore,
    till: Till,
    lane: str,
    body: bytes,
    now: Callable[[], datetime],
    limits: Limits = wire.DEFAULT_LIMITS,
) -> list[RecordResult]:
    """Record a batch (unpacked bytes) of an enrolled till; one result per record, in its order.

    Raises WireError if the batch cannot be read, StoreUnavailable if nothing was recorded.
    """
    try:
        events = wire.decode_batch(body, limits)
    except wire.WireError:
        await store.append(till.till, lane, [_unreadable()], _mark_unreadable, timestamp(now()))
        raise
    # Signatures of a full batch take tens of milliseconds: not in the event loop's thread.
    entries = await asyncio.to_thread(check_events, events, till, lane, limits)
    appended = await store.append(till.till, lane, entries, judge, timestamp(now()))
    return [_result(entry, done) for entry, done in zip(entries, appended, strict=True)]


def check_events(events: Sequence[Mapping[str, Any]], till: Till, lane: str, limits: Limits) -> list[Entry]:
    """Each event with its hash and signature checked; what is wrong with one stands in its `fault`."""
    loaded = {key.public_key: load_public_key(cose.Algorithm.ED25519, key.public_key) for key in till.keys}

    def checked(event: Mapping[str, Any]) -> Entry:
        in_place = till.keys_of(lane, _claimed_sequence(event) or 0)
        signer: bytes | None = None

        def verifies(signature: bytes, data: bytes) -> bool:
            nonlocal signer
            elsewhere = (key.public_key for key in reversed(till.keys) if key.public_key not in in_place)
            signer = next(
                (raw for raw in (*in_place, *elsewhere) if signature_ok(loaded[raw], signature, data)), None
            )
            return signer is not None

        entry = _check(event, till.till, lane, verifies, limits)
        if entry.fault or signer in in_place:
            return replace(entry, signer=signer)
        # A copied key may have announced a change behind the till's back: what the till signed still happened.
        return replace(entry, signer=signer, doubt="wrong_key", sentence=_SENTENCES["wrong_key"])

    return [checked(event) for event in events]


def _claimed_sequence(event: Mapping[str, Any]) -> int | None:
    sequence = event.get("sequence")
    return int(sequence) if isinstance(sequence, str) and _SEQUENCE.fullmatch(sequence) else None


def _check(
    event: Mapping[str, Any], till: str, lane: str, verifies: Callable[[bytes, bytes], bool], limits: Limits
) -> Entry:
    bare = {name: value for name, value in event.items() if name != disclosure.MEMBER}
    text = json.dumps(bare, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > limits.event_bytes:
        return _fault(event, "too_large", text[:1024])
    try:
        head = record.check(event, till, verifies)
        disclosed = disclosure.read_disclosed(event, text)
    except record.RecordFault as fault:
        return _fault(event, fault.code, text, fault.detail if fault.code == "malformed" else "")
    if event.get("lane") != lane:
        return _fault(event, "wrong_lane", text)
    kind, time, prevhash, data = (event.get(name) for name in ("type", "time", "prevhash", "data"))
    if not (_short_text(kind) and _short_text(time) and _hash(prevhash)):
        return _fault(event, "malformed", text, "type, time or prevhash is not of the form it must have")
    if sentence := event_form.fault_of(event):
        return _fault(event, "malformed", text, sentence)
    if _LANE_OF.get(str(kind), lane) != lane:
        return _fault(event, "wrong_lane", text, f"{kind} belongs to the lane {_LANE_OF[str(kind)]}")
    coupon, discount_minor, promo, promo_state = None, None, None, ""
    if kind == REDEMPTION:
        sentence = _redemption_fault(data, event["id"])
        if sentence:
            return _fault(event, "malformed", text, sentence)
        coupon, promo = _coupon(data), _promo(data)
        discount_minor = _number(data, "discount_minor", AMOUNT_MAX_MINOR)
    if kind == PROMO:
        promo, promo_state = _promo(data), str(data.get("state")) if isinstance(data, dict) else ""
        if promo is None or promo_state not in PROMO_STATES:
            return _fault(
                event, "malformed", text, "data is not a promo code's name with a state that is known"
            )
    erased = _erased(data) if kind == ERASURE else None
    if kind == ERASURE and erased is None:
        return _fault(event, "malformed", text, "data says no number of an erasure, or not what was removed")
    back = None
    if kind == REVERSAL:
        try:
            back = returns.read_reversal(data, event["id"])
        except FieldError as error:
            return _fault(event, "malformed", text, str(error))
    said = (str(kind), str(time), coupon, discount_minor, promo, promo_state)
    wrong = kind == REDEMPTION and isinstance(data, dict) and bool(unsettled(data))
    entry = Entry(
        event["id"],
        head.sequence,
        head.hash,
        str(prevhash),
        text,
        *said,
        unsettled=wrong,
        disclosed=disclosed,
        erased=erased,
    )
    return entry if back is None else replace(entry, reversal=back)


def _redemption_fault(data: Any, record_id: str) -> str:
    """What is wrong with the data of a redemption, naming the member; empty if nothing is."""
    if not isinstance(data, dict):
        return "data is not an object"
    if data.get("redemption_id") != record_id:
        return "data.redemption_id is not the event's id"
    if data.get("outcome") != "accepted":
        return "data.outcome is not accepted: nothing else is a redemption"
    if _coupon(data) is None:
        return "data.coupon is not an object with issuer (1 to 32 characters), campaign and index (0 to 4294967295)"
    discount = data.get("discount_minor", "")
    if discount is not None and _number(data, "discount_minor", AMOUNT_MAX_MINOR) is None:
        return f"data.discount_minor is not null or an integer from 0 to {AMOUNT_MAX_MINOR}"
    return ""


def _fault(event: Mapping[str, Any], code: str, text: str, sentence: str = "") -> Entry:
    """An entry that is refused for good, with the place and the hash that it claims, as far as they can be read."""
    return Entry(
        event["id"],
        _claimed_sequence(event),
        _hash(event.get("hash")),
        _hash(event.get("prevhash")),
        text,
        fault=code,
        sentence=sentence or _SENTENCES.get(code, code),
    )


def _hash(value: Any) -> str:
    return value if event_form.is_digest(value) else UNKNOWN_HASH


def _short_text(value: Any, most: int = 64) -> bool:
    """NUL: no column of PostgreSQL takes it, and a record that cannot be kept would come again for ever."""
    return isinstance(value, str) and 0 < len(value) <= most and "\0" not in value


def _coupon(data: Any) -> CouponRef | None:
    said = data.get("coupon") if isinstance(data, dict) else None
    issuer = said.get("issuer") if isinstance(said, dict) else None
    campaign, index = (_number(said, name, UINT32_MAX) for name in ("campaign", "index"))
    if not _short_text(issuer, 32) or campaign is None or index is None:
        return None
    return CouponRef(str(issuer), campaign, index)


def _number(data: Any, name: str, greatest: int) -> int | None:
    value = data.get(name) if isinstance(data, dict) else None
    return value if type(value) is int and 0 <= value <= greatest else None


def _promo(data: Any) -> str | None:
    value = data.get("promo") if isinstance(data, dict) else None
    return str(value) if _short_text(value, 40) else None


def _erased(data: Any) -> TillErased | None:
    number, removed = _number(data, "erasure", UINT32_MAX), _number(data, "removed", UINT32_MAX)
    return None if number is None or removed is None else TillErased(number, removed)


def _unreadable() -> Entry:
    sentence = "the batch cannot be read"
    return Entry(UNREADABLE, None, UNKNOWN_HASH, UNKNOWN_HASH, "", fault=UNREADABLE, sentence=sentence)


def _mark_unreadable(view: ChainView, entries: Sequence[Entry]) -> list[Ruling]:
    """Mark the next place once; while its mark is the head, the till is still searching for the culprit."""
    place = view.head + 1
    if view.head not in view.stored and UNKNOWN_HASH in view.refused.get(view.head, frozenset()):
        return [Ruling(Fate.WAIT, place, UNREADABLE) for _ in entries]
    return [Ruling(Fate.REFUSE, place, UNREADABLE, entry.sentence) for entry in entries]


def _result(entry: Entry, done: Appended) -> RecordResult:
    ruling = done.ruling
    if ruling.fate in (Fate.REFUSE, Fate.WAIT):
        permanent = ruling.fate is Fate.REFUSE
        return RecordResult(entry.record_id, ResultStatus.REFUSED, ruling.code, ruling.sentence, permanent)
    if done.won_by is not None:
        # Said again to a record sent again: a lost answer must not lose the verdict.
        return RecordResult(entry.record_id, ResultStatus.CONFLICT, conflict=_conflict(entry, done.won_by))
    stored = ruling.fate is Fate.STORE
    return RecordResult(entry.record_id, ResultStatus.STORED if stored else ResultStatus.DUPLICATE)


def _conflict(entry: Entry, win: Win) -> dict[str, Any]:
    """With whom, when, and what follows."""
    assert entry.coupon is not None, "only a coupon's use conflicts"
    coupon = {"issuer": entry.coupon.issuer, "campaign": entry.coupon.campaign, "index": entry.coupon.index}
    winner = {
        "till": win.till,
        "redemption_id": win.redemption_id,
        "time": win.time,
        "received_at": win.received_at,
    }
    return {"coupon": coupon, "winner": winner, "follows": CONFLICT_FOLLOWS}
