"""Uses at other tills reach this one as deltas: small, verified, and in force before the next scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.bundles.refresh import Refresher
from agent.domain import cbor, status, status_delta, token
from agent.domain.bundle import BundleError
from agent.domain.status import Status
from agent.domain.status_delta import Delta
from agent.domain.status_parts import delta_name, delta_to_wire
from sync.ports import Failure, FailureKind
from sync.wire import ResultStatus, bundle_path
from tests.core_kit import Core, core, install
from tests.factory import TILL, Factory, amount_off
from tests.integration.attack_kit import BUNDLE, SALE, path_of, played
from tests.integration.test_refresh import FakeCloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER

SIZE = 20_000
NAME = ("acme", 1)
DELTA = [delta_name(*NAME, place) for place in range(4)]


@dataclass
class Publisher(Factory):
    """A factory whose list goes on in deltas."""

    deltas: list[Delta] = field(default_factory=list)

    def parts(self) -> dict[str, bytes]:
        chain = {
            DELTA[place]: cbor.encode(delta_to_wire(delta)) for place, delta in enumerate(self.deltas, 1)
        }
        return super().parts() | chain

    def use(self, *indexes: int) -> None:
        """A new bundle with one delta more."""
        listed = status.make(SIZE, self.marked[1])
        for delta in self.deltas:
            listed = status_delta.apply(listed, delta)
        self.deltas.append(
            status_delta.make_delta(*NAME, listed, [(index, Status.USED) for index in indexes])[0]
        )
        self.publish()

    def publish(self) -> None:
        self.sequence += 1
        self.issued += timedelta(minutes=5)


@pytest.fixture
def factory() -> Publisher:
    marked = [(index, Status.USED) for index in range(0, SIZE, 9)]
    return Publisher(campaigns=[amount_off(size=SIZE)], marked={1: marked})


@pytest.fixture
def till(tmp_path: Path, factory: Publisher) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


@pytest.fixture
def cloud(factory: Publisher) -> FakeCloud:
    return FakeCloud(factory)


@pytest.fixture
def refresher(till: Core, cloud: FakeCloud) -> Refresher:
    return Refresher(till.cache, cloud, till.state, till.clock)


async def test_a_use_elsewhere_is_one_small_part_and_then_the_answer(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Publisher
) -> None:
    for step, index in enumerate((1, 2), 1):
        factory.use(index)
        cloud.asked.clear()
        assert await refresher.fetch() is True
        assert cloud.asked == [bundle_path(TILL), cloud.path_of(DELTA[step])]
    elsewhere = await till.redeem(factory.coupon(1))
    assert (elsewhere.outcome, elsewhere.detail, elsewhere.first_use) == (
        "already_redeemed",
        "elsewhere",
        None,
    )
    assert (elsewhere.zh, elsewhere.en) == ("此券已用过：在其他收银台", "Already used: at another till")
    assert (await till.redeem(factory.coupon(3))).outcome == "accepted"
    here = await till.redeem(factory.coupon(3))
    assert (here.outcome, here.detail) == ("already_redeemed", None)
    assert here.first_use is not None
    factory.use(3)  # what this till redeemed comes back from the cloud
    assert await refresher.fetch() is True
    assert (await till.redeem(factory.coupon(3))).first_use == here.first_use
    till.state.trust = None
    await refresher.load()
    again = await till.redeem(factory.coupon(2))
    assert (again.outcome, again.detail) == ("already_redeemed", "elsewhere"), "also after a start"


async def test_a_new_snapshot_takes_the_place_of_all(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Publisher
) -> None:
    factory.use(1)
    assert await refresher.fetch() is True
    factory.marked = {1: [*factory.marked[1], (1, Status.USED), (2, Status.REVOKED)]}
    factory.deltas = []
    factory.publish()
    cloud.asked.clear()
    assert await refresher.fetch() is True
    assert cloud.asked == [bundle_path(TILL), cloud.path_of("status/acme/1")]
    assert [(await till.redeem(factory.coupon(index))).outcome for index in (1, 2, 3)] == [
        "already_redeemed",
        "revoked",
        "accepted",
    ]
    assert DELTA[1] not in await till.cache.parts()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"base": bytes(32)}, "wrong_base"),
        ({"target": bytes(32)}, "wrong_target"),
        ({"used": (9,)}, "not_rising"),
        ({"used": (2, SIZE)}, "malformed"),
        ({"campaign": 2}, "wrong_base"),
    ],
)
async def test_a_delta_that_does_not_fit_leaves_the_list_as_it_was(
    till: Core, refresher: Refresher, factory: Publisher, change: dict[str, object], code: str
) -> None:
    """Signed all the same, as by a cloud with a fault: the bundle in force stays, and heals with the next good one."""
    factory.use(1)
    assert await refresher.fetch() is True
    factory.use(2)
    good = factory.deltas[-1]
    factory.deltas[-1] = replace(good, **change)  # type: ignore[arg-type]  # the fields of the test's choice
    refused = await refresher.fetch()
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.PROTOCOL
    assert code in refused.detail
    assert DELTA[2] in refused.detail
    assert [(await till.redeem(factory.coupon(index))).outcome for index in (1, 2)] == [
        "already_redeemed",
        "accepted",
    ]
    assert DELTA[2] not in await till.cache.parts()
    factory.deltas[-1] = good
    factory.publish()
    assert await refresher.fetch() is True
    assert (await till.redeem(factory.coupon(2))).outcome == "already_redeemed"


async def test_a_damaged_stored_delta_is_fetched_again_and_nothing_else(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Publisher
) -> None:
    factory.use(1)
    assert await refresher.fetch() is True
    await till.database.run(
        lambda db: db.execute("UPDATE part SET content = x'00' WHERE name = ?", (DELTA[1],)) and None
    )
    till.state.trust = None
    started = Refresher(till.cache, cloud, till.state, till.clock)
    with pytest.raises(BundleError, match=DELTA[1]):
        await started.load()
    cloud.asked.clear()
    assert await started.fetch() is True
    assert cloud.asked == [bundle_path(TILL), cloud.path_of(DELTA[1])]
    assert (await till.redeem(factory.coupon(1))).outcome == "already_redeemed"


async def test_from_one_till_through_the_cloud_to_the_other(tmp_path: Path) -> None:
    """Nothing stands in for anything: HTTP, the cloud's database, both tills' keys, the till's own store."""
    async with played(tmp_path) as play:
        await play.cloud.admin(
            "POST",
            "revocations",
            {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": list(range(0, 100_000, 200))},
        )
        assert await play.refresher.fetch() is True
        text = await play.coupon()
        index = token.parse(text).claims.index
        other = await play.cloud.enrol("T-2", 2)
        (result,) = await other.post(other.till.redeem(index))
        assert result.status is ResultStatus.STORED
        play.line.asked.clear()
        play.line.read = 0
        assert await play.refresher.fetch() is True
        new = [part for part in play.manifest.parts if part.name == delta_name(ISSUER, CAMPAIGN, 1)]
        assert play.line.asked == [BUNDLE, *(path_of(part) for part in new)]
        assert play.line.read < 1500, "the manifest and a small delta"
        verdict = await play.till.redeem(text, SALE)
        assert (verdict.outcome, verdict.detail) == ("already_redeemed", "elsewhere")
