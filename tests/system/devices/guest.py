"""A machine of qemu's, emulated whole, and our hands on it: devices by QMP, commands by its steward, scans as they
come.

The three are sockets with a line for each message. Every wait has a bound; what was waited for in vain is said with the
end of the guest's console.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Message = dict[str, Any]
WAIT_S = 60.0
BOOT_S = 240.0
KEYBOARD_EVENTS = 12
EMPTY_AFTER_S = 0.2
"""qemu's keyboard remembers 16 events and drops more without a word; the guest takes one every 8 ms."""


class Line:
    """One socket of the guest's: messages out, and in by a thread, each as soon as it is there."""

    def __init__(self, path: Path):
        self.incoming: queue.Queue[Message] = queue.Queue()
        self._socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + WAIT_S
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:  # qemu has not made it yet
                if time.monotonic() > end:
                    raise
                threading.Event().wait(0.05)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while piece := self._socket.recv(65536):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    with contextlib.suppress(ValueError):
                        self.incoming.put(json.loads(line))

    def send(self, message: Message) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Guest:
    """A running guest. `serial`: the far end of its serial line. What fails is an AssertionError with the console."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]):
        self._folder, self._process = folder, process
        self._number = 0
        self._events: list[Message] = []
        self.qmp = Line(folder / "qmp")
        self.steward = Line(folder / "steward")
        self.scans = Line(folder / "scans")
        self.serial = socket.socket(socket.AF_UNIX)
        self.serial.connect(str(folder / "serial"))
        self.serial.settimeout(WAIT_S)
        self._expect(self.qmp, lambda message: "QMP" in message, "qemu's greeting", WAIT_S)
        self.do("qmp_capabilities")

    def close(self) -> None:
        for line in (self.qmp, self.steward, self.scans):
            line.close()
        self.serial.close()

    def console(self) -> str:
        return (self._folder / "console").read_text(errors="replace")[-3000:]

    def _expect(self, line: Line, fits: Callable[[Message], bool], what: str, limit_s: float) -> Message:
        """The next message that fits; the others are kept as events where they are some, or dropped."""
        end = time.monotonic() + limit_s
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                message = line.incoming.get(timeout=min(left, 1))
                if "event" in message and not fits(message):
                    self._events.append(message)
                if fits(message):
                    return message
            assert self._process.poll() is None, f"qemu ended while waiting for {what}\n{self.console()}"
        raise AssertionError(f"never within {limit_s:.0f} s: {what}\n{self.console()}")

    def booted(self) -> None:
        self._expect(self.steward, lambda message: message.get("id") == 0, "the guest's steward", BOOT_S)

    def do(self, command: str, **arguments: object) -> object:
        """One command of qemu's."""
        self._number += 1
        number = self._number
        self.qmp.send({"execute": command, "arguments": arguments, "id": number})
        answer = self._expect(self.qmp, lambda message: message.get("id") == number, command, WAIT_S)
        assert "error" not in answer, f"{command} {arguments}: {answer['error']}"
        return answer["return"]

    def until_event(self, name: str, limit_s: float = WAIT_S, **data: object) -> None:
        """Wait for what qemu says by itself, such as WATCHDOG."""

        def fits(message: Message) -> bool:
            said = message.get("data", {})
            return message.get("event") == name and all(said.get(key) == data[key] for key in data)

        for message in self._events:
            if fits(message):
                self._events.remove(message)
                return
        self._expect(self.qmp, fits, f"event {name}", limit_s)

    def plug(self, driver: str, name: str, **properties: object) -> None:
        self.do("device_add", driver=driver, id=name, bus="xhci.0", **properties)

    def pull(self, name: str) -> None:
        self.do("device_del", id=name)
        self.until_event("DEVICE_DELETED", device=name)

    def type(self, text: str) -> None:
        """On the keyboard that is plugged in: at once what its memory holds (16 events), the rest as it is read."""
        events: list[Message] = []
        for character in text:
            name, shifted = key(character)
            strokes = [(name, True), (name, False)]
            if shifted:
                strokes = [("shift", True), *strokes, ("shift", False)]
            if len(events) + len(strokes) > KEYBOARD_EVENTS:
                self._keys(events)
                threading.Event().wait(EMPTY_AFTER_S)
                self.read("/proc/uptime")  # the guest has had its turn
                events = []
            events += [_key_event(*stroke) for stroke in strokes]
        self._keys(events)

    def _keys(self, events: list[Message]) -> None:
        self.do("input-send-event", events=events)

    def _ask(self, limit_s: float, **asked: object) -> Message:
        self._number += 1
        number = self._number
        self.steward.send({"id": number, **asked})
        return self._expect(self.steward, lambda one: one.get("id") == number, f"answer to {asked}", limit_s)

    def try_to(self, *command: str, timeout_s: float = 60) -> Message:
        """Run a command as root; {"code", "out", "error"}."""
        return self._ask(timeout_s + WAIT_S, do="run", command=command, timeout_s=timeout_s)

    def run(self, *command: str, timeout_s: float = 60) -> str:
        answer = self.try_to(*command, timeout_s=timeout_s)
        assert answer["code"] == 0, f"{command} exited {answer['code']}\n{answer['out']}{answer['error']}"
        return str(answer["out"])

    def shell(self, script: str, timeout_s: float = 60) -> str:
        return self.run("sh", "-euc", script, timeout_s=timeout_s)

    def write(self, path: str, data: str | bytes) -> None:
        raw = data.encode() if isinstance(data, str) else data
        answer = self._ask(WAIT_S, do="write", path=path, hex=raw.hex())
        assert answer["code"] == 0, f"{path}: {answer['error']}"

    def read(self, path: str) -> str:
        answer = self._ask(WAIT_S, do="read", path=path)
        assert answer["code"] == 0, f"{path}: {answer['error']}"
        return str(answer["out"])


