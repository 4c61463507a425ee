"""Whatever a till or an admin sends, the answer is a result or a named fault: nothing else escapes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import campaign as campaigns
from agent.domain.fields import FieldError
from cloud.api import forms
from cloud.ingest import check_events
from sync import strict_json
from sync.errors import WireError
from sync.wire import DEFAULT_LIMITS
from tests.unit.cloud_kit import ISSUER, TODAY, campaign, sealing_till
from tests.unit.domain_kit import examples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def readable(value: Any) -> bool:
    """Whether it would come through the strict reader at all."""
    try:
        strict_json.loads(json.dumps(value).encode(), max_bytes=10**6, max_depth=16)
    except WireError:
        return False
    return True


@examples(300)
@given(st.data())
def test_any_damage_to_a_record_is_a_named_fault(data: st.DataObject) -> None:
    till = sealing_till("T-1")
    good = till.redeem(5)
    name = data.draw(st.sampled_from([*good, "extra", "x\u00e9"]))
    event = good | {name: data.draw(JSON)}
    if name == "id" or not readable(event):
        return  # the reader of batches has refused it before
    entry = check_events([event], till.known(), "redemption", DEFAULT_LIMITS)[0]
    if event == good:
        assert entry.fault == ""
        assert (entry.sequence, entry.hash) == (1, good["hash"])
    else:
        assert entry.fault in {"malformed", "wrong_hash", "wrong_till", "bad_signature"}, name


@examples(150)
@given(JSON)
def test_any_data_that_a_till_signs_is_stored_or_malformed(value: Any) -> None:
    """Signed by the till itself, so only the content can be wrong."""
    till = sealing_till("T-1")
    try:
        event = till.redeem(1, coupon=value, discount_minor=value, promo=value)
    except (AssertionError, ValueError):
        return  # the till's own code does not sign it
    entry = check_events([event], till.known(), "redemption", DEFAULT_LIMITS)[0]
    assert entry.fault == "malformed"


ORDER = {"issuer": ISSUER, "campaign": 7, "count": 1, "not_before": TODAY, "expires": TODAY}
STORE = {
    "store": "S",
    "number": 1,
    "merchant": "",
    "title": {"zh": "", "en": ""},
    "zone": "UTC",
    "currency": "CNY",
}
FORMS: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "order": (forms.order, ORDER | {"store": 1, "value_minor": 5, "source": 0, "store_group": 2}),
    "place": (forms.place, STORE | {"groups": [1]}),
    "new_key": (forms.new_key, {"issuer": "a", "not_before": 0, "expires": 1, "value_max_minor": 1}),
    "till": (forms.till, {"till": "T", "store": "S"}),
    "token": (forms.token, {"role": "admin", "name": "x"}),
    "revocation": (forms.revocation, {"issuer": "a", "campaign": 1, "indexes": [1]}),
    "offer": (
        forms.offer,
        {"campaign": campaigns.to_wire(campaign()), "promo": {"per_till": 1, "valid_days": 1}},
    ),
}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_form_is_read_and_nothing_unknown_passes(name: str) -> None:
    read, good = FORMS[name]
    read(good)
    with pytest.raises(FieldError, match="not known"):
        read(good | {"unknown": 1})


@examples(200)
@given(st.data())
def test_any_other_form_is_read_or_names_the_field(data: st.DataObject) -> None:
    read, good = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    body = data.draw(JSON | JSON.map(lambda value: good | {data.draw(st.sampled_from(sorted(good))): value}))
    with contextlib.suppress(FieldError):  # anything else escapes and fails
        read(body)
