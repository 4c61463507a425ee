"""What head office is shown of a conflict: both stores, who keeps the coupon, and what follows, in a sentence.

The sentences to the tills are in `cloud.verdicts`; the rule is decision 0040.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from agent.domain.parts import Place
from cloud.lists import ConflictLine
from cloud.places import Places


class _Follows(NamedTuple):
    """paid: of the later redemption: open (a person decides), none (nothing is owed), paid. has: `_HAS`. won, lost: how
    the two are called; bearer: who has given what is not paid.
    """

    paid: str
    zh: str
    en: str


_FOLLOWS = {
    ("", True): _Follows(
        "open",
        "{has}{lost} 给出的优惠暂不结算（结算页“待定”），总部决定之前由{bearer} 承担。",
        "{has} {Lost} is not paid for its discount (open in the settlement): {bearer} bears it until head office "
        "decides.",
    ),
    ("", False): _Follows(
        "none",
        "{has}{lost} 的记录被拒收（见“隔离与异常”），不进入结算：给出的优惠由{bearer} 承担。",
        "{has} The record of {lost} was refused (see the quarantine) and is in no settlement: {bearer} bears the "
        "discount.",
    ),
    ("lost", True): _Follows(
        "none",
        "已了结：{lost} 已退货，那一笔不再结算。{has}",
        "Ended: the goods came back at {lost}, so nothing of it is owed. {has}",
    ),
    ("won", True): _Follows(
        "paid",
        "已了结：{won} 已退货。现以{lost} 为准，照常结算。",
        "Ended: the goods came back at {won}. {Lost} keeps the coupon now and is paid.",
    ),
    ("won", False): _Follows(
        "none",
        "已了结：{won} 已退货，券归{lost}；但其记录被拒收（见“隔离与异常”），不进入结算：给出的优惠由{bearer} 承担。",
        "Ended: the goods came back at {won}, so {lost} has the coupon now; its record was refused (see the "
        "quarantine) and is in no settlement: {bearer} bears the discount.",
    ),
}
"""By whose goods came back, and whether the later redemption is a stored record."""
_HAS = {
    True: {"zh": "以{won} 为准，照常结算。", "en": "{won} keeps the coupon and is paid."},
    False: {
        "zh": "以{won} 为准，但其记录被拒收（见“隔离与异常”），不进入结算。",
        "en": "{won} keeps the coupon, though its record was refused (see the quarantine) and is in no settlement.",
    },
}
"""Who keeps it, by whether that redemption is a stored record."""
_CALLED = {
    "zh": {"store": "门店 ", "till": "收银机 ", "merchant": "商户 ", "unknown": "该门店"},
    "en": {"store": "store ", "till": "till ", "merchant": "merchant ", "unknown": "the store"},
}


async def shown(places: Places, lines: list[ConflictLine]) -> list[dict[str, Any]]:
    """The lines as they are answered (docs/cloud-openapi.yaml, ConflictLine)."""
    return [
        _shown(line, await places.place(line.winner.till), await places.place(line.till)) for line in lines
    ]


def _shown(line: ConflictLine, won: Place | None, lost: Place | None) -> dict[str, Any]:
    said = dataclasses.asdict(line)
    for name in ("winner", "won_minor", "won_currency", "stored", "won_stored", "ended"):
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
    said = _FOLLOWS["lost", True] if back == "lost" else _FOLLOWS[back, line.stored]
    state = "ended" if back else "lasting"
    texts = {"zh": said.zh, "en": said.en}
    return {"state": state, "follows": said.paid} | {
        language: _sentence(text, language, line, won, lost) for language, text in texts.items()
    }


def _sentence(text: str, language: str, line: ConflictLine, won: Place | None, lost: Place | None) -> str:
    called = _CALLED[language]
    names = _named(line, won, lost, called)
    names["Lost"] = _capital(names["lost"])
    names["bearer"] = called["unknown"] if lost is None else f"{called['merchant']}{lost.merchant}"
    names["has"] = _capital(_HAS[line.won_stored][language].format(**names))
    return _capital(text.format(**names))


def _named(
    line: ConflictLine, won: Place | None, lost: Place | None, called: dict[str, str]
) -> dict[str, str]:
    """Both sides by what tells them apart."""
    if won is not None and lost is not None and won.store != lost.store:
        return {"won": called["store"] + won.store, "lost": called["store"] + lost.store}
    if line.winner.till != line.till:
        return {"won": called["till"] + line.winner.till, "lost": called["till"] + line.till}
    return {"won": line.winner.redemption_id, "lost": line.redemption_id}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
