"""Promises that an offer must not make, and what may be said instead.

An offer takes money off a sale or gives goods; it pays nothing out, promises no prize and compares itself with nobody.
Texts that say otherwise are refused where they are written: `redeemd campaign check`, `redeemd receipt check` and
`rules`, `redeemd check-config`, the cloud that publishes campaigns, messages, templates and rules. A till prints what
was signed: the list may grow without breaking a bundle. Sources: the rules on prepaid and rebate promises that shops
work under, and the advertising law's ban of superlatives (PRC Advertising Law, article 9). It helps whoever writes; it
is no legal advice. It knows words, not meaning; what a text denies (不可兑换现金, not redeemable for cash) is let pass.

tests/vectors/wording.json has what is found and what is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

TEXT_CHARS_MAX = 16 * 1024  # a whole template; what is longer is judged by its beginning: no field of ours is


@dataclass(frozen=True, slots=True)
class Promise:
    """A forbidden promise. found: as it stands in the normal form. neutral: what may be said instead, in the same
    language."""

    found: str
    neutral: str

    def __str__(self) -> str:
        return f"promises {self.found!r}: say {self.neutral!r}"


class _Row(NamedTuple):
    """words: a pattern on the normal form, in which a gap may stand between any two letters, and a space is one.
    not_before, not_after: patterns of what makes it another word."""

    words: str
    neutral: str
    not_after: str = ""
    not_before: str = ""


_PAID = "支付|付款|结算|收款|收银|找零|交易|管理"
_NUMBER = r"\d[\d ]{0,12}"
_AMOUNT = f"(?:{_NUMBER}|[一二两三四五六七八九十百千万]{{1,12}})(?:元|块)"
# The first row that matches at a place is named.
_CHINESE = (
    _Row("(?:返|反|退|送|赠|奖)(?:还|回|给|您|你)*现金", "立减", _PAID, "[违配]"),
    _Row("(?:返|反)现", "满减", f"[场有实在已代象行状任]|金(?:{_PAID})", "[往违]"),
    _Row("现金(?:返还|退还)", "立减"),
    _Row("现金(?:奖励?|红包|券)", "优惠券", not_after="[杯状]"),
    _Row("(?:领|赚|得)(?:取|到)?现金", "领优惠券", _PAID, "[占取引]"),
    _Row("(?:返|反)(?:款|佣)", "优惠", not_before="[往违]"),
    _Row("包赚", "实惠"),
    _Row("兑?换(?:成|为)?现金", "抵扣消费", _PAID, "更"),
    _Row("兑现金", "抵扣消费"),
    _Row("(?:返|反)(?:还|给|您|你)*钱", "立减", not_before="[往违]"),
    _Row("(?:返|反)利", "优惠", "[用益于息]", "[往违]"),
    _Row("提现", "抵扣", f"[场在有状]|金(?:{_PAID})", "前"),
    _Row("套现", "抵扣", "[场在有状]"),
    _Row("全额返还", "优惠"),
    _Row(f"(?:返|反)(?:还|给|您|你)*{_AMOUNT}", "立减", r"[\w ]{0,8}(?:券|积分)| ?优惠", "[往违]"),
    _Row(f"(?:{_NUMBER}percent|百分之?百) ?(?:返还|退款|退还)", "按退货规定办理"),
    _Row("必中", "有机会获得", "午", "务"),
    _Row("中奖", "有机会获得", not_before="[集其]"),
    _Row("稳赚", "实惠"),
    _Row("保本", "实惠", "[店次人单周月年期品活]", "确"),
    _Row("零风险", "实惠"),
    _Row("投资(?:回报|收益)", "优惠"),
    _Row("(?:回报|收益)率", "优惠"),
    _Row("保证(?:收益|盈利|回报|获利)", "优惠"),
    _Row("拉人头", "推荐好友"),
    _Row("发展下线", "推荐好友"),
    _Row("最低价", "优惠价", "值"),
    _Row("史上最低", "优惠价"),
    _Row("全网最低", "优惠价"),
    _Row("国家级", "优质"),
)
_POLICY = r"[ ](?:policy|policies|terms|conditions|rules|desk|counter|form|fee|charge|within|only|on|at)s?\b"
_WORD = "[ ][a-z]+"
_ENGLISH = (
    _Row("cash backs?", "money off"),
    _Row("money back", "money off"),
    _Row(f"{_NUMBER}percent (?:cash )?refund(?:s|ed|able)?", "money off", _POLICY),
    _Row(f"refund(?:s|ed)? (?:of )?{_NUMBER}percent", "money off"),
    _Row("cash outs?", "money off", "[ ](?:at|the|your)? ?(?:desk|register|till|drawer)"),
    _Row(
        "(?:earn|win|instant|get (?:your|the|free)) cash",
        "money off",
        "[ ](?:payments?|purchases?|customers?)",
    ),
    _Row("cash (?:rewards?|refunds?|rebates?|vouchers?|prizes?)", "voucher for goods", _POLICY),
    _Row("rebates?", "discount"),
    _Row(
        f"(?:redeem(?:ed|able)?|exchang(?:e|ed|eable)|convert(?:ed|ible)?|swap(?:ped)?|traded?|turn(?:ed)?)"
        f"(?:{_WORD}){{0,3}} (?:for|into|to) (?:real |hard )?cash",
        "valid on a purchase",
        "[ ](?:payments?|purchases?|customers?|sales?|desk|register)",
    ),
    _Row("free money", "money off"),
    _Row("guarantee[sd]? (?:you )?(?:an? )?(?:win|winner|prize|profit|return)s?", "a chance to receive"),
    _Row("guaranteed", "while stocks last"),
    _Row("(?:return on investment|investment returns?)", "good value"),
    _Row("risk free", "good value"),
    _Row("(?:lowest|best) prices?", "good price"),
)
_TRADITIONAL = str.maketrans(
    "現還給錢獎勵紅劵兌換為爲額穩賺風險資報證頭發線綫網價國級贈優積結場實狀無謝絕嚴設轉讓參與會東勝塊萬兩圓圆",
    "现还给钱奖励红券兑换为为额稳赚风险资报证头发线线网价国级赠优积结场实状无谢绝严设转让参与会东胜块万两元元",
)
_LOOK_ALIKE = str.maketrans("аеосрхукмнтіѕјԁһοαεκνρτυχ", "aeocpxykmhtisjdhoaekvptux")
"""Letters of other alphabets that look like Latin ones."""
_CLAUSE = str.maketrans(dict.fromkeys("，。！？；：", ". "))
_BLANK_LETTERS = "\u115f\u1160"  # Hangul fillers are letters by category, and nothing is seen of them
_DENIED_ZH = re.compile(
    "(?:(?<![能可会要是])不|无|非|勿|禁止|谢绝|没有|无需|不必)(?:可|能|得|予|会|再|以|作|支持|提供|接受|参与|用于|设|涉及|折算|任何|允许)*"
    "(?:(?:转让|转赠|转售|出售|买卖|找零|找赎|退换|退款|退货|叠加|拆分|兑换|提现|折现|返现)(?:使用)?(?:或者?|及|和|与|也)?)*$"
)
_DENIED_AFTER = re.compile(
    "(?: ?(?:一律|恕|概)?(?:不适用|不可用|不支持|不提供|除外|无效)| (?:(?:is|are) )?(?:not|un)"
    " ?(?:available|possible|offered|included|valid|accepted|permitted|allowed|paid))"
)
_DENIED_EN = re.compile(
    r"(?<!why )\b(?:no|not|never|cannot|[a-z]+n t|without|non|nor|neither)(?:[; ]+(?:be|is|valid|redeem(?:ed|able)|"
    "exchang(?:ed?|es|eable)|refund(?:s|ed|able)?|returns?|transfers?|transferable|change|converted|combined|used|paid|given|"
    "offer(?:ed)?|eligible|an?|any|or|and|for|as|in|with))*[; ]*$"
)


def _compiled(row: _Row) -> re.Pattern[str]:
    def spaced(found: re.Match[str]) -> str:
        return " ?" if found[0] == " " else (" ?" if found[1] else "") + found[0]

    # What is no letter of a word is left as it is: classes, escapes, counts, the heads of groups.
    words = re.sub(r"\[[^]]*\]|\\.|\{[^}]*\}|\(\?[:=!<]+|([a-z\u4e00-\u9fff])|.", spaced, row.words)
    after = f"(?! ?(?:{row.not_after}))" if row.not_after else ""
    return re.compile((f"(?<!{row.not_before})" if row.not_before else "") + f"(?:{words})" + after)


def _compiled_english(row: _Row) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9])(?:{_compiled(row).pattern})(?![a-z0-9])")


_PROMISES = (
    *((_compiled(row), row.neutral, _DENIED_ZH) for row in _CHINESE),
    *((_compiled_english(row), row.neutral, _DENIED_EN) for row in _ENGLISH),
)


def normal(text: str) -> str:
    """The normal form that words are looked for in: letters and digits in one case, script and width, with one space
    for whatever stands between them, "; " where a clause ends, and nothing of what is not seen."""
    folded = unicodedata.normalize("NFKD", text[:TEXT_CHARS_MAX].translate(_CLAUSE)).casefold()
    folded = unicodedata.normalize("NFKD", folded).translate(_TRADITIONAL).translate(_LOOK_ALIKE)
    seen = "".join(
        " " if kind == "Lm" else character
        for character in folded
        if (kind := unicodedata.category(character)) not in ("Mn", "Me", "Cf")
        and character not in _BLANK_LETTERS
    )
    seen = re.sub(r"(?<=\d)\s*%", " percent ", seen)
    seen = re.sub(r"[.,!?;:](?=\s|\Z)", "\0", seen)
    seen = re.sub(r"[^\w\0]|_", " ", seen)
    return re.sub(" +", " ", re.sub(r" *\0[ \0]*", "; ", seen)).strip("; ")


def promises(text: str) -> Iterator[Promise]:
    """The forbidden promises of a text, in the order of the table; () for a text that makes none."""
    folded = normal(text)
    taken: set[int] = set()
    for pattern, neutral, denied in _PROMISES:
        for found in pattern.finditer(folded):
            if not taken.isdisjoint(range(*found.span())):
                continue
            taken.update(range(*found.span()))
            before = folded[max(found.start() - 80, 0) : found.start()]
            denies_it = denied.search(before.replace(" ", "") if denied is _DENIED_ZH else before)
            if not denies_it and not _DENIED_AFTER.match(folded, found.end()):
                yield Promise(found[0].strip(), neutral)


def faults(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Promise]]:
    """(name, promise) of every forbidden promise in (name, text) pairs, such as a campaign's fields."""
    for name, text in texts:
        for promise in promises(text):
            yield name, promise
