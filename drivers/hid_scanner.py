"""A USB scanner in HID POS mode, read through hidraw: whole codes with their symbology, no layout, no suffix.

The kernel gives one report a read. Its own report descriptor, which needs no permission to be read, says where in the
report the code stands (`hid_report`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from dataclasses import dataclass

from drivers.discover import HidDevice, fits, hid_devices
from drivers.framing import REPORT, Framer
from drivers.hid_report import DescriptorError, ReportError, ScanReport, scan_report
from drivers.ports import DeviceState
from drivers.reading import Found, Scanner
from drivers.state import DeviceUnavailable


@dataclass(frozen=True, slots=True)
class HidSettings:
    """Which device; what is "" matches any, and only scanners in HID POS mode are looked at.

    vendor, product: four hexadecimal digits. serial: exactly. device_name: a part of the device's own name.
    """

    name: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    device_name: str = ""
    encoding: str = "utf-8"

    def matches(self, device: HidDevice) -> bool:
        return fits(device, self.vendor, self.product, self.serial, self.device_name)


class HidScanner(Scanner):
    """A `ScanSource` over one HID POS scanner. Raises LookupError for an unknown encoding."""

    def __init__(self, settings: HidSettings):
        self._settings = settings
        super().__init__(
            settings.name, "hid", Framer(settings.name, REPORT, settings.encoding), self._open_first
        )

    def _open_first(self) -> _Hidraw:
        refusal = DeviceUnavailable(
            DeviceState.LOST,
            "no scanner in HID POS mode is plugged in that fits: plug it in, scan the code USB HID POS"
            " of its manual, or correct the rule",
        )
        for device in hid_devices():
            report = report_of(device)
            if report is None or not self._settings.matches(device):
                continue
            try:
                return _Hidraw(device.path, report)
            except OSError as error:
                refusal = explain_open_error(device.path, error)
        raise refusal


def report_of(device: HidDevice) -> ScanReport | None:
    """How a device reports scans; None for one that is no scanner, or says nonsense."""
    try:
        return scan_report(device.descriptor)
    except DescriptorError:
        return None


class _Hidraw:
    """An open device. Raises OSError."""

    def __init__(self, path: str, report: ScanReport):
        self._report = report
        self._descriptor = _claim(path)

    def fileno(self) -> int:
        return self._descriptor

    def pull(self, framer: Framer) -> Found:
        report = os.read(self._descriptor, self._report.size)
        at = time.monotonic()
        if not report:
            raise OSError(errno.EIO, "end of input")
        try:
            piece = self._report.read(report)
        except ReportError as error:
            return framer.spoil("undecodable", f"{error}: unplug the scanner and plug it in again", at)
        if piece is None:
            return []
        named = not framer.pending and not piece.data.startswith(piece.identifier)
        found = framer.feed((piece.identifier if named else b"") + piece.data, at)
        return found if piece.more else found + framer.finish(at)

    def close(self) -> None:
        os.close(self._descriptor)


def _claim(path: str) -> int:
    """Open and lock a device. hidraw gives every reader every report: a second redeemd must not redeem a scan too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def explain_open_error(path: str, error: OSError) -> DeviceUnavailable:
    """Turn the system's refusal into a state and one sentence that says what to do."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceUnavailable(
            DeviceState.DENIED,
            f"{path} may not be opened: install the udev rules that come with redeemd, and plug the scanner in again",
        )
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        return DeviceUnavailable(
            DeviceState.DENIED, f"{path} is held by another program: stop it (`fuser {path}` shows which)"
        )
    return DeviceUnavailable(DeviceState.LOST, f"{path} cannot be read ({error.strerror or error})")
