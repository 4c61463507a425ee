"""What the cloud tells the stores of a coupon that was redeemed twice: who keeps it, and what follows. Pure.

The redemption counts whose record reached the cloud first. Nothing else orders two tills: their clocks are set by
whoever stands before them, and a till's sequence says nothing of another's. Who holds records back only loses by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cloud.chain import CouponRef

PAGE_MAX = 100
KEEP_DAYS = 90
"""After that a verdict is told to no till any more; the conflict itself stays listed."""


class Side(NamedTuple):
    """One of the two redemptions. received_at: when its record reached the cloud."""

    till: str
    redemption_id: str
    received_at: str


class Finding(NamedTuple):
    """kind: conflict; settled, for one that a return ended. kept: whose redemption counts, unless it is `still` in
    conflict with another one. because: of a conflict, how the other record stands (`ConflictLine.kind`).
    """

    kind: str
    coupon: CouponRef
    kept: Side
    other: Side
    because: str = ""
    still: bool = False


class _Said(NamedTuple):
    """follows: what becomes of the money. zh, en: with the other side's till, store and redemption."""

    follows: str
    zh: str
    en: str


_SAID = {
    ("conflict", "kept"): _Said(
        "paid",
        "此券后来又在{where} 核销（{redemption_id}）：本笔先到云端，以本笔为准，照常结算。",
        "This coupon was redeemed again at {where} ({redemption_id}). Yours reached the cloud first: it counts and "
        "is paid.",
    ),
    ("conflict", "lost"): _Said(
        "open",
        "此券已在{where} 核销（{redemption_id}），那一笔先到云端，以那一笔为准。本笔已给的优惠暂不结算，由总部决定。",
        "This coupon was redeemed at {where} too ({redemption_id}); that one reached the cloud first and counts. What "
        "was given here is not paid until head office has decided.",
    ),
    ("settled", "kept"): _Said(
        "paid",
        "与{where}（{redemption_id}）的重复核销已了结：那一笔已退货。本笔有效，照常结算。",
        "Nothing is open any more with {where} ({redemption_id}): its goods came back. Yours counts and is paid.",
    ),
    ("settled", "lost"): _Said(
        "open",
        "{where}（{redemption_id}）的那一笔已退货；但本笔仍与另一笔重复，见另一条通知。",
        "The goods came back at {where} ({redemption_id}); yours is in conflict with another redemption still, which "
        "is told beside this.",
    ),
    ("settled", "returned"): _Said(
        "none",
        "本笔已退货，与{where}（{redemption_id}）的重复核销已了结。",
        "The goods came back here, so nothing is open any more with {where} ({redemption_id}).",
    ),
}


def told(finding: Finding, store_of: Callable[[str], str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The verdicts of a finding, one for each till that is concerned: (till, document without its number)."""
    kept, other = finding.kept, finding.other
    loses = "lost" if finding.kind == "conflict" else "returned"
    sides = [(kept, other, "lost" if finding.still else "kept"), (other, kept, loses)]
    if kept.till == other.till:  # it is one screen: it says what is lost, or that nothing is
        sides = sides[1:] if finding.kind == "conflict" else sides[:1]
    for own, against, standing in sides:
        said = _SAID[finding.kind, standing]
        store = store_of(against.till)
        words = {"redemption_id": against.redemption_id}
        where = {"zh": f"收银机 {against.till}", "en": f"till {against.till}"}
        if store:
            where = {"zh": f"门店 {store} 的{where['zh']}", "en": f"{where['en']} of store {store}"}
        yield (
            own.till,
            {
                "kind": finding.kind,
                "because": finding.because,
                "coupon": finding.coupon._asdict(),
                "redemption_id": own.redemption_id,
                "standing": standing,
                "follows": said.follows,
                "other": {**against._asdict(), "store": store},
                "zh": said.zh.format(where=where["zh"], **words),
                "en": said.en.format(where=where["en"], **words),
            },
        )
