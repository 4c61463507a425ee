"""When tills were seen and how they said they are: one row for each, newest word only.

What comes in is gathered in memory and written together every few seconds, so that no request of a till waits for it
and no batch is slower. A receiver that is killed loses some seconds of it; tills say it again within a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from sync.till_health import TillHealth


class Word(NamedTuple):
    """What a till said, and when. clock_s: how far its clock is ahead of the cloud's, the line's delay in it."""

    health: TillHealth
    at: str
    clock_s: int


@dataclass(frozen=True, slots=True)
class Seen:
    """seen_at: when the till asked or delivered last. word: the newest; None where it never said anything."""

    till: str
    seen_at: str
    word: Word | None


@dataclass(slots=True)
class Gathered:
    """What was seen since it was written last. One entry a till: only those that signed come here."""

    tills: dict[str, Seen] = field(default_factory=dict)

    def note(self, till: str, at: str, word: Word | None = None) -> None:
        before = self.tills.get(till)
        self.tills[till] = Seen(till, at, word or (None if before is None else before.word))

    def take(self) -> list[Seen]:
        """All of it, in order of tills, so that receivers never wait for one another crosswise."""
        found, self.tills = self.tills, {}
        return [found[till] for till in sorted(found)]

    def put_back(self, seen: Sequence[Seen]) -> None:
        """It could not be written; what is newer stays."""
        for one in seen:
            newer = self.tills.get(one.till)
            if newer is None:
                self.tills[one.till] = one
            elif newer.word is None:
                self.tills[one.till] = Seen(one.till, newer.seen_at, one.word)


SORTS: dict[str, tuple[str, str | int]] = {
    "till": ("till", ""),
    "store": ("store", ""),
    "seen": ("seen_at", ""),
    "waiting": ("waiting", -1),
    "issued": ("issued", ""),
    "quarantined": ("quarantined", -1),
}
"""What tills can be sorted by: the member of a line, and what stands for None."""


class TillQuery(NamedTuple):
    """search: part of the name of the till or of its store. problem: of PROBLEMS, "" for any. now: for what is silent.

    after: (value of the sort, till) of the last line of the page before; None for the first page.
    """

    sort: str
    descending: bool
    search: str
    problem: str
    now: str
    after: tuple[str | int, str] | None
    limit: int

    def key_of(self, line: TillLine) -> str | int:
        """What a line is sorted by."""
        found: str | int | None = getattr(line, SORTS[self.sort][0])
        return SORTS[self.sort][1] if found is None else found


PROBLEMS = ("any", "silent", "clock", "bundle", "backlog", "quarantine", "revoked", "waiting")
"""any: of those that are enrolled. silent: not seen for SILENT_S. waiting: not enrolled yet."""
SILENT_S = 15 * 60
CLOCK_S = 300
"""A clock that is off by more is in doubt, whatever the till believes."""
BACKLOG = 500


@dataclass(frozen=True, slots=True)
class TillLine:
    """A till on the page. The members of its word are None where it never said anything."""

    till: str
    store: str
    merchant: str
    state: str
    enrolled_at: str | None
    revoked_at: str | None
    seen_at: str | None
    said_at: str | None
    version: str | None
    epoch: int | None
    sequence: int | None
    issued: str | None
    age: str | None
    doubt: str | None
    clock_s: int | None
    waiting: int | None
    oldest: str | None
    quarantined: int | None
    healthy: bool | None
    devices: tuple[tuple[str, str, str], ...]
    issues: tuple[str, ...]


class SeenStore(Protocol):
    """The part of `cloud.ports.CloudStore` that knows how tills are."""

    async def put_seen(self, seen: Sequence[Seen]) -> None:
        """Keep what is newer than what is known."""

    async def till_lines(self, query: TillQuery) -> list[TillLine]:
        """One page; at most `query.limit`."""

    async def till_counts(self, now: str) -> dict[str, int]:
        """How many tills have each of PROBLEMS, and "all"."""
