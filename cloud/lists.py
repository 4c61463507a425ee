"""What the cloud lists for people and for settlement, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from cloud.errors import Refused
from cloud.returns import Part

LINES_MAX = 10_000
LINES_DEFAULT = 1_000


def page_limit(text: str | None, most: int = LINES_MAX, default: int = LINES_DEFAULT) -> int:
    """The lines of a page as a query asks for them; Refused(422)."""
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 5 or not 1 <= int(text) <= most:
        raise Refused(422, "bad_field", f"limit is not 1 to {most}")
    return int(text)


Cursor = tuple[str, str, str, int, str]
"""Where a page of a list ends: when the line came, till, lane, sequence, hash."""
NEWEST: Cursor = ("~", "", "", 0, "")
"""Before the newest line: no time is written so."""


@dataclass(frozen=True, slots=True)
class Win:
    """The redemption that used a coupon first, by the order of receipt. hash: of its record, empty if not kept."""

    till: str
    lane: str
    sequence: int
    redemption_id: str
    received_at: str
    time: str
    hash: str


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One stored record. The coupon and the discount are those of a redemption, else None.

    standing: counts; held or refused for a use that came from a revoked key (`cloud.holds`). implausible: why it
    cannot be right, else None. conflict: its kind, where another record had used the coupon. currency, store, sale_id:
    as the till says, None where it does not. lines: of its data, where they add up.
    """

    till: str
    lane: str
    sequence: int
    hash: str
    redemption_id: str
    kind: str
    time: str
    received_at: str
    issuer: str | None
    campaign: int | None
    index: int | None
    discount_minor: int | None
    standing: str
    implausible: str | None
    conflict: str | None
    currency: str | None
    store: str | None
    sale_id: str | None
    lines: tuple[dict[str, Any], ...] = ()


class Ended(NamedTuple):
    """A return ended a conflict. back: whose goods came back, "lost" or "won". by: the return's record id."""

    back: str
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class ConflictLine:
    """A redemption of a coupon that another record had used before.

    kind: double for a stored record; fork, broken_chain, wrong_key for one that was refused with this code. time,
    discount_minor, currency (of the winner: won_minor, won_currency): as the tills say, None where one does not, or not
    so that it can be read. listed_at: since when at the latest the coupon is on the status list as used, None where
    several uses of it were possible, or it is not in conflict any more. revoked_at: by its issuer. stored, won_stored:
    whether they are records of the ledger, or were refused. ended: None while it lasts.
    """

    issuer: str
    campaign: int
    index: int
    till: str
    lane: str
    sequence: int
    hash: str
    redemption_id: str
    received_at: str
    kind: str
    winner: Win
    time: str | None
    discount_minor: int | None
    currency: str | None
    won_minor: int | None
    won_currency: str | None
    listed_at: str | None
    revoked_at: str | None
    stored: bool
    won_stored: bool
    ended: Ended | None = None

    def cursor(self) -> Cursor:
        return self.received_at, self.till, self.lane, self.sequence, self.hash


@dataclass(frozen=True, slots=True)
class GapLine:
    """Sequences `first` to `last` of a lane that never came, though a record behind them did, or the till says that it
    delivered them.

    hash: of the record at `last`, as the record behind it claims; empty if not known. kind: missing, or replaced: room
    left for what a lost disk had not sent.
    """

    till: str
    lane: str
    first: int
    last: int
    noticed_at: str
    hash: str
    kind: str

    def cursor(self) -> Cursor:
        return self.noticed_at, self.till, self.lane, self.first, ""


@dataclass(frozen=True, slots=True)
class RefusalLine:
    """A record refused for good. hash: as it claimed, empty if unreadable."""

    till: str
    lane: str
    sequence: int
    hash: str
    code: str
    redemption_id: str
    received_at: str
    event: str

    def cursor(self) -> Cursor:
        return self.received_at, self.till, self.lane, self.sequence, self.hash


@dataclass(frozen=True, slots=True)
class ImplausibleLine:
    """A redemption that cannot be right, signed by its till: it stands and counts, and somebody should look at it.

    reason: unknown_campaign; no_such_coupon for an index beyond the campaign's size; never_issued
    for one that this cloud, which alone issues the campaign, gave to no coupon; not_as_issued where the record knows
    neither the token nor the code that was issued for it; above_value for a discount that
    no version of the campaign gives; wrong_shares where the shares of lines and parties do not sum to it; wrong_points
    and return_wrong_points where points do not add up (`store.sql_points`); return_ and the reason of a return that was
    refused.
    """

    till: str
    lane: str
    sequence: int
    hash: str
    reason: str
    redemption_id: str
    time: str
    received_at: str
    issuer: str
    campaign: int
    index: int
    discount_minor: int | None

    def cursor(self) -> Cursor:
        return self.received_at, self.till, self.lane, self.sequence, self.hash


@dataclass(frozen=True, slots=True)
class ReversalLine:
    """A return. state: waiting for its redemption; applied; refused with a reason (other_coupon, elsewhere,
    wrong_lines, too_much, revoked_key); held, for it is signed by a key that was revoked.

    parts: what went back, of each line and party. standing, implausible, conflict, currency: of its
    redemption, as in `LedgerLine`.
    """

    till: str
    lane: str
    sequence: int
    hash: str
    redemption_id: str
    of_till: str
    issuer: str
    campaign: int
    index: int
    amount_minor: int
    coupon_returns: bool
    state: str
    reason: str
    parts: tuple[Part, ...]
    time: str
    received_at: str
    standing: str
    implausible: str | None
    conflict: str | None
    currency: str | None

    def cursor(self) -> Cursor:
        return self.received_at, self.till, self.lane, self.sequence, self.hash


class Earning(NamedTuple):
    """A stored record with what it says that somebody earned. incentives: as the till says, in whatever form.

    returned: some of the redemption was given back. disclosed: what is known of digests in it.
    """

    line: LedgerLine
    incentives: tuple[Any, ...]
    returned: bool
    disclosed: dict[str, str]


class ListStore(Protocol):
    """The part of `cloud.ports.CloudStore` that lists. All but the ledger: the newest first, behind `after`,
    of one till where it is named."""

    async def ledger(self, till: str | None, after: tuple[str, str, int], limit: int) -> list[LedgerLine]:
        """Stored records in order of (till, lane, sequence), beyond `after`."""

    async def earning(self, after: tuple[str, str, int], limit: int) -> list[Earning]:
        """As `ledger`."""

    async def conflicts(
        self, limit: int, after: Cursor = NEWEST, till: str | None = None, *, ended: bool = False
    ) -> list[ConflictLine]:
        """Those that last, or those that a return has ended; till: of either side."""

    async def refusals(
        self, limit: int, after: Cursor = NEWEST, till: str | None = None
    ) -> list[RefusalLine]: ...

    async def gaps(self, limit: int, after: Cursor = NEWEST, till: str | None = None) -> list[GapLine]: ...

    async def implausible(
        self, limit: int, after: Cursor = NEWEST, till: str | None = None
    ) -> list[ImplausibleLine]: ...

    async def reversals(self, limit: int, after: Cursor = NEWEST) -> list[ReversalLine]: ...

    async def verdicts(self, till: str, after: int, limit: int) -> list[dict[str, Any]]:
        """What this till is told behind number `after`, as it is sent (docs/sync-protocol.md), in that order."""
