"""A minter in another language, written from docs/coupon-format.md alone, against the till's code."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.domain import token
from agent.domain.cose import Algorithm
from agent.domain.decide import verify_scan
from agent.domain.keys import signing_key_from_seed
from agent.domain.token import Claims, Coupon
from tests.unit.domain_kit import contents, issuer_key
from tests.vectors.tokens import claims_json

NODE = shutil.which("node")
HERE = Path(__file__).parent
TOKENS = json.loads((HERE.parent / "vectors" / "tokens.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def minted(jobs: list[dict[str, Any]]) -> list[str]:
    """What mint.mjs makes of each job, in one run."""
    assert NODE is not None, "the module is skipped without it"
    lines = "".join(json.dumps(job) + "\n" for job in jobs)
    command = [NODE, str(HERE / "mint.mjs")]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_makes_the_published_tokens():
    """Ed25519 is deterministic: the very text. Node's ECDSA is not: up to the signature, and that verifies."""
    cases = TOKENS["valid"]
    algorithms = {key["kid"]: key["algorithm"] for key in TOKENS["keys"]}
    private = TOKENS["private"]
    jobs = [
        {"algorithm": algorithms[case["kid"]], "private": private[case["kid"]], "claims": case["claims"]}
        for case in cases
    ]
    for case, job, text in zip(cases, jobs, minted(jobs), strict=True):
        if job["algorithm"] != Algorithm.ESP256:
            assert text == case["text"], case["name"]
        else:
            parsed = token.parse(text)
            assert parsed.envelope.signed.hex() == case["to_be_signed"], case["name"]
    assert {job["algorithm"] for job in jobs} == set(Algorithm)


def any_claims(chance: random.Random) -> Claims:
    """Claims of any size within the limits, most extras absent."""
    first, last = sorted(chance.choices((0, 23, 24, 255, 256, 20_740, 65_535), k=2))

    def number(least: int = 0) -> int:
        return chance.choice((least, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1))

    def some(value: Any) -> Any:
        return chance.choice((None, value))

    return Claims(
        number(),
        number(),
        first,
        last,
        some(number()),
        some(number()),
        some(number(1)),
        some(chance.randbytes(chance.randint(8, 16))),
        some(chance.randbytes(8)),
        some(number()),
    )


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_token_it_makes_is_one_of_ours(algorithm):
    chance = random.Random(int(algorithm))
    secret = bytes([9]) * 32
    signer = signing_key_from_seed(secret, algorithm)
    known = contents(
        keys=(
            issuer_key(
                kid=signer.kid, public_key=signer.public_key, algorithm=algorithm, value_max_minor=2**32
            ),
        )
    )
    wanted = [any_claims(chance) for _ in range(60)]
    jobs = [
        {"algorithm": int(algorithm), "private": secret.hex(), "claims": claims_json(claims)}
        for claims in wanted
    ]
    for claims, text in zip(wanted, minted(jobs), strict=True):
        assert verify_scan(text, known) == Coupon("acme", claims, signer.kid)
        if algorithm is not Algorithm.ESP256:
            assert text == token.to_text(token.sign(claims, signer))
