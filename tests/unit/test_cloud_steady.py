"""The cloud's time: a leap ahead is followed only once it has lasted."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from cloud.steady import HOLD, LEAP, SteadyClock

START = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


class Machine:
    """A clock that somebody moves, and a count that nobody can."""

    def __init__(self) -> None:
        self.wall, self.elapsed = START, timedelta(hours=7)
        self.clock = SteadyClock(lambda: self.wall, lambda: self.elapsed)

    def after(self, passed: timedelta, leap: timedelta = timedelta(0)) -> datetime:
        self.wall += passed + leap
        self.elapsed += passed
        return self.clock()


def test_it_is_the_machines_clock_while_that_goes_on() -> None:
    machine = Machine()
    for _ in range(100):
        assert machine.after(timedelta(hours=5), timedelta(seconds=30)) == machine.wall, (
            "a little drift is followed"
        )
    assert machine.after(timedelta(days=1), LEAP) == machine.wall


def test_a_leap_ahead_for_a_moment_is_not_seen(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    assert machine.after(timedelta(minutes=1), timedelta(days=365)) == START + timedelta(minutes=1)
    assert machine.after(timedelta(minutes=30)) == START + timedelta(minutes=31)
    assert machine.after(timedelta(minutes=1), -timedelta(days=365)) == START + timedelta(minutes=32)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 2, "once when it leaps, once when it is over"
    assert "leapt ahead by 365 days" in said[0]


def test_a_leap_that_lasts_is_believed() -> None:
    """The clock was wrong before it."""
    machine = Machine()
    machine.after(timedelta(0), timedelta(days=20))
    assert machine.after(HOLD - timedelta(seconds=1)) < machine.wall
    assert machine.after(timedelta(seconds=1)) == machine.wall
    assert machine.after(timedelta(minutes=1)) == machine.wall


def test_a_second_leap_waits_anew() -> None:
    machine = Machine()
    machine.after(timedelta(0), timedelta(days=20))
    machine.after(HOLD)
    assert machine.after(timedelta(0), timedelta(days=20)) == machine.wall - timedelta(days=20)


def test_a_clock_set_back_is_followed_at_once() -> None:
    machine = Machine()
    assert machine.after(timedelta(minutes=1), -timedelta(days=3)) == machine.wall
