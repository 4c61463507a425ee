"""A pipe in place of a file that a command is told to read: it is refused at once, never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from agent.cli import main

CLOUD = ["--cloud", "http://127.0.0.1:1", "--token-file", os.devnull]


@pytest.mark.parametrize(
    "command",
    [
        "receipt check PIPE",
        "receipt check PIPE.png",
        "receipt preview --template PIPE",
        "receipt preview --config PIPE",
        "receipt image PIPE --out logo.png",
        "receipt rules --check PIPE",
        "receipt publish PIPE",
        "check-config PIPE",
        "campaign check PIPE",
        "issue --campaign PIPE --key PIPE --ledger none.db --json",
        "campaign revoke acme 1 --csv PIPE",
        "keys register --public PIPE",
        "keys show PIPE",
        "verify --keys PIPE RC1A",
        "verify --image PIPE",
        "cloud root show PIPE",
        "cloud root new --threshold 1 --root-key PIPE --manifest-key PIPE root.cbor",
        "cloud time show PIPE",
        "cloud erase verify --root PIPE PIPE",
    ],
)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, capsys, monkeypatch, command):
    pipe = tmp_path / ("pipe.png" if "PIPE.png" in command else "pipe")
    os.mkfifo(pipe)
    monkeypatch.chdir(tmp_path)
    words = [str(pipe) if word.startswith("PIPE") else word for word in command.split()]
    more = (
        CLOUD if words[:2] in (["campaign", "revoke"], ["keys", "register"], ["receipt", "publish"]) else []
    )
    # Whoever waits is let go after 20 s: the pipe gets a writer, and what is said is another thing.
    waker = threading.Timer(20, lambda: os.close(os.open(pipe, os.O_RDWR)))
    waker.start()
    try:
        assert main([*words, *more]) != 0
    finally:
        waker.cancel()
    said = capsys.readouterr()
    assert "regular file" in said.out + said.err or "is no file" in said.err, (said.out, said.err)


def test_a_picture_that_is_a_pipe_is_no_picture(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", "decode", str(pipe)], capture_output=True, text=True, timeout=60
    )
    assert "is no regular file" in done.stdout + done.stderr
