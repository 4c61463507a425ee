"""What head office tells a shop: said at the cloud, seen at the till."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent import health
from agent.domain.outcome import Outcome
from agent.domain.shop import StaffRole
from tests.core_kit import files_hold
from tests.integration.attack_kit import SALE, Played, played
from tests.integration.cloud_server_kit import STORE_BODY
from tests.receipt_samples import LOGO
from tests.unit.cloud_kit import TODAY

STORE = str(STORE_BODY["store"])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Played]:
    async with played(tmp_path) as made:
        yield made


def message(en: str, starts: int = TODAY, ends: int = TODAY) -> dict[str, object]:
    return {"words": {"zh": en, "en": en}, "starts": starts, "ends": ends}


async def say(scene: Played, kind: str, items: list[dict[str, object]], store: str = "") -> int:
    body = {kind: items} | ({"store": store} if store else {})
    status, answer = await scene.cloud.admin("POST", kind, body)
    assert status != 201 or answer["count"] == len(items)
    return status


async def seen(scene: Played) -> list[str]:
    await scene.refresher.fetch()
    now = scene.till.state.now(scene.till.clock).now
    return [said["en"] for said in health.messages_json(scene.till.state.trust, now)]


async def test_messages_of_today_for_all_and_for_this_store(scene: Played) -> None:
    assert await seen(scene) == []
    assert await say(scene, "messages", [message("all"), message("over", TODAY - 9, TODAY - 1)]) == 201
    assert (
        await say(scene, "messages", [message("here"), message("soon", TODAY + 1, TODAY + 9)], STORE) == 201
    )
    assert await seen(scene) == ["all", "here"]
    assert await say(scene, "messages", [], STORE) == 201
    assert await seen(scene) == ["all"], "a list replaces the one before"
    assert await say(scene, "messages", [message("x")] * 11) == 422
    assert await say(scene, "messages", [message("x\n")]) == 422
    assert await say(scene, "messages", [message("x")], "S-none") == 404


async def test_a_badge_is_recognised_and_its_text_is_nowhere(scene: Played, tmp_path: Path) -> None:
    days = {"not_before": TODAY, "expires": TODAY + 365}
    badge = {"text": "EMP-00471199", "role": "manager", **days}
    assert (await scene.till.redeem("EMP-00471199", SALE)).outcome is Outcome.NOT_A_COUPON
    assert await say(scene, "badges", [badge, {"text": "EMP-00471200", "role": "cashier", **days}]) == 201
    assert await scene.refresher.fetch() is True
    verdict = await scene.till.redeem("EMP-00471199", SALE)
    assert (verdict.outcome, verdict.detail) == (Outcome.STAFF_BADGE, "manager")
    assert await say(scene, "badges", [badge | {"role": "cashier"}], STORE) == 201
    assert await scene.refresher.fetch() is True
    assert scene.till.state.trust is not None
    badges = scene.till.state.trust.contents.shop.badges
    assert sorted(one.role for one in badges.by_digest.values()) == [StaffRole.CASHIER] * 2
    assert await say(scene, "badges", [badge | {"role": "owner"}]) == 422
    assert files_hold(tmp_path, "00471199") == [], "neither at the cloud nor at the till"


async def test_templates_are_handed_through(scene: Played) -> None:
    content = "receipt 1 redemption zh\ntext: 谢谢 {number}\n".encode()
    template = {"name": "receipt", "version": 1, "content": base64.b64encode(content).decode()}
    assert await say(scene, "templates", [template]) == 201
    assert await say(scene, "templates", [template | {"version": 2}], STORE) == 201
    assert await scene.refresher.fetch() is True
    assert scene.till.state.trust is not None
    (found,) = scene.till.state.trust.contents.shop.templates
    assert (found.name, found.version, found.content) == ("receipt", 2, content)
    assert await say(scene, "templates", [template, template]) == 422
    assert await say(scene, "templates", [template | {"content": "!"}]) == 422
    for broken in (b"\xff", b"", "receipt 1 redemption\ntext: {number} 返现\n".encode(), LOGO):
        assert (
            await say(scene, "templates", [template | {"content": base64.b64encode(broken).decode()}]) == 422
        )


async def test_images_are_handed_through_with_templates(scene: Played) -> None:
    logo = {"name": "logo.png", "version": 1, "content": base64.b64encode(LOGO).decode()}
    assert await say(scene, "templates", [logo]) == 201
    assert await scene.refresher.fetch() is True
    assert scene.till.state.trust is not None
    (found,) = scene.till.state.trust.contents.shop.templates
    assert (found.name, found.content) == ("logo.png", LOGO)
    for broken in (LOGO[:-1], LOGO + b"x", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 JPEG"):
        assert await say(scene, "templates", [logo | {"content": base64.b64encode(broken).decode()}]) == 422
