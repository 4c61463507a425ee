"""`python -m tests.unit.pricing_check 20000`: compare the engine with the oracle on that many random small sales."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from agent.domain.basket import Basket
from agent.domain.eligibility import Facts, Presented
from agent.domain.pricing import quote
from tests.unit.pricing_cases import random_case
from tests.unit.pricing_oracle import best


def difference(basket: Basket, presented: Sequence[Presented], facts: Facts) -> str:
    """What the engine's quote says otherwise; "" where both agree."""
    expected = best(basket, presented, facts)
    answer = quote(basket, presented, facts)
    shares = {one.key: {share.line: share.amount_minor for share in one.shares} for one in answer.applied}
    handed = {one.key: one.hand_over.pieces if one.hand_over else 0 for one in answer.applied}
    points = {one.key: one.points_spent for one in answer.applied}
    if (shares, handed, points) != (expected.shares, expected.handed, expected.points):
        return f"oracle {expected}\nengine {shares} {handed} {points}"
    answered = sorted([one.key for one in answer.applied] + [one.key for one in answer.refused])
    return "" if answered == sorted(one.key for one in presented) else f"answers for {answered} only"


def first_difference(seeds: Sequence[int]) -> str:
    """The first case in which the two differ, with its seed; "" where they agree on all."""
    for seed in seeds:
        case = random_case(seed)
        if found := difference(*case):
            return f"case {seed}: {case}\n{found}"
    return ""


def main(arguments: list[str]) -> int:
    cases = int(arguments[0]) if arguments else 20_000
    found = first_difference(range(cases))
    print(found or f"{cases} cases agree", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
