"""Every device of this machine that a till could use, as the kernel tells in /sys. Nothing is opened.

For `redeemd doctor`: it must show what is there also where nothing may be opened, and disturb no device in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers import discover
from drivers.hid_report import DescriptorError, scan_report
from drivers.keymap import KEY_ENTER

SCANNER_MAKERS: Final = {
    "0404": "NCR",
    "0536": "Hand Held Products",
    "05e0": "Zebra (Symbol)",
    "05f9": "Datalogic (PSC)",
    "065a": "Opticon",
    "067e": "Intermec",
    "0c2e": "Honeywell (Metrologic)",
    "1eab": "Newland",
    "27dd": "Mindeo",
}
"""USB vendors that make scanners; the same as in systemd/70-redeemd.rules."""

_KEY_A = 30
_NO_UART = "0"  # /sys/class/tty/ttySn/type of a port that the board does not have


@dataclass(frozen=True, slots=True)
class Found:
    """One device. kind: serial, input, hid, video or printer. stable: a path that stays when cables change, or "".

    scans: what makes it likely that this is a scanner, "" if nothing does. vendor, product, serial: of USB, or "".
    """

    kind: str
    path: str
    stable: str
    name: str
    vendor: str
    product: str
    serial: str
    scans: str = ""


def inventory() -> list[Found]:
    """All of them, by kind and in the kernel's order."""
    return [*_serial(), *_inputs(), *_hids(), *_video(), *_printers()]


def _inputs() -> Iterator[Found]:
    """Only what types: mice and power buttons are no scanners."""
    links = _links("input/by-id")
    for device in discover.input_devices():
        if types_text(
            _read(discover.SYS_CLASS / "input" / Path(device.path).name / "device" / "capabilities" / "key")
        ):
            yield Found(
                "input",
                device.path,
                links.get(device.path, ""),
                device.name,
                device.vendor,
                device.product,
                device.serial,
                _maker(device.vendor),
            )


def _hids() -> Iterator[Found]:
    """Only scanners in HID POS mode: every keyboard has a hidraw node too."""
    for device in discover.hid_devices():
        try:
            report = scan_report(device.descriptor)
        except DescriptorError:
            continue
        if report is not None:
            yield Found(
                "hid",
                device.path,
                "",
                device.name,
                device.vendor,
                device.product,
                device.serial,
                "HID POS mode",
            )


def _serial() -> Iterator[Found]:
    links = _links("serial/by-id")
    for entry in _entries("tty"):
        if not (entry / "device").exists() or _read(entry / "type") == _NO_UART:
            continue
        path = str(discover.DEV / entry.name)
        vendor, product, serial, name = _usb_facts(entry / "device")
        yield Found("serial", path, links.get(path, ""), name, vendor, product, serial, _maker(vendor))


def _video() -> Iterator[Found]:
    links = _links("v4l/by-path") | _links("v4l/by-id")  # not every camera tells who it is
    for entry in _entries("video4linux"):
        if not entry.name.startswith("video") or _read(entry / "index") not in ("", "0"):
            continue  # a camera's second node carries descriptions of its pictures
        path = str(discover.DEV / entry.name)
        vendor, product, serial, name = _usb_facts(entry / "device")
        yield Found(
            "video", path, links.get(path, ""), _read(entry / "name") or name, vendor, product, serial
        )


def _printers() -> Iterator[Found]:
    for entry in _entries("usbmisc"):
        if entry.name.startswith("lp"):
            vendor, product, serial, name = _usb_facts(entry / "device")
            yield Found("printer", str(discover.DEV / "usb" / entry.name), "", name, vendor, product, serial)


def types_text(keys: str) -> bool:
    """Whether a device with these keys (capabilities/key of the kernel: words of 64 bits, the highest first) types."""
    try:
        words = [int(word, 16) for word in reversed(keys.split())]
    except ValueError:
        return False
    bits = sum(word << 64 * number for number, word in enumerate(words[:16]))
    return bool(bits >> _KEY_A & 1 and bits >> KEY_ENTER & 1)


def _maker(vendor: str) -> str:
    return f"made by {SCANNER_MAKERS[vendor]}" if vendor in SCANNER_MAKERS else ""


def _entries(group: str) -> list[Path]:
    try:
        return sorted((discover.SYS_CLASS / group).iterdir(), key=lambda entry: (len(entry.name), entry.name))
    except OSError:
        return []


def _links(folder: str) -> dict[str, str]:
    """Device path to the stable path that udev gives it."""
    try:
        return {str(link.resolve()): str(link) for link in (discover.DEV / folder).iterdir()}
    except OSError:
        return {}


def _usb_facts(device: Path) -> tuple[str, str, str, str]:
    """(vendor, product, serial, name) of the USB device that an interface belongs to; all "" on another bus."""
    try:
        here = device.resolve(strict=True)
    except OSError:
        return "", "", "", ""
    for folder in (here, *list(here.parents)[:6]):
        if vendor := _read(folder / "idVendor"):
            name = f"{_read(folder / 'manufacturer')} {_read(folder / 'product')}".strip()
            return vendor.lower(), _read(folder / "idProduct").lower(), _read(folder / "serial"), name
    return "", "", "", ""


def _read(attribute: Path) -> str:
    try:
        return attribute.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
