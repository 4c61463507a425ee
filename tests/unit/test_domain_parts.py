"""The parts of a bundle: what is written is read back, and anything else is one BundleError that names the part."""

import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import campaign as campaigns
from agent.domain import cbor, parts, status
from agent.domain.bundle import BundleError
from agent.domain.cose import Algorithm
from agent.domain.fields import FieldError
from agent.domain.parts import ITEMS_MAX, PromoCode
from agent.domain.status import Status
from agent.domain.status_parts import snapshot_to_wire
from agent.domain.token import Coupon
from agent.domain.verdict import benefit_words
from tests.offers import amount_off, free_item, percent_off
from tests.unit.domain_kit import ISSUER_KEY, PLACE, campaign, claims, examples, issuer_key, key

OTHER = issuer_key(
    kid=key(2).kid,
    public_key=key(2).public_key,
    issuer="other",
    algorithm=Algorithm.EDDSA,
    campaigns=frozenset({7, 9}),
)
PROMO = PromoCode("RC1AAAA", "AB-12", campaign().title, campaign().conditions)
LISTED = status.make(100, [(5, Status.USED), (6, Status.REVOKED)])
WIRE = {
    "place": parts.place_to_wire(PLACE),
    "keys": [parts.key_to_wire(issuer_key()), parts.key_to_wire(OTHER)],
    "campaigns": [campaigns.to_wire(campaign()), campaigns.to_wire(campaign(number=8))],
    "status/acme/7": snapshot_to_wire("acme", 7, LISTED),
    "promos": [parts.promo_to_wire(PROMO)],
}


def read(**changes):
    """The usual parts with some replaced (value), changed (bytes) or left out (None)."""
    wire = {**WIRE, **{name.replace("__", "/"): value for name, value in changes.items()}}
    return parts.read_parts(
        {
            name: value if isinstance(value, bytes) else cbor.encode(value)
            for name, value in wire.items()
            if value is not None
        }
    )


def error_of(**changes):
    with pytest.raises(BundleError) as caught:
        read(**changes)
    return caught.value


def test_what_is_written_is_read_back():
    contents = read()
    assert contents.place == PLACE
    assert contents.keys == {ISSUER_KEY.kid: issuer_key(), OTHER.kid: OTHER}
    assert contents.campaigns == {("acme", 7): campaign(), ("acme", 8): campaign(number=8)}
    assert contents.status == {("acme", 7): LISTED}
    assert contents.promos == (PROMO,)
    assert contents.skipped == ()


def test_promos_and_lists_are_optional_and_parts_of_later_versions_are_left_alone():
    contents = read(promos=None, status__acme__7=None, news=b"\xff not even CBOR")
    assert (contents.promos, contents.status) == ((), {})


@pytest.mark.parametrize("name", ["place", "keys", "campaigns"])
def test_a_missing_part(name):
    assert error_of(**{name: None}).code == "missing_part"


