"""A PostgreSQL server of the tests' own: a fresh cluster in a temporary folder, on a Unix socket and a free port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
SUPERUSER = "redeemd"
_TIMEOUT_S = 60
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
shared_buffers = 64MB
max_connections = 60
autovacuum = on
fsync = on
"""


class PostgresServer:
    """Started by `start`; `kill` is a power cut of the server alone, after which `start` recovers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._bin = PROGRAMS[-1].parent
        self.port = _free_port()
        self._user = _unprivileged()
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        subprocess.run(
            [
                self._bin / "initdb",
                "-D",
                self._data,
                "-U",
                SUPERUSER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_S,
            **self._as_user(),
        )
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{_CONFIGURATION}\nport = {self.port}\nunix_socket_directories = '{folder}'\n")

    def url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [self._bin / "postgres", "-D", self._data], stdout=log, stderr=log, **self._as_user()
        )
        log.close()
        self._wait_until_ready()

    def kill(self) -> None:
        """End every process of it at once, as a power cut does. Its children are in sessions of their own."""
        assert self._process is not None, "it runs"
        os.kill(self._process.pid, signal.SIGSTOP)  # it starts no further one that nobody would end
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for number in (self._process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self._process.wait(_TIMEOUT_S)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def fresh_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{uuid.uuid4().hex}"
        sql = f"CREATE DATABASE {name}"
        subprocess.run(
            [str(self._bin / "psql"), "-qX", "-c", sql, self.url("postgres")],
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
        return self.url(name)

    def _wait_until_ready(self) -> None:
        assert self._process is not None, "it was started"
        command = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(_TIMEOUT_S * 20):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                raise AssertionError((self._folder / "log").read_text())
            if subprocess.run(command, check=False, timeout=_TIMEOUT_S).returncode == 0:
                return
        raise AssertionError((self._folder / "log").read_text())

    def _as_user(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root."""
        usual: dict[str, Any] = {"cwd": self._folder}
        if self._user is not None:
            usual |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": ()}
        return usual


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    pytest.importorskip("asyncpg", reason="asyncpg is not installed (pip install redeemd[cloud])")
    # Not pytest's own folder: another user must be able to walk there.
    folder = Path(tempfile.mkdtemp(prefix="redeemd-pg-"))
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
