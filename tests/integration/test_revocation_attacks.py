"""Attacks by revocation, each played over the line: what a stolen manifest key stopped, the next root starts again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.bundles.carried import import_file
from agent.domain import bundle
from agent.domain.cose import parse
from agent.domain.keys import new_signing_key
from agent.domain.outcome import Outcome
from agent.domain.reasons import Stop
from agent.domain.statement import REVOCATION_AAD
from sync.ports import Failure
from tests.integration.attack_kit import BUNDLE, SALE, TILL, Played, always, played


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Played]:
    async with played(tmp_path) as made:
        yield made


async def restarted(scene: Played) -> tuple[int, int]:
    """What a new process would find on the disk."""
    scene.till.state.trust = None
    await scene.refresher.load()
    return scene.place


async def _stopped_by_the_thief(scene: Played) -> None:
    scene.line.instead[BUNDLE] = scene.forged_revocation()
    assert isinstance(await scene.refresher.fetch(), Failure)
    assert (scene.till.state.stopped, scene.till.state.trust) == (Stop.REVOKED, None)
    del scene.line.instead[BUNDLE]


async def test_a_revocation_by_a_stolen_online_key_lapses_with_it(scene: Played) -> None:
    """The thief stops a till that nobody revoked. The next root brings it back by itself, whatever was started anew."""
    await _stopped_by_the_thief(scene)
    forged = scene.forged_revocation()
    for _ in range(2):
        assert isinstance(await scene.refresher.fetch(), Failure), (
            "the key is trusted still, and so is its word"
        )
        await scene.refresher.load()
        assert scene.till.state.stopped == Stop.REVOKED
    scene.rotate()
    assert await scene.refresher.fetch() is True
    assert (scene.place, scene.till.state.stopped) == ((2, 1), "")
    assert (await scene.till.redeem(await scene.coupon(), SALE)).outcome is Outcome.ACCEPTED
    assert await restarted(scene) == (2, 1)
    assert scene.till.state.stopped == ""
    scene.line.instead[BUNDLE] = forged
    await scene.refused()
    assert scene.till.state.stopped == "", "played once more it is nobody's word"


async def test_a_revoked_till_takes_roots_from_answers_that_refuse_it(scene: Played) -> None:
    """The thief goes on answering in the cloud's place and lets the roots through: the till waits, not stopped."""
    await _stopped_by_the_thief(scene)
    scene.line.instead[BUNDLE] = scene.forged_revocation()
    scene.rotate()
    assert isinstance(await scene.refresher.fetch(), Failure)
    assert (scene.till.state.stopped, scene.till.state.trust) == ("", None)
    assert (await scene.till.redeem(await scene.coupon(), SALE)).outcome is not Outcome.ACCEPTED, (
        "it has no bundle"
    )
    await scene.refresher.load()  # as a new process would
    assert scene.till.state.stopped == ""
    scene.line.instead.clear()
    assert await scene.refresher.fetch() is True
    assert scene.place == (2, 1)


async def test_a_true_revocation_is_told_again_by_the_new_key(scene: Played) -> None:
    status, _ = await scene.cloud.admin("POST", f"tills/{TILL}/revoke")
    assert status == 200
    assert isinstance(await scene.refresher.fetch(), Failure)
    old = scene.line.recorded[BUNDLE]
    for _ in range(2):
        fresh = scene.rotate()
        assert isinstance(await scene.refresher.fetch(), Failure)
        assert (scene.till.state.stopped, scene.till.state.trust) == (Stop.REVOKED, None)
        kept = await scene.till.cache.revocation()
        assert kept is not None
        assert parse(kept, REVOCATION_AAD).kid == fresh.kid
    scene.line.forged[BUNDLE] = always(old)  # whoever stole it kept a bundle of before
    scene.rotate()
    assert isinstance(await scene.refresher.fetch(), Failure)
    assert scene.till.state.trust is None
    scene.line.forged.clear()
    assert isinstance(await scene.refresher.fetch(), Failure)
    await scene.refresher.load()
    assert scene.till.state.stopped == Stop.REVOKED


async def test_a_forged_root_lifts_no_revocation(scene: Played) -> None:
    await _stopped_by_the_thief(scene)
    thief = new_signing_key()
    own = replace(scene.root(), epoch=2, manifest_keys={thief.kid: thief.public_key})
    scene.line.forged["/v1/roots/2"] = always(bundle.sign_root(own, [thief]))
    for answer in ((403, {}), scene.forged_revocation(), (200, {})):
        scene.line.instead[BUNDLE] = answer
        assert isinstance(await scene.refresher.fetch(), Failure)
        assert scene.till.state.stopped == Stop.REVOKED
    assert await scene.till.cache.revocation() is not None


async def test_a_new_root_on_a_stick_lifts_a_forged_revocation(scene: Played, tmp_path: Path) -> None:
    """A till whose line the thief keeps: the office sends its bundle file."""
    await _stopped_by_the_thief(scene)
    scene.rotate()
    url = f"{scene.cloud.url}/v1/admin/tills/{TILL}/bundle"
    async with scene.cloud.session.get(
        url, headers={"Authorization": f"Bearer {scene.cloud.token}"}
    ) as answer:
        assert answer.status == 200
        (tmp_path / "stick").write_bytes(await answer.read())
    assert (await import_file(tmp_path / "stick", scene.refresher, scene.till.state)).code == ""
    assert (scene.place, scene.till.state.stopped) == ((2, 1), "")
    assert await restarted(scene) == (2, 1)
