"""A keyboard scanner without hardware: a real input device of the kernel's, typed by this program (uinput).

    python -m drivers.virtual_wedge --layout us      each line typed here is scanned

It needs /dev/uinput and the right to write there (`sudo modprobe uinput`). Where there is none, as in a container, the
tests mock the device with umockdev instead (tests/integration/wedge_kit.py).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from drivers.keymap import DOWN, EV_KEY, EV_SYN, KEY_ENTER, LAYOUTS, UP
from drivers.ports import DriverError

NAME, VENDOR, PRODUCT = "redeemd virtual scanner", 0x1209, 0x0001
"""The identity under which `redeemd doctor` lists it; pid.codes keeps 1209:0001 for tests."""

REPORT_S = 0.002
"""Seconds from one key's change to the next; USB scanners take 1 to 8 ms. The kernel keeps 64 events for a reader and
drops the rest: typed without a pause, a coupon was lost (seen in the guest of `make test-devices`)."""

_SHIFT, _ALTGR, _SPACE = 42, 100, 57
_KEYS_MAX = 120

Event = tuple[int, int, int]


def typed(text: str, layout: str = "us") -> Iterator[Event]:
    """Key events (type, code, value) of a scanner set to `layout` typing a text and Enter.

    Raises DriverError for a character that the layout has no key for.
    """
    keys: dict[str, tuple[int, ...]] = {" ": (_SPACE,)}
    for code, (plain, shifted, altgr) in LAYOUTS[layout].keys().items():
        keys |= {altgr: (code, _ALTGR), shifted: (code, _SHIFT), plain: (code,)}
    strokes = []
    for character in text:
        if not character or character not in keys:
            raise DriverError(f"layout {layout} has no key for character U+{ord(character):04X}")
        strokes.append(keys[character])
    for code, *held in [*strokes, (KEY_ENTER,)]:
        for key, value in [
            *((one, DOWN) for one in held),
            (code, DOWN),
            (code, UP),
            *((one, UP) for one in held),
        ]:
            yield EV_KEY, key, value
            yield EV_SYN, 0, 0


class VirtualWedge:
    """Context manager; plugged in while it is open. Raises DriverError where the kernel lets nobody make a device."""

    def __init__(self, layout: str = "us", name: str = NAME, report_s: float = REPORT_S):
        self._layout, self._name, self._report_s = layout, name, report_s
        self._device: Any = None

    def __enter__(self) -> VirtualWedge:
        from evdev import UInput, UInputError

        try:
            self._device = UInput(
                {EV_KEY: list(range(1, _KEYS_MAX))}, self._name, vendor=VENDOR, product=PRODUCT
            )
        except (UInputError, OSError) as error:
            raise DriverError(f"{error}: run `sudo modprobe uinput`, and this program as root") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._device.close()

    def scan(self, text: str) -> None:
        """Type one code and Enter. DriverError as `typed`; nothing is typed then."""
        for event in list(typed(text, self._layout)):
            self._device.write(*event)
            if event[0] == EV_SYN:
                time.sleep(self._report_s)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m drivers.virtual_wedge", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--layout", default="us", choices=sorted(LAYOUTS), help="default: %(default)s")
    parser.add_argument(
        "--report-ms", type=int, default=round(REPORT_S * 1000), help="between keys; default: %(default)s"
    )
    options = parser.parse_args(arguments)
    try:
        with (
            VirtualWedge(options.layout, report_s=max(0, options.report_ms) / 1000) as scanner,
            contextlib.suppress(KeyboardInterrupt),
        ):
            print(
                f'vendor = "{VENDOR:04x}"  product = "{PRODUCT:04x}"  layout = "{options.layout}"', flush=True
            )
            for line in sys.stdin:
                try:
                    scanner.scan(line.rstrip("\n"))
                except DriverError as error:
                    print(error, file=sys.stderr)
    except DriverError as error:
        print(f"virtual wedge: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
