"""Issuing with nothing but files: a key, a campaign, a ledger."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.issue_kit import KEY, PASSPHRASE, TODAY, Shell, rows


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    made = Shell(tmp_path, capsys)
    made("campaign", "new", made.campaign)
    return made


@pytest.mark.parametrize("algorithm", ["ed25519", "es256"])
def test_an_issuer_without_a_cloud(shell: Shell, algorithm: str) -> None:
    key = shell.own_key("--algorithm", algorithm)
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in key.read_bytes()
    shell.issue("--new-ledger", "--count", "30", "--csv", shell.folder / "one.csv")
    shell.issue("--count", "20", "--csv", shell.folder / "two.csv", "--value-minor", "500")
    made = rows(shell.folder / "one.csv") + rows(shell.folder / "two.csv")
    assert len({row["index"] for row in made}) == 50
    assert {row["value_minor"] for row in made} == {"", "500"}
    for row in (made[0], made[49]):
        said = json.loads(shell("verify", row["token"], "--keys", key.with_suffix(".json"), "--json"))
        assert (said["outcome"], said["issuer"], said["index"]) == ("verified", "acme", int(row["index"]))


def test_what_is_refused_begins_no_ledger(shell: Shell) -> None:
    shell.own_key("--value-max-minor", "1")
    out = ("--csv", shell.folder / "c.csv")
    for _ in range(2):
        assert "good for 1 at most" in shell.issue("--new-ledger", *out, code=1)
        assert not [path.name for path in shell.folder.iterdir() if ".db" in path.name]


def test_what_an_issuer_without_a_cloud_is_told(shell: Shell) -> None:
    key = shell.own_key()
    out = ("--csv", shell.folder / "c.csv")
    assert "--new-ledger" in shell.issue(*out, code=1), "a lost ledger gives out indexes again"
    shell.issue("--new-ledger", *out)
    assert "leave out --new-ledger" in shell.issue("--new-ledger", *out, code=1)
    assert "exists" in shell.issue(*out, code=1)
    assert "exists" in shell("keys", "new", *KEY, "--out", key, "--no-passphrase", code=1)
    shell.passphrase.write_text("short")
    new = ("keys", "new", *KEY, "--out", shell.folder / "new.pem", "--passphrase-file", shell.passphrase)
    assert "fewer than 12" in shell(*new, code=1)
    assert not (shell.folder / "new.pem").exists()
    shell.passphrase.write_text("wrong passphrase")
    assert "wrong passphrase" in shell.issue("--json", code=1)
    shell.passphrase.write_text(PASSPHRASE)
    other = shell.folder / "other.pem"
    shell("keys", "new", *KEY, "--out", other, "--no-passphrase")
    key.write_bytes(other.read_bytes())
    assert "different keys" in shell.issue("--json", code=1)
    key.chmod(0o644)
    assert "open to others" in shell.issue("--json", code=1)
    assert "say where" in shell.issue(code=2)


def test_terms_that_no_till_would_take_are_refused(shell: Shell) -> None:
    shell.own_key("--campaigns", "1001")
    new = ("--new-ledger", "--json")
    late = f"{TODAY + timedelta(days=500)}"
    assert "not all the campaign's" in shell.issue(*new, "--from", late, "--to", late, code=1)
    assert "above what the campaign gives" in shell.issue(*new, "--value-minor", "3001", code=1)
    shell.issue(*new)
    text = shell.campaign.read_text("utf-8")
    shell.campaign.write_text(text.replace("off_minor = 3000 }]\n#", "off_minor = 5001 }]\n#"), "utf-8")
    assert "5000 at most" in shell.issue("--json", code=1)
    shell.campaign.write_text(text.replace("number = 1001", "number = 1002"), "utf-8")
    assert "no key for campaign 1002" in shell.issue("--json", code=1)
    shell.campaign.write_text(text.replace("size = 100000", "size = 50"), "utf-8")
    assert "size stays 100000" in shell.issue("--json", code=1)


def test_days_outside_the_campaign_or_the_key_spend_no_number(shell: Shell) -> None:
    shell.own_key()
    out = ("--csv", shell.folder / "c.csv")
    over = ("--to", f"{TODAY + timedelta(days=91)}")
    said = shell.issue("--new-ledger", *out, *over, code=1)
    assert f"{TODAY} to {TODAY + timedelta(days=90)} can be" in said
    assert "promise:" not in said, "what is refused promises nothing"
    early = ("--from", f"{TODAY - timedelta(days=1)}")
    shell.issue("--new-ledger", *out, *early, code=1)
    text = shell.campaign.read_text("utf-8")
    shell.campaign.write_text(text.replace("size = 100000", "size = 1"), "utf-8")
    shell.issue("--new-ledger", *out, *over, code=1)
    shell.issue("--new-ledger", *out, *over, *early, "--clip")
    (row,) = rows(shell.folder / "c.csv")
    assert (row["not_before"], row["expires"]) == (f"{TODAY}", f"{TODAY + timedelta(days=90)}")


def test_days_after_the_keys_last_day_are_refused_with_those_that_can_be(shell: Shell) -> None:
    key = shell.folder / "acme.pem"
    days = ("--from", f"{TODAY}", "--to", f"{TODAY + timedelta(days=30)}", "--value-max-minor", "5000")
    word = ("--passphrase-file", shell.passphrase)
    shell("keys", "new", "--issuer", "acme", *days, "--out", key, *word)
    said = shell.issue("--new-ledger", "--json", code=1)
    assert f"{TODAY} to {TODAY + timedelta(days=30)} can be" in said
    assert shell.issue("--new-ledger", "--json", "--to", f"{TODAY + timedelta(days=30)}")


def test_an_order_that_was_broken_off_begins_with_the_same_coupons(shell: Shell) -> None:
    shell.own_key()
    shell.campaign.write_text(
        shell.campaign.read_text("utf-8").replace("size = 100000", "size = 1500"), "utf-8"
    )
    out = shell.folder / "c.csv"
    said = shell.issue("--new-ledger", "--count", "1600", "--csv", out, "--order", "easter", code=1)
    assert "500 coupons are left" in said
    assert "--order easter" in said
    assert not out.exists()
    assert [path.name for path in shell.folder.glob("*.part")] == []
    shell.issue("--count", "1500", "--csv", out, "--order", "easter")
    assert sorted(int(row["index"]) for row in rows(out)) == list(range(1500))


def test_a_killed_run_leaves_no_file_that_looks_whole(shell: Shell) -> None:
    key = shell.folder / "open.pem"
    shell("keys", "new", *KEY, "--out", key, "--no-passphrase")
    out = shell.folder / "c.csv"
    what = (
        "issue",
        "--key",
        key,
        "--campaign",
        shell.campaign,
        "--count",
        30_000,
        "--csv",
        out,
        "--order",
        "easter",
    )
    command = [sys.executable, "-m", "agent.cli", *map(str, what), "--new-ledger", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.kill()
    assert not out.exists()
    part = out.with_name("c.csv.part")
    assert "keep it" in (said := shell(*what, code=1)), "the coupons in it may be good"
    assert "--order NAME" in said
    part.unlink()
    again = shell(*what[:5], "--count", 1000, "--order", "easter", "--json").splitlines()
    assert json.loads(again[0]) == first


@pytest.fixture
def _signals_of_a_shell() -> Iterator[None]:
    """Under nohup SIGHUP is ignored, and a child inherits that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_signals_of_a_shell")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_interrupted_says_how_to_go_on(shell: Shell, number: signal.Signals) -> None:
    key = shell.folder / "open.pem"
    shell("keys", "new", *KEY, "--out", key, "--no-passphrase")
    what = (
        "issue",
        "--key",
        key,
        "--campaign",
        shell.campaign,
        "--count",
        30_000,
        "--csv",
        shell.folder / "c.csv",
    )
    command = [sys.executable, "-m", "agent.cli", *map(str, what), "--new-ledger", "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 128 + number
    assert re.search(rb"broken off after \d+ of 30000 coupons.*--order [0-9a-f]{12} begins", said)
    assert list(shell.folder.glob("c.csv*")) == []


def test_a_pdf_that_would_be_too_long_spends_no_number(shell: Shell) -> None:
    shell.own_key()
    out = ("--pdf", shell.folder / "c.pdf")
    assert "10000" in shell.issue("--new-ledger", *out, "--count", "10001", code=2)
    assert not (shell.folder / "autumn.db").exists()


def test_an_order_is_named_before_its_first_number_is_drawn(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.own_key()
    shell.campaign.write_text(shell.campaign.read_text("utf-8").replace("size = 100000", "size = 1"), "utf-8")
    said = shell.issue("--new-ledger", "--json", "--count", "2", code=1)
    assert re.search(r"order [0-9a-f]{12}: .*\n.*1 coupons are left", said)
    assert "broken off" not in said, "nothing was drawn"


SPAWN = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def typing(command: list[str], *lines: bytes) -> tuple[int, bytes]:
    """Run `command` with a terminal of its own, and type one line at each prompt: (exit code, what was shown)."""
    said, left = b"", list(lines)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SPAWN, *command], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while piece := os.read(process.stdout.fileno(), 4096):
            said += piece
            if left and said.endswith(b": "):
                process.stdin.write(left.pop(0) + b"\n")
                process.stdin.flush()
    return process.returncode, said


def test_a_passphrase_is_typed_and_not_shown(shell: Shell) -> None:
    key = shell.folder / "typed.pem"
    command = [sys.executable, "-m", "agent.cli", "keys", "new", *KEY, "--out", str(key)]
    word = PASSPHRASE.encode()
    code, said = typing(command, word, b"something else")
    assert (code, key.exists()) == (1, False)
    assert b"not the same" in said
    assert b"no passphrase" in typing(command, b"\x04")[1], "end of input"
    code, said = typing(command, word, word)
    assert (code, word in said) == (0, False)
    what = ("issue", "--key", key, "--campaign", shell.campaign, "--new-ledger", "--json")
    code, said = typing([sys.executable, "-m", "agent.cli", *map(str, what)], word)
    assert (code, b"RC1" in said) == (0, True)


def test_what_was_changed_by_hand_is_noticed(shell: Shell) -> None:
    key = shell.own_key()
    shell.issue("--new-ledger", "--json")
    record = key.with_suffix(".json")
    record.write_text(record.read_text().replace("5000", "9000"))
    assert "put it back" in shell.issue("--json", code=1)
    assert "x.pem" in shell("keys", "new", *KEY, "--out", shell.folder / "x.json", "--no-passphrase", code=1)


def test_a_terminal_sees_how_far_it_is(shell: Shell) -> None:
    key = shell.folder / "open.pem"
    shell("keys", "new", *KEY, "--out", key, "--no-passphrase")
    what = ("issue", "--key", key, "--campaign", shell.campaign, "--new-ledger", "--count", 300)
    command = [sys.executable, "-m", "agent.cli", *map(str, what), "--csv", str(shell.folder / "c.csv")]
    ours, terminal = os.openpty()
    with subprocess.Popen(command, stderr=terminal) as process:
        os.close(terminal)
        said = b""
        while b"coupons in" not in said:
            said += os.read(ours, 4096)
    os.close(ours)
    assert process.returncode == 0
    assert b"[##############################] 300/300" in said


def test_two_processes_never_give_out_one_index_twice(shell: Shell) -> None:
    key = shell.folder / "open.pem"
    shell("keys", "new", *KEY, "--out", key, "--no-passphrase")
    command = [
        sys.executable,
        "-m",
        "agent.cli",
        "issue",
        "--key",
        str(key),
        "--campaign",
        str(shell.campaign),
    ]
    shell(
        "issue", "--key", key, "--campaign", shell.campaign, "--new-ledger", "--csv", shell.folder / "0.csv"
    )
    running = [
        subprocess.Popen([*command, "--count", "2500", "--csv", shell.folder / f"{number}.csv"])
        for number in (1, 2)
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    indexes = [row["index"] for number in range(3) for row in rows(shell.folder / f"{number}.csv")]
    assert len(indexes) == len(set(indexes)) == 5001


def test_a_campaign_file_is_checked_with_lines(shell: Shell) -> None:
    assert "满 100 减 30" in shell("campaign", "check", shell.campaign)
    text = shell.campaign.read_text("utf-8").replace("off_minor = 3000 }]\n#", "off_minor = 0 }]\n#")
    shell.campaign.write_text(text, "utf-8")
    assert "autumn.toml:25: offer.benefit.steps[0].off_minor:" in shell(
        "campaign", "check", shell.campaign, code=78
    )
    shell.own_key()
    assert "autumn.toml:25: offer.benefit.steps[0].off_minor:" in shell.issue(
        "--json", "--new-ledger", code=78
    )
