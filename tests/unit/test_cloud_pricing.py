"""One rule engine: what the cloud publishes is what a till prices by; the offers of the vectors go the cloud's way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.domain import campaign as campaigns
from agent.domain import cbor
from agent.domain.pricing import quote
from cloud.api import forms
from tests.unit.cloud_kit import campaign
from tests.vectors import generate
from tests.vectors.pricing import read_case
from tests.vectors.pricing_examples import EXAMPLES

DECISIONS = json.loads((generate.FOLDER / "decisions.json").read_text("utf-8"))


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: str(case["name"]))
def test_an_offer_is_priced_the_same_after_the_cloud_published_it(case: dict[str, Any]) -> None:
    basket, coupons, facts = read_case(case)
    published = []
    for one in coupons:
        wire = campaigns.to_wire(campaign(offer=one.offer, uses=9))
        taken, _ = forms.offer({"campaign": json.loads(json.dumps(wire))})
        read = campaigns.from_wire(cbor.decode(cbor.encode(campaigns.to_wire(taken))))
        assert read.offer == one.offer
        published.append(one._replace(offer=read.offer))
    assert quote(basket, published, facts) == quote(basket, coupons, facts)


@pytest.mark.parametrize(
    "wire", DECISIONS["campaigns"], ids=lambda wire: f"{wire['issuer']}-{wire['number']}"
)
def test_a_campaign_of_the_decision_vectors_can_be_published(wire: dict[str, Any]) -> None:
    taken, _ = forms.offer({"campaign": wire})
    assert taken == campaigns.from_wire(wire)
