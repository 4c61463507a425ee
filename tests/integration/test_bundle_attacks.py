"""Attacks on what a till trusts, each played: a real cloud over HTTP, an attacker in the line, the till's real code."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import health
from agent.domain import bundle, cbor, token
from agent.domain.bundle import Age, BundleError
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, SigningKey, new_signing_key
from agent.domain.outcome import Outcome
from agent.domain.parts import key_to_wire, read_parts
from agent.domain.token import Claims
from cloud.keyring import Keyring
from cloud.roots import publish
from sync.ports import Failure, FailureKind
from sync.wire import part_path
from tests.integration.attack_kit import BUNDLE, SALE, Forge, Played, always, path_of, played
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, TODAY


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Played]:
    async with played(tmp_path) as made:
        yield made


# --- the line ---


async def test_rollback(scene: Played) -> None:
    """Yesterday's manifest, with yesterday's good signature: a revoked coupon would count again."""
    old = scene.line.recorded[BUNDLE]
    coupon = await scene.coupon()
    await scene.revoke(token.parse(coupon).claims.index)
    assert await scene.refresher.fetch() is True
    scene.line.forged[BUNDLE] = always(old)
    assert "rollback" in await scene.refused()
    assert (await scene.till.redeem(coupon, SALE)).outcome is Outcome.REVOKED


async def test_rollback_of_a_till_whose_cache_is_damaged(scene: Played) -> None:
    """One bad page keeps the bundle out of force; what it was is still the least that is taken."""
    old = scene.line.recorded[BUNDLE]
    await scene.revoke(5)
    assert await scene.refresher.fetch() is True
    await scene.till.database.run(
        lambda db: db.execute("UPDATE part SET content = x'00' WHERE name = 'campaigns'") and None
    )
    scene.till.state.trust = None
    with pytest.raises(BundleError):
        await scene.refresher.load()
    scene.line.forged[BUNDLE] = always(old)
    answer = await scene.refresher.fetch()
    assert isinstance(answer, Failure)
    assert "rollback" in answer.detail
    scene.line.forged.clear()
    assert await scene.refresher.fetch() is True
    assert scene.place == (1, 2)


async def test_freeze_only_makes_the_bundle_age(scene: Played) -> None:
    """The attacker cuts the line. What is held back cannot be known; what is allowed narrows day by day."""
    coupons = [await scene.coupon() for _ in range(15)]
    scene.line.cut = True
    ages, said, outcomes = [], [], []
    for days in (0, 1, 13):
        scene.till.clock.advance(timedelta(days=days))
        assert isinstance(await scene.refresher.fetch(), Failure)
        now = scene.till.state.now(scene.till.clock).now
        ages.append(scene.manifest.age(now))
        said.append(health.bundle_json(scene.till.state.trust, now)["en"])
        outcomes.append([(await scene.till.redeem(coupons.pop(), SALE)).outcome for _ in range(5)])
    assert ages == [Age.FRESH, Age.STALE, Age.EXPIRED]
    assert outcomes[0] == [Outcome.ACCEPTED] * 5
    assert Outcome.ACCEPTED in outcomes[1], "stale: a quarter of the budget"
    assert outcomes[2] == [Outcome.BUNDLE_EXPIRED] * 5
    assert said[0] == "The offers are up to date: every campaign counts as planned"
    assert said[1] == "The offers are 1 day old: 0 of 1 paused, 1 giving less"
    assert said[2] == "The offers are 14 days old: 1 of 1 paused, 0 giving less"
    scene.till.clock.advance(timedelta(days=-10))
    assert scene.till.state.now(scene.till.clock).doubt == "behind", (
        "and the clock cannot make it young again"
    )


async def test_mix_and_match_of_parts(scene: Played) -> None:
    """The new manifest with an old status list, each of them genuine."""
    (status,) = (part for part in scene.manifest.parts if part.name.startswith("status/"))
    old = scene.line.recorded[path_of(status)]
    await scene.revoke(5)
    changed = [part for part in (await scene.coming()).parts if part not in scene.manifest.parts]
    for part in changed:
        scene.line.forged[path_of(part)] = always(old)
    assert "is not what the manifest names" in await scene.refused()
    scene.line.forged.clear()
    assert await scene.refresher.fetch() is True


async def test_a_tampered_part(scene: Played) -> None:
    """One bit of it: more percent off, say. And one byte more, one less, nothing at all."""
    await scene.cloud.admin(
        "POST", "issuers", {"issuer": "other", "not_before": 0, "expires": 1, "value_max_minor": 1}
    )
    true = await scene.coming()
    (keys,) = (path_of(part) for part in true.parts if part.name == "keys")
    forges: list[Forge] = [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-1],
        lambda _: b"",
    ]
    for forge in forges:
        scene.line.forged[keys] = forge
        assert "keys is not what the manifest names" in await scene.refused()
    scene.line.forged[keys] = lambda data: data + b"\0"
    assert "with more than" in await scene.refused(), "not even read to its end"
    scene.line.forged.clear()
    assert await scene.refresher.fetch() is True


async def test_a_tampered_manifest(scene: Played) -> None:
    await scene.revoke(5)
    for forge in (
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data.replace(b"T-1", b"T-2"),
        lambda data: data + b"\0",
    ):
        scene.line.forged[BUNDLE] = forge
        assert "bundle refused" in await scene.refused()


@pytest.mark.parametrize("what", ["manifest", "part", "root"])
async def test_endless_data(scene: Played, what: str) -> None:
    """An answer that never ends is read no further than what was promised, or than its kind may be long."""
    await scene.revoke(5)
    true = await scene.coming()
    changed = next(part for part in true.parts if part not in scene.manifest.parts)
    path, bound = {
        "manifest": (BUNDLE, bundle.DOCUMENT_BYTES_MAX),
        "part": (path_of(changed), changed.length),
        "root": ("/v1/roots/2", bundle.DOCUMENT_BYTES_MAX),
    }[what]
    if what == "root":
        scene.rotate()
    scene.line.endless = {path}
    async with asyncio.timeout(30):
        detail = await scene.refused()
    assert f"more than {bound} bytes" in detail
    assert scene.line.sent < bound + 32 * 1024 * 1024, "what buffers hold beyond the bound, no more"
    scene.line.endless = set()
    assert await scene.refresher.fetch() is True


async def test_another_tills_bundle(scene: Played) -> None:
    """Signed for the till next door, whose store may take other coupons."""
    other = await scene.cloud.enrol("T-2", 2)
    foreign = (await other.fetch()).body
    scene.line.forged[BUNDLE] = always(foreign)
    assert "wrong_till" in await scene.refused()


async def test_only_what_changed_is_fetched(scene: Played) -> None:
    """Requests and bytes: nothing new costs one answer without a body; one use costs the manifest and a delta."""
    scene.line.asked.clear()
    scene.line.read = 0
    assert await scene.refresher.fetch() is False
    unchanged = len(scene.line.asked), scene.line.read
    assert await scene.refresher.fetch() is False
    assert scene.line.read == unchanged[1], "the second time not even the manifest"
    before = {part.name: part for part in scene.manifest.parts}
    await scene.revoke(5)
    scene.line.asked.clear()
    scene.line.read = 0
    assert await scene.refresher.fetch() is True
    changed = [part for part in scene.manifest.parts if before.get(part.name) != part]
    assert {path for path in scene.line.asked if path != BUNDLE} == {path_of(part) for part in changed}
    assert len(scene.line.asked) == 1 + len(changed) == 2
    assert scene.line.read < 2_000, "a manifest and a delta"


# --- stolen keys ---


def sign(scene: Played, key: SigningKey, parts: dict[str, bytes] | None = None, **changes: object) -> bytes:
    """A manifest that the thief makes of the one in force, and serves its parts."""
    made = replace(scene.manifest, sequence=scene.manifest.sequence + 1, **changes)  # type: ignore[arg-type]  # its fields
    if parts is not None:
        described = {name: bundle.describe_part(name, content) for name, content in parts.items()}
        made = replace(made, parts=tuple(described.get(part.name, part) for part in made.parts))
    return bundle.sign_manifest(made, key)


async def test_fast_forward_with_a_stolen_online_key(scene: Played) -> None:
    """The thief signs the last sequence there is, for the year 2200. A new root brings the till back by itself."""
    far = datetime(2200, 1, 1, tzinfo=UTC)
    last = replace(scene.manifest, sequence=2**32 - 1, issued=far)
    scene.line.forged[BUNDLE] = always(bundle.sign_manifest(last, scene.manifest_key()))
    assert await scene.refresher.fetch() is True
    coupon = await scene.coupon()
    assert (await scene.till.redeem(coupon, SALE)).outcome is not Outcome.ACCEPTED, (
        "it believes in the year 2200"
    )
    scene.line.forged.clear()
    await scene.revoke(5)
    assert "rollback" in await scene.refused(), "the honest till is locked out"
    scene.rotate()
    assert await scene.refresher.fetch() is True
    assert scene.place == (2, 1)
    assert scene.manifest.issued == scene.cloud.time.at
    assert (await scene.till.redeem(coupon, SALE)).outcome is Outcome.ACCEPTED
    assert await _restarted(scene) == (2, 1)


async def _restarted(scene: Played) -> tuple[int, int]:
    """What a new process would find on the disk."""
    scene.till.state.trust = None
    await scene.refresher.load()
    return scene.place


async def test_a_stolen_online_key_is_rotated_away(scene: Played) -> None:
    """The thief names his own issuer key and prints money; from the new root on his signature is worth nothing."""
    thief, online = new_signing_key(), scene.manifest_key()
    record = IssuerKey(thief.kid, ISSUER, Algorithm.ED25519, thief.public_key, None, 0, 60_000, 10**12)
    keys = cbor.encode([key_to_wire(record)])
    forged = sign(scene, online, {"keys": keys})
    scene.line.forged[BUNDLE] = always(forged)
    scene.line.forged[part_path(hashlib.sha256(keys).hexdigest())] = always(keys)
    coupon = token.to_text(token.sign(Claims(CAMPAIGN, 77, TODAY, TODAY + 30), thief))
    assert (await scene.till.redeem(coupon, SALE)).outcome is Outcome.UNKNOWN_KEY
    assert await scene.refresher.fetch() is True
    accepted = [
        (await scene.till.redeem(_coupon(thief, index), SALE)).outcome is Outcome.ACCEPTED
        for index in range(300)
    ]
    budget = next(iter(read_parts(await scene.till.cache.parts()).campaigns.values())).budget
    assert budget is not None
    assert sum(accepted) <= budget.count_day, "a key alone widens no budget"
    scene.line.forged.clear()
    scene.rotate()
    assert await scene.refresher.fetch() is True
    assert scene.place == (2, 1)
    assert (await scene.till.redeem(_coupon(thief, 400), SALE)).outcome is Outcome.UNKNOWN_KEY
    scene.line.forged[BUNDLE] = always(sign(scene, online, {"keys": keys}))
    assert "unknown_key" in await scene.refused()
    scene.line.forged[BUNDLE] = always(sign(scene, online, {"keys": keys}, epoch=1))
    assert "unknown_key" in await scene.refused(), "nor under the old epoch"


def _coupon(key: SigningKey, index: int) -> str:
    return token.to_text(token.sign(Claims(CAMPAIGN, index, TODAY, TODAY + 30), key))


async def _hand_over(scene: Played) -> None:
    """From the one key of a trial to three keepers, of whom two must sign."""
    scene.keepers = [new_signing_key() for _ in range(3)]
    following = replace(
        scene.root(),
        epoch=2,
        threshold=2,
        root_keys={keeper.kid: keeper.public_key for keeper in scene.keepers},
    )
    document = bundle.sign_root(following, [scene.root_key(), *scene.keepers[:2]])
    publish(scene.folder / "cloud" / "roots", Keyring(scene.folder / "cloud" / "keys"), document)


async def test_one_stolen_root_key_of_three(scene: Played) -> None:
    """The thief signs a root that names himself, with the one key he has, as often as he likes."""
    await _hand_over(scene)
    assert await scene.refresher.fetch() is True
    assert scene.place == (2, 1)
    keepers = scene.keepers
    thief, mine = new_signing_key(), new_signing_key()
    coup = replace(
        scene.root(),
        epoch=3,
        threshold=1,
        root_keys={keepers[0].kid: keepers[0].public_key, mine.kid: mine.public_key},
        manifest_keys={thief.kid: thief.public_key},
    )
    scene.line.forged[BUNDLE] = always(sign(scene, thief, epoch=3))
    for signers in ([keepers[0]], [keepers[0], mine], [keepers[0]] * 3, [scene.root_key(), keepers[0]]):
        document = bundle.sign_root(coup, signers)
        scene.line.forged["/v1/roots/3"] = always(document)
        assert "bad_signature" in await scene.refused()
    assert await scene.till.cache.root() == scene.line.recorded["/v1/roots/2"], "and nothing of it was kept"


async def test_a_till_that_slept_through_many_roots_walks_them(scene: Played) -> None:
    """Root 1 of one key, root 2 of two keepers of three, then a new manifest key again and again."""
    scene.line.cut = True
    await _hand_over(scene)
    for epoch in range(3, 9):
        following = replace(scene.root(), epoch=epoch)
        document = bundle.sign_root(following, scene.keepers[epoch % 2 :][:2])
        publish(scene.folder / "cloud" / "roots", Keyring(scene.folder / "cloud" / "keys"), document)
    scene.line.cut = False
    assert await scene.refresher.fetch() is True
    assert scene.place == (8, 1)
    walked = [f"/v1/roots/{epoch}" for epoch in range(2, 9)]
    assert [path for path in scene.line.asked if path in walked] == walked
    assert await _restarted(scene) == (8, 1)


async def test_a_line_cut_between_root_and_manifest(scene: Played) -> None:
    """The root is kept at once, so the stolen key is worth nothing; the old bundle goes on until the new one comes."""
    online = scene.manifest_key()
    scene.rotate()
    await scene.revoke(5)
    true = await scene.coming()
    changed = next(part for part in true.parts if part not in scene.manifest.parts)
    scene.line.endless = {path_of(changed)}
    await scene.refused()
    assert scene.place[0] == 1
    assert await _restarted(scene) == scene.place, "and after a restart too"
    scene.line.endless = set()
    scene.line.forged[BUNDLE] = always(sign(scene, online))
    assert "unknown_key" in await scene.refused()
    scene.line.forged.clear()
    assert await scene.refresher.fetch() is True
    assert scene.place[0] == 2


async def test_a_bundle_under_a_root_that_is_held_back(scene: Played) -> None:
    """The attacker lets the manifest through and not its root: nothing to believe it by."""
    scene.rotate()
    scene.line.forged["/v1/roots/2"] = always(b"")
    assert "malformed" in await scene.refused()
    first = (scene.folder / "cloud" / "roots" / "1.cbor").read_bytes()
    scene.line.forged["/v1/roots/2"] = always(first)
    assert "rollback" in await scene.refused()
    scene.line.forged.clear()
    assert await scene.refresher.fetch() is True


async def test_what_a_broken_line_says_is_a_failure_of_its_kind(scene: Played) -> None:
    scene.line.cut = True
    answer = await scene.refresher.fetch()
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.BUSY
