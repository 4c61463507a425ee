"""A HID POS scanner for tests, which can be unplugged: a socket that, as hidraw does, keeps reports apart.

umockdev 0.17 cannot mock a node that is read report by report, so the node itself is what is not real here.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_drivers_hid_report import POS, report

VENDOR, PRODUCT, SERIAL, NAME = "0c2e", "0b61", "SN0815", "Honeywell Scanning 1900"
UEVENT = (
    "DRIVER=hid-generic\nHID_ID=0003:00000C2E:00000B61\n"
    f"HID_NAME={NAME}\nHID_PHYS=usb-0000:00:14.0-2/input0\nHID_UNIQ={SERIAL}\n"
)


def reports(data: bytes, name: bytes = b"]Q1") -> Iterator[bytes]:
    """One code as a scanner sends it, 56 bytes a report."""
    pieces = [data[at : at + 56] for at in range(0, len(data), 56)] or [b""]
    for number, piece in enumerate(pieces, 1):
        yield report(piece, name, more=number < len(pieces))


class FedHid:
    """One scanner at /dev/hidraw7, unplugged at first. `refused`: the error that opening it ends in."""

    PATH = "/dev/hidraw7"

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self._classes = folder / "hidraw"
        self._classes.mkdir()
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self.refused = 0
        patch.setattr("drivers.discover.SYS_CLASS", folder)

        def claim(path: str) -> int:
            assert path == self.PATH
            if self.refused or self._ends is None:
                raise OSError(self.refused or errno.ENOENT, os.strerror(self.refused or errno.ENOENT))
            copy = os.dup(self._ends[1].fileno())
            os.set_blocking(copy, False)
            return copy

        patch.setattr("drivers.hid_scanner._claim", claim)

    def plug(self, descriptor: bytes = POS) -> None:
        self._ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        device = self._classes / "hidraw7" / "device"
        device.mkdir(parents=True)
        (device / "uevent").write_text(UEVENT)
        (device / "report_descriptor").write_bytes(descriptor)

    def unplug(self) -> None:
        if self._ends is None:
            return
        shutil.rmtree(self._classes / "hidraw7")
        for end in self._ends:
            end.close()
        self._ends = None

    def send(self, one: bytes) -> None:
        assert self._ends is not None
        self._ends[0].sendall(one)

    def scan(self, data: bytes, name: bytes = b"]Q1") -> None:
        for one in reports(data, name):
            self.send(one)
