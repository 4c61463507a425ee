"""Issuing over HTTP: keys made, registered, retired and withdrawn; orders that are sent again; what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.domain import campaign as campaigns
from agent.domain.decide import Refusal, verify_scan
from agent.domain.keys import new_signing_key
from agent.domain.outcome import Outcome
from cloud.errors import Refused
from cloud.publish import Publisher
from tests.cloud_stores import database as database  # the fixture, for every store
from tests.integration.cloud_server_kit import KEY_BODY, Running, base64url, running_cloud
from tests.unit import cloud_kit
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, TODAY

ORDER = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 3, "not_before": TODAY, "expires": TODAY + 30}


@pytest.fixture
async def running(tmp_path: Path, database: str | None) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path, database=database, issuer_percent=100) as cloud:
        await cloud.set_up()
        yield cloud


async def ask(running: Running, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    found, answer = await running.admin(method, path, body)
    assert found == status, answer
    return answer


async def refusal(running: Running, method: str, path: str, body: Any = None) -> str:
    status, answer = await running.admin(method, path, body)
    assert status >= 400, answer
    return str(answer["code"])


async def keys(running: Running) -> dict[str, dict[str, Any]]:
    return {key["kid"]: key for key in (await ask(running, "GET", "issuers"))["keys"]}


def registered(**changes: Any) -> dict[str, Any]:
    return KEY_BODY | {"public_key": base64url(new_signing_key().public_key)} | changes


async def test_an_order_sent_again_gives_the_same_coupons(running: Running) -> None:
    first = await ask(running, "POST", "coupons", ORDER | {"order": "a/0"}, status=201)
    other = await ask(running, "POST", "coupons", ORDER | {"order": "a/1"}, status=201)
    again = await ask(running, "POST", "coupons", ORDER | {"order": "a/0"}, status=201)
    assert again == first
    assert not {c["index"] for c in first["coupons"]} & {c["index"] for c in other["coupons"]}
    assert await refusal(running, "POST", "coupons", ORDER | {"order": "a/0", "count": 4}) == "order_differs"
    listed = (await ask(running, "GET", f"campaigns/{ISSUER}/{CAMPAIGN}/orders"))["orders"]
    assert [(one["order"], one["first"], one["coupons"]) for one in listed] == [("a/1", 3, 3), ("a/0", 0, 3)]
    assert listed[0]["kind"] == "signed"
    assert listed[0]["terms"] == {"not_before": TODAY, "expires": TODAY + 30}
    assert await refusal(running, "GET", f"campaigns/{ISSUER}/77/orders") == "unknown_campaign"
    shown = await ask(running, "GET", f"campaigns/{ISSUER}/{CAMPAIGN}")
    assert shown["issued"] == 6


async def test_a_retired_key_signs_no_more_and_its_coupons_count(running: Running) -> None:
    (old,) = await keys(running)
    text = (await ask(running, "POST", "coupons", ORDER, status=201))["coupons"][0]["token"]
    assert (await ask(running, "POST", f"issuers/{old}/retire"))["state"] == "retired"
    assert await refusal(running, "POST", "coupons", ORDER) == "unknown_issuer"
    new = await ask(running, "POST", "issuers", KEY_BODY, status=201)
    fresh = (await ask(running, "POST", "coupons", ORDER, status=201))["coupons"][0]["token"]
    till = await running.enrol("T-1")
    contents = await till.refresh()
    assert set(contents.keys) == {bytes.fromhex(old), bytes.fromhex(new["kid"])}
    for signed, kid in ((text, old), (fresh, new["kid"])):
        coupon = verify_scan(signed, contents)
        assert not isinstance(coupon, Refusal)
        assert coupon.kid.hex() == kid


async def test_the_cloud_signs_with_p256_too(running: Running) -> None:
    (old,) = await keys(running)
    await ask(running, "POST", f"issuers/{old}/retire")
    made = await ask(running, "POST", "issuers", KEY_BODY | {"algorithm": "es256"}, status=201)
    assert (made["algorithm"], len(made["public_key"]), made["registered"]) == ("es256", 66, False)
    text = (await ask(running, "POST", "coupons", ORDER, status=201))["coupons"][0]["token"]
    coupon = verify_scan(text, await (await running.enrol("T-1")).refresh())
    assert not isinstance(coupon, Refusal)
    assert coupon.kid.hex() == made["kid"]


async def test_a_withdrawn_key_leaves_the_bundle_for_good(running: Running) -> None:
    (kid,) = await keys(running)
    text = (await ask(running, "POST", "coupons", ORDER, status=201))["coupons"][0]["token"]
    till = await running.enrol("T-1")
    assert not isinstance(verify_scan(text, await till.refresh()), Refusal)
    await ask(running, "POST", f"issuers/{kid}/withdraw")
    assert verify_scan(text, await till.refresh()) == Refusal(Outcome.UNKNOWN_KEY, kid)
    assert await refusal(running, "POST", f"issuers/{kid}/retire") == "key_withdrawn"
    assert (await keys(running))[kid]["state"] == "withdrawn"


async def test_receipts_carry_no_code_of_a_withdrawn_key(running: Running) -> None:
    promo = {
        "campaign": campaigns.to_wire(cloud_kit.campaign(number=8)),
        "promo": {"per_till": 5, "valid_days": 30},
    }
    await ask(running, "POST", "campaigns", promo, status=201)
    till = await running.enrol("T-1")
    before = {code.token for code in (await till.refresh()).promos}
    (kid,) = await keys(running)
    await ask(running, "POST", f"issuers/{kid}/withdraw")
    assert (await till.refresh()).promos == (), "no key signs others"
    await ask(running, "POST", "issuers", KEY_BODY, status=201)
    contents = await till.refresh()
    assert len(contents.promos) == len(before) == 5
    assert not any(isinstance(verify_scan(code.token, contents), Refusal) for code in contents.promos)


async def test_a_campaign_is_issued_in_one_place(running: Running) -> None:
    """Two who draw indexes of one campaign would give one identity to two coupons."""
    await ask(running, "POST", "coupons", ORDER, status=201)
    assert await refusal(running, "POST", "issuers", registered()) == "issued_here"
    made = await ask(running, "POST", "issuers", registered(campaigns=[8]), status=201)
    assert made["registered"]
    eighth = campaigns.to_wire(cloud_kit.campaign(number=8))
    await ask(running, "POST", "campaigns", {"campaign": eighth}, status=201)
    assert await refusal(running, "POST", "coupons", ORDER | {"campaign": 8}) == "issued_elsewhere"
    await ask(running, "POST", f"issuers/{made['kid']}/withdraw")
    assert await refusal(running, "POST", "coupons", ORDER | {"campaign": 8}) == "issued_elsewhere"
    await ask(running, "POST", "coupons", ORDER, status=201)


async def test_tills_trust_a_registered_key(running: Running) -> None:
    made = await ask(running, "POST", "issuers", registered(campaigns=[9]), status=201)
    contents = await (await running.enrol("T-1")).refresh()
    assert contents.keys[bytes.fromhex(made["kid"])].public_key.hex() == made["public_key"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"public_key": base64url(b"\1" + b"\0" * 31)}, "bad_key"),  # the neutral element
        ({"public_key": "AAAA"}, "bad_field"),
        ({"algorithm": "rsa"}, "bad_field"),
        ({"not_before": 10, "expires": 9}, "bad_window"),
    ],
)
async def test_keys_that_cannot_be_used_are_refused(running: Running, changes: Any, code: str) -> None:
    assert await refusal(running, "POST", "issuers", registered(campaigns=[9]) | changes) == code
    assert len(await keys(running)) == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"issuers/{'0' * 16}/retire", "unknown_key"),
        ("issuers/xyz/retire", "bad_field"),
        (f"issuers/{'0' * 16}/burn", "not_found"),
    ],
)
async def test_changes_of_keys_that_cannot_be_are_refused(running: Running, path: str, code: str) -> None:
    assert await refusal(running, "POST", path) == code


async def test_a_coupon_does_not_outlast_its_key(running: Running) -> None:
    (kid,) = await keys(running)
    await ask(running, "POST", f"issuers/{kid}/retire")
    await ask(running, "POST", "issuers", KEY_BODY | {"not_before": TODAY, "expires": TODAY + 20}, status=201)
    assert await refusal(running, "POST", "coupons", ORDER) == "outside_key"
    await ask(running, "POST", "coupons", ORDER | {"expires": TODAY + 20}, status=201)
    next_year = {"not_before": TODAY + 10, "expires": TODAY + 400}
    await ask(running, "POST", "issuers", KEY_BODY | next_year, status=201)
    assert await refusal(running, "POST", "coupons", ORDER) == "outside_key", "no key begins with them"


async def test_no_till_is_told_of_more_coupons_than_it_holds(running: Running) -> None:
    """One issuer's token and forty-five campaigns of fifty million: no till would ever take a bundle again."""

    def body(number: int, size: int, stores: set[int] | None = None, **changes: Any) -> dict[str, Any]:
        made = cloud_kit.campaign(number=number, size=size, stores=stores and frozenset(stores), **changes)
        return {"campaign": campaigns.to_wire(made), "promo": None}

    for number in range(100, 104):
        await ask(running, "POST", "campaigns", body(number, 50_000_000), status=201)
    await ask(running, "POST", "campaigns", body(200, 50_000_000, {1, 12}), status=201)
    for store in (1, 12):
        assert (
            await refusal(running, "POST", "campaigns", body(300, 50_000_000, {store, 13}))
            == "too_many_coupons"
        )
    status, said = await running.admin("POST", "campaigns", body(300, 50_000_000))
    assert (status, said["code"]) == (422, "too_many_coupons")
    assert "give this campaign a smaller size or fewer stores" in said["detail"]
    await ask(running, "POST", "campaigns", body(300, 50_000_000, {13}), status=201)
    await ask(running, "POST", "campaigns", body(200, 50_000_000, {1, 12}, version=2), status=201)
    assert (
        await refusal(running, "POST", "campaigns", body(200, 50_000_000, {1, 13}, version=3))
        == "too_many_coupons"
    )
    long_over: dict[str, Any] = {"starts": TODAY - 100, "ends": TODAY - 50}
    await ask(running, "POST", "campaigns", body(103, 50_000_000, version=2, **long_over), status=201)
    await ask(running, "POST", "campaigns", body(301, 50_000_000), status=201)


