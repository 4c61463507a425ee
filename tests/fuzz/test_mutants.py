"""Promise 1: exactly one byte form of a token is accepted. The long run is in `make bench` and `make fuzz`."""

from __future__ import annotations

import base64
from typing import Any

import cbor2

from agent.domain.token import AAD, Claims, TokenError, decode_claims
from tests.fuzz.mutants import ORIGINALS, RECORDS, accepted_forms
from tests.unit.domain_kit import MANY


def test_each_token_has_one_form():
    forms = accepted_forms(100_000 if MANY else 8_000, seed=1)
    assert set(forms) >= {original.text for original in ORIGINALS}
    assert len(forms) > len(ORIGINALS), "some mutants were signed again as other coupons"
    assert [texts for texts in forms.values() if len(texts) > 1] == []


def lenient(text: str) -> Claims | None:
    """A verifier from usual libraries: the text cleaned up, CBOR by cbor2, the signature checked, nothing else."""
    cleaned = "".join(text.upper().split()).rstrip("=")
    body = cleaned.partition("RC1")[2]
    try:
        octets = base64.b32decode(body + "=" * (-len(body) % 8))
        message: Any = cbor2.loads(octets)
        protected, _, payload, signature = getattr(message, "value", message)
        record = RECORDS[cbor2.loads(protected)[4]]
        if not record.verifies(signature, cbor2.dumps(["Signature1", protected, AAD, payload])):
            return None
        return decode_claims(cbor2.dumps(cbor2.loads(payload), canonical=True))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, cbor2.CBORDecodeError, TokenError):
        return None


def test_the_mutants_find_what_a_lenient_reader_takes():
    """Without this, "one form" could mean that the mutants are harmless."""
    forms = accepted_forms(4_000, seed=2, reader=lenient)
    most = sorted(len(forms[original.text]) for original in ORIGINALS)
    assert most[0] > 20, most
