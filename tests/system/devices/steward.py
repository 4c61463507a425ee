"""Runs in the guest, as root: does what the checks outside ask, one JSON object a line over a virtio port.

Asked {"id", "do": "run", "command", "timeout_s"}, {"id", "do": "write", "path", "hex"} or {"id", "do": "read", "path"};
answers {"id", "code", "out", "error"}. Each in a thread of its own: one that waits for a device holds up nothing.
Standard library of the guest's Python alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PORT = "/dev/virtio-ports/redeemd.steward"
Answer = dict[str, Any]


def run(asked: Answer) -> Answer:
    try:
        done = subprocess.run(
            asked["command"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=asked["timeout_s"],
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        out = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else ""
        return {"code": -1, "out": out, "error": f"not done within {asked['timeout_s']} s"}
    return {"code": done.returncode, "out": done.stdout, "error": done.stderr}


def write(asked: Answer) -> Answer:
    """In one write: a device takes it as one report."""
    descriptor = os.open(asked["path"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOCTTY, 0o644)
    try:
        data = bytes.fromhex(asked["hex"])
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    return {"code": 0, "out": "", "error": ""}


def read(asked: Answer) -> Answer:
    return {"code": 0, "out": Path(asked["path"]).read_text(errors="replace"), "error": ""}


DEEDS: dict[str, Callable[[Answer], Answer]] = {"run": run, "write": write, "read": read}


def main() -> None:
    port = os.open(PORT, os.O_RDWR)
    lock = threading.Lock()

    def say(answer: Answer) -> None:
        line = json.dumps(answer).encode() + b"\n"
        with lock:
            while line:
                line = line[os.write(port, line) :]

    def serve(asked: Answer) -> None:
        try:
            answer = DEEDS[asked["do"]](asked)
        except OSError as error:
            answer = {"code": error.errno or -1, "out": "", "error": str(error)}
        say({"id": asked["id"], **answer})

    say({"id": 0, "code": 0, "out": "here", "error": ""})
    rest = b""
    while True:
        rest += os.read(port, 65536)
        *lines, rest = rest.split(b"\n")
        for line in lines:
            if line:
                threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main()
