"""Promises that an offer must not make, and what may be said instead.

An offer takes money off a sale or gives goods; it pays nothing out, promises no prize and compares itself with nobody.
Texts that say otherwise are refused where they are written: `redeemd campaign check`, the cloud that publishes
campaigns, `redeemd check-config`. A till prints what was signed: the list may grow without breaking a bundle. Sources:
the rules on prepaid and rebate promises that shops work under, and the advertising law's ban of superlatives (PRC
Advertising Law, article 9). It helps whoever writes; it is no legal advice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TEXT_CHARS_MAX = 4096  # what is longer is judged by its beginning: no field of ours is


@dataclass(frozen=True, slots=True)
class Promise:
    """A forbidden promise. found: as it stands in the text. neutral: what may be said instead, in its language."""

    found: str
    neutral: str

    def __str__(self) -> str:
        return f"promises {self.found!r}: say {self.neutral!r}"


def _between(words: str, gap: str = r"[^\w]*") -> str:
    return gap.join(map(re.escape, words))


def _english(*words: str) -> str:
    return r"(?<![a-z0-9])" + r"[^a-z0-9]{0,3}".join(words) + r"(?![a-z0-9])"


# Pattern on the folded text (NFKC, lower case); what may stand between the characters is punctuation and space only, so
# that "返-现" and "c a s h b a c k" are found too. The first that matches at a place is named.
_TABLE: tuple[tuple[str, str], ...] = (
    (r"(?<!往)" + _between("返现") + r"(?![场有实])", "满减"),
    (_between("返还现金"), "立减"),
    (_between("现金返还"), "立减"),
    (_between("现金奖励"), "优惠券"),
    (_between("现金红包"), "优惠券"),
    (_between("现金券"), "优惠券"),
    (_between("兑换现金"), "抵扣消费"),
    (_between("兑现金"), "抵扣消费"),
    (r"(?<!往)" + _between("返钱"), "立减"),
    (_between("返利"), "优惠"),
    (_between("提现"), "抵扣"),
    (_between("全额返还"), "优惠"),
    (r"返[^\w]*(?:给)?[^\w]*[您你]?[^\w]*现[^\w]*金", "满减"),
    (r"返[^\w]*(?:给)?[^\w]*[您你]?[^\w]*\d+[^\w]*[元块](?!券|优惠)", "立减"),
    (_between("必中"), "有机会获得"),
    (_between("中奖"), "有机会获得"),
    (_between("稳赚"), "实惠"),
    (_between("保本"), "实惠"),
    (_between("零风险"), "实惠"),
    (_between("拉人头"), "推荐好友"),
    (_between("发展下线"), "推荐好友"),
    (_between("最低价"), "优惠价"),
    (_between("史上最低"), "优惠价"),
    (_between("全网最低"), "优惠价"),
    (_between("国家级"), "优质"),
    (_english("cash", "backs?"), "money off"),
    (_english("c", "a", "s", "h", "b", "a", "c", "k"), "money off"),
    (_english("money", "back"), "money off"),
    (_english("cash", "(?:rewards?|refunds?|rebates?|vouchers?|prizes?)"), "voucher for goods"),
    (_english("rebates?"), "discount"),
    (_english("redeem(?:able)?", "for", "cash"), "valid on a purchase"),
    (_english("free", "money"), "money off"),
    (_english("guaranteed", "(?:win|winner|prize|profit|return)s?"), "a chance to receive"),
    (_english("risk", "free"), "good value"),
    (_english("(?:lowest|best)", "prices?"), "good price"),
)
_PROMISES = tuple((re.compile(pattern), neutral) for pattern, neutral in _TABLE)


_TRADITIONAL = str.maketrans(
    "現錢獎賺風險級價額還兌換紅勵發網國線東勝", "现钱奖赚风险级价额还兑换红励发网国线东胜"
)
_LOOK_ALIKE = str.maketrans("аеосрхукмнтіѕјԁһοαεκνρτυχ", "aeocpxykmhtisjdhoaekvptux")
"""Letters of other alphabets that look like Latin ones."""


def promises(text: str) -> Iterator[Promise]:
    """The forbidden promises of a text, in the order of the table; () for a text that makes none."""
    folded = unicodedata.normalize("NFKC", text[:TEXT_CHARS_MAX]).casefold()
    folded = folded.translate(_TRADITIONAL).translate(_LOOK_ALIKE)
    folded = "".join(character for character in folded if unicodedata.category(character) != "Cf")
    taken: set[int] = set()
    for pattern, neutral in _PROMISES:
        for found in pattern.finditer(folded):
            if taken.isdisjoint(range(*found.span())):
                taken.update(range(*found.span()))
                yield Promise(found[0], neutral)


def faults(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Promise]]:
    """(name, promise) of every forbidden promise in (name, text) pairs, such as a campaign's fields."""
    for name, text in texts:
        for promise in promises(text):
            yield name, promise
