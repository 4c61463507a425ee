"""Which input devices there are, as the kernel tells in /sys. Nothing is opened, so no permission is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CLASS = Path("/sys/class/input")


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
        events = [entry.name for entry in _CLASS.iterdir() if entry.name.startswith("event")]
    except OSError:
        return  # no input device at all
    for event in sorted(events, key=lambda name: int(name.removeprefix("event") or 0)):
        device = _CLASS / event / "device"
        try:
            yield InputDevice(
                path=f"/dev/input/{event}",
                name=_read(device / "name"),
                vendor=_read(device / "id" / "vendor").lower(),
                product=_read(device / "id" / "product").lower(),
                serial=_read(device / "uniq"),
            )
        except OSError:
            continue


def _read(attribute: Path) -> str:
    return attribute.read_text(encoding="utf-8", errors="replace").strip()
