"""Effective time, the high-water mark and the store's days, with and without daylight saving."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import time
from agent.domain.outcome import Outcome
from agent.domain.time import (
    ABSENCE_MAX,
    AHEAD_MAX,
    SLACK,
    Anchor,
    BootTime,
    EffectiveTime,
    anchor_from_text,
    effective_time,
    raised_mark,
)
from tests.unit.domain_kit import NOON, World, examples

ZONES = [
    "Asia/Shanghai",  # none
    "Europe/Berlin",  # at two o'clock
    "America/Santiago",  # at midnight: 00:00 does not exist on the first day
    "America/Havana",  # at one: 00:00 comes twice
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # left out a whole day in 2011
    "Africa/Cairo",
    "UTC",
]
moments = st.datetimes(datetime(1990, 1, 1), datetime(2149, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (naive bounds, as asked)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def utc(text):
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("Asia/Shanghai", "2026-03-29", "2026-03-28T16:00Z"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z"),  # the day of 23 hours
        ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00Z"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z"),  # the day of 25 hours
        ("Europe/Berlin", "2026-10-26", "2026-10-25T23:00Z"),
        ("America/Santiago", "2024-09-08", "2024-09-08T04:00Z"),  # begins at 01:00
        ("America/Santiago", "2024-04-07", "2024-04-07T04:00Z"),  # after the hour 23 came twice
        ("America/Havana", "2024-11-03", "2024-11-03T04:00Z"),  # the first of two midnights
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00Z"),
        ("UTC", "1970-01-01", "1970-01-01T00:00Z"),
        ("Asia/Shanghai", "2149-06-06", "2149-06-05T16:00Z"),  # the last day a token can name
    ],
)
def test_the_first_instant_of_a_day(zone, day, first):
    number = (date.fromisoformat(day) - date(1970, 1, 1)).days
    start = time.day_start(number, ZoneInfo(zone))
    assert start == utc(first)
    assert start.tzinfo is UTC
    assert time.day_number(start, ZoneInfo(zone)) == number
    assert time.day_number(start - SECOND, ZoneInfo(zone)) < number
    assert time.day_text(number) == day


@examples(150)
@given(moments, st.sampled_from(ZONES))
def test_no_instant_lies_before_the_start_of_its_day(moment, name):
    zone = ZoneInfo(name)
    day = time.day_number(moment, zone)
    start = time.day_start(day, zone)
    assert start <= moment
    assert time.day_number(start, zone) == day
    assert time.day_number(start - SECOND, zone) < day
    assert moment < time.day_start(day + 1, zone) or name == "Pacific/Apia"


@pytest.mark.parametrize(
    ("wall", "mark", "issued", "now", "doubt"),
    [
        (NOON, None, None, NOON, ""),
        (NOON, NOON - SECOND, NOON - DAY, NOON, ""),
        (NOON, NOON, NOON - DAY, NOON, ""),
        (NOON, NOON + SLACK, NOON - DAY, NOON + SLACK, ""),  # a clock that is a little slow
        (NOON, NOON + SLACK + SECOND, NOON - DAY, NOON + SLACK + SECOND, "behind"),
        (NOON, NOON + 900 * DAY, None, NOON + 900 * DAY, "behind"),
        (NOON, None, NOON + DAY, NOON + DAY, "behind"),  # the bundle itself is signed time
        (NOON, NOON - DAY, NOON + DAY, NOON + DAY, "behind"),
        (NOON, NOON - DAY, NOON - AHEAD_MAX, NOON, ""),
        (NOON + SECOND, NOON - DAY, NOON - AHEAD_MAX, NOON - DAY, "ahead"),
        (NOON, None, NOON - AHEAD_MAX - DAY, NOON - AHEAD_MAX - DAY, "ahead"),
        (NOON, NOON - 200 * DAY, NOON - 150 * DAY, NOON - 150 * DAY, "ahead"),
        (datetime(2099, 1, 1, tzinfo=UTC), NOON, NOON, NOON, "ahead"),
    ],
)
def test_effective_time(wall, mark, issued, now, doubt):
    assert effective_time(wall, mark, issued) == EffectiveTime(now, wall, doubt)


@examples(150)
@given(moments, st.none() | moments, st.none() | moments)
def test_time_never_runs_back(wall, mark, issued):
    found = effective_time(wall, mark, issued)
    assert all(found.now >= floor for floor in (mark, issued) if floor is not None)
    assert found.wall == wall
    if not found.doubt:
        assert abs(found.now - wall) <= SLACK
    raised = raised_mark(mark, wall, issued)
    if mark is not None:
        assert raised is not None
        assert raised >= mark
    if issued is None:
        assert raised == mark
    else:
        assert raised is not None
        assert raised <= max(moment for moment in (mark, issued + ABSENCE_MAX) if moment is not None)
        # what one bad clock did to the mark does not bring the till into doubt for ever
        assert effective_time(issued + ABSENCE_MAX, raised_mark(None, wall, issued), issued).doubt == ""


# --- what has elapsed within one boot ---


def test_what_has_elapsed_is_added_within_one_boot():
    anchor = Anchor(NOON, BootTime("b1", 100.0))
    assert anchor.floor(BootTime("b1", 100.0)) == NOON
    assert anchor.floor(BootTime("b1", 3700.5)) == NOON + timedelta(hours=1, milliseconds=500)


@pytest.mark.parametrize(
    "reading",
    [
        BootTime("b2", 5000.0),  # switched off in between: how long is not known
        BootTime("", 5000.0),
        BootTime("b1", 50.0),  # a count that went back is none
        BootTime("b1", float("inf")),
        BootTime("b1", float("nan")),
    ],
)
def test_across_a_start_the_mark_alone_is_the_floor(reading):
    assert Anchor(NOON, BootTime("b1", 100.0)).floor(reading) == NOON


def test_a_boot_without_a_name_is_never_the_same_one():
    assert Anchor(NOON, BootTime("", 100.0)).floor(BootTime("", 5000.0)) == NOON


elapsed = st.floats(0, 10**8)


@examples(150)
@given(
    moments, st.sampled_from(["b1", "b2", ""]), elapsed, st.sampled_from(["b1", "b2", ""]), elapsed, elapsed
)
def test_the_floor_only_rises_within_a_boot(at, boot, start, now, one, other):
    anchor = Anchor(at, BootTime(boot, start))
    earlier, later = sorted((one, other))
    assert at <= anchor.floor(BootTime(now, earlier)) <= anchor.floor(BootTime(now, later))


@examples(150)
@given(moments, moments, moments, elapsed)
def test_a_clock_set_back_while_running_does_not_move_time_back(wall, back, issued, seconds):
    """The clock is set to any earlier time: effective time is still at least what has elapsed later."""
    before = effective_time(wall, None, issued)
    floor = Anchor(before.now, BootTime("b", 0.0)).floor(BootTime("b", seconds))
    after = effective_time(min(back, wall), floor, issued)
    assert after.now >= before.now + timedelta(seconds=seconds) - timedelta(microseconds=1)
    if min(back, wall) < floor - SLACK:
        assert after.doubt


@examples(100)
@given(moments, st.sampled_from(["", "6e9c-1"]), elapsed)
def test_an_anchor_is_read_back(at, boot, seconds):
    read = anchor_from_text(Anchor(at, BootTime(boot, seconds)).to_text())
    assert at - timedelta(milliseconds=1) < read.at <= at
    assert read.reading.boot == boot
    assert abs(read.reading.elapsed_s - seconds) <= 0.001


# --- validity by the store's date ---


@examples(300)
@given(moments, st.sampled_from(ZONES), st.integers(-3, 3), st.integers(0, 3), st.integers(0, 2))
def test_a_coupon_counts_on_its_days_in_the_store(moment, name, first, more, grace):
    """From the first moment of its first day to the last one of its last day, whatever the clocks of that zone do."""
    zone = ZoneInfo(name)
    today = moment.astimezone(zone).date()
    day = (today - date(1970, 1, 1)).days
    starts, ends = day + first, day + first + more
    world = (
        World(zone=zone, now=moment)
        .with_claims(not_before=starts, expires=ends)
        .with_campaign(starts=starts - 400, ends=ends + 400, grace_days=grace)
    )
    world = world.but(key=replace(world.key, not_before=day - 500, expires=day + 500))
    decision = world.decide()
    if today < date(1970, 1, 1) + timedelta(days=starts):
        assert decision.outcome is Outcome.NOT_YET_VALID
        works_from = decision.works_from
        assert works_from is not None
        assert works_from > moment
        assert world.but(now=works_from).decide().outcome is Outcome.ACCEPTED or name == "Pacific/Apia"
        assert world.but(now=works_from - SECOND).decide().outcome is Outcome.NOT_YET_VALID
    elif today > date(1970, 1, 1) + timedelta(days=ends + grace):
        assert decision.outcome is Outcome.EXPIRED
    else:
        assert decision.outcome is Outcome.ACCEPTED


def test_a_day_that_did_not_exist_begins_with_the_next_one():
    """Samoa went from 29 to 31 December 2011: a coupon from the 30th on counts from the 31st."""
    zone, day = ZoneInfo("Pacific/Apia"), (date(2011, 12, 30) - date(1970, 1, 1)).days
    assert time.day_start(day, zone) == time.day_start(day + 1, zone) == utc("2011-12-30T10:00Z")
    assert time.day_number(time.day_start(day, zone), zone) == day + 1


def test_a_clock_without_a_bundle_raises_nothing():
    assert raised_mark(None, NOON, None) is None
    assert raised_mark(NOON, NOON + DAY, None) == NOON


def test_the_clock_raises_the_mark_for_ninety_days_only():
    assert raised_mark(None, NOON + DAY, NOON) == NOON + DAY
    assert raised_mark(None, NOON + AHEAD_MAX, NOON) == NOON + ABSENCE_MAX


def test_a_clock_that_is_not_believed_raises_nothing():
    """One start with a dead battery's date must not close the till for the ninety days after."""
    assert raised_mark(None, NOON + AHEAD_MAX + DAY, NOON) == NOON
    assert raised_mark(NOON + DAY, NOON + 3650 * DAY, NOON) == NOON + DAY


