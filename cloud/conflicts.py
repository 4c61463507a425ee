"""What head office is shown of a conflict: both stores, who keeps the coupon, and what follows, in a sentence.

The sentences to the tills are in `cloud.verdicts`; the rule is decision 0040.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from agent.domain.parts import Place
from cloud.lists import ConflictLine
from cloud.ports import CloudStore


class _Follows(NamedTuple):
    """paid: of the later redemption: open (a person decides), none (nothing is owed), paid. won, lost: how the two are
    called; bearer: who has given what is not paid."""

    paid: str
    zh: str
    en: str


_FOLLOWS = {
    ("", True): _Follows(
        "open",
        "以{won} 为准，照常结算。{lost} 给出的优惠暂不结算（结算页“待定”），总部决定之前由{bearer} 承担。",
        "{won} keeps the coupon and is paid. {lost} is not paid for its discount (open in the settlement): {bearer} "
        "bears it until head office decides.",
    ),
    ("", False): _Follows(
        "none",
        "以{won} 为准，照常结算。{lost} 的记录被拒收（见“隔离与异常”），不进入结算：给出的优惠由{bearer} 承担。",
        "{won} keeps the coupon and is paid. The record of {lost} was refused (see the quarantine) and is in no "
        "settlement: {bearer} bears the discount.",
    ),
    ("lost", True): _Follows(
        "none",
        "已了结：{lost} 已退货，那一笔不再结算。以{won} 为准，照常结算。",
        "Ended: the goods came back at {lost}, so nothing of it is owed. {won} keeps the coupon and is paid.",
    ),
    ("won", True): _Follows(
        "paid",
        "已了结：{won} 已退货。现以{lost} 为准，照常结算。",
        "Ended: the goods came back at {won}. {lost} keeps the coupon now and is paid.",
    ),
    ("won", False): _Follows(
        "none",
        "已了结：{won} 已退货，券归{lost}；但其记录被拒收（见“隔离与异常”），不进入结算：给出的优惠由{bearer} 承担。",
        "Ended: the goods came back at {won}, so {lost} has the coupon now; its record was refused (see the "
        "quarantine) and is in no settlement: {bearer} bears the discount.",
    ),
}
"""By whose goods came back, and whether the later redemption is a stored record."""


async def shown(store: CloudStore, lines: list[ConflictLine]) -> list[dict[str, Any]]:
    """The lines as they are answered (docs/cloud-openapi.yaml, ConflictLine)."""
    tills = {till for line in lines for till in (line.till, line.winner.till)}
    stores = {till: await _place(store, till) for till in tills}
    return [_shown(line, stores[line.winner.till], stores[line.till]) for line in lines]


async def _place(store: CloudStore, till: str) -> Place | None:
    found = await store.till(till)
    return None if found is None else await store.place(found.store)


def _shown(line: ConflictLine, won: Place | None, lost: Place | None) -> dict[str, Any]:
    said = dataclasses.asdict(line)
    for name in ("winner", "won_minor", "won_currency", "ended"):
        del said[name]
    winner = dataclasses.asdict(line.winner) | _where(won)
    winner |= {"discount_minor": line.won_minor, "currency": line.won_currency}
    ended = None if line.ended is None else line.ended._asdict()
    return said | _where(lost) | {"winner": winner, "ended": ended} | follows(line, won, lost)


def _where(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {"store": None, "store_zh": None, "store_en": None, "merchant": None}
    return {
        "store": place.store,
        "store_zh": place.title.zh,
        "store_en": place.title.en,
        "merchant": place.merchant,
    }


def follows(line: ConflictLine, won: Place | None, lost: Place | None) -> dict[str, str]:
    """{"state", "follows", "zh", "en"}. won, lost: where the two tills stand."""
    back = "" if line.ended is None else line.ended.back
    said = _FOLLOWS.get((back, line.kind == "double"), _FOLLOWS["lost", True])
    zh = _named(line, won, lost, "门店 ", "收银机 ") | {
        "bearer": f"商户 {lost.merchant}" if lost else "该门店"
    }
    en = _named(line, won, lost, "Store ", "Till ") | {
        "bearer": f"merchant {lost.merchant}" if lost else "the store"
    }
    return {
        "state": "ended" if back else "lasting",
        "follows": said.paid,
        "zh": said.zh.format(**zh),
        "en": said.en.format(**en),
    }


def _named(
    line: ConflictLine, won: Place | None, lost: Place | None, store: str, till: str
) -> dict[str, str]:
    """Both sides by what tells them apart."""
    if won is not None and lost is not None and won.store != lost.store:
        return {"won": f"{store}{won.store}", "lost": f"{store}{lost.store}"}
    if line.winner.till != line.till:
        return {"won": f"{till}{line.winner.till}", "lost": f"{till}{line.till}"}
    return {"won": line.winner.redemption_id, "lost": line.redemption_id}
