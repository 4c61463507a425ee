"""What becomes of a cloud whose data was put back from an older copy: the words for it, and what its store does.

The copy knows neither the bundles nor the coupons that were given out after it was made. Bundles go on far behind them.
No index is drawn until a person says how many coupons were issued: a second customer would get the coupon of a first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol


class Closed(NamedTuple):
    """A campaign that issues nothing for now. issued: as far as the copy knows."""

    issuer: str
    campaign: int
    issued: int
    size: int


class RestoreStore(Protocol):
    """The part of `cloud.ports.CloudStore` that outlives a loss."""

    async def restored(self, now: datetime) -> tuple[int, list[Closed]]:
        """The data was put back: bundles go on behind the sequence that is returned, and no campaign issues.

        Promo codes that tills were to hand out are set aside. Refused(409) if there are no sequences left.
        """

    async def closed(self) -> list[Closed]:
        """The campaigns that issue nothing since."""

    async def open_issuing(self, issuer: str, campaign: int, issued: int) -> None:
        """A person says that at most `issued` coupons were issued. Refused(404, 409, 422)."""

    async def sequence_floor(self) -> int:
        """Every manifest from now on has a higher sequence; 0 before any restore."""

    async def missing(self, till: str, lane: str, limit: int) -> list[tuple[int, int]]:
        """First and last sequence of what never came of a lane and may still be at the till, the highest first."""

    async def unheard(self, till: str, delivered: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """First and last sequence, by lane, of what the till says it delivered and that lies behind all that came."""

    async def note_unheard(self, till: str, lost: Mapping[str, tuple[int, int]], at: str) -> None:
        """List these as gaps, while nothing behind them comes."""
