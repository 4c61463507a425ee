"""The limit on wrong codes: so many at once, then one at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guesses import Guesses, TooManyGuesses


class Hand:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_then_one_after_each_wait() -> None:
    hand = Hand()
    guesses = Guesses(hand, at_once=3, refill_s=2.0)
    for _ in range(3):
        guesses.check()
        guesses.count()
    with pytest.raises(TooManyGuesses) as refused:
        guesses.check()
    assert refused.value.wait_s == 2.0
    hand.now += 1.5
    with pytest.raises(TooManyGuesses) as refused:
        guesses.check()
    assert refused.value.wait_s == 0.5
    hand.now += 0.5
    guesses.check()
    guesses.count()
    with pytest.raises(TooManyGuesses):
        guesses.check()
    hand.now += 1000.0
    for _ in range(3):
        guesses.check()
        guesses.count()
    with pytest.raises(TooManyGuesses):
        guesses.check()


def test_right_answers_cost_nothing() -> None:
    guesses = Guesses(Hand(), at_once=1, refill_s=2.0)
    for _ in range(100):
        guesses.check()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
def test_no_more_than_the_bucket_and_what_flows_in(pauses: list[int]) -> None:
    hand = Hand()
    guesses = Guesses(hand, at_once=5, refill_s=3.0)
    made = 0
    for pause in pauses:
        hand.now += pause / 10
        try:
            guesses.check()
        except TooManyGuesses:
            continue
        guesses.count()
        made += 1
    assert made <= 5 + sum(pauses) / 10 / 3.0 + 1e-6
