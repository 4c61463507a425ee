"""Runs on the booted till inside the unit's own sandbox, in place of the daemon: what must work, what must not.

Standard library at the top; our dependencies are imported where each is tried. Any failure ends it with a traceback.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import importlib
import importlib.util
import mmap
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

STATE = Path(os.environ["STATE_DIRECTORY"])


def refused(what: str, action: Callable[[], object]) -> None:
    with contextlib.suppress(OSError, PermissionError):
        action()
        sys.exit(f"the sandbox allowed: {what}")


def run_own_program(directory: str) -> None:
    program = Path(directory) / "program"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o700)
    try:
        subprocess.run([program], check=True, timeout=10)
    finally:
        program.unlink()


def check_refusals() -> None:
    refused("writing to /etc", lambda: Path("/etc/redeemd/probe").write_bytes(b""))
    refused("writing to /opt", lambda: Path("/opt/redeemd/probe").write_bytes(b""))
    refused("reading /root", lambda: os.listdir("/root"))
    for directory in (str(STATE), os.environ["RUNTIME_DIRECTORY"], "/tmp", "/var/tmp", "/dev/shm"):
        refused(f"running a program it wrote to {directory}", partial(run_own_program, directory))
    refused("memory writable and executable", lambda: mmap.mmap(-1, 4096, prot=7))
    refused("packet sockets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    refused("a new namespace", lambda: check_call(ctypes.CDLL(None, use_errno=True).unshare(0x10000000)))
    refused("becoming root", lambda: os.setuid(0))
    assert not Path("/proc/1/cmdline").exists() or Path("/proc/1").stat().st_uid == os.getuid(), (
        "sees other processes"
    )


def check_call(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "refused")


def check_means(device: str) -> None:
    """A scanner's port (root:dialout, 0660) opens; state is durable and private; udev's library is found."""
    os.close(os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
    with contextlib.closing(sqlite3.connect(STATE / "probe.db")) as database:
        assert database.execute("pragma journal_mode=wal").fetchone() == ("wal",)
        database.execute("create table probe (x)")
        database.commit()
    assert (STATE / "probe.db").stat().st_mode & 0o077 == 0
    (STATE / "probe.db").unlink()
    assert ctypes.util.find_library("udev"), "ldconfig cannot be run"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def check_libraries(device: str) -> None:
    import serial  # only on a till with the real redeemd
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    key.public_key().verify(key.sign(b"probe"), b"probe")
    serial.Serial(device, exclusive=True, timeout=0).close()
    for module in ("aiohttp", "escpos.printer", "evdev", "msgspec", "PIL.Image", "segno", "sqlite_utils"):
        importlib.import_module(module)
    if importlib.util.find_spec("cv2"):
        check_camera()


def check_camera() -> None:
    """Decode a QR code the way the camera pipeline does: no writable and executable memory may be needed."""
    import cv2
    import numpy as np
    import segno
    import zxingcpp

    matrix = np.array(list(segno.make("PROBE", micro=False).matrix_iter(scale=4, border=4)), dtype=np.uint8)
    frame = cv2.GaussianBlur(cv2.resize(255 - 255 * matrix, None, fx=2, fy=2), (3, 3), 0)
    assert [found.text for found in zxingcpp.read_barcodes(frame)] == ["PROBE"]
    assert not cv2.VideoCapture(0).isOpened()


if __name__ == "__main__":
    check_refusals()
    check_means(sys.argv[1])
    if sys.argv[2] == "real":
        check_libraries(sys.argv[1])
    print("probe: every check held")
