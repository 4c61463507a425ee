"""The life of a held sale: which state each call meets, and what it does there. Pure.

    open --commit--> committed          open --void--> voided          open --time--> expired
    expired --commit--> committed, late: what nobody else took meanwhile counts      expired --void--> voided

A committed sale is undone by a reversal, never by a void: its records are with the cloud or on their way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HoldState(StrEnum):
    OPEN = "open"
    COMMITTED = "committed"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """held: what was asked and priced. answer: what was said last. Both JSON texts; no coupon's text is in them."""

    hold_id: str
    sale_id: str
    state: HoldState
    opened_at: datetime
    expires_at: datetime
    held: str
    answer: str

    def state_at(self, now: datetime) -> HoldState:
        """By effective time: an open hold whose time is over has expired, whether or not somebody noted it."""
        over = self.state is HoldState.OPEN and now >= self.expires_at
        return HoldState.EXPIRED if over else self.state


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a hold keeps of one coupon: one use, by `member` where one is known (the digest of `Member`), `charge_minor`
    of the budget, `amount_minor` of a stored value, `points` of the member's."""

    identity: tuple[str, int, int]
    charge_minor: int
    amount_minor: int
    member: bytes | None = None
    points: int = 0


class Call(StrEnum):
    COMMIT = "commit"
    VOID = "void"


class Step(StrEnum):
    """What a call does. REPEAT: it was done before; the answer is the one of then."""

    COMMIT = "commit"
    COMMIT_LATE = "commit_late"
    VOID = "void"
    REPEAT = "repeat"
    TOO_LATE = "too_late"  # refused: the sale took the other way


STEPS: Mapping[tuple[HoldState, Call], Step] = {
    (HoldState.OPEN, Call.COMMIT): Step.COMMIT,
    (HoldState.OPEN, Call.VOID): Step.VOID,
    (HoldState.COMMITTED, Call.COMMIT): Step.REPEAT,
    (HoldState.COMMITTED, Call.VOID): Step.TOO_LATE,
    (HoldState.VOIDED, Call.COMMIT): Step.TOO_LATE,
    (HoldState.VOIDED, Call.VOID): Step.REPEAT,
    (HoldState.EXPIRED, Call.COMMIT): Step.COMMIT_LATE,
    (HoldState.EXPIRED, Call.VOID): Step.VOID,
}
assert len(STEPS) == len(HoldState) * len(Call), "every call has its answer in every state"
