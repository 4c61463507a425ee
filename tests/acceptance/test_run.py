"""The real `redeemd` command: run, stop, scan, look, verify."""

from __future__ import annotations

import http.client
import io
import json
import os
import pty
import signal
import sqlite3
import stat
import subprocess
import sys
import tty
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from agent import logs
from agent.cli import main
from tests.acceptance.run_kit import TIMEOUT_S, command, redeemd, running, till, write_config
from tests.core_kit import check_chain, files_hold
from tests.factory import Factory, amount_off


@pytest.fixture
def factory() -> Factory:
    return Factory(campaigns=[amount_off(size=1000)])


@pytest.fixture
def config(tmp_path: Path, factory: Factory) -> Path:
    return till(tmp_path, factory)


def test_it_is_ready_when_it_answers_and_ends_when_told(config: Path, factory: Factory) -> None:
    with running(config) as daemon:
        status, health = daemon.get("/v1/health")  # the first thing after READY=1
        assert (status, health["ok"]) == (200, True)
        assert f"answering on {daemon.url}" in daemon.notices[0]
        assert daemon.stop() == 0
    assert daemon.notices[-1] == "STOPPING=1"
    assert "Traceback" not in daemon.errors.read_text()
    state = config.parent / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}


def test_a_second_daemon_on_the_same_till_is_refused(config: Path) -> None:
    with running(config):
        again = subprocess.run(
            redeemd("run", "--config", config), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert again.returncode == 78
        assert "in use by another redeemd" in again.stderr


def test_sigterm_with_an_open_page_ends_it_too(config: Path) -> None:
    with running(config) as daemon:
        events = daemon.events()
        assert next(events)[0] == "status"
        assert daemon.stop() == 0
        events.close()  # type: ignore[attr-defined]  # a generator


def test_the_watchdog_is_fed(config: Path) -> None:
    with running(config, {"WATCHDOG_USEC": "300000"}) as daemon:
        events = daemon.events()
        for _ in range(2):
            next(events)  # the stream's second message comes half a second later or after a change
            daemon.post("/v1/scan", {"text": "rubbish"})
        assert daemon.stop() == 0
        events.close()  # type: ignore[attr-defined]  # a generator
    assert "WATCHDOG=1" in daemon.notices


def test_a_scan_over_a_serial_line_ends_up_in_the_ledger(tmp_path: Path, factory: Factory) -> None:
    line, device = pty.openpty()
    tty.setraw(device)
    path = os.ttyname(device)
    scanner = f'[[scanner]]\nkind = "serial"\nname = "front"\nport = "{path}"\n'
    config = till(tmp_path, factory, scanner)
    text = factory.coupon(7)
    with running(config) as daemon:
        events = daemon.events()
        while next(state for kind, state in events if kind == "status")["devices"][0]["state"] != "ready":
            pass
        os.write(line, text.encode() + b"\r\n")
        verdict = next(data for kind, data in events if kind == "verdict")
        assert (verdict["outcome"], verdict["redemption_id"], verdict["source"]) == (
            "accepted",
            "T-0001-1",
            "front",
        )
        events.close()  # type: ignore[attr-defined]  # a generator

        # a second look beside the running daemon
        (row,) = [
            json.loads(found) for found in command("outbox", "--json", "--config", config).stdout.splitlines()
        ]
        assert (row["lane"], row["sequence"], row["state"]) == ("redemption", 1, "waiting")
        assert row["event"]["data"]["coupon"]["index"] == 7
        assert "T-0001" not in command("outbox", "--quarantined", "--config", config).stdout
        assert "redemption" in command("outbox", "--config", config).stdout
        status = json.loads(command("status", "--json", "--config", config).stdout)
        assert (status["till"], status["outbox"]["waiting"], status["today"]["accepted"]) == ("T-0001", 1, 1)
        assert "1 accepted" in command("status", "--config", config).stdout
        assert daemon.stop() == 0
    os.close(line)
    os.close(device)
    check_chain(tmp_path / "state" / "till.db", factory)
    assert files_hold(tmp_path, text[3:60]) == [], "neither the database nor the log holds a coupon's text"
    assert "scan judged" in daemon.errors.read_text()


def test_a_restart_remembers(config: Path, factory: Factory) -> None:
    body = {"text": factory.coupon(1), "sale": {"total_minor": 12_000}}
    with running(config) as daemon:
        _, first = daemon.post("/v1/redeem", body, Idempotency_Key="k1")
        assert first["outcome"] == "accepted"
        daemon.process.kill()
        daemon.process.wait(TIMEOUT_S)
    with running(config) as daemon:
        _, again = daemon.post("/v1/redeem", body, Idempotency_Key="k1")
        assert again["redemption_id"] == first["redemption_id"]
        assert again["replayed"] is True
        _, other = daemon.post("/v1/redeem", body, Idempotency_Key="k2")
        assert other["outcome"] == "already_redeemed"
        assert daemon.stop() == 0


# not ready to run; these commands end by themselves, so they run in this process

Here = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Run one `redeemd` command as `command` does, without the half second of a new process."""
    monkeypatch.setattr(logs, "set_up", lambda _level: None)

    def run(*arguments: str | Path, stdin: str = "", ok: int = 0) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert code == ok, f"{arguments}\n{out}{err}"
        return CompletedProcess(arguments, code, out, err)

    return run


def test_a_till_that_is_not_enrolled_runs_and_says_so(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running(config) as daemon:
        status, health = daemon.get("/v1/health")
        assert status == 503
        assert [issue["code"] for issue in health["issues"]] == ["not_enrolled"]
        _, verdict = daemon.post("/v1/scan", {"text": "RC1AAAA"})
        assert (verdict["outcome"], verdict["detail"]) == ("till_stopped", "not_enrolled")
        assert daemon.stop() == 0


def test_a_damaged_bundle_stops_coupons_and_not_the_till(config: Path, factory: Factory) -> None:
    database = sqlite3.connect(config.parent / "state" / "till.db")
    database.execute("UPDATE part SET content = x'00' WHERE name = 'campaigns'")
    database.commit()
    database.close()
    with running(config) as daemon:
        status, health = daemon.get("/v1/health")
        assert (status, health["issues"][0]["code"]) == (503, "no_bundle")
        _, verdict = daemon.post("/v1/scan", {"text": factory.coupon(1)})
        assert verdict["outcome"] == "till_stopped"
        assert daemon.stop() == 0
    assert "the stored bundle cannot be used" in daemon.errors.read_text()


def test_damaged_records_stop_coupons_and_say_so(config: Path, factory: Factory) -> None:
    path = config.parent / "state" / "till.db"
    database = sqlite3.connect(path)
    page = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'redemption_record'").fetchone()[
        0
    ]
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 64)
    with running(config) as daemon:
        events = daemon.events()
        while "ledger_damaged" not in [
            issue["code"] for issue in next(data for kind, data in events if kind == "status")["issues"]
        ]:
            pass
        events.close()  # type: ignore[attr-defined]  # a generator
        _, verdict = daemon.post("/v1/scan", {"text": factory.coupon(1)})
        assert verdict["outcome"] == "till_stopped"
        assert daemon.stop() == 0
    assert "Do not delete it" in daemon.errors.read_text()


WRONG = {
    "unknown key": ("[scan]\ndebounce = 3\n", "debounce"),
    "value out of range": ("[scan]\ndebounce_ms = -1\n", "debounce_ms"),
    "not TOML": ("[scan\n", "till.toml"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_configuration_is_named(here: Here, tmp_path: Path, what: str) -> None:
    more, named = WRONG[what]
    done = here("run", "--config", write_config(tmp_path, more), ok=78)
    assert named in done.stderr


def test_a_missing_configuration_is_named(here: Here, tmp_path: Path) -> None:
    assert "nowhere.toml" in here("run", "--config", tmp_path / "nowhere.toml", ok=78).stderr


def damage_key(state: Path) -> str:
    (state / "till.key").write_text("rubbish")
    return "till.key"


def open_key(state: Path) -> str:
    (state / "till.key").chmod(0o644)
    return "chmod 600"


def lose_key(state: Path) -> str:
    (state / "till.key").unlink()
    return "redeemd enrol"


def damage_database(state: Path) -> str:
    with (state / "till.db").open("r+b") as file:
        file.write(b"\0" * 200)
    return "damaged"


@pytest.mark.parametrize("harm", [damage_key, open_key, lose_key, damage_database])
def test_what_is_wrong_with_the_state_is_named(here: Here, config: Path, harm: object) -> None:
    assert callable(harm)
    told = harm(config.parent / "state")
    done = here("run", "--config", config, ok=78)
    assert done.stderr.startswith("redeemd cannot start: ")
    assert told in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path, factory: Factory) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = till(tmp_path / "one", factory)
    with running(first) as daemon:
        factory.install(tmp_path / "two" / "state")
        second = write_config(tmp_path / "two", port=int(daemon.url.rpartition(":")[2]))
        done = command("run", "--config", second, ok=(78,))
    assert "cannot listen on 127.0.0.1" in done.stderr


# bugs


BUGS = {
    "a task": "agent.till.Till.run_status",
    "the judging of a scan": "agent.redeem.Redeemer.redeem",
}


@pytest.mark.parametrize("where", BUGS)
def test_a_bug_ends_the_process_with_a_failure(config: Path, where: str) -> None:
    """systemd starts a clean one; a till that goes on without one of its tasks would look well."""
    module, owner, method = BUGS[where].rsplit(".", 2)
    script = f"""
import importlib, sys
async def bug(*_arguments, **_more):
    raise AssertionError("planted")
setattr(importlib.import_module({module!r}).{owner}, {method!r}, bug)
from agent.cli import main
sys.exit(main(["run", "--config", {str(config)!r}]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    if where != "a task":
        _scan_when_it_answers(config, process)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode not in (0, 78), errors
    assert process.returncode != -signal.SIGKILL
    assert "planted" in errors


def _scan_when_it_answers(config: Path, process: subprocess.Popen[str]) -> None:
    port = int(next(line for line in config.read_text().splitlines() if line.startswith("port")).split()[-1])
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request(
                "POST", "/v1/scan", json.dumps({"text": "x"}), {"Content-Type": "application/json"}
            )
            connection.getresponse().read()
        except ConnectionRefusedError:
            continue  # it does not listen yet
        except (http.client.HTTPException, OSError):
            return  # it ended, as it must
        finally:
            connection.close()


# verify


def test_verify_explains_a_coupon_from_the_tills_bundle(here: Here, config: Path, factory: Factory) -> None:
    good, late = factory.coupon(1), factory.coupon(2, expires=amount_off().starts + 1, not_before=1)
    done = here("verify", good, "--config", config)
    assert "accepted" in done.stdout
    assert "acme/1/1" in done.stdout
    assert "expired" in here("verify", late, "--config", config, ok=1).stdout


def test_verify_reads_many_from_standard_input(here: Here, config: Path, factory: Factory) -> None:
    texts = [factory.coupon(1), "rubbish", factory.coupon(1)[:-9], Factory().coupon(3), ""]
    done = here("verify", "-", "--json", "--config", config, stdin="".join(f"{text}\n" for text in texts))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["outcome"] for answer in answers] == [
        "accepted",
        "not_a_coupon",
        "truncated",
        "unknown_key",
        "not_a_coupon",
    ]
    assert (answers[0]["issuer"], answers[0]["campaign"], answers[0]["index"]) == ("acme", 1, 1)
    assert all({"outcome", "issuer", "campaign", "index", "detail"} <= set(answer) for answer in answers)
    ledger = sqlite3.connect(config.parent / "state" / "till.db")
    assert ledger.execute("SELECT count(*) FROM record").fetchone() == (0,), "nothing was recorded"
    ledger.close()


def test_verify_with_public_keys_alone(here: Here, tmp_path: Path, factory: Factory) -> None:
    keys = tmp_path / "keys.json"
    key = factory.issuer_key
    keys.write_text(
        json.dumps([{"kid": key.kid.hex(), "issuer": "acme", "public_key": key.public_key.hex()}])
    )
    texts = [factory.coupon(9), factory.coupon(9)[:-4] + "AAAA", Factory().coupon(1)]
    done = here("verify", "-", "--json", "--keys", keys, stdin="\n".join(texts) + "\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[0]["outcome"] == "verified"
    assert (answers[0]["index"], answers[0]["issuer"]) == (9, "acme")
    assert answers[1]["outcome"] in ("bad_signature", "malformed")
    assert answers[2]["outcome"] == "unknown_key"
    keys.write_text("[{}]")
    assert "keys.json" in here("verify", texts[0], "--keys", keys, ok=1).stderr


def test_commands_about_a_till_that_is_off(here: Here, tmp_path: Path, config: Path) -> None:
    assert "nothing is waiting" in here("outbox", "--config", config).stdout
    assert "Is it running?" in here("status", "--config", config, ok=1).stderr
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    missing = write_config(elsewhere)
    assert "does not exist" in here("outbox", "--config", missing, ok=1).stderr
    assert "does not exist" in here("verify", "x", "--config", missing, ok=1).stderr
