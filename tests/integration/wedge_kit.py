"""A keyboard-like scanner for tests: what it types as key events, and two ways to give them to the wedge.

`write_bed` has umockdev mock the kernel's device for a program of its own. `FedKeyboard` works in this process and can
be unplugged: python-evdev reads real records, from a socket in place of the device.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import evdev
import pytest

from drivers.keymap import DOWN, EV_KEY, EV_SYN, KEY_ENTER, LAYOUTS, UP

EV_MSC, MSC_SCAN = 4, 4
SHIFT, RIGHT_SHIFT, ALTGR = 42, 54, 100
VENDOR, PRODUCT, SERIAL, NAME = 0x0C2E, 0x0B61, "SN4711", "Honeywell Scanning 1900 Keyboard"

Event = tuple[int, int, int]


def pressed(code: int, *held: int) -> Iterator[Event]:
    """One key, with others held meanwhile, as the kernel reports it: scan code, key, report."""
    for key, value in [
        *((key, DOWN) for key in held),
        (code, DOWN),
        (code, UP),
        *((key, UP) for key in held),
    ]:
        yield (EV_MSC, MSC_SCAN, 0x70000 + key)
        yield (EV_KEY, key, value)
        yield (EV_SYN, 0, 0)


def typed(text: str, layout: str = "us", end: int | None = KEY_ENTER) -> list[Event]:
    """A scanner set to `layout` typing a text, then the suffix."""
    where: dict[str, tuple[int, ...]] = {" ": (57,)}
    for code, (plain, shifted, altgr) in LAYOUTS[layout].keys().items():
        where |= {altgr: (code, ALTGR), shifted: (code, SHIFT), plain: (code,)}
    events = [event for character in text for event in pressed(*where[character])]
    return events + (list(pressed(end)) if end is not None else [])


def write_bed(folder: Path, events: Iterable[Event], step_us: int = 1000) -> list[str]:
    """Write the files of one mocked scanner; return the start of a command line that runs a program beside it.

    step_us: between two events. umockdev feeds them through a pty, which drops what 4 KiB cannot hold: a reader that
    a busy machine holds up for longer than 170 steps would miss keys that no kernel ever sent.
    """
    usb = "/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:0C2E:0B61.0001"
    (folder / "scanner.umockdev").write_text(
        f"P: {usb}/input/input5/event5\nN: input/event5\n"
        "E: DEVNAME=/dev/input/event5\nE: SUBSYSTEM=input\nE: MAJOR=13\nE: MINOR=69\n"
        "A: dev=13:69\nL: device=../../input5\n\n"
        f"P: {usb}/input/input5\nE: SUBSYSTEM=input\n"
        f"A: name={NAME}\\n\nA: uniq={SERIAL}\\n\n"
        f"A: id/vendor={VENDOR:04x}\\n\nA: id/product={PRODUCT:04x}\\n\n\n"
    )
    (folder / "scanner.ioctl").write_text("".join(f"{line}\n" for line in _ioctls()))
    lines = (
        f"E: {(n * step_us) // 1_000_000}.{(n * step_us) % 1_000_000:06} {kind:04x} {code:04x} {value}\n"
        for n, (kind, code, value) in enumerate(events)
    )
    (folder / "scanner.events").write_text("".join(lines))
    return [
        "umockdev-run",
        f"--device={folder}/scanner.umockdev",
        f"--ioctl=/dev/input/event5={folder}/scanner.ioctl",
        f"--evemu-events=/dev/input/event5={folder}/scanner.events",
        "--",
    ]


def _ioctls() -> Iterator[str]:
    """What python-evdev asks when it opens a device; umockdev wants the very sizes it asks with."""
    keys = bytearray(96)
    for code in range(1, 120):
        keys[code // 8] |= 1 << code % 8
    yield "EVIOCGVERSION 0 01000100"
    yield f"EVIOCGID 0 {struct.pack('<4H', 3, VENDOR, PRODUCT, 0x111).hex().upper()}"
    for number, text in (("NAME", NAME), ("PHYS", "usb-0000:00:14.0-2/input0"), ("UNIQ", SERIAL)):
        yield f"EVIOCG{number}(0) {len(text) + 1} {text.encode().ljust(256, bytes(1)).hex().upper()}"
    kinds = (1 << EV_SYN) | (1 << EV_KEY) | (1 << EV_MSC)
    yield f"EVIOCGBIT(0) 4 {struct.pack('<I', kinds).hex().upper()}"
    yield f"EVIOCGBIT(1) 96 {keys.hex().upper()}"
    yield f"EVIOCGBIT(4) 96 {bytes([1 << MSC_SCAN]).ljust(96, bytes(1)).hex().upper()}"
    yield "EVIOCGEFFECTS 0 00000000"


class _FedDevice(evdev.InputDevice):  # type: ignore[misc] # evdev is not looked into (pyproject)
    """python-evdev's own reading; what it would ask the kernel is answered here."""

    feeds: ClassVar[dict[str, socket.socket]] = {}
    held_by_another: ClassVar[bool] = False

    def __init__(self, path: str):
        self.path = path
        self.fd = os.dup(self.feeds[path].fileno())
        self.grabbed = False
        os.set_blocking(self.fd, False)

    def capabilities(self, *_: Any, **__: Any) -> dict[int, list[int]]:
        return {evdev.ecodes.EV_KEY: list(range(1, 120))}

    def grab(self) -> None:
        if self.held_by_another:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self.grabbed = True

    def read(self) -> Iterator[Any]:
        assert self.grabbed, "what a scanner types must reach nobody else"
        events: Iterator[Any] = super().read()
        return events


class FedKeyboard:
    """One scanner at /dev/input/event5, unplugged at first. `held_by_another`: another program has grabbed it."""

    PATH = "/dev/input/event5"

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self._classes = folder / "input"
        self._classes.mkdir()
        self._end: socket.socket | None = None
        patch.setattr("drivers.discover.SYS_CLASS", folder)
        patch.setattr("evdev.InputDevice", _FedDevice)
        patch.setattr(_FedDevice, "feeds", {})
        patch.setattr(_FedDevice, "held_by_another", False)

    def plug(self, held_by_another: bool = False) -> None:
        _FedDevice.held_by_another = held_by_another
        self._end, _FedDevice.feeds[self.PATH] = socket.socketpair()
        ids = self._classes / "event5" / "device" / "id"
        ids.mkdir(parents=True)
        (ids / "vendor").write_text(f"{VENDOR:04x}\n")
        (ids / "product").write_text(f"{PRODUCT:04x}\n")
        (ids.parent / "name").write_text(f"{NAME}\n")
        (ids.parent / "uniq").write_text(f"{SERIAL}\n")

    def unplug(self) -> None:
        if self._end is None:
            return
        shutil.rmtree(self._classes / "event5")
        _FedDevice.feeds.pop(self.PATH).close()
        self._end.close()
        self._end = None

    def send(self, events: Iterable[Event], at: float = 0.0) -> None:
        """at: when the kernel says that the keys were pressed, in seconds; read only where it tells the time."""
        assert self._end is not None
        seconds, part = divmod(at, 1)
        stamp = (int(seconds), int(part * 1_000_000))
        self._end.sendall(b"".join(struct.pack("llHHi", *stamp, *event) for event in events))
