"""What a record must be so that feed and webhooks may pass it on: a CloudEvent in which nobody is named."""

from __future__ import annotations

from typing import Any

import pytest

from agent.domain.record import REDEMPTION_LANE, ChainHead
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.integration.test_cloud_ingest import send
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, sealing_till
from tests.vectors.records import resigned


@pytest.mark.parametrize(
    "change",
    [
        {"time": bad}
        for bad in (
            "yesterday",
            "0000-01-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-03-01T04:05:06+08:00",
            "2026-03-01",
        )
    ]
    + [{"specversion": "0.3"}, {"specversion": 1}],
)
async def test_what_goes_out_as_a_cloud_event_is_one(store: CloudStore, change: dict[str, Any]) -> None:
    till = sealing_till("T-1")
    bad = resigned(till.redeem(1) | change, till.key.sign)
    till.heads[REDEMPTION_LANE] = ChainHead(1, bad["hash"])
    assert await send(store, till, bad, till.redeem(2)) == ["malformed", "stored"]


async def test_a_pseudonym_in_what_is_signed_is_refused(store: CloudStore) -> None:
    """Nobody could erase it. A digest stands for it, and nothing where there is none."""
    till = sealing_till("T-1")
    coupon = {"issuer": ISSUER, "campaign": CAMPAIGN, "index": 1}
    open_one, digest = "ab" * 12, "ab" * 32
    events = [
        till.redeem(1, member={"pseudonym": open_one, "level": 1, "consent": True}),
        till.redeem(1, coupon=coupon | {"referrer": open_one}),
        till.redeem(1, incentives=[{"party": "referrer", "tier": 1, "who": open_one, "amount_minor": 1}]),
        till.redeem(
            1, member={"pseudonym": digest, "level": 1, "consent": True}, coupon=coupon | {"referrer": digest}
        ),
        till.redeem(2, incentives=[{"party": "assistant", "tier": 1, "who": "badge-7", "amount_minor": 1}]),
    ]
    assert await send(store, till, *events) == ["malformed"] * 3 + ["stored"] * 2