async def test_two_campaigns_at_once_do_not_pass_the_bound_together(running: Running) -> None:
    for number in range(100, 104):
        wire = campaigns.to_wire(cloud_kit.campaign(number=number, size=50_000_000))
        await ask(running, "POST", "campaigns", {"campaign": wire, "promo": None}, status=201)
    wires = [
        campaigns.to_wire(cloud_kit.campaign(number=number, size=50_000_000)) for number in range(200, 205)
    ]
    asked = [running.admin("POST", "campaigns", {"campaign": wire, "promo": None}) for wire in wires]
    assert sorted(status for status, _ in await asyncio.gather(*asked)) == [201, 422, 422, 422, 422]


async def test_one_issuer_does_not_use_up_the_room_of_the_others(running: Running) -> None:
    cloud = running.cloud
    assert cloud is not None, "it runs in this process"
    publisher = Publisher(cloud.store, cloud.keyring, cloud.roots, cloud.now)
    for number in (100, 101):
        await publisher.offer(cloud_kit.campaign(number=number, size=50_000_000), None)
    more = cloud_kit.campaign(number=102, size=50_000_000)
    with pytest.raises(Refused, match="of acme, and 134217728 is the most for one issuer") as refused:
        await publisher.offer(more, None)
    assert refused.value.code == "issuer_room"
    await publisher.offer(replace(more, issuer="mall"), None)


