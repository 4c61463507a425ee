"""What names people is forgotten by age, in every store; records never are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agent.domain.disclosure import disclosure, pair_text
from agent.domain.record import REDEMPTION_LANE
from agent.domain.time import timestamp
from cloud.feed import FeedCursor
from cloud.ingest import ingest
from cloud.ports import CloudStore
from cloud.retention import Keep, tidy
from cloud.staff import Act
from cloud.webhook_desk import add
from cloud.webhooks import LEASE, Aside
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import NOW, SealingTill, batch, enrolled, sealing_till

DAY = timedelta(days=1)
KEEP = Keep(pseudonyms=30, acts=60, deliveries=10)
ANN = bytes.fromhex("aa" * 8)


async def sent(store: CloudStore, till: SealingTill, event: dict[str, Any], days: int) -> None:
    """Received so many days ago."""
    await ingest(store, till.known(), REDEMPTION_LANE, batch([event]), lambda: NOW - days * DAY)


async def test_pseudonyms_go_by_when_their_record_was_received(store: CloudStore) -> None:
    till, clone = sealing_till("T-1"), sealing_till("T-1")
    await enrolled(store, till)
    for sequence, days in enumerate((50, 40, 31, 29, 0), 1):
        said = disclosure(bytes([sequence]) * 16, ANN)
        event = till.redeem(sequence, who=said.digest) | {"disclosed": pair_text([said])}
        await sent(store, till, event, days)
    said = disclosure(bytes(16), ANN)
    forked = clone.redeem(9, who=said.digest) | {"disclosed": pair_text([said])}
    await sent(store, till, forked, 45)
    before = await store.events_of("T-1", REDEMPTION_LANE, 0, 10)
    gone = await tidy(store, KEEP, NOW)
    assert gone == {"pseudonyms": 4, "acts": 0, "deliveries": 0}, "of what was refused for its place, too"
    assert [sequence for _, _, sequence, _ in await store.disclosing(ANN.hex(), 10)] == [4, 5]
    assert await store.events_of("T-1", REDEMPTION_LANE, 0, 10) == before
    assert (await tidy(store, KEEP, NOW + 60 * DAY))["pseudonyms"] == 2


async def test_notes_of_staff_and_dead_deliveries_go_and_what_waits_stays(store: CloudStore) -> None:
    for days in (61, 59):
        said = ("ann", "id", "admin", "POST /x", "{}")
        await store.begin_act(Act(timestamp(NOW - days * DAY), days, *said, status=None))
    name = (await add(store, "https://erp.example/", (), "0.0", NOW))["webhook"]
    at = timestamp(NOW)
    assert await store.lease_webhook(name, "lease", at, timestamp(NOW + LEASE)) is not None
    for position, days, dead in ((1, 11, True), (2, 11, False), (3, 9, True)):
        first = timestamp(NOW - days * DAY)
        one = Aside(FeedCursor(position), f"evt_{position}", "x", 1, first, at, dead, "500")
        assert await store.put_aside(name, "lease", one)
    assert await tidy(store, KEEP, NOW) == {"pseudonyms": 0, "acts": 1, "deliveries": 1}
    assert [act.number for act in await store.acts(10)] == [59]
    assert (await store.webhook_counts(name)) == (1, 1)
