"""The text that Prometheus reads: its form, its escapes, and labels from closed lists alone."""

from __future__ import annotations

import re
from typing import Any

from agent import metrics

LINE = re.compile(
    r"(?P<name>redeemd_[a-z_]+)(?P<labels>\{[a-z]+=\"(?:[^\"\\\n]|\\[\\\"n])*\"(?:,[a-z]+=\"(?:[^\"\\\n]|\\[\\\"n])*\")*\})?"
    r" (?P<value>[0-9]+(?:\.[0-9]+)?)"
)
"""What this program writes of the exposition format; other writers may say more."""


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
    found = read(metrics.text(status(), None))
    assert found['redeemd_info{till="T-0001",version="1.0"}'] == 1
    assert found["redeemd_bundle_age_seconds"] == 90, "of two times in different zones"
    assert found['redeemd_scans_today{result="refused"}'] == 3
    assert found["redeemd_line_up"] == 1
    assert not any("lane" in name for name in found)


def test_two_devices_with_one_trouble_are_one_sample() -> None:
    lost = {"code": "device_lost", "severity": "warning"}
    found = read(metrics.text(status(issues=[lost, lost]), None))
    assert found['redeemd_issues{code="device_lost",severity="warning"}'] == 2


def test_no_bundle_has_no_age() -> None:
    assert "redeemd_bundle_age_seconds" not in read(metrics.text(status(bundle={"issued": None}), None))


def test_labels_are_escaped() -> None:
    text = metrics.text(status(version='a"b\\c\nd'), None)
    assert 'version="a\\"b\\\\c\\nd"} 1\n' in text
    read(text)
