"""The bundle cache: the old or the new, never both; what was taken from the promo pool stays taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.domain.time import Anchor, BootTime
from agent.ports import LedgerUnavailable
from agent.store.database import connect
from agent.store.inspect import stored_bundle
from tests.core_kit import Core, core, install, promo_codes
from tests.factory import TILL, Factory, amount_off


@pytest.fixture
def factory() -> Factory:
    made = Factory()
    made.promos = promo_codes(made, 3)
    return made


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


async def apply(till: Core, factory: Factory) -> dict[str, bytes]:
    made = factory.parts()
    await till.cache.apply(
        factory.manifest(made), made, factory.promos, Anchor(factory.issued, BootTime("", 0.0))
    )
    return made


async def test_a_new_bundle_replaces_the_old_one_whole(till: Core, factory: Factory) -> None:
    before = factory.parts()
    assert dict(await till.cache.parts()) == before
    factory.sequence = 2
    factory.campaigns = [amount_off(2)]
    after = await apply(till, factory)
    assert "status/acme/1" in before
    assert "status/acme/1" not in after
    assert dict(await till.cache.parts()) == after
    assert await till.cache.manifest() == factory.manifest(after)


async def test_an_apply_that_fails_leaves_the_old_bundle(till: Core, factory: Factory) -> None:
    before, manifest, mark = await till.cache.parts(), await till.cache.manifest(), await till.cache.mark()
    await till.database.run(
        lambda db: (
            db.execute("CREATE TRIGGER broken BEFORE INSERT ON promo BEGIN SELECT RAISE(FAIL, 'broken'); END")
            and None
        )
    )
    factory.sequence = 2
    factory.campaigns = [amount_off(2)]
    factory.issued += timedelta(hours=1)
    with pytest.raises(LedgerUnavailable):
        await apply(till, factory)
    assert (await till.cache.parts(), await till.cache.manifest(), await till.cache.mark()) == (
        before,
        manifest,
        mark,
    )
    assert till.rows("SELECT count(*) FROM promo") == [(3,)]


async def test_an_unchanged_part_is_not_written_again(till: Core, factory: Factory) -> None:
    changed: list[str] = []

    def watch(db: sqlite3.Connection) -> None:
        db.create_function("note", 1, changed.append)
        db.execute("CREATE TEMP TRIGGER w1 AFTER UPDATE ON part BEGIN SELECT note(NEW.name); END")
        db.execute("CREATE TEMP TRIGGER w2 AFTER INSERT ON part BEGIN SELECT note(NEW.name); END")

    await till.database.run(watch)
    factory.sequence = 2
    factory.campaigns = [amount_off(budget=None, offline_class="D")]
    await apply(till, factory)
    assert changed == ["campaigns"]


async def test_taken_promo_codes_stay_taken_and_free_ones_follow_the_bundle(
    till: Core, factory: Factory
) -> None:
    assert (await till.redeem(factory.coupon(1))).redemption_id == "T-0001-1"
    (taken,) = till.rows("SELECT short FROM promo WHERE redemption_id IS NOT NULL")
    factory.sequence = 2
    factory.promos = [*factory.promos[:2], *promo_codes(factory, 1, first=180_000)]
    factory.promos[2] = type(factory.promos[2])(
        factory.promos[2].token, "Q000", factory.promos[2].title, factory.promos[2].conditions
    )
    await apply(till, factory)
    assert till.rows("SELECT short, redemption_id FROM promo ORDER BY short") == [
        (taken[0], "T-0001-1"),
        ("P001", None),
        ("Q000", None),
    ]
    factory.promos = []
    await apply(till, factory)
    assert till.rows("SELECT short FROM promo") == [taken], "history outlives the bundle"


async def test_an_empty_pool_does_not_stop_a_redemption(till: Core, factory: Factory) -> None:
    outcomes = [(await till.redeem(factory.coupon(index))).outcome.value for index in range(5)]
    assert outcomes == ["accepted"] * 5
    assert till.rows("SELECT count(*) FROM promo WHERE redemption_id IS NULL") == [(0,)]


async def test_the_mark_is_set_with_the_bundle(till: Core, factory: Factory) -> None:
    assert await till.cache.mark() == factory.issued
    factory.issued += timedelta(days=2)
    await apply(till, factory)
    assert await till.cache.mark() == factory.issued


async def test_the_tills_own_facts(till: Core, factory: Factory) -> None:
    assert await till.cache.setting("till") == TILL
    assert await till.cache.setting("nothing") is None
    assert await till.cache.root() == factory.root()


def test_a_till_without_a_bundle(tmp_path: Path) -> None:
    connection = connect(tmp_path / "till.db")
    assert stored_bundle(connection) is None
    connection.close()
