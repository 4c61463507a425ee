"""`redeemd check-config` and `redeemd run` refuse the same: what the settings name on this machine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from agent.cli import main
from agent.commands.check import check
from config import ConfigError, Problem, load


def settings(folder: Path, more: str = "", state: Path | None = None) -> Path:
    """`more` begins on line 3."""
    file = folder / "till.toml"
    file.write_text(f'[till]\nstate_dir = "{state or folder / "state"}"\n{more}', "utf-8")
    return file


def only(problems: tuple[Problem, ...]) -> Problem:
    (problem,) = problems
    return problem


def test_a_good_file_is_good_and_nothing_is_made(tmp_path: Path) -> None:
    assert check(settings(tmp_path)) == ()
    assert not (tmp_path / "state").exists()


PRINTER = '[[printer]]\nkind = "tcp"\nname = "p"\nhost = "127.0.0.1"\nprofile = "{}"\n'
WRONG = {
    "profile": (PRINTER.format("TM-T88"), 7, "printer[0].profile", 'did you mean "TM-T88V"?'),
    "columns of a small font": (
        PRINTER.format("generic-58") + "columns = 42\n",
        8,
        "printer[0].columns",
        "generic-58 prints at most 32 of font A",
    ),
    "unlike any profile": (PRINTER.format("xxxx"), 7, "printer[0].profile", '"generic-80"'),
    "no token file": ('[api]\ntoken_file = "/nope/token"\n', 4, "api.token_file", "16"),
    "no CA file": ('[cloud]\nca_file = "/nope/ca.pem"\n', 4, "cloud.ca_file", "PEM"),
    "folder for a printer": (
        '[[printer]]\nkind = "file"\nname = "p"\ndevice = "/dev"\n',
        6,
        "printer[0].device",
        "name the device",
    ),
    "folder for a scanner": (
        '[[scanner]]\nkind = "serial"\nname = "s"\nport = "/dev"\n',
        6,
        "scanner[0].port",
        "name the device",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_only_this_machine_knows_is_named(tmp_path: Path, what: str) -> None:
    more, line, key, allowed = WRONG[what]
    file = settings(tmp_path, more)
    problem = only(check(file))
    assert (problem.file, problem.line, problem.key) == (str(file), line, key)
    assert allowed in f"{problem.wrong} {problem.allowed}"
    assert check(file, file_only=True) == ()


@pytest.mark.parametrize(("content", "reason"), [(b"short", "5 characters"), (b"\xff" * 20, "ASCII")])
def test_a_token_file_is_read(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "token").write_bytes(content)
    problem = only(check(settings(tmp_path, f'[api]\ntoken_file = "{tmp_path}/token"\n')))
    assert reason in problem.wrong


@pytest.mark.parametrize(("section", "key"), [("api", "token_file"), ("cloud", "ca_file")])
def test_a_pipe_is_not_waited_for(tmp_path: Path, section: str, key: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    problem = only(check(settings(tmp_path, f'[{section}]\n{key} = "{tmp_path}/pipe"\n')))
    assert "no regular file" in problem.wrong


def test_a_ca_file_without_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("rubbish")
    problem = only(check(settings(tmp_path, f'[cloud]\nca_file = "{tmp_path}/ca.pem"\n')))
    assert "cannot be used" in problem.wrong


def test_an_open_state_dir(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    problem = only(check(settings(tmp_path)))
    assert (problem.line, problem.key) == (2, "till.state_dir")
    assert problem.allowed == f"run: chmod 700 {state}"
    assert stat.S_IMODE(state.stat().st_mode) == 0o755, "looked at, not changed"


def test_a_state_dir_that_is_or_lies_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state in (tmp_path / "file", tmp_path / "file" / "state"):
        assert "is no folder" in only(check(settings(tmp_path, state=state))).wrong


def test_a_state_dir_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path)  # root may write anywhere
    problem = only(check(settings(tmp_path, state=tmp_path / "deep" / "state")))
    assert "cannot be made" in problem.wrong


def test_a_state_dir_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    assert "another user" in only(check(settings(tmp_path))).wrong


def test_all_at_once_in_the_order_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings(tmp_path, "".join(more for more, *_ in (WRONG["no CA file"], WRONG["no token file"])))
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    assert main(["check-config", str(file), "--json"]) == 78
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["line"], one["key"]) for one in found] == [
        (2, "till.state_dir"),
        (4, "cloud.ca_file"),
        (6, "api.token_file"),
    ]
    assert main(["run", "--config", str(file)]) == 78
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"{one['file']}:{one['line']}: {one['key']}: {one['wrong']}; {one['allowed']}" for one in found
    ]


@pytest.mark.parametrize("key", ["serial", "device_name"])
def test_a_wedge_rule_that_fits_no_device(tmp_path: Path, key: str) -> None:
    file = settings(tmp_path, f'[[scanner]]\nkind = "wedge"\nname = "w"\n{key} = "x "\n')
    with pytest.raises(ConfigError, match="no device fits") as caught:
        load(file)
    assert only(caught.value.problems).key == f"scanner[0].{key}"
