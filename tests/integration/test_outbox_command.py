"""`redeemd outbox`: what was refused is listed, shown, offered again and exported, by a till that runs or does not."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

import config
from agent.cli import main
from agent.store.database import Database
from sync.wire import RecordResult, ResultStatus
from tests.core_kit import core, install, rows
from tests.factory import Factory
from tests.integration.api_kit import real_till


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A state directory: redemptions 1 to 3 and refusals E1 and E2; 1, 3 and E2 are in the quarantine."""
    factory = Factory()
    folder = tmp_path / "state"
    with core(install(folder, factory), factory) as till:
        for index in range(3):
            await till.redeem(factory.coupon(index))
        for text in ("rubbish", "more rubbish"):
            await till.redeem(text)
        for lane, ids in (("redemption", ("T-0001-1", "T-0001-3")), ("evidence", ("T-0001-E2",))):
            said = [
                RecordResult(one, ResultStatus.REFUSED, "bad_signature", "no", permanent=True) for one in ids
            ]
            await till.outbox.settle(lane, said)
    settings(tmp_path, 1)  # nobody listens there
    return folder


def settings(folder: Path, port: int) -> Path:
    file = folder / "till.toml"
    file.write_text(f'[till]\nstate_dir = "{folder}/state"\n[api]\nport = {port}\n', "utf-8")
    return file


def states(folder: Path) -> dict[str, str]:
    found = rows(folder / "till.db", "SELECT json_extract(event, '$.id'), state FROM record")
    return dict(found)


def outbox(tmp_path: Path, *arguments: str) -> int:
    return main(["outbox", *arguments, "--config", str(tmp_path / "till.toml")])


@pytest.mark.parametrize("form", [("--quarantined",), ("list", "--quarantined"), ("--quarantined", "list")])
def test_it_lists_where_no_action_is_named(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: tuple[str, ...]
) -> None:
    assert outbox(tmp_path, *form) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all("bad_signature: no" in line for line in lines[:3])
    assert lines[3] == "3 records"
    assert main(["outbox", "--config", str(tmp_path / "till.toml"), *form, "--json", "--limit", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["event"]["id"] == "T-0001-E2"


def test_one_record_is_shown_whole(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outbox(tmp_path, "show", "T-0001-3") == 0
    shown = capsys.readouterr().out
    assert '"redemption_id": "T-0001-3"' in shown
    assert '"code": "bad_signature"' in shown
    assert outbox(tmp_path, "show", "T-0001-E1", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["event"]["id"], row["state"], row["answer"]) == ("T-0001-E1", "waiting", None)


@pytest.mark.parametrize(
    ("record", "code"), [("T-0001-9", 1), ("T-0002-1", 1), ("T-0001", 2), ("x", 2), ("T-0001-0", 2)]
)
def test_what_is_no_record_here_is_said(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str, code: int
) -> None:
    for action in ("show", "retry"):
        assert outbox(tmp_path, action, record) == code
        assert record in capsys.readouterr().err


def test_a_stopped_till_takes_them_back(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, said in (
        (("T-0001-3",), 0, "1 records are offered"),
        (("T-0001-3",), 1, "nothing to retry"),
        (("T-0001-2",), 1, "nothing to retry"),
        (("--lane", "redemption"), 0, "1 records are offered"),
        (("--json",), 0, '{"requeued": 1}'),
        ((), 0, "nothing to retry"),
    ):
        assert outbox(tmp_path, "retry", *arguments) == code
        assert said in capsys.readouterr().out
    assert set(states(state).values()) == {"waiting"}
    assert outbox(tmp_path, "retry", "T-0001-3", "--lane", "redemption") == 2


def test_a_till_that_runs_and_does_not_answer_is_left_alone(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lock is held: whoever holds it may be sealing a record."""
    database = Database(state / "till.db")
    database.open()
    try:
        assert outbox(tmp_path, "retry") == 1
    finally:
        database.close()
    assert capsys.readouterr().err
    assert states(state)["T-0001-3"] == "quarantined"


def test_before_enrolment_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings(tmp_path, 1)
    assert outbox(tmp_path, "retry") == 1
    assert "not enrolled" in capsys.readouterr().err


async def test_a_running_till_takes_them_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "token").write_text("0123456789abcdef-token")
    guarded = config.Api(port=0, token_file=str(tmp_path / "token"))
    async with real_till(tmp_path / "state", api=guarded) as till:
        token = {"Authorization": "Bearer 0123456789abcdef-token"}
        for number in range(2):
            body = {"text": till.coupon()}
            done = await till.call("POST", "/v1/redeem", body, headers=token, Idempotency_Key=str(number))
            assert done.json["accepted"]
        await till.app._database.run(
            lambda db: db.execute("UPDATE redemption_record SET state = 'quarantined'").rowcount
        )
        file = settings(tmp_path, till.port)
        file.write_text(file.read_text() + f'token_file = "{tmp_path}/token"\n')
        assert await asyncio.to_thread(outbox, tmp_path, "retry", "T-0001-2") == 0
        assert await asyncio.to_thread(outbox, tmp_path, "retry", "T-0001-2") == 1
        assert await asyncio.to_thread(outbox, tmp_path, "retry") == 0
        said = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in said] == ["1", "nothing", "1"]
    assert set(states(tmp_path / "state").values()) == {"waiting"}


def test_an_export_is_whole_and_its_owners(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "records.jsonl"
    assert outbox(tmp_path, "export", str(file), "--all") == 0
    assert "5 records" in capsys.readouterr().out
    found = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert {row["event"]["id"]: row["state"] for row in found} == states(state)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert outbox(tmp_path, "export", "-", "--quarantined") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert outbox(tmp_path, "export", str(tmp_path / "none" / "x")) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.glob(".*")) == []
