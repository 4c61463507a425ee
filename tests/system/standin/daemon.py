"""The smallest program that keeps the contract between redeemd and systemd; standard library only.

The installer and the unit are tested with it, so that those tests need neither our dependencies nor a network, and a
failure points at the packaging and not at the agent. The booted test runs the real redeemd by default.

Contract: ``redeemd check-config FILE`` exits 1 with ``FILE:…`` on a bad file; ``redeemd run --config FILE``
opens its database in $STATE_DIRECTORY, answers GET /v1/health on 127.0.0.1:8321, then says READY=1, says WATCHDOG=1
at a third of $WATCHDOG_USEC and ends cleanly on SIGTERM; ``redeemd outbox --json --config FILE`` prints one line for
each record that waits.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8321


def notify(message: str) -> None:
    """Say message to the service manager; says nothing when there is none (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        out.sendall(message.encode())


def check_config(path: Path) -> int:
    try:
        tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    return 0


def outbox_of(path: Path) -> int:
    """Print a line for each record that waits: as many as `waiting` in the settings says."""
    for number in range(tomllib.loads(path.read_text(encoding="utf-8")).get("waiting", 0)):
        print(json.dumps({"sequence": number}))
    return 0


def count_start(directory: Path) -> int:
    """How often the program was started with this state directory, this time included."""
    with sqlite3.connect(directory / "till.db") as database:
        database.execute("create table if not exists start (number integer primary key)")
        database.execute("insert into start default values")
        (number,) = database.execute("select max(number) from start").fetchone()
    return int(number)


class Health(BaseHTTPRequestHandler):
    starts = 0

    def do_GET(self) -> None:
        body = json.dumps({"ok": True, "starts": self.starts}).encode()
        self.send_response(200 if self.path == "/v1/health" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """The journal gets nothing per request."""


def run(path: Path) -> int:
    if check_config(path):
        return 1
    Health.starts = count_start(Path(os.environ["STATE_DIRECTORY"]))
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    notify("READY=1\nSTATUS=stand-in")
    beat_s = int(os.environ.get("WATCHDOG_USEC", "3000000")) / 3e6
    while not stopping.wait(beat_s):
        notify("WATCHDOG=1")
    notify("STOPPING=1")
    server.shutdown()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="redeemd")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check-config")
    check.add_argument("config", type=Path)
    check.add_argument("--file-only", action="store_true")
    outbox = commands.add_parser("outbox")
    outbox.add_argument("--json", action="store_true")
    outbox.add_argument("--limit", type=int)
    outbox.add_argument("--config", type=Path, required=True)
    commands.add_parser("run").add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    return {"run": run, "check-config": check_config, "outbox": outbox_of}[arguments.command](
        arguments.config
    )


if __name__ == "__main__":
    sys.exit(main())
