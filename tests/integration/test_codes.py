"""Opaque codes on a till: from the bundle into place, redeemed like coupons, and nothing kept of what is no coupon."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.bundles.code_tables import code_parts
from agent.bundles.refresh import Refresher
from agent.commands.verify import explain, from_till
from agent.domain.codes import CodeKey
from agent.domain.keys import signing_key_from_seed
from agent.domain.reasons import Stop
from agent.domain.sale import Sale
from agent.domain.scan import Kind, Rule
from agent.ports import LedgerUnavailable
from agent.request import KeyReused
from agent.store.codes import code_shelf
from agent.store.till_facts import put_setting
from sync.ports import Answer, Failure, FailureKind
from tests.core_kit import Core, check_chain, core, files_hold, install
from tests.factory import Factory, amount_off
from tests.integration.test_bundle_file import configure, lose_the_cache, run
from tests.integration.test_refresh import FakeCloud

SALE = Sale("S-1", "CNY", 12_000)
MEMBER = "8800123456789012"


def make_factory(issued: datetime | None = None) -> Factory:
    """Always of the same keys, so that two processes make the same bundle."""
    issuer, manifest, root, till = (signing_key_from_seed(bytes([number]) * 32) for number in range(1, 5))
    made = Factory(
        issuer,
        manifest,
        root,
        till,
        code_key=CodeKey(b"code-key", "acme", bytes(32)),
        campaigns=[amount_off(), amount_off(2, size=1, uses=3), amount_off(3, size=5000)],
        rules=[Rule(Kind.MEMBER_CARD, "88", 16, 16, "digits")],
        codes={2: {"SUMMER26": 0}, 3: {f"CAP{number:05}": number for number in range(2000)}},
    )
    made.issued = issued or made.issued
    return made


@pytest.fixture
def factory() -> Factory:
    return make_factory()


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


# redeeming


async def test_a_code_is_redeemed_once_and_remembered(till: Core, factory: Factory) -> None:
    first = await till.redeem("cap-00042\r\n", SALE)
    again = await till.redeem("CAP00042", SALE)
    assert (first.outcome, first.discount_minor) == ("accepted", 3_000)
    assert (again.outcome, again.first_use is not None) == ("already_redeemed", True)
    assert first.coupon is not None
    assert first.coupon.identity == ("acme", 3, 42)
    ((event,),) = till.rows("SELECT event FROM redemption_record")
    coupon = json.loads(event)["data"]["coupon"]
    assert (coupon["kid"], coupon["code"]) == (None, first.coupon.code_hash.hex())
    check_chain(till.path, factory)


async def test_signed_coupons_and_codes_share_one_identity(till: Core, factory: Factory) -> None:
    assert (await till.redeem("CAP00007", SALE)).outcome == "accepted"
    assert (await till.redeem(factory.coupon(7, 3), SALE)).outcome == "already_redeemed"


async def test_a_promo_code_counts_its_uses(till: Core) -> None:
    said = [(await till.redeem("summer26", SALE)).outcome.value for _ in range(5)]
    assert said == ["accepted"] * 3 + ["already_redeemed"] * 2
    assert till.rows("SELECT idx, uses, redemption_id FROM coupon_use") == [(0, 3, "T-0001-3")]
    assert till.rows("SELECT count FROM budget WHERE campaign = 2 AND day >= 0") == [(3,)]


async def test_two_uses_at_one_moment_are_two(till: Core) -> None:
    answers = await asyncio.gather(*(till.redeem("SUMMER26", SALE) for _ in range(6)))
    assert sorted(answer.outcome.value for answer in answers) == ["accepted"] * 3 + ["already_redeemed"] * 3


async def test_no_use_is_counted_that_was_not_decided(till: Core) -> None:
    """The ledger's own guard: a use that somebody else counted meanwhile is not counted over."""
    now = till.clock.now()
    await till.ledger.write(lambda tx: tx.consume(("acme", 1, 1), "T-0001-1", now, 9, 0), lambda _: None)
    with pytest.raises(AssertionError, match="no more"):
        await till.ledger.write(lambda tx: tx.consume(("acme", 1, 1), "T-0001-2", now, 9, 0), lambda _: None)


