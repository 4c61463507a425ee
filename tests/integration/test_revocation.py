"""Revocation: only the cloud's signed word on this very key stops a till; others may say anything."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.bundles.refresh import Refresher
from agent.domain import bundle
from agent.domain.bundle import BundleError, Part, Root
from agent.domain.keys import SigningKey, new_signing_key
from agent.domain.reasons import Stop
from agent.domain.statement import Revocation, sign_revocation
from sync.ports import Answer, Failure, FailureKind
from sync.wire import PROBLEM_TYPE, REVOCATION_HEADER, Problem, bundle_path, encode_problem, root_path
from tests.core_kit import Core, core, files_hold, install, promo_codes, rows
from tests.factory import TILL, Factory
from tests.integration.test_refresh import FakeCloud


@pytest.fixture
def factory() -> Factory:
    made = Factory()
    made.promos = promo_codes(made, 2)
    return made


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


@pytest.fixture
def cloud(factory: Factory) -> FakeCloud:
    return FakeCloud(factory)


@pytest.fixture
def refresher(till: Core, cloud: FakeCloud, factory: Factory) -> Refresher:
    return Refresher(till.cache, cloud, till.state, till.clock, factory.till_key.public_key)


def refusal(statement: bytes | None, status: int = 403) -> Answer:
    """What the till is told in place of a bundle."""
    headers = {"content-type": PROBLEM_TYPE}
    if statement is not None:
        headers[REVOCATION_HEADER.lower()] = base64.b64encode(statement).decode()
    return Answer(status, headers, encode_problem(Problem(status, "till_revoked", "the key was revoked")))


def word(factory: Factory, key: SigningKey | None = None, till: str = TILL, of: bytes | None = None) -> bytes:
    statement = Revocation(till, of or factory.till_key.public_key, factory.issued)
    return sign_revocation(statement, key or factory.manifest_key)


async def test_the_clouds_word_stops_the_till_and_wipes_what_it_held(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    assert (
        await till.redeem(factory.coupon(1))
    ).outcome == "accepted"  # hands out one of the two promo codes
    await till.database.run(
        lambda db: db.execute("PRAGMA secure_delete = OFF").fetchall()
    )  # some builds have it on
    (token,) = (row[0] for row in till.rows("SELECT token FROM promo WHERE redemption_id IS NULL"))
    cloud.answers[bundle_path(TILL)] = refusal(word(factory))
    failure = await refresher.fetch()
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.NOT_ADMITTED
    assert (till.state.stopped, till.state.trust) == (Stop.REVOKED, None)
    assert (await till.redeem(factory.coupon(2))).outcome == "till_stopped"
    assert till.rows("SELECT count(*) FROM part") == [(0,)]
    assert till.rows("SELECT count(*) FROM promo") == [(1,)], "what was handed out is history"
    assert till.rows("SELECT count(*) FROM record WHERE state = 'waiting'") == [(1,)]
    till.database.close()
    assert files_hold(till.path.parent, token) == [], "overwritten, not left lying"


async def test_a_stop_outlasts_a_restart_and_takes_no_bundle_any_more(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    cloud.answers[bundle_path(TILL)] = refusal(word(factory))
    tables = till.path.with_name("codes")
    tables.mkdir(exist_ok=True)
    (tables / "one.codes").write_bytes(b"codes")
    await refresher.fetch()
    assert list(tables.iterdir()) == []
    (tables / "one.codes").write_bytes(b"codes")  # the power went before it was wiped
    till.state.stopped = ""
    again = Refresher(till.cache, cloud, till.state, till.clock, factory.till_key.public_key)
    await again.load()
    assert till.state.stopped == Stop.REVOKED
    assert list(tables.iterdir()) == []
    cloud.answers.clear()  # somebody in between gives a good bundle, or it is carried here
    factory.sequence += 1
    assert isinstance(await again.fetch(), Failure)
    with pytest.raises(BundleError, match="revoked"):
        await again.take(factory.manifest(factory.parts()), Nothing())
    assert (till.state.trust, till.rows("SELECT count(*) FROM part")) == (None, [(0,)])


class Nothing:
    async def root(self, epoch: int) -> bytes | None:
        return None

    async def part(self, part: Part) -> bytes:
        raise AssertionError("nothing is read")


@pytest.mark.parametrize(
    "forged",
    ["bare", "thief", "root key", "other till", "other key", "not base64", "empty", "401", "manifest"],
)
async def test_whoever_sits_between_stops_no_till(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory, forged: str
) -> None:
    thief = new_signing_key()
    answers = {
        "bare": refusal(None),
        "thief": refusal(word(factory, thief)),
        "root key": refusal(word(factory, factory.root_key)),
        "other till": refusal(word(factory, till="T-0002")),
        "other key": refusal(word(factory, of=thief.public_key)),  # of an enrolment before this one
        "not base64": Answer(403, {REVOCATION_HEADER.lower(): "***"}, b""),
        "empty": Answer(403, {REVOCATION_HEADER.lower(): ""}, b""),
        "401": refusal(word(factory), 401),  # the cloud says it with 403 alone
        "manifest": refusal(factory.manifest(factory.parts())),
    }
    cloud.answers[bundle_path(TILL)] = answers[forged]
    before = till.rows("SELECT count(*) FROM part")
    assert isinstance(await refresher.fetch(), Failure)
    assert till.state.stopped == ""
    assert till.rows("SELECT count(*) FROM part") == before
    assert (await till.redeem(factory.coupon(1))).outcome == "accepted"


async def test_a_word_by_the_manifest_key_of_the_next_root_is_heeded(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    """The root was changed while the till was away: it walks there first."""
    following = new_signing_key()
    root = Root(
        2,
        factory.issued,
        1,
        {factory.root_key.kid: factory.root_key.public_key},
        {following.kid: following.public_key},
    )
    cloud.answers[root_path(2)] = Answer(200, {}, bundle.sign_root(root, [factory.root_key]))
    cloud.answers[root_path(3)] = Answer(404, {}, b"")
    cloud.answers[bundle_path(TILL)] = refusal(word(factory, following))
    await refresher.fetch()
    assert till.state.stopped == Stop.REVOKED


async def test_a_root_that_still_lists_the_key_lifts_nothing(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    """A second manifest key beside the first one, and then other root keys: what the first one said holds."""
    cloud.answers[bundle_path(TILL)] = refusal(word(factory))
    await refresher.fetch()
    second, keeper = new_signing_key(), new_signing_key()
    keys = {factory.manifest_key.kid: factory.manifest_key.public_key, second.kid: second.public_key}
    for epoch, roots in ((2, [factory.root_key]), (3, [factory.root_key, keeper])):
        root = Root(epoch, factory.issued, 1, {key.kid: key.public_key for key in roots}, keys)
        cloud.answers[root_path(epoch)] = Answer(200, {}, bundle.sign_root(root, roots))
        cloud.answers[root_path(epoch + 1)] = Answer(404, {}, b"")
        await refresher.fetch()
        assert till.state.stopped == Stop.REVOKED
    assert len(till.rows("SELECT epoch FROM root")) == 3, "they were taken"


async def test_what_stopped_the_till_before_stops_it_after(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    """A damaged ledger is not healed by a revocation that lapses."""
    till.state.stopped = "ledger_damaged"
    cloud.answers[bundle_path(TILL)] = refusal(word(factory))
    await refresher.fetch()
    assert till.state.stopped == Stop.REVOKED
    second = new_signing_key()
    root = Root(
        2,
        factory.issued,
        1,
        {factory.root_key.kid: factory.root_key.public_key},
        {second.kid: second.public_key},
    )
    cloud.answers[root_path(2)] = Answer(200, {}, bundle.sign_root(root, [factory.root_key]))
    cloud.answers[root_path(3)] = Answer(404, {}, b"")
    await refresher.fetch()
    assert till.state.stopped == "ledger_damaged"


async def test_a_wipe_that_fails_is_done_at_the_next_contact(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    cloud.answers[bundle_path(TILL)] = refusal(word(factory))
    await till.database.run(_fail_the_wipe)
    await refresher.fetch()
    assert till.state.stopped == ""
    assert rows(till.path, "SELECT count(*) FROM setting WHERE name = 'revocation'") == [(0,)], (
        "all or nothing"
    )
    await till.database.run(lambda db: db.execute("DROP TRIGGER full"))
    await refresher.fetch()
    assert till.state.stopped == Stop.REVOKED


def _fail_the_wipe(db: sqlite3.Connection) -> None:
    db.execute("CREATE TRIGGER full BEFORE DELETE ON part BEGIN SELECT raise(ABORT, 'disk full'); END")