def _key_event(name: str, down: bool) -> Message:
    return {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}}


def key(character: str) -> tuple[str, bool]:
    """(qemu's name of the key, whether with Shift) on a US keyboard."""
    named = {"\n": "ret", " ": "spc", "-": "minus", ".": "dot", "/": "slash"}
    return named.get(character, character.lower()), character.isupper()


@contextlib.contextmanager
def running(root: Path, payload: Path, kernel: Path) -> Iterator[Guest]:
    """Boot a throw-away copy of `root`; nothing is left of it. The checks plug scanners in."""
    folder = Path(tempfile.mkdtemp(prefix="redeemd-guest-"))
    command = [
        # Whatever ends us ends the machine too.
        *("setpriv", "--pdeathsig", "KILL"),
        *("qemu-system-x86_64", "-machine", "pc,i8042=off", "-accel", "tcg", "-cpu", "max", "-smp", "2"),
        *("-m", "1024", "-nographic", "-nodefaults", "-no-user-config", "-nic", "none"),
        *("-action", "watchdog=none", "-kernel", str(kernel / "vmlinuz"), "-initrd", str(kernel / "initrd")),
        *("-append", "root=/dev/vda rw console=ttyS0 quiet panic=0 systemd.unit=steward.service"),
        *("-serial", f"file:{folder / 'console'}"),
        *("-drive", f"file={root},if=virtio,format=raw,snapshot=on"),
        *("-drive", f"file={payload},if=virtio,format=raw,readonly=on"),
        *("-device", "qemu-xhci,id=xhci", "-device", "virtio-serial", "-device", "i6300esb"),
        *("-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"),
        *("-chardev", f"socket,id=serial,path={folder / 'serial'},server=on,wait=off"),
    ]
    for name in ("steward", "scans"):
        command += ["-chardev", f"socket,id={name},path={folder / name},server=on,wait=off"]
        command += ["-device", f"virtserialport,chardev={name},name=redeemd.{name}"]
    with (folder / "qemu").open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    guest = None
    try:
        guest = Guest(folder, process)
        guest.booted()
        yield guest
    except OSError as error:
        raise AssertionError(f"{error}: {(folder / 'qemu').read_text(errors='replace')}") from error
    finally:
        process.kill()
        process.wait(timeout=30)
        if guest is not None:
            guest.close()
        shutil.rmtree(folder, ignore_errors=True)
