"""Health: each issue from its facts, worst first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent import health
from agent.disk import DiskLevel
from agent.domain.bundle import Age
from agent.domain.time import EffectiveTime
from agent.health import Facts, Issue
from agent.ports import Counts
from drivers.ports import DeviceState, DeviceStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WELL = Facts(
    enrolled=True,
    stopped="",
    age=Age.FRESH,
    time=EffectiveTime(NOW, NOW),
    counts=Counts({"redemption": 3, "evidence": 5}, 0, 0, None, {"queued": 2, "sending": 1}, 7),
    devices=[
        ("scanner", DeviceStatus("front", "serial", DeviceState.READY, "", 0.0)),
        ("printer", DeviceStatus("receipts", "tcp", DeviceState.STARTING, "", 0.0)),
    ],
    skipped=(),
    dropped_scans=0,
    disk_free_mb=64,
)


def device(role: str, state: DeviceState) -> list[tuple[str, DeviceStatus]]:
    return [(role, DeviceStatus("it", "kind", state, "plug it in", 0.0))]


def counts(quarantined: int = 0, conflicts: int = 0, **prints: int) -> Counts:
    return Counts({}, quarantined, conflicts, None, prints, 0)


CASES = {
    "not_enrolled": (replace(WELL, enrolled=False, age=None), "error"),
    "no_bundle": (replace(WELL, age=None), "error"),
    "codes_missing": (replace(WELL, codes_missing=2), "warning"),
    "bundle_stale": (replace(WELL, age=Age.STALE), "warning"),
    "bundle_expired": (replace(WELL, age=Age.EXPIRED), "error"),
    "cloud_outdated": (replace(WELL, outdated_s=health.OUTDATED_ERROR_S), "error"),
    "ledger_unavailable": (replace(WELL, stopped="ledger_unavailable"), "error"),
    "commit_unknown": (replace(WELL, stopped="commit_unknown"), "error"),
    "ledger_damaged": (replace(WELL, stopped="ledger_damaged"), "error"),
    "clock_doubt": (replace(WELL, time=EffectiveTime(NOW, NOW, "behind")), "warning"),
    "campaign_skipped": (replace(WELL, skipped=("campaign.benefit: unknown",)), "warning"),
    "template_broken": (replace(WELL, template_faults=("mine.receipt: line 3: a second else",)), "warning"),
    "quarantine": (replace(WELL, counts=counts(2)), "warning"),
    "conflict": (replace(WELL, counts=counts(conflicts=1)), "warning"),
    "records_forked": (replace(WELL, counts=replace(counts(), forked=2)), "error"),
    "disk_tight": (replace(WELL, disk=DiskLevel.TIGHT), "warning"),
    "disk_scarce": (replace(WELL, disk=DiskLevel.SCARCE, unrecorded=3), "error"),
    "disk_full": (replace(WELL, disk=DiskLevel.FULL), "error"),
    "scans_dropped": (replace(WELL, dropped_scans=1), "warning"),
    "device_lost": (replace(WELL, devices=device("scanner", DeviceState.LOST)), "warning"),
    "device_denied": (replace(WELL, devices=device("camera", DeviceState.DENIED)), "warning"),
    "device_misconfigured": (replace(WELL, devices=device("printer", DeviceState.MISCONFIGURED)), "warning"),
    "paper_low": (
        replace(
            WELL, devices=[("printer", DeviceStatus("p", "tcp", DeviceState.READY, "low", 0.0, "paper_low"))]
        ),
        "info",
    ),
    "print_unconfirmed": (replace(WELL, counts=counts(unconfirmed=1, failed=1)), "info"),
}


def test_a_till_that_is_well_has_no_issue() -> None:
    assert health.issues(WELL) == []
    assert health.healthy([])


@pytest.mark.parametrize("code", CASES)
def test_each_issue_has_its_facts_and_says_what_to_do(code: str) -> None:
    facts, severity = CASES[code]
    (found,) = health.issues(facts)
    assert (found.code, found.severity) == (code, severity)
    assert all(health.to_json([found])[0].values()), "every text is there"
    assert health.healthy([found]) is (severity != "error")
    assert "{" not in found.zh + found.en


def test_a_cloud_that_offers_old_data_is_first_a_warning() -> None:
    """A restored cloud is mended within the hour, as a rule."""
    (found,) = health.issues(replace(WELL, outdated_s=health.OUTDATED_ERROR_S - 1))
    assert (found.code, found.severity) == ("cloud_outdated", "warning")


def test_the_worst_comes_first() -> None:
    facts = replace(
        WELL,
        age=Age.EXPIRED,
        dropped_scans=1,
        counts=counts(1, unconfirmed=1),
        disk=DiskLevel.FULL,
        stopped="x",
    )
    assert [issue.severity for issue in health.issues(facts)] == [
        "error",
        "error",
        "warning",
        "warning",
        "info",
    ]


def test_json_has_every_field() -> None:
    issue = Issue("a", "info", "b", "c", "d", "e")
    assert issue.to_json() == {
        "code": "a",
        "severity": "info",
        "zh": "b",
        "en": "c",
        "action_zh": "d",
        "action_en": "e",
    }


def test_a_printer_that_cannot_print_says_why_in_chinese_too() -> None:
    status = DeviceStatus("front", "tcp", DeviceState.LOST, "out of paper", 0.0, "paper_out")
    (issue,) = health.issues(replace(WELL, devices=[("printer", status)]))
    assert (issue.zh, issue.en) == ("打印机「front」缺纸", "The printer 'front' is out of paper")
    assert issue.action_zh == "请换纸，等待的小票随后自动打印"
    assert issue.action_en == "Put in a new roll; receipts that wait are then printed by themselves"
