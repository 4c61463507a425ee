"""Which input and HID devices there are, as the kernel tells in /sys. Nothing is opened, so no permission is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SYS_CLASS = Path("/sys/class")
DEV = Path("/dev")
_DESCRIPTOR_MAX = 4096  # bytes; the kernel takes no longer one


class Identity(Protocol):
    """What tells a device from others. vendor, product: four hexadecimal digits, small letters; serial: "" for none."""

    @property
    def name(self) -> str: ...
    @property
    def vendor(self) -> str: ...
    @property
    def product(self) -> str: ...
    @property
    def serial(self) -> str: ...


def fits(device: Identity, vendor: str, product: str, serial: str, device_name: str) -> bool:
    """Whether a device is what a rule names: ids and serial exactly, a part of its name; "" fits any."""
    return (
        vendor.lower() in ("", device.vendor)
        and product.lower() in ("", device.product)
        and serial in ("", device.serial)
        and device_name in device.name
    )


@dataclass(frozen=True, slots=True)
class InputDevice:
    """path: /dev/input/eventN. vendor, product: four hexadecimal digits, small letters. serial: "" if it has none."""

    path: str
    name: str
    vendor: str
    product: str
    serial: str


def input_devices() -> Iterator[InputDevice]:
    """Every event device, in the kernel's order. One that goes away meanwhile is left out."""
    try:
        events = [entry.name for entry in (SYS_CLASS / "input").iterdir() if entry.name.startswith("event")]
    except OSError:
        return  # no input device at all
    for event in sorted(events, key=lambda name: int(name.removeprefix("event") or 0)):
        device = SYS_CLASS / "input" / event / "device"
        try:
            yield InputDevice(
                path=str(DEV / "input" / event),
                name=_read(device / "name"),
                vendor=_read(device / "id" / "vendor").lower(),
                product=_read(device / "id" / "product").lower(),
                serial=_read(device / "uniq"),
            )
        except OSError:
            continue


@dataclass(frozen=True, slots=True)
class HidDevice:
    """path: /dev/hidrawN. vendor, product, serial: as in `InputDevice`. descriptor: its report descriptor."""

    path: str
    name: str
    vendor: str
    product: str
    serial: str
    descriptor: bytes


def hid_devices() -> Iterator[HidDevice]:
    """Every HID device, in the kernel's order. One that goes away meanwhile is left out."""
    try:
        nodes = [entry.name for entry in (SYS_CLASS / "hidraw").iterdir() if entry.name.startswith("hidraw")]
    except OSError:
        return
    for node in sorted(nodes, key=lambda name: (len(name), name)):
        device = SYS_CLASS / "hidraw" / node / "device"
        try:
            pairs = (line.partition("=") for line in _read(device / "uevent").splitlines())
            facts = {key: value for key, _, value in pairs}
            with (device / "report_descriptor").open("rb") as file:
                descriptor = file.read(_DESCRIPTOR_MAX + 1)
        except OSError:
            continue
        ids = facts.get("HID_ID", "").split(":")  # bus:vendor:product, vendor and product with eight digits
        vendor, product = (ids[1][-4:], ids[2][-4:]) if len(ids) == 3 else ("", "")
        yield HidDevice(
            str(DEV / node),
            facts.get("HID_NAME", ""),
            vendor.lower(),
            product.lower(),
            facts.get("HID_UNIQ", ""),
            descriptor,
        )


def _read(attribute: Path) -> str:
    return attribute.read_text(encoding="utf-8", errors="replace").strip()
