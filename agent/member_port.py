"""What the use cases ask of the ledger about members, within one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol


class PointsHere(NamedTuple):
    """Of one member at this till. change, spent, times: by records after the list's last; spent_day, times_day: of the
    store's day; held: by open holds. Points, and how often some were spent."""

    change: int
    spent: int
    times: int
    spent_day: int
    times_day: int
    held: int


class MemberLedger(Protocol):
    """What members used here, within one transaction. member: the digest of `agent.members`."""

    def member_uses(
        self, campaign: tuple[str, int], member: bytes, since: int, day: int, at: datetime
    ) -> tuple[int, int]:
        """Uses of a campaign on store day `day`, and from `since` to it; held ones that last at `at` are of today."""

    def count_member(self, campaign: tuple[str, int], member: bytes, day: int, number: int) -> None:
        """The redemption of this number in its lane was this member's."""

    def uncount_member(self, campaign: tuple[str, int], number: int) -> None:
        """That redemption is undone: the use does not count any more."""

    def member_visits(self, member: bytes, through: int, at: datetime) -> int:
        """Coupons used here by records after the list's last, and held at `at`: it was here since."""

    def points_here(self, member: bytes, through: int, day: int, at: datetime) -> PointsHere:
        """What this till did to a member's points; through: the last record of it that is in the list's points."""

    def earned_before(self, member: bytes, sale_id: str, day: int) -> bool:
        """Whether this sale has earned points already."""

    def add_points(self, number: int, member: bytes, day: int, sale_id: str, earned: int, spent: int) -> None:
        """What the record of this number in the redemption lane earned and spent; below 0: what it gives back."""

    def points_of(self, number: int) -> tuple[bytes, str, int, int] | None:
        """(member, sale_id, earned, spent) of a redemption; None where it was about no points."""
