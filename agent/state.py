"""What the till knows now: the bundle in force, how late it is at least, and why it may take nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from agent.disk import DiskLevel
from agent.domain.bundle import Age, Manifest
from agent.domain.eligibility import Member
from agent.domain.parts import Contents
from agent.domain.sale import Sale
from agent.domain.shop import Template
from agent.domain.time import Anchor, BootTime, EffectiveTime, effective_time, later, raised_mark
from agent.ports import Clock


@dataclass(frozen=True, slots=True)
class Trust:
    """The bundle in force, typed."""

    manifest: Manifest
    contents: Contents
    zone: tzinfo


def make_trust(manifest: Manifest, contents: Contents) -> Trust:
    """`Trust` with the store's time zone loaded; ZoneInfoNotFoundError if the bundle names none that exists."""
    return Trust(manifest, contents, ZoneInfo(contents.place.zone))


@dataclass(slots=True)
class TillState:
    """What the till knows now. Replaced as a whole by refresh; read by every scan. mark: high-water mark of time, as
    it is on disk; anchor: the same or later, with the count of this boot that goes on from it.

    stopped: why no coupon is taken at all ("" = taken). ledger_fault: why the last scan could not be recorded ("" = it
    was). online: whether the cloud answered lately. outdated_since: since when (`Clock.monotonic`) the cloud
    offers only bundles older than the one in force; None while it does not. disk: how much room is left. unrecorded:
    refused scans that were answered and not recorded since, for want of it. sale, member: of the shop without a POS.
    """

    till: str
    trust: Trust | None = None
    mark: datetime | None = None
    anchor: Anchor | None = None
    clock_ahead: bool = False
    stopped: str = ""
    ledger_fault: str = ""
    online: bool = False
    outdated_since: float | None = None
    sale: Sale | None = None
    member: Member | None = None
    disk: DiskLevel = DiskLevel.ENOUGH
    unrecorded: int = 0

    def now(self, clock: Clock) -> EffectiveTime:
        """Effective time by this machine's clocks."""
        return self.time(clock.now(), clock.boot_time())

    def time(self, wall: datetime, reading: BootTime | None = None) -> EffectiveTime:
        """Effective time when the clock says `wall` and the count of this boot `reading`."""
        floor = self.mark if reading is None else self.floor(reading)
        return effective_time(wall, floor, self._issued(), known_ahead=self.clock_ahead)

    def floor(self, reading: BootTime) -> datetime | None:
        """The mark, with what has elapsed since."""
        return later(self.mark, None if self.anchor is None else self.anchor.floor(reading))

    def observe(self, clock: Clock) -> None:
        """From here on it is never earlier than now, while this boot lasts."""
        reading = clock.boot_time()
        raised = raised_mark(self.mark, self.time(clock.now(), reading).now, self._issued())
        floor = self.floor(reading)
        if raised is not None and (floor is None or raised >= floor):
            self.anchor = Anchor(raised, reading)

    def set_mark(self, mark: Anchor) -> None:
        """Follow a mark that was stored."""
        self.mark, self.anchor = mark.at, mark

    def _issued(self) -> datetime | None:
        return None if self.trust is None else self.trust.manifest.issued

    def zone(self) -> tzinfo:
        return UTC if self.trust is None else self.trust.zone

    def templates(self) -> tuple[Template, ...]:
        """Head office's receipt templates."""
        return () if self.trust is None else self.trust.contents.shop.templates

    def currency(self) -> str:
        return "" if self.trust is None else self.trust.contents.place.currency


def bundle_age(state: TillState, now: datetime) -> Age | None:
    """How old the bundle is at effective time; None without one."""
    return None if state.trust is None else state.trust.manifest.age(now)
