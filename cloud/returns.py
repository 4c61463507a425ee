"""What goes back when goods come back: who paid a returned line gets exactly its part. Pure.

A redemption's shares are made anew from its lines and the offer's funding, as the till made them, and each return takes
its part of what is left of them. So however the pieces come back, in whatever order the returns arrive, in the end each
line and each party has back what it gave, and no party ever gets more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agent.domain.basket import spread
from agent.domain.fields import Fields
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.offer import Funding
from agent.domain.pricing import funded_shares
from agent.domain.settlement import LINES_MAX, unsettled
from agent.domain.token import UINT32_MAX
from cloud.chain import BackLine, CouponRef, Reversal

KIND = "redeemd.reversal.v1"
WHOLE = "*"
"""The one line of a redemption that knows no lines."""
REVOKED_KEY = "revoked_key"
"""Why a return that was held is refused: a person said so. All other reasons are what cannot go back."""
NAME_MAX = 128
PIECES_MAX = 10**9
_REDEMPTION_ID = re.compile(r"([A-Za-z0-9._-]{1,64})-([1-9][0-9]{0,14})", re.ASCII)


class Part(NamedTuple):
    """What one line gives or gets back. funded_minor: of each party, in the order of PARTIES; sums to the amount."""

    line: str
    pieces: int
    funded_minor: tuple[int, ...]

    @property
    def amount_minor(self) -> int:
        return sum(self.funded_minor)


def read_reversal(data: Any, record_id: str) -> Reversal:
    """The data of a reversal; FieldError names what is wrong. Members beyond these are the till's own."""
    fields = Fields(data, "data")
    if fields.text("reversal_id", 80) != record_id:
        raise fields.error("reversal_id", "is not the event's id")
    redemption_id = fields.text("redemption_id", 80)
    place = _REDEMPTION_ID.fullmatch(redemption_id)
    if place is None:
        raise fields.error("redemption_id", "is not TILL-SEQUENCE")
    coupon = Fields(fields.mapping("coupon"), "data.coupon")
    lines = tuple(map(_read_line, fields.items("lines", LINES_MAX + 1)))
    amount = fields.integer("amount_minor", 0, AMOUNT_MAX_MINOR)
    if lines and sum(line.amount_minor for line in lines) != amount:
        raise fields.error("lines", "do not sum to amount_minor")
    if len({line.line for line in lines}) != len(lines):
        raise fields.error("lines", "name one twice")
    return Reversal(
        redemption_id,
        place[1],
        int(place[2]),
        CouponRef(
            coupon.text("issuer", 32, least=1),
            coupon.integer("campaign", 0, UINT32_MAX),
            coupon.integer("index", 0, UINT32_MAX),
        ),
        amount,
        fields.boolean("whole"),
        fields.boolean("coupon_returns"),
        lines,
    )


def _read_line(item: Any) -> BackLine:
    fields = Fields(item, "data.lines")
    name = fields.anything("line")
    if type(name) is not str or len(name) > NAME_MAX:
        raise fields.error("line", f"is not a text of at most {NAME_MAX} characters")
    return BackLine(
        name,
        fields.integer("quantity", 1, PIECES_MAX),
        fields.integer("amount_minor", 0, AMOUNT_MAX_MINOR),
    )


def told_lines(data: Any) -> list[dict[str, Any]]:
    """The lines of a redemption's data where they add up to what came off; else none, whatever a till wrote there."""
    if not isinstance(data, dict) or data.get("discount_minor") is None or unsettled(data):
        return []
    return data.get("lines") or []


def shares_of(data: Mapping[str, Any], discount_minor: int, funding: Funding) -> dict[str, Part]:
    """What each line of a redemption carries, who pays it. One line, WHOLE, where the record says none that add up.

    By the offer's funding and not by what the till wrote of it: who pays is the issuer's word.
    """
    lines = told_lines(data)
    if not lines:
        whole = spread(discount_minor, [permille * discount_minor for permille in _permilles(funding)])
        return {WHOLE: Part(WHOLE, 1, tuple(whole))}
    pieces: dict[str, Any] = {str(line.get("line")): line.get("quantity") for line in lines}
    if len(pieces) != len(lines) or not all(type(count) is int and count > 0 for count in pieces.values()):
        return shares_of({}, discount_minor, funding)
    off = {str(line["line"]): line["share_minor"] for line in lines}
    return {
        share.line: Part(share.line, pieces[share.line], share.funded_minor)
        for share in funded_shares(off, funding)
    }


def _permilles(funding: Funding) -> tuple[int, ...]:
    return funding.issuer, funding.merchant, funding.supplier


def left_of(shares: Mapping[str, Part], gone: Iterable[Part]) -> dict[str, Part]:
    """What is left of each line after what went back."""
    left = dict(shares)
    for part in gone:
        had = left[part.line]
        paid = zip(had.funded_minor, part.funded_minor, strict=True)
        left[part.line] = Part(part.line, had.pieces - part.pieces, tuple(one - back for one, back in paid))
    return left


def parts_back(left: Mapping[str, Part], asked: Reversal) -> list[Part] | str:
    """What goes back of what is left, or why it cannot be: wrong_lines, too_much."""
    wanted = asked.lines
    if WHOLE in left:
        wanted = (BackLine(WHOLE, left[WHOLE].pieces if asked.whole else 0, asked.amount_minor),)
    elif not wanted:
        return "wrong_lines"
    parts = []
    for line, pieces, amount in wanted:
        had = left.get(line)
        if had is None:
            return "wrong_lines"
        last = pieces == had.pieces
        if pieces > had.pieces or amount > had.amount_minor or (last and amount != had.amount_minor):
            return "too_much"
        parts.append(Part(line, pieces, tuple(spread(amount, had.funded_minor))))
    return parts


def nothing_left(left: Mapping[str, Part]) -> bool:
    return not any(part.pieces for part in left.values())
