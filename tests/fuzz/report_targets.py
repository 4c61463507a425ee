"""Readers of what tills say for people and for reports; put among the others in `tests.fuzz.targets`."""

from __future__ import annotations

import json

from agent.domain.offer import Incentives, Reward
from cloud.facts import REDEMPTION, REVERSAL, Stored, read_data, read_fact
from cloud.rewards import read_reward
from sync import missing
from sync.till_health import read_header, to_header

RULES = Incentives(assistant=Reward(minor=100), store=Reward(minor=1), referrers=(Reward(minor=50),))
SAID = {
    "business_date": "2026-03-01",
    "hour": 9,
    "coupon": {"issuer": "acme", "campaign": 7, "index": 5, "touch": 3},
    "sale": {"total_minor": 12_000},
    "promotion": {"rule": "march", "arm": "A", "unit": "00"},
    "promo": "7-500-AAAAA",
    "amount_minor": 300,
    "incentives": [{"party": "assistant", "tier": 1, "who": "B-7", "amount_minor": 100}],
}


def till_health(data: bytes) -> None:
    """What is read can be said again, and is then the same."""
    found = read_header(data.decode("latin-1"))
    if found is not None:
        again = read_header(to_header(found))
        assert again is not None
        assert (again.version, again.waiting) == (found.version, found.waiting)


def health_seeds() -> list[bytes]:
    from tests.unit.test_sync_till_health import WELL

    return [to_header(WELL).encode()]


def missing_header(data: bytes) -> None:
    """What a cloud says it lost: sequences in their order, or nothing."""
    for spans in missing.read_header(data.decode("latin-1")).values():
        assert len(spans) <= missing.SPANS_MAX
        assert all(0 < first <= last for first, last in spans)


def missing_seeds() -> list[bytes]:
    return [missing.to_header({"redemption": (4, 6), "evidence": (1, 2**53 - 1)}).encode()]


def facts(data: bytes) -> None:
    """Of any JSON object: an event was checked to be one before it was stored."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(event, dict):
        return
    said = read_data(json.dumps(event))
    for kind in (REDEMPTION, REVERSAL):
        fact = read_fact(Stored(1, kind, "2026-03-01T04:00:00.000Z", "acme", 7, 5, 300, ""), said, 100)
        if fact is not None:
            assert len(fact.day) == 10
            assert fact.hour in ("", *(f"{hour:02}" for hour in range(24)))
            assert 0 <= (fact.basket_minor or 0) <= 10**12
            assert "\0" not in fact.issuer + fact.rule + fact.arm + (fact.promo or "")
    listed = said.get("incentives")
    for one in listed if isinstance(listed, list) else []:
        reward = read_reward(one, RULES)
        assert reward is None or (not reward.promised or reward.amount_minor <= 100)


def fact_seeds() -> list[bytes]:
    return [json.dumps({"data": SAID}).encode()]
