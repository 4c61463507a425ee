"""`redeemd time` and `redeemd cloud time`: from the keepers' files to a till that takes coupons again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import cli
from agent.domain import statement
from agent.domain.keys import new_signing_key
from cloud.keyring import write_key
from tests.core_kit import HandClock, core, install, rows
from tests.factory import TILL, Factory, today
from tests.integration.cloud_server_kit import running_cloud


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Path:
    install(tmp_path / "state", factory)
    write_key(tmp_path / "root.pem", factory.root_key)
    settings = tmp_path / "till.toml"
    settings.write_text(f'[till]\nstate_dir = "{tmp_path / "state"}"\n')
    return tmp_path


def redeemd(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def repair(till: Path, file: str = "time.cbor") -> int:
    return redeemd("time", "repair", till / file, "--config", till / "till.toml")


async def poison(till: Path, factory: Factory) -> None:
    clock = HandClock()
    clock.wall += timedelta(days=10)
    with core(till / "state" / "till.db", factory, clock) as opened:
        await opened.redeem("any code")


async def outcome(till: Path, factory: Factory, coupon: str) -> str:
    with core(till / "state" / "till.db", factory) as opened:
        return (await opened.redeem(coupon)).outcome.value


def test_a_statement_made_by_the_keepers_opens_the_till(
    till: Path, factory: Factory, capsys: pytest.CaptureFixture[str]
) -> None:
    import asyncio

    coupon = factory.coupon(1, expires=today() + 2)
    asyncio.run(poison(till, factory))
    assert redeemd("cloud", "time", "new", till / "time.cbor", "--till", TILL) == 0
    assert repair(till) == 1
    assert "not signed by enough of the root keys" in capsys.readouterr().err
    assert redeemd("cloud", "time", "sign", till / "time.cbor", "--key", till / "root.pem") == 0
    assert redeemd("cloud", "time", "show", till / "time.cbor") == 0
    assert factory.root_key.kid.hex() in capsys.readouterr().out
    assert asyncio.run(outcome(till, factory, coupon)) == "expired"
    assert repair(till) == 0
    assert "repaired by statement" in capsys.readouterr().out
    assert asyncio.run(outcome(till, factory, coupon)) == "accepted"
    assert repair(till) == 1
    assert "used before" in capsys.readouterr().err
    assert redeemd("time", "show", "--config", till / "till.toml") == 0
    assert "effective time" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "no time statement"),
        (b"\xa0" * 100_000, "no time statement"),
        (
            statement.sign_time(
                statement.TimeStatement("T-9", 1, datetime.now(UTC), datetime.now(UTC)), [new_signing_key()]
            ),
            "not signed",
        ),
    ],
)
def test_what_is_no_statement_for_this_till_is_refused_in_words(
    till: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    before = rows(till / "state" / "till.db", "SELECT * FROM setting")
    if content is not None:
        (till / "time.cbor").write_bytes(content)
    assert repair(till) in (1, 66)
    assert said in capsys.readouterr().err
    assert rows(till / "state" / "till.db", "SELECT * FROM setting") == before


def test_a_running_till_is_not_repaired_behind_its_back(
    till: Path, factory: Factory, capsys: pytest.CaptureFixture[str]
) -> None:
    redeemd("cloud", "time", "new", till / "time.cbor", "--till", TILL, "--key", till / "root.pem")
    with core(till / "state" / "till.db", factory):
        assert repair(till) == 1
    assert "Stop it first" in capsys.readouterr().err


def test_a_till_that_was_never_enrolled_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "till.toml").write_text(f'[till]\nstate_dir = "{tmp_path / "none"}"\n')
    assert repair(tmp_path) == 1
    assert "enrol" in capsys.readouterr().err


async def test_a_published_statement_is_in_the_next_bundle(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")
        await client.refresh()
        file = tmp_path / "time.cbor"
        (root_key,) = (tmp_path / "cloud" / "keys").glob("root-*.pem")
        for arguments in (
            ("new", file, "--till", "T-1", "--at", "2026-03-01T04:00:00Z", "--number", 5, "--key", root_key),
            ("publish", file, tmp_path / "cloud"),
        ):
            assert await _in_a_thread("cloud", "time", *arguments) == 0
        assert await _in_a_thread("cloud", "time", "publish", file, tmp_path / "cloud") == 1, (
            "it is there already"
        )
        await client.refresh()
        assert client.manifest is not None
        assert statement.TIME_PART in {part.name for part in client.manifest.parts}


async def _in_a_thread(*arguments: object) -> int:
    """A command has an event loop of its own."""
    import asyncio

    return await asyncio.to_thread(redeemd, *arguments)
