"""The cloud's lists over HTTP: page by page, with parameters that are known, in figures that settlement can use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.domain import campaign as campaigns
from tests.integration.cloud_server_kit import Running, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, campaign


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud") as started:
        yield started


async def test_lists_are_read_page_by_page_and_misspelt_parameters_are_refused(cloud: Running) -> None:
    await cloud.set_up()
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await one.post(*(one.till.redeem(index) for index in range(5)))
    await two.post(*(two.till.redeem(index) for index in range(5)))
    found: list[str] = []
    after = ""
    headers = {"Authorization": f"Bearer {cloud.token}"}
    while True:
        url = f"{cloud.url}/v1/admin/conflicts?limit=2{after}"
        async with cloud.session.get(url, headers=headers) as response:
            assert response.status == 200, await response.text()
            found += [line["redemption_id"] for line in (await response.json())["conflicts"]]
            if "Next-After" not in response.headers:
                break
            after = f"&after={response.headers['Next-After']}"
    assert found == [f"T-2-{number}" for number in range(1, 6)]
    for name in ("ledger", "held", "conflicts", "refusals", "gaps", "implausible"):
        for query in ("limt=5", "limit=5&limit=6"):
            status, problem = await cloud.admin("GET", f"{name}?{query}")
            assert (status, problem["code"]) == (400, "unknown_parameter"), name
    for after in ("x", "////", "a/b/c/d/e", "a/b/c/9999999999999999/e", "a/b/c/１/e", "a/b/c/1/e/f"):
        status, problem = await cloud.admin("GET", f"conflicts?after={after}")
        assert (status, problem["code"]) == (422, "bad_field"), after
    status, problem = await cloud.admin("POST", "tills/T-1/revoke?promo=keep", {})
    assert (status, problem["code"]) == (400, "unknown_parameter"), "misspelt it would revoke the codes too"


@pytest.mark.parametrize("currency", ["cny", "xx1", "CN ", "ＣＮＹ"])
async def test_a_campaign_has_a_currency(cloud: Running, currency: str) -> None:
    await cloud.set_up()
    wire_form = {"campaign": campaigns.to_wire(campaign(number=8, currency=currency))}
    status, problem = await cloud.admin("POST", "campaigns", wire_form)
    assert (status, problem["code"]) == (422, "bad_field")
    assert "currency" in problem["detail"]


async def test_what_a_campaign_gave_is_counted_in_coupons_and_in_uses(cloud: Running) -> None:
    await cloud.set_up(uses=2)
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await one.post(one.till.redeem(5), one.till.redeem(6))
    await two.post(two.till.redeem(5))
    _, shown = await cloud.admin("GET", f"campaigns/{ISSUER}/{CAMPAIGN}")
    assert (shown["used"], shown["uses"], shown["revoked"]) == (1, 3, 0)
