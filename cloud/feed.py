"""What the cloud tells systems outside (ERP, CRM): a closed list of events in one order, read with a cursor. Pure.

Events are CloudEvents 1.0. A record of a till keeps its id, source, type, time, subject and data; in its data the
pseudonyms that are still disclosed stand where the signed record holds their digests. docs/integration.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from agent.domain.disclosure import Disclosure
from cloud.returns import REVOKED_KEY

CONFLICT = "redeemd.conflict.v1"
TILL_ENROLLED = "redeemd.till.enrolled.v1"
TILL_REVOKED = "redeemd.till.revoked.v1"
ERASED = "redeemd.erasure.v1"
TEST = "redeemd.test.v1"
"""What a webhook is tried with: in no feed."""
REVERSAL = "redeemd.reversal.v1"
RECORD_TYPES = frozenset(("redeemd.redemption.v1", REVERSAL))
"""Records of tills that are told."""
TYPES = RECORD_TYPES | {CONFLICT, TILL_ENROLLED, TILL_REVOKED, ERASED}
"""All that is told, a closed list."""
CLOUD = "/cloud"
"""`source` of what the cloud itself found or did."""
RECORDS = "records"
"""Kind of a row of the feed that stands for records of a lane; any other row holds its event."""
MEDIA_TYPE = "application/cloudevents-batch+json"
_CURSOR = re.compile(r"(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,14})", re.ASCII)


class FeedCursor(NamedTuple):
    """Behind which event to go on. position: of a row of the feed. sequence: of a record within it, 0 without one."""

    position: int = 0
    sequence: int = 0

    def __str__(self) -> str:
        return f"{self.position}.{self.sequence}"


def read_cursor(text: str) -> FeedCursor | None:
    found = _CURSOR.fullmatch(text)
    return None if found is None else FeedCursor(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """cursor: of the event itself. event: the CloudEvent."""

    cursor: FeedCursor
    event: dict[str, Any]

    @property
    def type(self) -> str:
        found: str = self.event["type"]
        return found


@dataclass(frozen=True, slots=True)
class FeedPage:
    """after: where the next page begins, behind all that was looked at."""

    events: Sequence[FeedEvent]
    after: FeedCursor


class KeptRecord(NamedTuple):
    """A stored record, as the feed reads it. standing: see `standing_of`."""

    sequence: int
    hash: str
    kind: str
    received_at: str
    event: str
    standing: str


def standing_of(held: str, implausible: str | None, conflict: str | None) -> str:
    """counts, or the first that speaks against a record: held, refused, conflict, implausible."""
    if held != "counts":
        return held
    if conflict is not None:
        return "conflict"
    return "counts" if implausible is None else "implausible"


def return_standing(state: str, reason: str) -> str:
    """Of a return, by what became of it: only one of a revoked key is `refused`; what cannot go back is implausible."""
    if state == "applied":
        return "counts"
    return "implausible" if state == "refused" and reason != REVOKED_KEY else state


def record_event(kept: KeptRecord, disclosed: Iterable[Disclosure]) -> dict[str, Any]:
    """What is told of a record."""
    text = kept.event
    for one in disclosed:
        text = text.replace(f'"{one.digest}"', f'"{one.pseudonym}"')
    said = json.loads(text)
    told = {
        name: said[name]
        for name in ("specversion", "id", "source", "type", "time", "subject")
        if name in said
    }
    return told | {
        "datacontenttype": "application/json",
        "recordedtime": kept.received_at,
        "recordhash": kept.hash,
        "standing": kept.standing,
        "data": said.get("data"),
    }


def cloud_event(kind: str, identity: str, subject: str, at: str, data: Mapping[str, object]) -> str:
    """The text of what the cloud itself has to tell. identity: equal for the same thing told again."""
    assert kind in TYPES or kind == TEST, kind
    event = {
        "specversion": "1.0",
        "id": identity,
        "source": CLOUD,
        "type": kind,
        "time": at,
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def spans(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Rising sequences as (first, last) without gaps."""
    found: list[tuple[int, int]] = []
    for sequence in sequences:
        if found and found[-1][1] + 1 == sequence:
            found[-1] = found[-1][0], sequence
        else:
            found.append((sequence, sequence))
    return found
