"""Parts of the Status object of docs/openapi.yaml, and ScanFault."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agent.device_words import trouble
from agent.domain import time
from agent.domain.eligibility import Member
from agent.domain.outcome import Outcome, sentences
from agent.domain.sale import Sale
from agent.state import Trust
from drivers.ports import DeviceStatus, ScanFault
from sync.lane_state import LaneState


def sale_json(sale: Sale | None) -> dict[str, Any] | None:
    if sale is None:
        return None
    return {"sale_id": sale.sale_id, "total_minor": sale.total_minor, "currency": sale.currency}


def member_json(member: Member | None) -> dict[str, Any] | None:
    """What a page may show of the customer: nothing that says who it is."""
    if member is None:
        return None
    as_of = None if member.as_of is None else time.timestamp(member.as_of)
    return {"level": member.level, "points": member.points, "as_of": as_of}


def clock_json(doubt: str | None) -> dict[str, Any]:
    return {
        "doubt": bool(doubt),
        "zh": "本机时间可能不对" if doubt else "",
        "en": f"The till's clock is {doubt}" if doubt else "",
    }


def join_json(trust: Trust | None) -> dict[str, Any] | None:
    """Where a customer becomes a member, and what is said of it; None where head office named no such place."""
    if trust is None or trust.contents.receipt_rules.join is None:
        return None
    rules = trust.contents.receipt_rules
    words = trust.contents.receipt_rules.join.words
    return {"url": rules.join_url(trust.contents.place.store), "zh": words.zh, "en": words.en}


def device_json(role: str, status: DeviceStatus) -> dict[str, Any]:
    said = trouble(role, status)
    return {
        "name": status.name,
        "kind": status.kind,
        "role": role,
        "state": status.state.value,
        "cause": status.cause,
        "zh": "" if said is None else said.zh,
        "en": "" if said is None else said.en,
        "detail": status.detail,
    }


def fault_json(fault: ScanFault, at: datetime) -> dict[str, Any]:
    """Half a scan, in the words of a coupon of which only a part was read."""
    said = sentences(Outcome.TRUNCATED, {}, {})
    return {
        "source": fault.source,
        "at": time.timestamp(at),
        "code": fault.code,
        "detail": fault.detail,
        **{name: getattr(said, name) for name in ("zh", "en", "next_zh", "next_en")},
    }


def latest(lanes: Sequence[LaneState]) -> tuple[LaneState | None, LaneState | None]:
    """The lane with the newest success and the one with the newest failure."""
    good = [lane for lane in lanes if lane.last_success_at is not None]
    bad = [lane for lane in lanes if lane.failure_at is not None]
    return (
        max(good, key=lambda lane: lane.last_success_at or 0.0, default=None),
        max(bad, key=lambda lane: lane.failure_at or 0.0, default=None),
    )
