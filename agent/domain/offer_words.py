"""An offer in a few words of Chinese and English, as cashier, screen and receipt say it."""

from __future__ import annotations

from agent.domain.benefit import (
    AmountOff,
    Attribution,
    Benefit,
    Change,
    Gift,
    Item,
    PercentOff,
    Pickup,
    PointsMultiplier,
    PointsSpend,
    SetOff,
    SetPrice,
    StoredValue,
    Which,
)
from agent.domain.campaign import Words
from agent.domain.candidate import Hint
from agent.domain.money import short


def benefit_words(benefit: Benefit, currency: str) -> Words:
    """What the offer gives, without its conditions."""
    match benefit:
        case AmountOff():
            return _amount_off(benefit, currency)
        case PercentOff():
            return _percent_off(benefit, currency)
        case SetOff():
            return _set_off(benefit, currency)
        case SetPrice(pieces=pieces):
            price = short(benefit.price_minor, currency)
            return Words(f"任选 {pieces} 件共 {price}", f"any {pieces} for {price}")
        case Item():
            return _item(benefit, currency)
        case Gift(pieces=pieces):
            return Words(f"赠 {pieces} 件", f"{_pieces(pieces)} free")
        case Pickup(gift=gift):
            return (
                Words("取货，另赠 " + str(gift.pieces) + " 件", "pickup, with a gift")
                if gift
                else Words("取货", "pickup")
            )
        case Attribution():
            return Words("到店登记", "visit counted, no discount")
        case _:
            return _payment(benefit, currency)


def hint_words(hint: Hint, currency: str) -> Words:
    """What the cashier can suggest: how much more for the next step."""
    if hint.then_minor:
        more, then = short(hint.missing_minor, currency), short(hint.then_minor, currency)
        return Words(f"再买 {more} 可减 {then}", f"{more} more and it is {then} off")
    zh, en = _percent(hint.then_percent)
    return Words(f"再买 {hint.missing_pieces} 件可享 {zh}", f"{hint.missing_pieces} more and it is {en}")


def _percent(percent: int) -> tuple[str, str]:
    """八折 is "pay 80 %"."""
    if percent == 100:
        return "免费", "free"
    pay = 100 - percent
    return f"{pay // 10 if pay % 10 == 0 else pay / 10} 折", f"{percent}% off"


def _pieces(pieces: int) -> str:
    return "one piece" if pieces == 1 else f"{pieces} pieces"


def _change(change: Change, currency: str) -> tuple[str, str]:
    if change.price_minor is not None:
        price = short(change.price_minor, currency)
        return f"每件 {price}", f"at {price} each"
    if change.off_minor:
        off = short(change.off_minor, currency)
        return f"每件减 {off}", f"{off} off each"
    return _percent(change.percent)


def _amount_off(rule: AmountOff, currency: str) -> Words:
    zh, en = [], []
    every = ("每满", "every") if rule.repeating else ("满", "from")
    for step in rule.steps:
        start, off = short(step.from_minor, currency), short(step.off_minor, currency)
        zh.append(f"{every[0]} {start} 减 {off}" if step.from_minor else f"立减 {off}")
        en.append(f"{off} off {every[1]} {start}" if step.from_minor else f"{off} off")
    if rule.cap_minor:
        cap = short(rule.cap_minor, currency)
        zh.append(f"最高减 {cap}")
        en.append(f"at most {cap}")
    return Words("，".join(zh), ", ".join(en))


def _percent_off(rule: PercentOff, currency: str) -> Words:
    zh, en = [], []
    for step in rule.steps:
        rate_zh, rate_en = _percent(step.percent)
        zh.append(f"满 {step.pieces} 件 {rate_zh}" if step.pieces > 1 else rate_zh)
        en.append(f"{rate_en} from {step.pieces} pieces" if step.pieces > 1 else rate_en)
    cap = short(rule.cap_minor, currency)
    return Words("，".join((*zh, f"最高减 {cap}")), ", ".join((*en, f"at most {cap}")))


def _set_off(rule: SetOff, currency: str) -> Words:
    free, paid = rule.off_pieces, rule.pieces - rule.off_pieces
    if rule.change.percent == 100 and paid:
        return Words(f"买 {paid} 送 {free}", f"buy {paid}, get {free} free")
    zh, en = _change(rule.change, currency)
    if rule.pieces == 2 and free == 1:
        return Words(f"第二件 {zh}", f"second piece {en}")
    return Words(f"每 {rule.pieces} 件中 {free} 件 {zh}", f"{free} of every {rule.pieces} pieces {en}")


def _item(rule: Item, currency: str) -> Words:
    zh, en = _change(rule.change, currency)
    first_zh, first_en = (
        ("最便宜的 ", "the cheapest ") if rule.which is Which.CHEAPEST and rule.pieces else ("", "")
    )
    count_zh = f"{rule.pieces} 件 " if rule.pieces else ""
    count_en = _pieces(rule.pieces) if rule.pieces else "every piece"
    words = Words(f"{first_zh}{count_zh}{zh}", f"{first_en}{count_en} {en}")
    if rule.every_minor:
        every = short(rule.every_minor, currency)
        return Words(f"每满 {every} 换购 {words.zh}", f"{words.en} for every {every}")
    if rule.every_pieces:
        return Words(
            f"每买 {rule.every_pieces} 件换购 {words.zh}", f"{words.en} for every {rule.every_pieces} bought"
        )
    return words


def _payment(rule: StoredValue | PointsSpend | PointsMultiplier, currency: str) -> Words:
    match rule:
        case StoredValue():
            return Words("余额支付", "pays from its balance")
        case PointsSpend(points=points):
            worth = short(rule.worth_minor, currency)
            return Words(f"每 {points} 积分抵 {worth}", f"every {points} points pay {worth}")
        case PointsMultiplier(percent=percent):
            return Words(f"{percent / 100:g} 倍积分", f"{percent / 100:g} times the points")
