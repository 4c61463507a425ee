"""The examples in docs/campaigns.md: `python -m tests.unit.campaign_page` computes them and writes them in anew.

An example stands between `<!-- example: NAME -->` and `<!-- end -->`; NAME is one of tests/vectors/pricing_examples.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from agent.domain.eligibility import Presented
from agent.domain.money import to_text
from agent.domain.objection import sentences
from agent.domain.offer_words import benefit_words, hint_words
from agent.domain.pricing import Applied, Quote, quote
from tests.vectors.pricing import read_case
from tests.vectors.pricing_examples import EXAMPLES

PAGE = Path(__file__).parents[2] / "docs" / "campaigns.md"
_BLOCK = re.compile(r"(<!-- example: (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with every example as the engine computes it now."""
    examples = {example["name"]: example for example in EXAMPLES}
    return _BLOCK.sub(lambda block: block[1] + _example(examples[block[2]]) + block[3], page)


def shown(page: str) -> list[str]:
    """The names of the page's examples."""
    return [block[2] for block in _BLOCK.finditer(page)]


def _example(example: dict[str, Any]) -> str:
    basket, coupons, facts = read_case(example)
    answer = quote(basket, coupons, facts)
    parts = [_offers(example["coupons"])]
    if basket.lines:
        parts.append(_table(example, answer))
    parts.append(" ".join([*_answers(coupons, answer), f"To pay: **{_money(answer.due_minor)}**."]))
    return "\n\n".join(parts) + "\n"


def _offers(coupons: list[dict[str, Any]]) -> str:
    texts = [json.dumps(one["offer"], ensure_ascii=False) for one in coupons]
    return "```json\n" + "\n".join(texts) + "\n```"


def _table(example: dict[str, Any], answer: Quote) -> str:
    numbers = [str(one.key[1]) for one in answer.applied if one.shares]
    head = ["article", "pieces and price", *(f"coupon {number} takes off" for number in numbers)]
    rows = [head, ["---"] * len(head)]
    for name, sku, quantity, price, *more in example["basket"]:
        known = [
            f"tax {value}" if what == "tax_class" else value for what, value in (more or [{}])[0].items()
        ]
        named = ", ".join([sku or "(only the total)", *known])
        shares = [
            next((_money(share.amount_minor) for share in one.shares if share.line == name), "")
            for one in answer.applied
            if one.shares
        ]
        rows.append([named, f"{quantity} x {_money(price)}", *shares])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _answers(coupons: list[Presented], answer: Quote) -> list[str]:
    benefits = {one.key: one.offer.benefit for one in coupons}
    found = []
    for one in answer.applied:
        words = benefit_words(benefits[one.key], "CNY")
        found.append(f"Coupon {_name(one.key)}, “{words.en}” ({words.zh}): {_given(one)}.")
    for refused in answer.refused:
        what, todo = sentences(refused.objection, "CNY")
        reason = refused.objection.reason.value
        found.append(
            f"Coupon {_name(refused.key)}: `{reason}`, “{what.en}. {todo.en}.” ({what.zh}，{todo.zh})"
        )
    return found


def _given(one: Applied) -> str:
    parts = []
    if one.amount_minor:
        parts.append(f"{'pays' if one.payment else 'takes off'} {_money(one.amount_minor)}")
    if one.points_spent:
        parts.append(f"for {one.points_spent} points")
    if one.points_percent != 100:
        parts.append(f"{one.points_percent} % of the usual points")
    if one.hand_over:
        parts.append(f"hand over {one.hand_over.pieces} {' or '.join(one.hand_over.skus)}")
    if one.hint:
        parts.append(hint_words(one.hint, "CNY").en)
    if one.if_tenders:
        parts.append(f"if it is paid with {' or '.join(sorted(one.if_tenders))}")
    if any(share.funded_minor[0] != share.amount_minor for share in one.shares):
        split = [sum(share.funded_minor[place] for share in one.shares) for place in range(3)]
        parts.append("issuer {}, merchant {}, supplier {}".format(*map(_money, split)))
    return ", ".join(parts) or "counted"


def _name(key: tuple[str, int, int]) -> str:
    return str(key[1]) if key[2] == 1 else f"{key[1]}/{key[2]}"


def _money(amount_minor: int) -> str:
    return to_text(amount_minor, "CNY")


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
