"""`redeemd run` as its own process with a factory's till: what starts it, waits for it and asks it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.factory import Factory

TIMEOUT_S = 30
"""Bound on every wait; far above what any of it takes."""


def redeemd(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *map(str, arguments)]


def command(
    *arguments: str | Path, stdin: str = "", ok: Sequence[int] = (0,)
) -> subprocess.CompletedProcess[str]:
    """Run one `redeemd` command to its end."""
    done = subprocess.run(
        redeemd(*arguments), input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode in ok, f"redeemd {arguments} exited {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_config(folder: Path, more: str = "", port: int | None = None) -> Path:
    """A till's configuration below `folder`; `more`: further TOML tables."""
    path = folder / "till.toml"
    path.write_text(
        f'[till]\nstate_dir = "{folder}/state"\nlanguage = "en"\n\n[api]\nport = {port or free_port()}\n\n{more}',
        "utf-8",
    )
    return path


@dataclass
class Running:
    """A daemon that said READY=1. notices: everything it told systemd so far."""

    process: subprocess.Popen[str]
    url: str
    config: Path
    notices: list[str]
    errors: Path

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}},
        )
        return self._ask(request)

    def _ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def events(self) -> Iterator[tuple[str, Any]]:
        """The server-sent events, one by one."""
        with urllib.request.urlopen(self.url + "/v1/events", timeout=TIMEOUT_S) as stream:
            kind = ""
            for raw in stream:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)


@contextlib.contextmanager
def running(config: Path, environment: dict[str, str] | None = None) -> Iterator[Running]:
    """Start `redeemd run` and wait until it says that it is ready, as systemd does."""
    folder = config.parent
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        name = folder / f"notify-{os.urandom(4).hex()}"
        receiver.bind(str(name))
        receiver.settimeout(TIMEOUT_S)
        errors = folder / "stderr"
        with errors.open("w") as log:
            process = subprocess.Popen(
                redeemd("run", "--config", config),
                stderr=log,
                text=True,
                env={**os.environ, "NOTIFY_SOCKET": str(name), **(environment or {})},
            )
        try:
            notices: list[str] = []
            while not any("READY=1" in notice for notice in notices):
                assert process.poll() is None, errors.read_text()
                notices.append(receiver.recv(4096).decode())
            port = next(line for line in config.read_text().splitlines() if line.startswith("port"))
            daemon = Running(process, f"http://127.0.0.1:{port.split()[-1]}", config, notices, errors)
            yield daemon
            receiver.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    notices.append(receiver.recv(4096).decode())
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(TIMEOUT_S)


def till(folder: Path, factory: Factory, more: str = "") -> Path:
    """An enrolled till and its configuration."""
    factory.install(folder / "state")
    return write_config(folder, more)