@pytest.mark.parametrize("name", ["place", "keys", "campaigns", "promos", "status__acme__7"])
@pytest.mark.parametrize("content", [b"", b"\xff", 5, "text", None, [[]], [5], {"a": 1}, b"\x80\x80", [{}]])
def test_a_part_of_another_form_is_one_bundle_error(name, content):
    octets = cbor.encode(content) if not isinstance(content, bytes) else content
    if name == "campaigns" and content in ([[]], [5], [{}]):
        assert len(read(campaigns=octets).skipped) == 1  # a campaign nobody here can read is skipped
        return
    error = error_of(**{name: octets})
    assert error.code == "malformed"
    assert name.replace("__", "/") in str(error)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"algorithm": -18}, "algorithm"),
        ({"algorithm": -10}, "algorithm"),
        ({"algorithm": -9}, "compressed point"),
        ({"algorithm": 1}, "algorithm"),
        ({"public_key": bytes(32)}, "small order"),
        ({"public_key": bytes(31)}, "32 bytes"),
        ({"kid": bytes(7)}, "kid"),
        ({"issuer": ""}, "issuer"),
        ({"campaigns": [-1]}, "campaigns"),
        ({"campaigns": [True]}, "campaigns"),
        ({"expires": 65536}, "expires"),
        ({"value_max_minor": -1}, "value_max_minor"),
        ({"value_max_minor": 10**12 + 1}, "value_max_minor"),
        ({"added": 1}, "added"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_key_that_must_not_be_used(change, word):
    error = error_of(keys=[parts.key_to_wire(issuer_key()) | change])
    assert error.code == "malformed"
    assert word in str(error)


def test_two_keys_under_one_kid():
    thief = parts.key_to_wire(OTHER) | {"kid": ISSUER_KEY.kid}
    assert error_of(keys=[parts.key_to_wire(issuer_key()), thief]).code == "bad_key"


def test_two_campaigns_under_one_number():
    twice = [campaigns.to_wire(campaign()), campaigns.to_wire(campaign(version=2))]
    assert "stands twice" in str(error_of(campaigns=twice))


def test_two_status_lists_of_one_campaign():
    """The second would give back what the first one revoked."""
    clean = snapshot_to_wire("acme", 7, status.make(100, []))
    assert "part status/acme/8: holds the list of status/acme/7" in str(error_of(status__acme__8=clean))


def test_more_items_than_a_till_holds():
    assert "at most" in str(error_of(promos=[0] * (ITEMS_MAX + 1)))


@pytest.mark.parametrize(
    "change",
    [
        {"bits": zlib.compress(bytes(10**7))},
        {"bits": zlib.compress(bytes(24))},
        {"bits": zlib.compress(bytes(25)) + b"\0"},
        {"bits": b"\0" * 25},
        {"bits": b""},
        {"count": 0},
        {"count": 2**40},
        {"count": 101},
        {"issuer": ""},
        {"shard": 1},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_status_part_that_is_not_what_it_says(change):
    assert error_of(status__acme__7=snapshot_to_wire("acme", 7, LISTED) | change).code == "malformed"


def test_a_campaign_for_a_later_version_is_skipped_and_the_others_hold():
    later = campaigns.to_wire(campaign(number=9)) | {"weekday": 3}
    contents = read(campaigns=[later, campaigns.to_wire(campaign())])
    assert set(contents.campaigns) == {("acme", 7)}
    assert contents.skipped == ("campaign.weekday is not known here",)


@examples(150)
@given(st.sampled_from(sorted(WIRE)), st.integers(0, 10**6), st.integers(1, 255))
def test_a_damaged_part_is_read_or_refused_and_never_breaks_the_reader(name, at, change):
    octets = bytearray(cbor.encode(WIRE[name]))
    octets[at % len(octets)] ^= change
    with suppress(BundleError):
        read(**{name: bytes(octets)})


# --- campaigns ---


def test_the_default_values_of_a_campaign():
    wire = campaigns.to_wire(campaign())
    for name in (
        "version",
        "grace_days",
        "stores",
        "stale_percent",
        "expired_percent",
        "prompt",
        "conditions",
    ):
        del wire[name]
    assert campaigns.from_wire(wire) == campaign()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"offer": None}, "offer is not a map"),
        ({"offer": {}}, "offer.benefit is missing"),
        (
            {"offer": {"benefit": {"kind": "free_item"}}},
            "offer.benefit.kind is not one of amount_off, percent_off",
        ),
        (
            {"offer": {"benefit": {"kind": "amount_off", "steps": [{"off_minor": 0}]}}},
            "offer.benefit.steps[0].off_minor",
        ),
        (
            {"offer": {"benefit": {"kind": "attribution"}, "conditions": {"weekdays": [8]}}},
            "offer.conditions.weekdays",
        ),
        ({"offer": {"benefit": {"kind": "attribution"}, "x": 1}}, "offer.x is not known here"),
        ({"benefit": {"kind": "attribution"}}, "campaign.benefit is not known here"),
        ({"starts": 9, "ends": 8}, "campaign.ends is before starts"),
        ({"budget": None}, "campaign.budget is needed in class C"),
        ({"budget": {"count_day": 1}}, "budget.value_day_minor is missing"),
        ({"offline_class": "E"}, "campaign.offline_class"),
        ({"offline_class": 1}, "campaign.offline_class"),
        ({"size": 0}, "campaign.size"),
        ({"size": 50_000_001}, "campaign.size"),
        ({"currency": "CN"}, "campaign.currency"),
        ({"title": {"zh": "x"}}, "title.en is missing"),
        ({"title": {"zh": "x", "en": "a\nb"}}, "title.en is not a printable text"),
        ({"stores": [1.0]}, "campaign.stores"),
        ({"number": 2**32}, "campaign.number"),
        ({"new_rule": 1}, "campaign.new_rule is not known here"),
        ({5: 1}, "campaign.5 is not known here"),
        ({"x" * 1000: 1}, "campaign." + "x" * 40 + " is not known"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_campaign_that_cannot_be_read_names_the_field(change, word):
    with pytest.raises(FieldError) as caught:
        campaigns.from_wire(campaigns.to_wire(campaign()) | change)
    assert word in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, [], "text"])
def test_a_campaign_is_a_map(value):
    with pytest.raises(FieldError, match="campaign is not a map"):
        campaigns.from_wire(value)


@pytest.mark.parametrize(
    ("offer", "value", "zh", "en"),
    [
        (amount_off(10_000, 3_000), None, "满 100 减 30", "30 off from 100"),
        (amount_off(0, 50), None, "立减 0.50", "0.50 off"),
        (percent_off(20, 5_000), None, "8 折，最高减 50", "20% off, at most 50"),
        (percent_off(15, 5_000), None, "8.5 折，最高减 50", "15% off, at most 50"),
        (free_item(("A",), 100), None, "最便宜的 1 件 免费", "the cheapest one piece free"),
        (amount_off(10_000, 3_000), 500, "满 100 减 5", "5 off from 100"),
    ],
)
def test_the_words_of_a_benefit(offer, value, zh, en):
    coupon = Coupon("acme", claims(value_minor=value), bytes(8))
    assert benefit_words(campaign(offer=offer), coupon) == campaigns.Words(zh, en)
