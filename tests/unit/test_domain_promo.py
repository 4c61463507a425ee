"""Promotion rules: the first that fits, the arm by hash, the same on every till; the form is strict."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import cbor, promo, receipt_rules
from agent.domain.campaign import Words
from agent.domain.decide import Refusal, verify_scan
from agent.domain.fields import FieldError
from agent.domain.outcome import Outcome
from agent.domain.parts import read_parts
from agent.domain.promo import Arm, Choice, Occasion, PromoRule, Unit, choose
from agent.domain.receipt_rules import NO_RULES, Link, ReceiptRules, Slip
from agent.domain.sale import Line, Sale
from agent.domain.token import Claims, Coupon
from agent.records import Veil, choice_facts
from tests.factory import Factory
from tests.vectors.promos import ARMS, RULES, TODAY

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "promos.json").read_text("utf-8"))
RULE = RULES[-1]


def occasion(**changes: Any) -> Occasion:
    said = VECTORS["usual"] | {"skus": [], "total_minor": None} | changes
    holder = None if said["holder"] is None else bytes.fromhex(said["holder"])
    claims = Claims(said["campaign"], said["index"], 0, 60_000, holder=holder)
    lines = tuple(Line(sku, 1, 300) for sku in said["skus"])
    total = said["total_minor"]
    return Occasion(
        Coupon(said["issuer"], claims, bytes(8)),
        said["day"],
        None if total is None else Sale(said["sale_id"], "CNY", total, lines),
        said["store"],
        frozenset(said["groups"]),
        said["redemption_id"],
        said["level"],
        None if said["member"] is None else bytes.fromhex(said["member"]),
    )


RULES_READ = tuple(promo.read_rule(rule) for rule in RULES)


@pytest.mark.parametrize("vector", VECTORS["occasions"], ids=lambda vector: vector["name"])
def test_the_first_rule_that_fits_decides(vector):
    choice = choose(RULES_READ, occasion(**vector["changes"]))
    assert (None if choice is None else choice.rule) == vector["rule"]
    if choice is not None:
        assert choice.unit == hashlib.sha256(b"redeemd/unit/1\0" + vector["unit"].encode()).hexdigest()[:16]


@pytest.mark.parametrize("vector", VECTORS["arms"]["of"], ids=lambda vector: vector["unit"])
def test_the_arm_follows_from_the_digest_alone(vector):
    """Computed here from the words of the format, not with the code under test."""
    digest = hashlib.sha256(b"redeemd/unit/1\0" + vector["unit"].encode()).digest()[:8]
    hashed = hashlib.sha256(b"redeemd/arm/1\0" + VECTORS["arms"]["rule"].encode() + b"\0" + digest).digest()
    place = int.from_bytes(hashed[:8], "big") % 10_000
    name = "coffee" if place < 4500 else "tea" if place < 9000 else "hold-out"
    assert (vector["digest"], vector["arm"]) == (digest.hex(), name)
    holder = vector["unit"].removeprefix("holder/")
    choice = choose(RULES_READ, occasion(holder=holder))
    assert choice is not None
    assert (choice.arm, choice.unit) == (name, digest.hex())


def test_arms_get_their_shares_and_experiments_do_not_follow_one_another():
    rules = [promo.read_rule(RULE | {"name": name}) for name in ("one", "two")]
    digests = [promo.unit_digest(f"holder/{number}") for number in range(20_000)]
    both = Counter(tuple(promo.arm_of(rule, digest).name for rule in rules) for digest in digests)
    shares = {"coffee": 0.45, "tea": 0.45, "hold-out": 0.1}
    for (first, second), count in both.items():
        assert abs(count / 20_000 - shares[first] * shares[second]) < 0.012, (first, second)


def test_a_held_out_customer_gets_nothing_and_it_is_said():
    rule = promo.read_rule(RULE | {"arms": [{"name": "nobody", "share": 10_000, "campaign": None}]})
    choice = choose((rule,), occasion())
    assert choice is not None
    assert choice.campaign is None
    assert (choice.rule, choice.arm) == ("everybody", "nobody")


@pytest.mark.parametrize(
    ("unit", "holder"), [("shopper", True), ("shopper", False), ("sale", True), ("store", True)]
)
def test_a_unit_is_a_persons_only_where_it_is_the_holder(unit, holder):
    rule = promo.read_rule(RULE | {"unit": unit})
    choice = choose((rule,), occasion(**({"holder": "0011223344556677"} if holder else {})))
    assert choice is not None
    assert choice.personal is (holder and unit == "shopper")
    said = choice_facts(choice, veil := Veil())
    assert said is not None
    assert [one.pseudonym for one in veil.disclosed] == ([choice.unit] if choice.personal else [])
    assert (said["unit"] == choice.unit) is not choice.personal


def test_no_unit_says_who_it_is():
    choice = choose(RULES_READ, occasion(holder="0011223344556677"))
    assert isinstance(choice, Choice)
    assert "0011223344556677" not in repr(choice)


@pytest.mark.parametrize("vector", VECTORS["delegation"]["coupons"], ids=lambda vector: str(vector["beyond"]))
def test_what_a_till_signed_is_trusted_as_far_as_it_was_delegated(vector):
    record = cbor.decode(bytes.fromhex(VECTORS["delegation"]["key"]))
    contents = read_parts(Factory().parts() | {"keys": cbor.encode([record])})
    given = contents.keys[record["kid"]].delegation
    assert given is not None
    assert list(given.indexes[4]) == VECTORS["delegation"]["indexes"]
    found = verify_scan(vector["token"], contents)
    if vector["beyond"] is None:
        assert isinstance(found, Coupon)
    else:
        assert found == Refusal(Outcome.BEYOND_KEY_LIMIT, vector["beyond"])


def test_a_short_name_is_read_as_people_type_it():
    name = promo.short_name(2, 200_000, 48_151, "RC1ABC")
    assert name.startswith("2-048151-")
    letters = name.rpartition("-")[2]
    assert len(letters) == 5
    assert promo.short_name(2, 200_000, 48_151, "RC1ABD") != name, "it follows from the token"
    for typed in (name, name.lower(), f" {name} ", name.replace("O", "0").replace("I", "1")):
        assert promo.read_typed(typed) == promo.Typed(name, 2, 48_151)


@pytest.mark.parametrize(
    "text", ["", "2-048151", "2-048151-ABCD", "2-048151-ABCDEF", "02-1-ABCDE", "4294967296-1-ABCDE", "2-１-ABCDE",
             "RC1ABCDEFGH", "2-1-ABCDE" + " " * 40, "a-1-ABCDE", "2--ABCDE"],
)  # fmt: skip
def test_another_text_is_no_short_name(text):
    assert promo.read_typed(text) is None


ARM_LISTS = st.lists(st.integers(1, 100), min_size=1, max_size=8).map(
    lambda cuts: tuple(
        Arm(f"a{number}", share, ("acme", number) if number else None)
        for number, share in enumerate([*cuts[:-1], promo.SHARES - sum(cuts[:-1])])
    )
)
IDENTITIES = st.none() | st.frozensets(
    st.tuples(st.sampled_from(["acme", "shop"]), st.integers(0, 9)), min_size=1, max_size=3
)
NUMBERS = st.none() | st.frozensets(st.integers(0, 99), max_size=3)
READ = st.builds(
    PromoRule, st.text("abc", min_size=1, max_size=32), st.just(5), st.integers(5, 60_000), ARM_LISTS,
    st.sampled_from(Unit), IDENTITIES, st.integers(0, 10**6), level=st.integers(0, 100), stores=NUMBERS, groups=NUMBERS,
)  # fmt: skip


@given(READ)
def test_a_rule_is_read_back_as_it_was_written(rule):
    assert promo.read_rule(cbor.decode(cbor.encode(promo.rule_to_wire(rule)))) == rule


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "name"),
        ({"starts": TODAY + 40}, "ends is before starts"),
        ({"arms": ARMS[:2]}, "of 10000: all of it"),
        ({"arms": []}, "arms share 0 of 10000"),
        ({"arms": [ARMS[0] | {"share": 5000}, ARMS[0] | {"share": 5000}]}, "arms has a name twice"),
        ({"arms": [{"name": "x", "share": 10_000, "campaign": ["acme"]}]}, "[issuer, number]"),
        ({"arms": [{"name": "x", "share": 10_000, "campaign": ["acme", True]}]}, "[issuer, number]"),
        ({"arms": [{"name": "x", "share": 0, "campaign": None}, *ARMS]}, "share"),
        ({"unit": "person"}, "unit"),
        ({"after": []}, "after"),
        ({"after": [["", 1]]}, "after"),
        ({"after": [["acme", -1]]}, "after"),
        ({"items": {"colour": ["red"]}}, "colour"),
        ({"items": {"skus": []}}, "skus"),
        ({"level": 101}, "level"),
        ({"stores": [-1]}, "stores"),
        ({"least_minor": 1.5}, "least_minor"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_is_no_rule_is_refused_by_its_field(change, said):
    with pytest.raises(FieldError) as refused:
        promo.read_rule(RULE | change)
    assert said in str(refused.value)


# The whole part

LINK = {"url": "https://member.example/join?x=1", "words": {"zh": "扫码成为会员", "en": "Join"}}
PART = {
    "promos": RULES,
    "slips": [{"paper": "exchange", "benefit": "gift", "campaigns": [["acme", 5]]}],
    "join": LINK,
    "referral": {"url": "https://member.example/friend", "words": {"zh": "请朋友来", "en": "Bring a friend"}},
}
HOLDER = bytes(range(8))


def coupon(holder: bytes | None = None, number: int = 5) -> Coupon:
    return Coupon("acme", Claims(number, 1, 0, 9, holder=holder), bytes(8))


def test_the_part_is_read_back_as_it_was_written():
    rules = receipt_rules.read_rules(PART)
    assert receipt_rules.read_part({receipt_rules.PART: cbor.encode(receipt_rules.to_wire(rules))}) == rules
    assert receipt_rules.read_part({}) is NO_RULES
    assert receipt_rules.read_rules({}) == NO_RULES


def test_slips_follow_the_receipt_once():
    slips = (Slip("exchange", "gift", None), Slip("exchange", "gift", frozenset({("acme", 5)})))
    rules = ReceiptRules(slips=(*slips, Slip("pickup", "pickup", None)))
    assert rules.papers(("acme", 5), "gift") == ("redemption", "exchange")
    assert rules.papers(("acme", 5), "pickup") == ("redemption", "pickup")
    assert rules.papers(("acme", 5), "amount_off") == ("redemption",)
    assert receipt_rules.read_rules(PART).papers(("acme", 6), "gift") == ("redemption",)


def test_links_say_the_store_or_a_pseudonym_and_nothing_else():
    rules = receipt_rules.read_rules(PART)
    assert rules.join_link("S/07 &", coupon()) == "https://member.example/join?x=1&s=S%2F07%20%26"
    assert rules.join_link("S-07", coupon(HOLDER)) == "", "a member need not join"
    assert rules.referral_link(coupon()) == "", "nobody could be thanked"
    link = rules.referral_link(coupon(HOLDER))
    assert link == f"https://member.example/friend?r={receipt_rules.referrer(HOLDER).hex()}"
    assert HOLDER.hex() not in link
    assert NO_RULES.join_link("S-07", coupon()) == NO_RULES.referral_link(coupon(HOLDER)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"promos": [RULE, RULE]}, "a name twice"),
        ({"promos": [RULE] * 51}, "promos"),
        ({"slips": [{"paper": "redemption", "benefit": "gift"}]}, "paper"),
        ({"slips": [{"paper": "pickup", "benefit": "amount_off"}]}, "benefit"),
        ({"join": LINK | {"url": "http://member.example"}}, "url is not an https address"),
        ({"join": LINK | {"url": "https://"}}, "url is not an https address"),
        ({"join": LINK | {"url": "https://m.example/#top"}}, "url is not an https address"),
        ({"join": LINK | {"url": "https://会员.example/"}}, "url is not an https address"),
        ({"join": LINK | {"url": "https://[m.example/"}}, "url is not an https address"),
        ({"surprise": []}, "surprise"),
    ],
)
def test_what_is_no_part_is_refused_by_its_field(change, said):
    with pytest.raises(FieldError) as refused:
        receipt_rules.read_rules(PART | change)
    assert said in str(refused.value)


def test_what_links_promise_is_refused_to_who_writes_it_and_breaks_no_bundle():
    """The list of a till may be longer than that of the cloud that signed."""
    read = receipt_rules.read_rules(PART | {"join": LINK | {"words": {"zh": "入会返现", "en": "x"}}})
    with pytest.raises(FieldError, match=r"receipt_rules\.join\.words\.zh promises '返现'"):
        receipt_rules.check_words(read)


def test_a_link_is_what_was_given():
    assert receipt_rules.read_rules({"join": LINK}).join == Link(
        "https://member.example/join?x=1", Words("扫码成为会员", "Join")
    )
