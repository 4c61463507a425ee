"""A till that must not start says why in one sentence, never in a traceback."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent.store.database import StoreError, connect
from tests.factory import Factory

ROOT = Path(__file__).parents[2]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    Factory().install(tmp_path / "state")
    return tmp_path / "state"


def run(state: Path, more: str = "") -> subprocess.CompletedProcess[str]:
    file = state.parent / "till.toml"
    file.write_text(f'[till]\nstate_dir = "{state}"\n[api]\nport = 0\n{more}', "utf-8")
    command = [sys.executable, "-m", "agent.cli", "run", "--config", str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def damage(database: Path, table: str) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


@pytest.mark.parametrize("table", ["promo", "budget", "bundle"])
def test_small_tables_are_checked_before_the_database_is_used(state: Path, table: str) -> None:
    damage(state / "till.db", table)
    with pytest.raises(StoreError, match="damaged"):
        connect(state / "till.db")


def test_a_damaged_page_met_while_starting_is_named(state: Path) -> None:
    damage(state / "till.db", "part")
    done = run(state)
    assert done.returncode == 78, done.stderr
    assert "is damaged" in done.stderr
    assert "Do not delete it" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [None, b""], ids=["gone", "empty"])
def test_a_lost_ledger_is_not_made_anew_where_the_key_is(state: Path, content: bytes | None) -> None:
    for file in state.glob("till.db*"):
        file.unlink()
    if content is not None:
        (state / "till.db").write_bytes(content)
    done = run(state)
    assert done.returncode == 78, done.stderr
    assert "Restore the file" in done.stderr


def test_a_missing_ca_file_is_a_sentence(state: Path) -> None:
    done = run(state, '[cloud]\nurl = "https://cloud.example"\nca_file = "/nope/ca.pem"\n')
    assert done.returncode == 78, done.stderr
    assert "/nope/ca.pem" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_printer_profile_is_a_sentence(state: Path) -> None:
    more = '[[printer]]\nname = "p"\nkind = "tcp"\nhost = "127.0.0.1"\nprofile = "nonsense"\n'
    done = run(state, more)
    assert done.returncode == 78, done.stderr
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr
