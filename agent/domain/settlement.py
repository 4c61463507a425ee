"""What a redemption's record says beside the discount: who is credited and who pays, so that settlement needs no more.

Pure. The keys are those of docs/sync-protocol.md. Pseudonyms and the merchant's own names only, never a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agent.domain.basket import Basket, basket_of
from agent.domain.campaign import Campaign
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.offer import PARTIES, Incentives, Reward
from agent.domain.pricing import Applied
from agent.domain.sale import Sale
from agent.domain.token import Coupon

CATEGORIES_MAX = 20
"""Categories that a record names, those of the dearest first; the rest is in the total."""
LINES_MAX = 100
"""Lines that a record names, so that it stays below the 64 KiB of an event whatever they are called."""


def settled(
    campaign: Campaign,
    coupon: Coupon,
    sale: Sale | None,
    applied: Applied | None,
    hide: Callable[[bytes], str],
) -> dict[str, Any]:
    """Members of a redemption's `data`. applied: None where the discount is not known: nothing is shared out then.

    hide: makes of a pseudonym what stands for it in what is signed.
    """
    basket = None if sale is None or not sale.lines else basket_of(sale)
    found: dict[str, Any] = {
        "basket": None if basket is None else _summary(basket),
        "assistant": (sale.assistant or None) if sale else None,
        "tenders": sorted(sale.tenders or ()) if sale else [],
        "touches": list(sale.touches) if sale else [],
        "incentives": list(_earned(campaign.offer.incentives, coupon, sale, applied, hide)),
    }
    if applied is None:
        return found
    quantities = {line.line: line.quantity for line in basket.lines} if basket else {}
    return found | {
        "payment": applied.payment,
        "points_spent": applied.points_spent,
        "points_percent": applied.points_percent,
        "hand_over": None if applied.hand_over is None else applied.hand_over.pieces,
        "lines": list(_lines(applied, quantities)),
        "funded_minor": {
            party: sum(share.funded_minor[place] for share in applied.shares)
            for place, party in enumerate(PARTIES)
        },
    }


def _lines(applied: Applied, quantities: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Each line's share and who pays it. What is beyond LINES_MAX, the smallest shares, is summed under the name ""."""
    shares = sorted(applied.shares, key=lambda share: -share.amount_minor)
    for share in shares[:LINES_MAX]:
        yield {
            "line": share.line,
            "quantity": quantities.get(share.line, 1),
            "share_minor": share.amount_minor,
            "funded_minor": list(share.funded_minor),
        }
    if rest := shares[LINES_MAX:]:
        funded = [sum(parts) for parts in zip(*(share.funded_minor for share in rest), strict=True)]
        yield {"line": "", "quantity": len(rest), "share_minor": sum(funded), "funded_minor": funded}


def _summary(basket: Basket) -> dict[str, Any]:
    categories: dict[str, int] = {}
    for line in basket.lines:
        categories[line.category] = categories.get(line.category, 0) + line.amount_minor
    dearest = sorted(categories, key=lambda name: (-categories[name], name))[:CATEGORIES_MAX]
    return {
        "lines": len(basket.lines),
        "pieces": sum(line.quantity for line in basket.lines),
        "total_minor": basket.total_minor,
        "categories": [{"name": name, "amount_minor": categories[name]} for name in dearest],
    }


def _earned(
    rules: Incentives,
    coupon: Coupon,
    sale: Sale | None,
    applied: Applied | None,
    hide: Callable[[bytes], str],
) -> Iterator[dict[str, Any]]:
    """One entry for each who earns. who: a badge, a hidden pseudonym, None for the store and for those whom only the
    cloud can name.

    The second tier is whoever brought the first: the cloud, which issued to both, knows them.
    """
    due = max(sale.total_minor - applied.amount_minor, 0) if sale and applied else 0

    def entry(party: str, tier: int, who: str | None, reward: Reward) -> dict[str, Any]:
        return {"party": party, "tier": tier, "who": who, "amount_minor": reward.amount_minor(due)}

    if rules.assistant is not None and sale is not None and sale.assistant:
        yield entry("assistant", 1, sale.assistant, rules.assistant)
    if rules.store is not None:
        yield entry("store", 1, None, rules.store)
    referrer = coupon.claims.referrer
    if referrer is not None:
        for tier, reward in enumerate(rules.referrers, 1):
            yield entry("referrer", tier, hide(referrer) if tier == 1 else None, reward)


def unsettled(data: Mapping[str, Any]) -> str:
    """Why a record's shares cannot be right, "" if they can: the cloud's check on what a till sent.

    Lines sum to the discount, and each line's parties to its share: settlement pays what is written there.
    """
    lines, discount = data.get("lines"), data.get("discount_minor")
    if lines is None or discount is None:
        return ""
    if not isinstance(lines, list):
        return "lines is not a list"
    total = 0
    for line in lines:
        if not isinstance(line, dict):
            return "a line is not an object"
        share, funded = line.get("share_minor"), line.get("funded_minor")
        if not _amount(share) or not isinstance(funded, list) or len(funded) != len(PARTIES):
            return "a line has no share, or not one part for each party"
        if not all(map(_amount, funded)) or sum(funded) != share:
            return "the parts of a line do not sum to its share"
        total += share
    return "" if total == discount else "the shares of the lines do not sum to the discount"


def _amount(value: Any) -> bool:
    return type(value) is int and 0 <= value <= AMOUNT_MAX_MINOR
