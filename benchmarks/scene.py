"""What the benchmarks measure on: a floor on the same disk, a till, the daemon, a printer, a raw HTTP client."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.factory import Factory

WAIT_S = 30.0
_ANSWER_MAX = 1 << 20


class Floor:
    """One Ed25519 verification and one durable SQLite commit: what no answer can do without."""

    def __init__(self, folder: Path) -> None:
        key = Ed25519PrivateKey.generate()
        self._message = b"m" * 130  # the size of a coupon's signed bytes
        self._signature = key.sign(self._message)
        self._key = key.public_key()
        self._db = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS used (id INTEGER PRIMARY KEY, what TEXT NOT NULL)")

    def both(self) -> None:
        self.verify()
        self.commit()

    def verify(self) -> None:
        self._key.verify(self._signature, self._message)

    def commit(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("INSERT INTO used (what) VALUES (?)", ("x" * 64,))
        self._db.execute("COMMIT")


def write_config(folder: Path, *, scanner: str = "", printer_port: int = 0, api_port: int = 0) -> Path:
    """A till.toml for `folder`/state with one serial scanner and one network printer, each where asked for."""
    text = f'[till]\nstate_dir = "{folder / "state"}"\n[api]\nport = {api_port or free_port()}\n'
    if scanner:
        text += f'[[scanner]]\nkind = "serial"\nname = "front"\nport = "{scanner}"\n'
    if printer_port:
        text += f'[[printer]]\nkind = "tcp"\nname = "receipt"\nhost = "127.0.0.1"\nport = {printer_port}\n'
    path = folder / "till.toml"
    path.write_text(text, encoding="utf-8")
    return path


def free_port() -> int:
    """A TCP port of the loopback where nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def coupons(factory: Factory, first: int = 0) -> Iterator[str]:
    """Texts of fresh valid coupons, made in hundreds so that signing does not stand between two measurements."""
    while True:
        yield from [factory.coupon(index) for index in range(first, first + 100)]
        first += 100


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program of ours that prints its port on its first line and runs until the block ends."""
    with subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def paper() -> Iterator[int]:
    """A virtual printer in a process of its own; gives its port."""
    with child("benchmarks.children", "printer") as process:
        assert process.stdout is not None, "it was piped"
        yield int(process.stdout.readline())


@contextmanager
def daemon(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`redeemd run`, from its start (not from its readiness) until the block ends."""
    command = [str(Path(sys.executable).parent / "redeemd"), "run", "--config", str(config)]
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        except AssertionError:
            sys.stderr.write(log.read_text(encoding="utf-8", errors="replace")[-2000:])
            raise
        finally:
            process.terminate()


class Client:
    """HTTP over one kept connection and nothing else: its own cost is two system calls and a search."""

    def __init__(self, port: int, process: subprocess.Popen[Any] | None = None) -> None:
        """Connect, waiting until somebody listens; AssertionError when `process` ends meanwhile."""
        self._port = port
        self._rest = b""
        give_up = perf_counter() + WAIT_S
        while True:
            with suppress(ConnectionRefusedError):
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
                break
            assert perf_counter() < give_up, "nobody listens"
            assert process is None or process.poll() is None, "the daemon ended"
            sleep(0.001)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def prepared(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """The request's bytes."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}"]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    def send(self, request: bytes) -> bytes:
        """Send `request` and return the body of its answer; AssertionError unless it is a 200."""
        self._socket.sendall(request)
        data = self._socket.recv(_ANSWER_MAX)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        head = data[:end].lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start:].split(b"\r\n", 1)[0])
        while len(data) < end + 4 + length:
            data += self._receive()
        assert head.startswith(b"http/1.1 200"), data[:500]
        return data[end + 4 :]

    def _receive(self) -> bytes:
        more = self._socket.recv(_ANSWER_MAX)
        assert more, "the daemon closed the connection"
        return more

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON."""
        return json.loads(self.send(self.prepared(method, path, body, **headers)))


def wait_until_printed(client: Client, count: int) -> None:
    """Until the till has nothing more to print and has redeemed `count` coupons."""
    give_up = perf_counter() + WAIT_S
    while True:
        status = client.call("GET", "/v1/status")
        if status["today"]["accepted"] >= count and not status["prints"]["waiting"]:
            return
        assert perf_counter() < give_up, f"not printed: {status['prints']} {status['issues']}"
        sleep(0.05)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process, as /proc counts it."""
    for one in Path(f"/proc/{pid}/status").read_text().splitlines():
        if one.startswith("VmRSS:"):
            return int(one.split()[1]) * 1024
    raise AssertionError("a process has a resident set")