def test_a_clock_behind_the_bundle_raises_the_mark_to_it():
    assert raised_mark(None, NOON - DAY, NOON) == NOON


def test_timestamps_are_utc_with_milliseconds():
    berlin = NOON.astimezone(ZoneInfo("Europe/Berlin")).replace(microsecond=123_999)
    assert time.timestamp(berlin) == "2024-10-04T04:00:00.123Z"
    assert time.timestamp(NOON.astimezone(timezone(timedelta(hours=14)))) == "2024-10-04T04:00:00.000Z"


@examples(100)
@given(moments)
def test_timestamps_are_read_back(moment):
    read = time.from_timestamp(time.timestamp(moment))
    assert moment - timedelta(milliseconds=1) < read <= moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-10-04",
        "20241004T040000Z",
        "2024-W40-5",
        "2024-10-04T04:00:00Z",
        "2024-10-04T04:00:00.000",
        "2024-10-04 04:00:00.000Z",
        "2024-10-04T04:00:00.000+00:00",
        "0001-01-01T00:00:00.000+14:00",
        "2024-13-04T04:00:00.000Z",
        "2024-10-04T24:01:00.000Z",
        "٢٠٢٤-10-04T04:00:00.000Z",
        "2024-10-04T04:00:00.000Z\n",
    ],
)
def test_any_other_text_is_no_timestamp(text):
    with pytest.raises(ValueError):  # noqa: PT011 (Python words some of them)
        time.from_timestamp(text)
