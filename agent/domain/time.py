"""Time only moves forward: the later of the clock and a durable high-water mark, and doubt where the two disagree.

The mark is raised by signed bundles, and by the local clock only up to ABSENCE_MAX after the last bundle: one bad
battery must not brick a till for years. It is never raised by a coupon: any issuer could brick a till.

Within one boot the machine also counts elapsed time that nobody can set (CLOCK_BOOTTIME). So the mark is kept
with the reading of that count (`Anchor`): what has elapsed since is added to it, until the machine is switched off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

SLACK = timedelta(hours=2)
"""How far the clock may be behind the mark before it counts as set back."""
ABSENCE_MAX = timedelta(days=90)
"""How far after the last bundle the local clock may still raise the mark."""
AHEAD_MAX = timedelta(days=120)
"""How far after the last bundle the clock is believed at all."""
ONLINE_SLACK = timedelta(days=1)
"""How far the clock may be ahead of the cloud's time at a contact."""
EPOCH_DAY = date(1970, 1, 1)
_ELAPSED_MAX_S = 10 * 366 * 86400.0
"""No till runs for ten years: a count beyond it is not one."""
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


class BootTime(NamedTuple):
    """Seconds since the machine's start, sleep included, that only rise. boot: names that start; "" if not known."""

    boot: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Anchor:
    """It was at least `at` (UTC) when the machine's count stood at `reading`."""

    at: datetime
    reading: BootTime

    def floor(self, reading: BootTime) -> datetime:
        """The earliest that it can be at `reading`. After a new start only `at` itself is known."""
        elapsed_s = reading.elapsed_s - self.reading.elapsed_s
        if not reading.boot or reading.boot != self.reading.boot or not 0 < elapsed_s < _ELAPSED_MAX_S:
            return self.at
        return self.at + timedelta(seconds=elapsed_s)

    def to_text(self) -> str:
        """For the till's store; `anchor_from_text` reads it."""
        return f"{timestamp(self.at)} {self.reading.boot or '-'} {self.reading.elapsed_s:.3f}"


class EffectiveTime(NamedTuple):
    """now: what decisions use, UTC. wall: what the clock said. doubt: "", "behind" or "ahead"."""

    now: datetime
    wall: datetime
    doubt: str = ""


def effective_time(
    wall: datetime, mark: datetime | None, bundle_issued: datetime | None, *, known_ahead: bool = False
) -> EffectiveTime:
    """Effective time and doubt from the clock, the high-water mark and the last bundle's time of issue (all UTC).

    mark: with what has elapsed since, where that is known (`Anchor.floor`). known_ahead: at the last contact the
    cloud's time showed that the clock is ahead (`is_ahead`).
    """
    assert wall.tzinfo is UTC, "times are aware and UTC"
    floor = later(mark, bundle_issued) or wall
    if bundle_issued is not None and (known_ahead or wall > bundle_issued + AHEAD_MAX):
        return EffectiveTime(floor, wall, "ahead")
    if wall < floor:
        return EffectiveTime(floor, wall, "behind" if wall < floor - SLACK else "")
    return EffectiveTime(wall, wall)


def raised_mark(mark: datetime | None, wall: datetime, bundle_issued: datetime | None) -> datetime | None:
    """The new high-water mark; never lower than `mark`. Without a bundle the local clock raises nothing."""
    if bundle_issued is None:
        return mark
    if wall > bundle_issued + AHEAD_MAX:  # a clock that is not believed moves nothing
        wall = bundle_issued
    capped = max(bundle_issued, min(wall, bundle_issued + ABSENCE_MAX))
    return capped if mark is None else max(mark, capped)


def raised_by_bundle(mark: datetime | None, bundle_issued: datetime) -> datetime:
    """The mark after a newer bundle was carried here: its signed time is a floor."""
    return bundle_issued if mark is None else max(mark, bundle_issued)


def corrected_mark(mark: datetime | None, bundle_issued: datetime) -> datetime:
    """The mark after a newer bundle came over the line.

    What stands far beyond its signed time was raised by a clock that was ahead, and would close the till for good
    coupons: the newer bundle is the better witness. It can only go back to a time that is signed and later than
    every bundle before; reviving a coupon would need the clock set back as well.
    """
    beyond = mark is not None and mark > bundle_issued + SLACK
    return bundle_issued if beyond else raised_by_bundle(mark, bundle_issued)


def is_ahead(wall: datetime, cloud_time: datetime, bundle_issued: datetime) -> bool:
    """Whether the clock is ahead of both what the cloud said just now and what it signed last, by more than a day."""
    return wall > max(cloud_time, bundle_issued) + ONLINE_SLACK


def anchor_from_text(text: str) -> Anchor:
    """Read what `Anchor.to_text` wrote; ValueError otherwise."""
    at, boot, elapsed_s = text.split(" ")
    return Anchor(from_timestamp(at), BootTime("" if boot == "-" else boot, float(elapsed_s)))


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two moments, of which either may not be known."""
    if one is None or other is None:
        return one or other
    return max(one, other)


@lru_cache(maxsize=16)  # one redemption asks for the day of the same moment six times
def day_number(moment: datetime, zone: tzinfo) -> int:
    """Days since 1970-01-01 of the store's calendar day at `moment`."""
    return (moment.astimezone(zone).date() - EPOCH_DAY).days


def month_start(day: int) -> int:
    """The day number of the first day of that day's month."""
    return day - (EPOCH_DAY + timedelta(days=day)).day + 1


def day_start(day: int, zone: tzinfo) -> datetime:
    """The first moment of the store's calendar day `day`, in UTC."""
    first = EPOCH_DAY + timedelta(days=day)
    return datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)


def day_text(day: int) -> str:
    """ISO 8601 date of a day number."""
    return (EPOCH_DAY + timedelta(days=day)).isoformat()


@lru_cache(maxsize=16)  # one redemption writes the same moment five times
def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_timestamp(text: str) -> datetime:
    """Read what `timestamp` wrote; ValueError otherwise."""
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError(f"not a time such as 2026-11-22T09:30:00.000Z: {text[:40]!r}")
    return datetime.fromisoformat(text)
