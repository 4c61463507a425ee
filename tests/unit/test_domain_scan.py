"""Verify a scan: which key, which signature, and what the key may sign."""

from dataclasses import replace

from agent.domain.decide import Refusal, verify_scan
from agent.domain.outcome import Outcome
from agent.domain.token import Claims, sign, to_text
from tests.unit.domain_kit import ISSUER_KEY, TODAY, contents, issuer_key, key


def scan_with(signer=ISSUER_KEY, known=None, **changes):
    claimed = Claims(**{"campaign": 7, "index": 5, "not_before": TODAY, "expires": TODAY} | changes)
    return verify_scan(to_text(sign(claimed, signer)), known or contents())


def test_an_unknown_key_comes_before_its_signature():
    assert scan_with(signer=key(9)) == Refusal(Outcome.UNKNOWN_KEY, key(9).kid.hex())


def test_another_key_under_a_copied_kid_is_forged():
    thief = replace(key(9), kid=ISSUER_KEY.kid)
    assert scan_with(signer=thief) == Refusal(Outcome.BAD_SIGNATURE, ISSUER_KEY.kid.hex())
    narrow = contents(keys=(issuer_key(campaigns=frozenset()),))
    assert scan_with(signer=thief, known=narrow).outcome is Outcome.BAD_SIGNATURE


def test_a_key_signs_for_its_campaigns_and_up_to_its_value_only():
    narrow = contents(keys=(issuer_key(campaigns=frozenset({7}), value_max_minor=500),))
    assert scan_with(known=narrow, value_minor=500).issuer == "acme"
    assert scan_with(known=narrow, campaign=8) == Refusal(Outcome.BEYOND_KEY_LIMIT, "campaign")
    assert scan_with(known=narrow, value_minor=501) == Refusal(Outcome.BEYOND_KEY_LIMIT, "value")
    assert scan_with(known=narrow, campaign=8, value_minor=501).detail == "campaign"
