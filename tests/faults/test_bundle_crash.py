"""Killed at any write of an import, or told by the kernel that a disk failed: the old bundle or the new one, whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factory import Factory, amount_off
from tests.faults.test_commit import TIMEOUT_S, strace
from tests.integration.test_bundle_file import configure, in_force, newer, on_stick

__all__ = ["strace"]  # a fixture: pytest finds it here


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    factory = Factory(campaigns=[amount_off(size=1000)])
    factory.install(tmp_path / "state")
    return on_stick(tmp_path / "stick", newer(factory))


def attempt(strace: str, folder: Path, stick: Path, fault: str) -> tuple[int, int]:
    """(exit code, sequence in force) of an import into a copy of the till, with one fault injected."""
    state = folder / "hit"
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(folder / "state", state)
    call, _, what = fault.partition(":")
    injected = ["-e", f"trace={call}", "-e", f"inject={call}:{what}"]
    command = [sys.executable, "-m", "agent.cli", "bundle", "import", str(stick)]
    done = subprocess.run(
        [
            strace,
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            *injected,
            *command,
            "--config",
            str(configure(folder, state, 9)),
        ],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.returncode, in_force(state)


def test_killed_at_any_write_or_sync(strace: str, stick: Path, tmp_path: Path) -> None:
    """kill -9 in place of the n-th system call that reaches the ledger's files, until the import gets through."""
    seen = set()
    for call, step in (("pwrite64", 7), ("fdatasync", 1)):
        for number in range(1, 80, step):
            code, sequence = attempt(strace, tmp_path, stick, f"{call}:signal=KILL:when={number}")
            seen.add(sequence)
            assert sequence in (1, 2)
            if code == 0:
                assert sequence == 2, "what was said is so"
                break
        else:
            pytest.fail(f"the import never got through its {call} calls")
    assert seen == {1, 2}


@pytest.mark.parametrize("fault", ["fdatasync:error=EIO:when=1+", "pwrite64:error=ENOSPC:when=2+"])
def test_a_disk_that_fails(fault: str, strace: str, stick: Path, tmp_path: Path) -> None:
    code, sequence = attempt(strace, tmp_path, stick, fault)
    assert code == 1
    assert sequence in (1, 2)
