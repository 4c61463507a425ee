"""A cloud whose clock was ahead, and tills that it took along: how they come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from agent.domain.bundle import BundleError
from agent.domain.outcome import Outcome
from agent.domain.sale import Sale
from agent.domain.statement import TIME_PART, TimeStatement, sign_time
from tests.integration.attack_kit import BUNDLE, TILL, Played, always, played
from tests.integration.test_bundle_attacks import sign

YEAR = timedelta(days=365)
SALE = Sale("s", "CNY", 20_000, ())


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Played]:
    async with played(tmp_path) as made:
        yield made


async def taken_along(scene: Played) -> str:
    """The cloud signs for next year and its till believes it; then the clock is right again. A good coupon's text."""
    coupon = await scene.coupon()
    scene.cloud.time.at += YEAR
    assert await scene.refresher.fetch() is True
    scene.cloud.time.at -= YEAR
    scene.pass_time(timedelta(minutes=10))
    assert (await scene.till.redeem(coupon, SALE)).outcome is not Outcome.ACCEPTED, "it is next year there"
    assert await scene.refresher.fetch() in (True, False)
    assert (await scene.till.redeem(coupon, SALE)).outcome is not Outcome.ACCEPTED, "and stays so"
    return coupon


async def state_time(scene: Played, number: int = 1) -> None:
    """The keepers of the root keys say what time it is, and the cloud passes it on."""
    now = scene.cloud.time.at.astimezone(UTC).replace(microsecond=0)
    data = sign_time(TimeStatement(TILL, number, now, now), [scene.root_key()])
    assert scene.cloud.cloud is not None
    assert await scene.cloud.cloud.store.put_time_statement(TILL, data)


def right(scene: Played) -> bool:
    now = scene.till.state.now(scene.till.clock)
    return not now.doubt and abs(now.now - scene.cloud.time.at) < timedelta(seconds=1)


async def test_the_root_keys_word_leads_till_and_cloud_back(scene: Played) -> None:
    coupon = await taken_along(scene)
    await state_time(scene)
    assert await scene.refresher.fetch() is True
    assert right(scene)
    assert (await scene.till.redeem(coupon, SALE)).outcome is Outcome.ACCEPTED
    for _ in range(3):  # and what later bundles say is right too
        scene.pass_time(timedelta(minutes=10))
        await scene.revoke(_ + 7)
        assert await scene.refresher.fetch() is True
        assert right(scene)
    scene.till.state.trust = None
    await scene.refresher.load()
    assert right(scene), "after a restart too"


async def test_a_statement_that_was_carried_to_the_till_first(scene: Played) -> None:
    """`redeemd time repair FILE`: it cannot help, says what does, and does not use the number up."""
    coupon = await taken_along(scene)
    await state_time(scene)
    assert scene.cloud.cloud is not None
    data = await scene.cloud.cloud.store.time_statement(TILL)
    assert data is not None
    with pytest.raises(BundleError, match="redeemd cloud time publish"):
        await scene.refresher.repair_time(data)
    assert await scene.refresher.fetch() is True
    assert right(scene)
    assert (await scene.till.redeem(coupon, SALE)).outcome is Outcome.ACCEPTED


async def test_an_old_statement_leads_nobody_back(scene: Played) -> None:
    """Who holds the online key alone cannot turn a till back with a word that the root keys gave long ago."""
    await state_time(scene, number=5)
    assert await scene.refresher.fetch() is True
    stated = scene.cloud.time.at
    assert TIME_PART in {part.name for part in scene.manifest.parts}
    scene.pass_time(timedelta(days=30))
    assert await scene.refresher.fetch() is True
    for issued in (stated, scene.manifest.issued - timedelta(hours=3), datetime(2020, 1, 1, tzinfo=UTC)):
        scene.line.forged[BUNDLE] = always(sign(scene, scene.manifest_key(), issued=issued))
        assert "rollback" in await scene.refused()


async def test_a_till_whose_clock_was_ahead_is_right_at_the_next_contact(scene: Played) -> None:
    """It does not wait for the next bundle that changes: it asks for one that is signed now."""
    coupon = await scene.coupon()
    scene.till.clock.wall += timedelta(days=40)
    await scene.till.redeem("RC1JUNK")  # its memory goes with the clock
    scene.till.clock.wall -= timedelta(days=40)
    scene.pass_time(timedelta(seconds=20))
    assert scene.till.state.now(scene.till.clock).doubt == "behind"
    assert (await scene.till.redeem(coupon, SALE)).outcome is not Outcome.ACCEPTED
    assert await scene.refresher.fetch() is True
    assert right(scene)
    assert (await scene.till.redeem(coupon, SALE)).outcome is Outcome.ACCEPTED
    asked = len(scene.line.asked)
    assert await scene.refresher.fetch() is False, "once it is right it asks as ever"
    assert len(scene.line.asked) == asked + 1
