"""Tokens, enrolment codes, and the limit on wrong guesses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.access import Attempts, digest, neighbourhood, new_code, new_token, plain_code


def test_codes_survive_how_people_type_them() -> None:
    assert plain_code("abcd-0123 xyz9") == plain_code("ABCDO1Z3XYZ9".replace("Z3", "23"))
    assert plain_code("il0o") == "1100"
    code = new_code()
    assert [len(group) for group in code.split("-")] == [4, 4, 4]
    assert plain_code(code.lower()) == code.replace("-", "")


def test_secrets_are_fresh() -> None:
    assert len({new_code() for _ in range(200)}) == 200
    assert len({new_token() for _ in range(200)}) == 200
    assert digest("a") != digest("b")


def test_wrong_guesses_are_limited_and_the_wait_is_short() -> None:
    clock = [1e6 / 3]
    attempts = Attempts(3, 6.0, lambda: clock[0])
    assert [attempts.take("a") for _ in range(5)] == [0, 0, 0, 6.0, 6.0], "being refused adds nothing"
    assert attempts.take("b") == 0
    clock[0] += 2
    assert attempts.take("a") == pytest.approx(4)
    clock[0] += 4.001
    assert attempts.take("a") == 0
    assert attempts.take("a") > 0, "one came back"
    clock[0] += 1e5
    assert [attempts.take("a") > 0 for _ in range(4)] == [False] * 3 + [True], "no more than full"


def test_right_codes_do_not_count() -> None:
    attempts = Attempts(3, 6.0, lambda: 0.0)
    for _ in range(100):
        assert attempts.take("a") == 0
        attempts.give_back("a")
    assert [attempts.take("a") for _ in range(4)] == [0, 0, 0, 6.0]
    attempts.give_back("never seen")
    assert [attempts.take("never seen") for _ in range(4)] == [0, 0, 0, 6.0]


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60))
def test_no_timing_gives_more_guesses_and_none_waits_longer(steps: list[tuple[float, bool]]) -> None:
    clock = [0.0]
    attempts = Attempts(3, 6.0, lambda: clock[0])
    wrong = 0
    for pause_s, right in steps:
        clock[0] += pause_s
        wait_s = attempts.take("a")
        assert 0 <= wait_s <= 6.0
        if wait_s == 0 and right:
            attempts.give_back("a")
        elif wait_s == 0:
            wrong += 1
    assert wrong <= 3 + clock[0] / 6.0


def test_only_so_many_addresses_are_remembered() -> None:
    attempts = Attempts(1, 6.0, lambda: 0.0, addresses=2)
    assert [attempts.take(address) for address in ("a", "b", "c")] == [0, 0, 0]
    assert attempts.take("c") > 0
    assert attempts.take("a") == 0


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_one_host_is_one_address(address: str, place: str) -> None:
    assert neighbourhood(address) == place
