"""A return: what a redemption took off goes back, whole or by line, as a record of its own that names it.

However the pieces come back, in the end exactly what came off has gone back (`basket.share_of_pieces`), and none twice.
Where the campaign says so the coupon is unused again once all of it has gone back, and a stored value has each part
back at once. What the budget bore stays charged: a copy of a coupon is no less of a risk for being returned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent import points
from agent.domain import record
from agent.domain.basket import share_of_pieces
from agent.domain.campaign import Returns
from agent.ports import Transaction
from agent.records import Moment, base_facts, seal_into
from agent.sales.desk import Answered, Desk, SaleFault

REVERSAL = "reversal"
WHOLE = "*"
"""The one line of a redemption that knows no lines."""


@dataclass(frozen=True, slots=True)
class Return:
    """What comes back: of one redemption or of all of a sale. lines: (line, pieces), None for all that is left."""

    redemption_id: str | None
    sale_id: str | None
    lines: tuple[tuple[str, int], ...] | None


@dataclass(frozen=True, slots=True)
class _Part:
    """Pieces of one line that come back, and what goes back for them."""

    line: str
    pieces: int
    amount_minor: int


def give_back(desk: Desk, tx: Transaction, at: Moment, asked: Return) -> Answered:
    """One transaction's work; SaleFault."""
    events = _events(tx, asked)
    wanted = None if asked.lines is None else dict(asked.lines)
    known = {line for event in events for line, _, _ in _shares(event["data"])}
    if wanted is not None and known.isdisjoint(wanted):
        raise SaleFault("lines_unknown")
    made = []
    for event in events:
        before = tx.returned(event["id"])
        parts = _parts(event["data"], before, wanted)
        if parts:
            made.append(_reverse(desk, tx, at, event, before, parts))
    if not made:
        raise SaleFault("nothing_left")
    total = sum(one["amount_minor"] for one in made)
    return Answered(201, {"amount_minor": total, "currency": made[0]["currency"], "reversals": made})


def _events(tx: Transaction, asked: Return) -> list[Mapping[str, Any]]:
    """The redemptions that are meant."""
    if asked.redemption_id is not None:
        found = tx.redeemed(asked.redemption_id)
        if found is None:
            raise SaleFault("unknown_redemption")
        return [found]
    assert asked.sale_id is not None, "one of the two is given"
    answers = [json.loads(answer) for answer in tx.committed_answers(asked.sale_id)]
    names = [one["redemption_id"] for answer in answers for one in answer["applied"]]
    events = [event for event in map(tx.redeemed, names) if event is not None]
    if not events:
        raise SaleFault("unknown_sale")
    return events


def _shares(data: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """(line, pieces, what it carries) of a redemption."""
    lines = data.get("lines")
    if not lines:
        return [(WHOLE, 1, data["discount_minor"] or 0)]
    return [(one["line"], one["quantity"], one["share_minor"]) for one in lines]


def _parts(
    data: Mapping[str, Any], before: Mapping[str, int], wanted: Mapping[str, int] | None
) -> list[_Part]:
    """What comes back now; SaleFault where it is more than is left."""
    parts = []
    for line, quantity, share in _shares(data):
        gone = before.get(line, 0)
        pieces = quantity - gone if wanted is None else wanted.get(line, 0)
        if pieces > quantity - gone:
            left = quantity - gone
            raise SaleFault(
                "too_many_returned",
                f"line {line}: {left} of {quantity} are left",
                f"商品行 {line} 原有 {quantity} 件，还可退 {left} 件",
            )
        if pieces:
            parts.append(_Part(line, pieces, share_of_pieces(share, quantity, gone, pieces)))
    return parts


def _reverse(
    desk: Desk,
    tx: Transaction,
    at: Moment,
    event: Mapping[str, Any],
    before: Mapping[str, int],
    parts: Sequence[_Part],
) -> dict[str, Any]:
    """The record of one redemption's reversal, whole or in part, and what it says."""
    data, redemption_id = event["data"], event["id"]
    coupon = {name: data["coupon"][name] for name in ("issuer", "campaign", "index")}
    identity = (coupon["issuer"], coupon["campaign"], coupon["index"])
    now = {part.line: part.pieces for part in parts}
    whole = all(before.get(line, 0) + now.get(line, 0) == quantity for line, quantity, _ in _shares(data))
    amount = sum(part.amount_minor for part in parts)
    for part in parts:
        tx.take_back(redemption_id, part.line, part.pieces)
    campaign = at.trust.contents.campaigns.get(identity[:2])
    returns = campaign is not None and campaign.returns is Returns.COUPON
    comes_back = returns and whole
    if comes_back or (returns and data.get("payment")):
        tx.unuse(identity, amount, whole=whole)
    if comes_back:
        tx.uncount_member(identity[:2], int(event["sequence"]))
    number = record.record_id(
        desk.state.till, record.REDEMPTION_LANE, tx.head(record.REDEMPTION_LANE).sequence + 1
    )
    said = {
        "reversal_id": number,
        "redemption_id": redemption_id,
        "coupon": coupon,
        "amount_minor": amount,
        "currency": data["currency"],
        "whole": whole,
        "coupon_returns": comes_back,
        "lines": [
            {"line": part.line, "quantity": part.pieces, "amount_minor": part.amount_minor}
            for part in parts
            if part.line != WHOLE
        ],
    }
    before_minor = sum(
        share_of_pieces(share, quantity, 0, before.get(line, 0)) for line, quantity, share in _shares(data)
    )
    of = before_minor, amount, data["discount_minor"] or 0
    said |= points.give_back(tx, at, int(event["sequence"]), *of, whole=whole)
    facts = {**base_facts(at, offline=not desk.state.online, sale=None), **said}
    facts["sale"] = data["sale"]
    seal_into(
        tx,
        desk.key,
        desk.state.till,
        at.now.now,
        lane=record.REDEMPTION_LANE,
        kind=REVERSAL,
        subject=str(event["subject"]),
        data=facts,
    )
    return said
