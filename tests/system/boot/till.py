"""A till that boots: systemd-nspawn around a Debian tree, with redeemd's installation kit at /srv/kit."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
GET = """
import http.client, sys
api = http.client.HTTPConnection("127.0.0.1", 8321, timeout=5)
api.request("GET", sys.argv[1])
answer = api.getresponse()
assert answer.status in (200, 503), answer.status  # 503: it runs, and may not redeem before it is enrolled
print(answer.read().decode())
"""
SCANNER_PORT = "/dev/ttySCAN"
DIALOUT = 20  # Debian's base-passwd gives this number on every installation


class Till:
    """leader: its process 1, seen from here. scanner: our end of the line at SCANNER_PORT, to type scans into."""

    def __init__(self, leader: int, scanner: int) -> None:
        self.leader = leader
        self.scanner = scanner

    def run(self, *command: str, ok: bool = True, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        """Run a command on the till, as root and with a clean environment."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.leader), "-a", *command],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not ok or done.returncode == 0, (
            f"{command} exited {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def write(self, path: str, content: str) -> None:
        command = [
            "nsenter",
            "-t",
            str(self.leader),
            "-a",
            "sh",
            "-c",
            'mkdir -p "${1%/*}" && cat >"$1"',
            "sh",
            path,
        ]
        subprocess.run(command, env=ENVIRONMENT, input=content, text=True, check=True, timeout=20)

    def show(self, *names: str, unit: str = "redeemd.service") -> dict[str, str]:
        listed = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).stdout
        return dict(line.split("=", 1) for line in listed.splitlines())

    def main_pid(self) -> int:
        return int(self.show("MainPID")["MainPID"])

    def get(self, path: str) -> dict[str, Any]:
        """Ask the till's API, from the till."""
        answer = json.loads(self.run("/opt/redeemd/venv/bin/python", "-c", GET, path).stdout)
        assert isinstance(answer, dict)
        return answer

    def health(self) -> dict[str, Any]:
        return self.get("/v1/health")

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", "redeemd.service").stdout

    def wait_until(self, what: str, holds: Callable[[], bool], limit_s: float = 60) -> None:
        """Ask four times a second until it holds; fails with the unit's state when it never does."""
        end = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > end:
                state = self.run("systemctl", "status", "--no-pager", "redeemd.service", ok=False).stdout
                raise AssertionError(f"never within {limit_s} s: {what}\n{state}")
            _pause(0.25)

    def wait_for_restart_after(self, old_pid: int) -> None:
        def restarted() -> bool:
            now = self.show("ActiveState", "MainPID")
            return now["ActiveState"] == "active" and int(now["MainPID"]) not in (0, old_pid)

        self.wait_until("active again with another process", restarted)


def _pause(seconds: float) -> None:
    """Between two looks at another system; nothing passes because of it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["sleep", str(seconds)], check=True, timeout=seconds + 5)


def _leader_of(nspawn: subprocess.Popen[bytes], limit_s: float = 30) -> int:
    """Process 1 of the container, seen from here: the child of nspawn that is called systemd."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        assert nspawn.poll() is None, "systemd-nspawn ended at once; its output is above"
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text(encoding="ascii").split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text(encoding="ascii") == "systemd\n":
                return int(child)
        _pause(0.1)
    raise AssertionError("the container has no process 1")


@contextlib.contextmanager
def booted(tree: Path, kit: Path) -> Iterator[Till]:
    """Boot a throw-away copy of tree; a pty stands at SCANNER_PORT as a serial scanner's port would (root:dialout)."""
    scanner, port = os.openpty()
    os.chown(os.ttyname(port), 0, DIALOUT)
    os.chmod(os.ttyname(port), 0o660)
    options = ["--volatile=overlay", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
    binds = [f"--bind={os.ttyname(port)}:{SCANNER_PORT}", f"--bind-ro={kit}:/srv/kit"]
    name = f"--machine=redeemd-{os.getpid()}"
    command = ["systemd-nspawn", "-q", "-D", str(tree), name, *options, *binds, "--boot"]
    with tempfile.TemporaryFile() as console:
        nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            till = Till(_leader_of(nspawn), scanner)
            up = ("running", "degraded")
            is_up = ("systemctl", "is-system-running")
            till.wait_until("booted", lambda: till.run(*is_up, ok=False).stdout.strip() in up)
            yield till
            till.run("systemctl", "poweroff", ok=False)
            nspawn.wait(timeout=60)
        except BaseException:
            console.seek(0)
            print(console.read()[-4000:].decode(errors="replace"))
            raise
        finally:
            nspawn.kill()
            nspawn.wait()
            os.close(scanner)
            os.close(port)
