"""Coupons that tills sign themselves when their pool is empty: delegated at a real cloud, bounded at every till."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.domain import token
from agent.domain.bundle import BundleError
from agent.domain.decide import Refusal, verify_scan
from agent.domain.keys import signing_key_from_pem
from agent.domain.outcome import Outcome
from agent.domain.parts import Contents
from agent.domain.promo import short_name
from agent.domain.token import Claims, Coupon, parse
from agent.ports import PrintState
from agent.promos.handed_out import Promos
from cloud.delegation import WINDOW_DAYS
from sync.ports import Answer
from sync.uplink import HttpUplink, Identity
from sync.wire import decode_results, idempotency_key
from tests.integration.attack_kit import SALE, TILL, Played, another_till, played
from tests.unit import cloud_kit
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, TODAY

COUNT = 5
SIGNING = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": COUNT, "valid_days": 14}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Played]:
    async with played(tmp_path) as made:
        status, said = await made.cloud.admin("POST", "till-signing", SIGNING)
        assert (status, said) == (201, SIGNING)
        assert await made.refresher.fetch() is True
        yield made


async def hand_out(scene: Played, count: int) -> list[str]:
    """The tokens on the receipts of `count` redemptions; "" where there was none."""
    for _ in range(count):
        verdict = await scene.till.redeem(await scene.coupon(), SALE)
        assert verdict.outcome is Outcome.ACCEPTED, verdict
    stored = scene.till.rows("SELECT receipt FROM print_job ORDER BY number DESC LIMIT ?", count)
    return [json.loads(text)["promo_token"] or "" for (text,) in reversed(stored)]


def trust(scene: Played) -> Contents:
    assert scene.till.state.trust is not None
    return scene.till.state.trust.contents


async def test_an_empty_pool_signs_as_many_as_were_delegated_and_no_more(scene: Played) -> None:
    tokens = await hand_out(scene, COUNT + 2)
    assert tokens[COUNT:] == ["", ""]
    coupons = [verify_scan(text, trust(scene)) for text in tokens[:COUNT]]
    assert all(isinstance(coupon, Coupon) for coupon in coupons)
    claims = [parse(text).claims for text in tokens[:COUNT]]
    assert len({one.index for one in claims}) == COUNT
    assert {(one.not_before, one.expires) for one in claims} == {(TODAY, TODAY + 14)}
    records = [json.loads(text) for (text,) in scene.till.rows("SELECT event FROM redemption_record")]
    shorts = [event["data"]["promo"] for event in records]
    named = zip(claims, tokens, strict=False)
    assert shorts[:COUNT] == [short_name(CAMPAIGN, 100_000, one.index, text) for one, text in named]
    assert shorts[COUNT:] == [None, None]


async def test_another_till_takes_it_as_the_delegation_in_its_bundle_says(scene: Played) -> None:
    (text,) = await hand_out(scene, 1)
    other = await scene.cloud.enrol("T-2", seed=9)
    contents = await other.refresh()
    found = verify_scan(text, contents)
    assert isinstance(found, Coupon)
    assert found.issuer == ISSUER
    own = {key.delegation.till for key in contents.keys.values() if key.delegation is not None}
    assert own == {TILL, "T-2"}
    lists = [set(key.delegation.indexes[CAMPAIGN]) for key in contents.keys.values() if key.delegation]
    assert lists[0].isdisjoint(lists[1]), "no two tills can give one coupon to two customers"


async def test_a_stolen_till_key_signs_nothing_beyond_its_list(scene: Played) -> None:
    key = scene.till.factory.till_key
    record = trust(scene).keys[key.kid]
    assert record.delegation is not None
    listed = record.delegation.indexes[CAMPAIGN]
    beyond = next(index for index in range(100) if index not in listed)
    for changes, refusal in (
        ({"index": beyond}, "index"),
        ({"campaign": CAMPAIGN + 1}, "campaign"),
        ({"value_minor": record.value_max_minor + 1}, "value"),
    ):
        claims = replace(Claims(CAMPAIGN, listed[0], TODAY, TODAY + 9), **changes)  # type: ignore[arg-type]  # integers
        text = token.to_text(token.sign(claims, key))
        assert verify_scan(text, trust(scene)) == Refusal(Outcome.BEYOND_KEY_LIMIT, refusal)
    late = token.to_text(token.sign(Claims(CAMPAIGN, listed[0], TODAY, TODAY + 900), key))
    assert isinstance(verify_scan(late, trust(scene)), Coupon), "its window is the key's"
    assert record.expires == TODAY + 60, "the campaign's last day"
    assert record.value_max_minor == 3_000, "what one coupon of the campaign is worth"


async def test_what_was_printed_is_topped_up_and_never_signed_twice(scene: Played) -> None:
    first = await hand_out(scene, COUNT)
    for number in range(1, COUNT + 1):
        await scene.till.prints.finish_print(f"{TILL}-{number}", PrintState.PRINTED, "")
    till = scene.till
    assert (
        await Promos(till.state, till.ledger, till.clock, till.factory.till_key, lambda: None).settle()
        == COUNT
    )
    await deliver(scene)
    assert await scene.refresher.fetch() is True
    second = await hand_out(scene, COUNT + 1)
    indexes = [parse(text).claims.index for text in first + second[:COUNT]]
    assert len(set(indexes)) == 2 * COUNT
    assert second[COUNT] == ""
    assert all(isinstance(verify_scan(text, trust(scene)), Coupon) for text in first), (
        "what is out still counts"
    )


async def deliver(scene: Played) -> None:
    """Upload both lanes, as the daemon does."""
    key = scene.till.factory.till_key
    async with HttpUplink(scene.cloud.url, Identity(TILL, TILL, key.sign)) as uplink:
        for lane in ("redemption", "evidence"):
            found = scene.till.rows(f"SELECT event FROM {lane}_record ORDER BY sequence")
            events = [json.loads(text) for (text,) in found]
            if events:
                body = cloud_kit.batch(events)
                answer = await uplink.post_batch(lane, body, idempotency_key(body))
                assert isinstance(answer, Answer)
                results, _ = decode_results(answer.body, [event["id"] for event in events])
                assert {result.status.value for result in results} <= {"stored", "duplicate"}


async def test_what_a_person_types_is_found_here_and_at_the_cloud(scene: Played) -> None:
    """Five letters that follow from the token stand behind the number: nobody finds it by counting."""
    (text,) = await hand_out(scene, 1)
    short = json.loads(scene.till.rows("SELECT receipt FROM print_job")[0][0])["promo_short"]
    stem, _, letters = short.rpartition("-")
    assert (await scene.cloud.admin("GET", f"promos/{ISSUER}/{short}"))[0] == 404, "it has not said so yet"
    await deliver(scene)
    status, said = await scene.cloud.admin("GET", f"promos/{ISSUER}/{short.lower()}")
    assert (status, said["state"], said["used"], said["code"]) == (200, "handed_out", False, short)
    assert said["token"] is None, "the till signed it"
    wrong = f"{stem}-{'A' if letters[0] != 'A' else 'B'}{letters[1:]}"
    for typed in (wrong, stem, "7-99999-ABCDE", "9999999999-1-ABCDE"):
        assert (await scene.cloud.admin("GET", f"promos/{ISSUER}/{typed}"))[0] == 404
    refused = await scene.till.redeem(wrong, SALE)
    assert (refused.outcome, refused.detail) == (Outcome.UNKNOWN_CODE, "promo")
    waits = await scene.till.redeem(short, SALE)
    assert (waits.outcome, waits.detail) == (Outcome.NEVER_ISSUED, "not_printed"), "it is on no paper yet"
    (job,) = await scene.till.prints.list_prints(1)
    await scene.till.prints.finish_print(job.job_id, PrintState.UNCONFIRMED, "unconfirmed")
    accepted = await scene.till.redeem(f" {short.lower()}", SALE)
    assert accepted.outcome is Outcome.ACCEPTED
    assert accepted.coupon is not None
    assert accepted.coupon.claims == parse(text).claims
    again = await scene.till.redeem(text, SALE)
    assert again.outcome is Outcome.ALREADY_REDEEMED, "typed or scanned, it is one coupon"
    await deliver(scene)
    assert (await scene.cloud.admin("GET", f"promos/{ISSUER}/{short}"))[1]["used"] is True


async def test_it_ends_where_the_issuer_says_so_and_with_the_campaign(scene: Played) -> None:
    assert (await scene.cloud.admin("POST", "till-signing", SIGNING | {"count": 0}))[0] == 201
    other = await scene.cloud.enrol("T-2", seed=9)
    contents = await other.refresh()
    assert {key.delegation.till for key in contents.keys.values() if key.delegation} == {TILL}, (
        "none for the new one"
    )
    scene.pass_time(timedelta(days=61))
    await scene.refresher.fetch()
    assert all(key.delegation is None for key in trust(scene).keys.values())
    assert WINDOW_DAYS + 14 > 60


async def test_a_withdrawn_issuer_key_takes_back_what_it_lent(scene: Played) -> None:
    (held,) = (await scene.cloud.admin("GET", "issuers"))[1]["keys"]
    assert (await scene.cloud.admin("POST", f"issuers/{held['kid']}/withdraw"))[0] == 200
    assert await scene.refresher.fetch() is True
    assert scene.till.factory.till_key.kid not in trust(scene).keys


async def test_a_revoked_till_has_its_unprinted_ones_revoked(scene: Played) -> None:
    (text,) = await hand_out(scene, 1)
    await deliver(scene)
    status, said = await scene.cloud.admin("POST", f"tills/{TILL}/revoke")
    assert (status, said["promos_revoked"]) == (200, COUNT - 1)
    other = await scene.cloud.enrol("T-2", seed=9)
    contents = await other.refresh()
    found = verify_scan(text, contents)
    assert isinstance(found, Coupon), "the customer's coupon still counts"
    listed = contents.status[ISSUER, CAMPAIGN]
    key = contents.keys[scene.till.factory.till_key.kid]
    assert key.delegation is not None
    states = [listed[index].name for index in key.delegation.indexes[CAMPAIGN]]
    assert sorted(states) == ["REVOKED"] * (COUNT - 1) + ["VALID"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"issuer": "nobody"}, 422),
        ({"campaign": 99}, 422),
        ({"count": 1001}, 422),
        ({"valid_days": 0}, 422),
        ({"surprise": 1}, 422),
    ],
)
async def test_what_cannot_be_delegated_is_refused(
    change: dict[str, object], status: int, scene: Played
) -> None:
    assert (await scene.cloud.admin("POST", "till-signing", SIGNING | change))[0] == status


def test_the_form_of_a_delegation_is_strict(tmp_path: Path) -> None:
    from agent.domain import cbor
    from agent.domain.parts import read_parts
    from agent.domain.status_delta import encode_gaps
    from tests.factory import Factory

    factory = Factory()
    parts = factory.parts()
    (key,) = cbor.decode(parts["keys"])
    good = key | {
        "campaigns": [1],
        "delegation": {"till": "T-1", "campaigns": [[1, 14, encode_gaps((3, 9))]]},
    }
    read = read_parts(parts | {"keys": cbor.encode([good])}).keys[key["kid"]]
    assert read.delegation is not None
    assert read.delegation.indexes == {1: (3, 9)}
    assert signing_key_from_pem(factory.issuer_key.to_pem()).kid == read.kid
    for wrong in (
        good | {"campaigns": None},
        good | {"campaigns": [1, 2]},
        good | {"delegation": {"till": "", "campaigns": [[1, 14, b""]]}},
        good | {"delegation": {"till": "T", "campaigns": [[1, 0, b""]]}},
        good | {"delegation": {"till": "T", "campaigns": [[1, 14, b"\x80\x00"]]}},
        good | {"delegation": {"till": "T", "campaigns": [[1, 14, b""], [1, 14, b""]]}},
        good | {"delegation": {"till": "T", "campaigns": [[1, 14, bytes(20_001)]]}},
        good | {"delegation": {"till": "T", "campaigns": [[1, 14]], "more": 1}},
    ):
        with pytest.raises(BundleError):
            read_parts(parts | {"keys": cbor.encode([wrong])})


async def test_another_till_takes_nothing_that_a_stolen_till_key_signs_too_much_or_too_late(
    scene: Played,
) -> None:
    """Above the cap, after the key's last day, and again what was handed out: each at a till that never saw it."""
    (handed,) = await hand_out(scene, 1)
    await deliver(scene)
    key = scene.till.factory.till_key
    async with another_till(scene, "T-2") as there:
        record = trust(there).keys[key.kid]
        assert record.delegation is not None
        listed = record.delegation.indexes[CAMPAIGN]
        beyond = next(index for index in range(100) if index not in listed)
        stolen = token.to_text(token.sign(Claims(CAMPAIGN, beyond, TODAY, TODAY + 9), key))
        assert (await there.till.redeem(stolen, SALE)).outcome is Outcome.BEYOND_KEY_LIMIT
        for index in listed:  # the thief has what was left, once each
            text = token.to_text(token.sign(Claims(CAMPAIGN, index, TODAY, TODAY + 9), key))
            first, again = await there.till.redeem(text, SALE), await there.till.redeem(text, SALE)
            assert (first.outcome, again.outcome) == (Outcome.ACCEPTED, Outcome.ALREADY_REDEEMED)
        assert (await there.till.redeem(handed, SALE)).outcome is Outcome.ALREADY_REDEEMED, (
            "signed anew, it is one"
        )
        late = token.to_text(token.sign(Claims(CAMPAIGN, listed[0], TODAY, TODAY + 900), key))
        there.till.clock.advance(timedelta(days=record.expires - TODAY + 1))
        assert (await there.till.redeem(late, SALE)).outcome is Outcome.KEY_NOT_VALID


async def test_what_a_revoked_till_signs_anew_counts_for_its_customers_alone(scene: Played) -> None:
    (handed,) = await hand_out(scene, 1)
    await deliver(scene)
    key = scene.till.factory.till_key
    assert (await scene.cloud.admin("POST", f"tills/{TILL}/revoke"))[0] == 200
    async with another_till(scene, "T-2") as there:
        record = trust(there).keys[key.kid]
        assert record.delegation is not None
        customers = parse(handed).claims.index
        for index in record.delegation.indexes[CAMPAIGN]:
            text = token.to_text(token.sign(Claims(CAMPAIGN, index, TODAY, TODAY + 9), key))
            wanted = Outcome.ACCEPTED if index == customers else Outcome.REVOKED
            assert (await there.till.redeem(text, SALE)).outcome is wanted
        assert (await there.till.redeem(handed, SALE)).outcome is Outcome.ALREADY_REDEEMED, (
            "once, whoever signed it"
        )
