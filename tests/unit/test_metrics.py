"""The text that Prometheus reads: its form, its escapes, and labels from closed lists alone."""

from __future__ import annotations

import re
from typing import Any

from agent import metrics
from agent.ports import PrintState
from sync.ports import FailureKind

LINE = re.compile(
    r"(?P<name>redeemd_[a-z_]+)(?P<labels>\{[a-z]+=\"(?:[^\"\\\n]|\\[\\\"n])*\"(?:,[a-z]+=\"(?:[^\"\\\n]|\\[\\\"n])*\")*\})?"
    r" (?P<value>[0-9]+(?:\.[0-9]+)?)"
)
"""What this program writes of the exposition format; other writers may say more."""


def device(role: str, name: str, state: str, cause: str = "") -> dict[str, Any]:
    return {"role": role, "name": name, "state": state, "cause": cause}


def status(**changes: Any) -> dict[str, Any]:
    return {
        "till": "T-0001",
        "version": "1.0",
        "healthy": True,
        "issues": [],
        "clock": {"doubt": False},
        "line": {"state": "online"},
        "bundle": {"issued": "2026-03-01T04:00:00.000Z"},
        "time": "2026-03-01T12:01:30+08:00",
        "today": {"accepted": 2, "refused": 3},
        "devices": [device("scanner", "front", "ready"), device("printer", "back", "lost", "paper_out")],
        "prints": {"waiting": 4, "unconfirmed": 1},
        **changes,
    }


def read(text: str) -> dict[str, float]:
    """Sample -> value; each sample once, after the HELP and TYPE of its name."""
    found: dict[str, float] = {}
    typed = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            typed, kind = line.removeprefix("# TYPE ").split(" ")
            assert kind in ("counter", "gauge")
            assert (kind == "counter") == typed.endswith("_total")
            continue
        matched = LINE.fullmatch(line)
        assert matched, line
        assert matched["name"] == typed
        sample = matched["name"] + (matched["labels"] or "")
        assert sample not in found, f"{sample} stands twice"
        found[sample] = float(matched["value"])
    return found


def test_a_till_without_lanes() -> None:
    found = read(metrics.text(status(), None, {}))
    assert found['redeemd_info{till="T-0001",version="1.0"}'] == 1
    assert found["redeemd_bundle_age_seconds"] == 90, "of two times in different zones"
    assert found['redeemd_scans_today{result="refused"}'] == 3
    assert found["redeemd_line_up"] == 1
    assert not any("lane" in name for name in found)


def test_two_devices_with_one_trouble_are_one_sample() -> None:
    lost = {"code": "device_lost", "severity": "warning"}
    found = read(metrics.text(status(issues=[lost, lost]), None, {}))
    assert found['redeemd_issues{code="device_lost",severity="warning"}'] == 2


def test_a_printer_is_ready_or_names_its_cause_and_receipts_are_counted() -> None:
    found = read(metrics.text(status(), None, {PrintState.PRINTED: 7, PrintState.UNCONFIRMED: 2}))
    assert found['redeemd_printer_ready{printer="back"}'] == 0
    causes = {name for name, value in found.items() if "printer_cause" in name and value}
    assert causes == {'redeemd_printer_cause{printer="back",cause="paper_out"}'}
    assert found['redeemd_printer_cause{printer="back",cause="paper_low"}'] == 0
    assert (found["redeemd_receipts_waiting"], found["redeemd_receipts_unconfirmed"]) == (4, 1)
    ended = [found[f'redeemd_receipts_ended_total{{state="{end}"}}'] for end in metrics.ENDS]
    assert ended == [7, 2, 0]


def test_low_paper_is_a_cause_of_a_printer_that_is_ready() -> None:
    low = status(devices=[device("printer", "p", "ready", "paper_low")])
    found = read(metrics.text(low, None, {}))
    assert found['redeemd_printer_ready{printer="p"}'] == 1
    assert found['redeemd_printer_cause{printer="p",cause="paper_low"}'] == 1


def test_a_counter_stands_at_nothing_before_its_first_event() -> None:
    """Of a series that begins with 1 no alert sees an increase."""
    lane = {
        **dict.fromkeys(("attempts", "consecutive_failures", "sent_bytes", "received_bytes"), 0),
        **dict.fromkeys(("last_success", "next_attempt", "records")),
        "name": "bundle",
        "failures": {"busy": 3},
        "circuit": "closed",
    }
    found = read(metrics.text(status(), {"lanes": [lane], "time": "2026-03-01T12:00:00Z"}, {}))
    failures = [f'redeemd_lane_failures_total{{lane="bundle",cause="{kind}"}}' for kind in FailureKind]
    assert {found[name] for name in failures} == {0, 3}
    assert sum(found[name] for name in failures) == 3
    assert {found[f'redeemd_receipts_ended_total{{state="{end}"}}'] for end in metrics.ENDS} == {0}


def test_no_bundle_has_no_age() -> None:
    assert "redeemd_bundle_age_seconds" not in read(metrics.text(status(bundle={"issued": None}), None, {}))


def test_labels_are_escaped() -> None:
    text = metrics.text(status(version='a"b\\c\nd'), None, {})
    assert 'version="a\\"b\\\\c\\nd"} 1\n' in text
    read(text)