async def test_an_unknown_code_is_evidence_without_the_code(till: Core) -> None:
    verdict = await till.redeem("CAP99999", SALE)
    assert (verdict.outcome, verdict.detail) == ("unknown_code", "plain")
    ((event,),) = till.rows("SELECT event FROM evidence_record")
    assert json.loads(event)["data"]["token_sha256"] is None
    assert hashlib.sha256(b"CAP99999").hexdigest() not in event


async def test_a_token_is_known_by_its_hash_in_the_evidence(till: Core, factory: Factory) -> None:
    text = factory.coupon(1)
    await till.redeem("]Q1" + text, SALE)
    ((event,),) = till.rows("SELECT event FROM redemption_record")
    assert json.loads(event)["data"]["token_sha256"] == hashlib.sha256(text.encode()).hexdigest()


# what is no coupon


@pytest.mark.parametrize(
    ("text", "outcome"),
    [(MEMBER, "member_card"), ("6901234567892", "product_barcode"), ("https://example.org/", "web_address")],
)
async def test_nothing_is_kept_of_what_is_no_coupon(till: Core, text: str, outcome: str) -> None:
    verdict = await till.redeem(text, SALE, "key")
    assert verdict.outcome == outcome
    assert text not in json.dumps(verdict.to_json())
    till.database.close()
    assert files_hold(till.path.parent, text) == []
    for table in ("evidence_record", "redemption_record", "request", "print_job"):
        assert till.rows(f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_key_that_named_another_request_says_so_even_for_a_card(till: Core) -> None:
    await till.redeem("CAP00001", SALE, "key")
    with pytest.raises(KeyReused):
        await till.redeem(MEMBER, SALE, "key")


async def test_a_listed_code_is_a_coupon_whatever_it_looks_like(tmp_path: Path, factory: Factory) -> None:
    factory.codes[3][MEMBER] = 4000
    with core(install(tmp_path / "till", factory), factory) as till:
        assert (await till.redeem(MEMBER, SALE)).outcome == "accepted"


async def test_a_table_that_cannot_be_read_stops_its_codes_not_the_till(till: Core, factory: Factory) -> None:
    class Broken:
        def find(self, kind: object, text: str) -> None:
            raise LedgerUnavailable("the disk is gone")

    trust = till.state.trust
    assert trust is not None
    object.__setattr__(trust.contents, "codes", Broken())
    verdict = await till.redeem("CAP00001", SALE)
    assert (verdict.outcome, verdict.detail) == ("till_stopped", "codes_unreadable")
    assert (await till.redeem(factory.coupon(1), SALE)).outcome == "accepted"


def test_verify_explains_a_code(till: Core) -> None:
    with from_till(till.path) as known:
        said = explain("cap-00005", known)
        assert (said["outcome"], said["index"], said["kid"]) == ("accepted", 5, None)
        assert explain("CAP77777", known)["outcome"] == "unknown_code"
        assert explain(MEMBER, known)["outcome"] == "member_card"


# into place


def refresher(till: Core, cloud: FakeCloud) -> Refresher:
    return Refresher(till.cache, cloud, till.state, till.clock)


def more(factory: Factory) -> None:
    """The next bundle: another code in campaign 2."""
    factory.sequence += 1
    factory.codes[2] = {"SUMMER26": 0, "WINTER26": 0}


def files(till: Core) -> list[str]:
    return sorted(path.name for path in (till.path.parent / "codes").iterdir())


async def test_only_the_tables_that_changed_are_fetched(till: Core, factory: Factory) -> None:
    cloud = FakeCloud(factory)
    before = files(till)
    more(factory)
    assert await refresher(till, cloud).fetch() is True
    assert [path for path in cloud.asked if path == cloud.path_of("codes/acme/3/0")] == []
    assert len(files(till)) == 2
    assert len(set(files(till)) - set(before)) == 1, "the old one is gone"
    assert (await till.redeem("WINTER26", SALE)).outcome == "accepted"
    assert (await till.redeem("CAP00001", SALE)).outcome == "accepted"
    assert not any(name.startswith("codes/") for name in await till.cache.parts())


async def test_a_table_that_does_not_come_leaves_the_old_bundle_whole(till: Core, factory: Factory) -> None:
    cloud = FakeCloud(factory)
    more(factory)
    path = cloud.path_of("codes/acme/2/0")
    for answer in (Failure(FailureKind.UNREACHABLE, "gone"), Answer(200, {}, b"rubbish")):
        cloud.answers[path] = answer
        assert isinstance(await refresher(till, cloud).fetch(), Failure)
        assert till.state.trust is not None
        assert till.state.trust.manifest.sequence == 1
        assert (await till.redeem("WINTER26", SALE)).outcome == "unknown_code"
    del cloud.answers[path]
    assert await refresher(till, cloud).fetch() is True


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
async def test_a_damaged_table_is_fetched_again(till: Core, factory: Factory, damage: str) -> None:
    cloud = FakeCloud(factory)
    large = max((till.path.parent / "codes").iterdir(), key=lambda path: path.stat().st_size)
    if damage == "missing":
        large.unlink()
    elif damage == "cut":
        os.truncate(large, 20_000)
    else:
        content = bytearray(large.read_bytes())
        content[-1] ^= 1
        large.write_bytes(content)
    again = refresher(till, cloud)
    till.state.trust = None
    await again.load()
    loaded = again._state.trust
    assert loaded is not None
    assert loaded.contents.codes_missing == (damage != "changed"), (
        "only reading all of it shows a changed byte"
    )
    assert (await till.redeem("SUMMER26", SALE)).outcome == "accepted", "the other tables count"
    assert await again.fetch() is False, "the same bundle"
    assert (await till.redeem("CAP00001", SALE)).outcome == "accepted"
    trust = again._state.trust
    assert trust is not None
    assert trust.contents.codes_missing == 0
    assert code_shelf(till.path).damaged(code_parts(trust.manifest.parts)) == []


_CHILD = """
import asyncio, os, signal, sys
from datetime import datetime
from pathlib import Path
from agent.store.codes import FileShelf
from tests.core_kit import core
from tests.integration.test_codes import make_factory, more, refresher
from tests.integration.test_refresh import FakeCloud

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def add_and_die(*arguments, add=FileShelf.add):
    add(*arguments)
    die()

path, issued, step = sys.argv[1:]
factory = make_factory(datetime.fromisoformat(issued))
more(factory)
with core(Path(path), factory) as till:
    match step:
        case "written": Path.rename = die
        case "in place": FileShelf.add = add_and_die
        case "stored": FileShelf.keep_only = die
    asyncio.run(refresher(till, FakeCloud(factory)).fetch())
"""


@pytest.mark.parametrize(("step", "codes"), [("written", 1), ("in place", 1), ("stored", 2)])
def test_a_crash_leaves_the_old_bundle_or_the_new_one(tmp_path: Path, step: str, codes: int) -> None:
    issued = datetime.now(UTC).replace(microsecond=0)
    factory = make_factory(issued)
    path = install(tmp_path / "till", factory)
    child = [sys.executable, "-c", _CHILD, str(path), issued.isoformat(), step]
    killed = subprocess.run(child, capture_output=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with core(path, factory) as till:
        more(factory)
        assert (asyncio.run(till.redeem("SUMMER26", SALE))).outcome == "accepted"
        winter = asyncio.run(till.redeem("WINTER26", SALE)).outcome
        assert winter == ("accepted" if codes == 2 else "unknown_code")
        asyncio.run(refresher(till, FakeCloud(factory)).fetch())
        if codes == 1:
            assert (asyncio.run(till.redeem("WINTER26", SALE))).outcome == "accepted"
            assert len(files(till)) == 2, "what the crash left is swept"


async def test_a_till_that_is_revoked_forgets_its_tables(till: Core) -> None:
    """Also where the power went between the statement and the wiping."""
    assert len(files(till)) == 2
    await till.database.run(lambda connection: put_setting(connection, "revocation", "00"))
    till.state.trust = None
    again = refresher(till, FakeCloud(till.factory))
    await again.load()
    assert (files(till), till.state.stopped) == ([], Stop.REVOKED)


def test_a_stick_carries_the_tables(till: Core, factory: Factory, tmp_path: Path) -> None:
    """From this till's disk into one that lost its cache."""
    till.database.close()
    stick, other = tmp_path / "stick", tmp_path / "other"
    assert run("export", stick, "--config", configure(tmp_path, till.path.parent, 9)) == 0
    shutil.copytree(till.path.parent, other)
    shutil.rmtree(other / "codes")
    lose_the_cache(other / "till.db")
    assert run("import", stick, "--config", configure(tmp_path, other, 9)) == 0
    with core(other / "till.db", factory) as opened:
        assert asyncio.run(opened.redeem("CAP01999", SALE)).outcome == "accepted"
