"""A reader that leaves early, as in `redeemd outbox | head`, is no fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_reader_that_has_left_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "till.toml").write_text("")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "agent.cli", "check-config", str(tmp_path / "till.toml")]
    try:
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    finally:
        os.close(writing)
    assert (done.stderr, done.returncode) == ("", 0)