async def test_campaigns_are_listed_and_shown(running: Running) -> None:
    await ask(running, "POST", "coupons", ORDER, status=201)
    await running.enrol("T-1")
    (listed,) = (await ask(running, "GET", "campaigns"))["campaigns"]
    assert (listed["campaign"], listed["issued"], listed["version"]) == (CAMPAIGN, 3, 1)
    shown = await ask(running, "GET", f"campaigns/{ISSUER}/{CAMPAIGN}")
    assert campaigns.from_wire(shown["campaign"]) == cloud_kit.campaign()
    assert (shown["issued"], shown["used"], shown["revoked"], shown["tills"]) == (3, 0, 0, 1)
    elsewhere = campaigns.to_wire(cloud_kit.campaign(number=8, stores=frozenset({99})))
    await ask(running, "POST", "campaigns", {"campaign": elsewhere}, status=201)
    assert (await ask(running, "GET", f"campaigns/{ISSUER}/8"))["tills"] == 0
    assert await refusal(running, "GET", f"campaigns/{ISSUER}/nine") == "unknown_campaign"


async def test_issuing_at_once_gives_each_index_once(running: Running) -> None:
    many = [running.admin("POST", "coupons", ORDER | {"count": 100}) for _ in range(8)]
    indexes = [coupon["index"] for _, answer in await asyncio.gather(*many) for coupon in answer["coupons"]]
    assert len(set(indexes)) == 800


async def test_two_campaigns_that_fit_alone_and_not_together_come_to_two_receivers(running: Running) -> None:
    cloud = running.cloud
    assert cloud is not None, "it runs in this process"
    other = Publisher(cloud.store, cloud.keyring, cloud.roots, cloud.now, issuer_percent=100)
    for number in range(100, 104):
        await cloud.publisher.offer(cloud_kit.campaign(number=number, size=50_000_000), None)
    both = [cloud_kit.campaign(number=number, size=50_000_000) for number in (300, 301)]
    done = await asyncio.gather(
        cloud.publisher.offer(both[0], None), other.offer(both[1], None), return_exceptions=True
    )
    refused = [error.code for error in done if isinstance(error, Refused)]
    assert refused == ["too_many_coupons"]
    assert len([offer for offer in await cloud.store.offers() if offer.campaign in both]) == 1
