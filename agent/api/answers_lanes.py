"""What the API answers about the lanes to the cloud. See `agent.api.answers`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from agent.api.answers import Count, Said, Shape, Time
from sync.lane_state import Circuit
from sync.ports import FailureKind

Cause = Annotated[str, Meta(extra_json_schema={"enum": [kind.value for kind in FailureKind]})]


class LaneFailure(Shape):
    """cause: docs/sync-protocol.md says which answer of the cloud is which.
    detail: For store IT.
    """

    at: Time
    cause: Cause
    detail: str
    zh: Said
    en: Said


class LaneRecords(Shape):
    """Of a lane that delivers records.

    waiting: Not yet acknowledged by the cloud.
    oldest: Event time of the first that waits.
    oldest_age_s: Its age by the till's clock; 0 for none.
    set_aside: Of those that wait, refused for now and tried again later, more and more rarely.
    quarantined: Refused for good, and kept.
    acknowledged: Taken by the cloud since the start.
    refused: Refused for good since the start.
    batch_records: How many the next batch holds at most.
    """

    waiting: Count
    oldest: Time | None
    oldest_age_s: Count
    set_aside: Count
    quarantined: Count
    acknowledged: Count
    refused: Count
    batch_records: Count


class Lane(Shape):
    """Counts are since the program's start.

    name: redemption and evidence deliver records; bundle and verdicts fetch; news waits for what is new.
    circuit: closed: requests go out as they come. open: the last one failed, and none goes out before next_attempt.
        half_open: one request tries whether it works again.
    attempts: Batches sent, or fetches begun.
    failures: By cause, those alone that there were.
    consecutive_failures: Since the last success.
    last_success: Since the start.
    last_failure: The last one, also while all is well again.
    next_attempt: Null while one is under way.
    sent_bytes: Of bodies, packed as they went.
    records: Null where no records are delivered.
    """

    name: Literal["redemption", "evidence", "bundle", "verdicts", "news"]
    state: Literal["idle", "reading", "sending", "fetching", "waiting"]
    circuit: Circuit
    attempts: Count
    failures: dict[Cause, Annotated[int, Meta(ge=1)]]
    consecutive_failures: Count
    last_success: Time | None
    last_failure: LaneFailure | None
    next_attempt: Time | None
    sent_bytes: Count
    received_bytes: Count
    records: LaneRecords | None


class Lanes(Shape):
    """lanes: Empty without a cloud."""

    time: Time
    lanes: Annotated[list[Lane], Meta(max_length=5)]
