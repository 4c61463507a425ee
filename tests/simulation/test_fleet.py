"""A fleet comes back after an hour: nobody is overrun. `fleet` has the model."""

from __future__ import annotations

import pytest

from sync.backoff import Backoff
from tests.simulation import fleet
from tests.simulation.fleet import BACKLOG, outage


def test_no_minute_sees_more_than_twice_the_mean() -> None:
    run = outage(600)
    assert run.delivered == 600 * BACKLOG
    assert run.peak_to_mean <= 2.0
    assert run.drained_at < 600, "and nobody waits for long"


def test_the_measure_sees_a_herd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without jitter all tills would come at the same few moments."""
    monkeypatch.setattr(Backoff, "delay_s", lambda self, _failures, _random: self.cap_s)
    monkeypatch.setattr("sync.protocol.PACE_S", 0.0)
    run = outage(300)
    assert run.peak_to_mean > 2.0


def test_it_says_what_it_saw(capsys: pytest.CaptureFixture[str]) -> None:
    assert fleet.main(["20"]) == 0
    assert "20 tills, 6000 records" in capsys.readouterr().out
