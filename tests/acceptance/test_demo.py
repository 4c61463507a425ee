"""The story of `make demo ONCE=1`, played for real: processes, a pty, a TCP printer, a film, SIGKILL, two ledgers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.demo.ledgers import cloud_line, till_line
from drivers.escpos_reader import read_receipt
from drivers.pictures import read_paths
from tests import cloud_witness

REFUSED = {
    "already_redeemed",
    "expired",
    "not_yet_valid",
    "wrong_store",
    "revoked",
    "bad_signature",
    "truncated",
    "not_a_coupon",
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which one day was played to its end."""
    folder = tmp_path_factory.mktemp("day")
    command = [sys.executable, "-m", "agent.cli", "demo", "--once", "--dir", "demo"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"} | cloud_witness.environment(folder / "answers"),
        capture_output=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return folder


def test_its_cloud_answers_as_its_document_says(played: Path) -> None:
    assert cloud_witness.faults(played / "answers") == []


def test_every_step_held(played: Path) -> None:
    """summary.json has the published form and says so."""
    summary = json.loads((played / "demo/summary.json").read_text("utf-8"))
    assert set(summary) == {"ok", "steps", "scans", "receipts", "ledgers_equal"}
    assert summary["ok"] is True
    assert summary["ledgers_equal"] is True
    assert len(summary["steps"]) == 6
    assert all(set(step) == {"name", "ok", "detail"} for step in summary["steps"])
    assert all(step["ok"] for step in summary["steps"])


def test_scans_came_by_three_roads_and_were_refused_for_eight_reasons(played: Path) -> None:
    """Each scan names its source, outcome and time."""
    scans = json.loads((played / "demo/summary.json").read_text("utf-8"))["scans"]
    assert all(set(scan) == {"source", "outcome", "ms"} for scan in scans)
    accepted = {scan["source"] for scan in scans if scan["outcome"] == "accepted"}
    assert accepted == {"counter", "camera", "api"}
    assert {scan["outcome"] for scan in scans if scan["source"] == "counter"} >= REFUSED


def test_receipts_are_there_in_three_forms_and_agree(played: Path) -> None:
    """The bytes say what the text says, and the picture's QR code is read."""
    receipts = json.loads((played / "demo/summary.json").read_text("utf-8"))["receipts"]
    assert len(receipts) >= 7
    for receipt in receipts[:2]:
        printed = read_receipt((played / receipt["escpos"]).read_bytes())
        assert printed.text == (played / receipt["text"]).read_text("utf-8")
        (reading,) = read_paths([played / receipt["png"]])
        assert [text[:3] for text in reading["texts"]] == ["RC1"]


def test_the_comparison_of_ledgers_sees_a_difference() -> None:
    """A changed hash, discount or coupon makes two lines unequal."""
    event = {
        "hash": "ab" * 32,
        "data": {"coupon": {"issuer": "acme", "campaign": 1, "index": 5}, "discount_minor": 3000},
    }
    here = till_line({"lane": "redemption", "sequence": 1, "event": event})
    there = {
        "till": "T-0001",
        "lane": "redemption",
        "sequence": 1,
        "hash": "ab" * 32,
        "coupon": {"issuer": "acme", "campaign": 1, "index": 5},
        "discount_minor": 3000,
    }
    assert here == cloud_line(there)
    for change in ({"hash": "cd" * 32}, {"discount_minor": 2999}, {"coupon": None}, {"sequence": 2}):
        assert here != cloud_line(there | change)
