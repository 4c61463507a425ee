"""Tokens, enrolment codes, and the limit on wrong guesses."""

from __future__ import annotations

import pytest

from cloud.access import Attempts, digest, may, new_code, new_token, plain_code
from cloud.ports import Role


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


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.ADMIN, {Role.ADMIN, Role.ISSUER, Role.READER}),
        (Role.ISSUER, {Role.ISSUER, Role.READER}),
        (Role.READER, {Role.READER}),
    ],
)
def test_roles(role: Role, allowed: set[Role]) -> None:
    assert {needed for needed in Role if may(role, needed)} == allowed


def test_wrong_guesses_are_limited_per_address_and_forgotten() -> None:
    clock = [0.0]
    attempts = Attempts(3, 60.0, lambda: clock[0], addresses=2)
    for second in range(3):
        clock[0] = float(second)
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
    assert attempts.wait_s("a") == 58.0
    assert attempts.wait_s("b") == 0
    clock[0] = 60.5
    assert attempts.wait_s("a") == 0, "the first guess is old enough"
    attempts.failed("a")
    assert attempts.wait_s("a") == 0.5
    attempts.failed("b")
    attempts.failed("c")
    assert attempts.wait_s("a") == 0, "only so many addresses are remembered"
