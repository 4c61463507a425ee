"""A USB scanner that acts as a keyboard, read through evdev and grabbed: what it types reaches nobody else.

The device is found by its USB identity, so that neither the cashier's keyboard is taken nor a new device number
matters. Grabbing (EVIOCGRAB) keeps scans out of whatever window has the focus, and other programs' reach.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.discover import InputDevice, input_devices
from drivers.framing import GAP_S, Framer
from drivers.keymap import EV_SYN, LED_CAPSL, SYN_DROPPED, KeyDecoder, UnknownKeyError
from drivers.ports import DeviceState, DeviceStatus, Scan, ScanFault
from drivers.reading import Found, read_until_cancelled
from drivers.state import DeviceUnavailable, StatusBoard

if TYPE_CHECKING:
    import evdev


@dataclass(frozen=True, slots=True)
class WedgeSettings:
    """Which device, and how it types. What is "" matches any; at least one of the four must be given.

    vendor, product: four hexadecimal digits. serial: exactly. device_name: a part of the device's own name.
    layout: a name in `keymap.LAYOUTS`. suffix, gap_s, prefix: see `framing.Framer`.
    """

    name: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    device_name: str = ""
    layout: str = "us"
    suffix: str = "auto"
    gap_s: float = GAP_S
    prefix: str = ""

    def matches(self, device: InputDevice) -> bool:
        return (
            self.vendor.lower() in ("", device.vendor)
            and self.product.lower() in ("", device.product)
            and self.serial in ("", device.serial)
            and self.device_name in device.name
        )

    def rule(self) -> str:
        """The rule in words, for messages."""
        named = ("vendor", "product", "serial", "device_name")
        return ", ".join(f"{key} {value}" for key in named if (value := getattr(self, key)))


class WedgeScanner:
    """A `ScanSource` over one keyboard-like scanner. Raises ValueError for an unknown layout."""

    def __init__(self, settings: WedgeSettings):
        self._settings = settings
        self._framer = Framer(
            settings.name, settings.suffix, gap_s=settings.gap_s, prefix=settings.prefix, typed=True
        )
        self._keys = KeyDecoder(settings.layout)
        self._board = StatusBoard(settings.name, "wedge")

    @property
    def name(self) -> str:
        return self._settings.name

    def status(self) -> DeviceStatus:
        return self._board.current

    async def run(self, on_scan: Callable[[Scan], None], on_fault: Callable[[ScanFault], None]) -> None:
        """Read until cancelled. A rule that names no device is final: MISCONFIGURED."""
        await read_until_cancelled(self._open, self._framer, self._board, on_scan, on_fault)

    def _open(self) -> _Keyboard:
        settings = self._settings
        if not settings.rule():
            raise DeviceUnavailable(
                DeviceState.MISCONFIGURED,
                "no device is named, and any would take the cashier's keyboard: set vendor and product",
            )
        candidates = [device for device in input_devices() if settings.matches(device)]
        if not candidates:
            raise DeviceUnavailable(
                DeviceState.LOST,
                f"no input device has {settings.rule()}: plug the scanner in, or correct the rule",
            )
        refusal: DeviceUnavailable | None = None
        for device in candidates:
            try:
                return _Keyboard(device.path, self._keys)
            except OSError as error:
                refusal = explain_open_error(device.path, error)
        assert refusal is not None
        raise refusal


class _Keyboard:
    """An open and grabbed device that types."""

    def __init__(self, path: str, keys: KeyDecoder):
        """Raises OSError, ENOTTY when the device has no keys (a scanner shows several faces), and
        DeviceUnavailable when the library is missing."""
        try:
            from evdev import InputDevice, ecodes  # not at the top: only a till with a wedge pays for it
            from evdev.eventio import EvdevError
        except ImportError as error:
            raise DeviceUnavailable(
                DeviceState.MISCONFIGURED, f"python-evdev cannot be loaded ({error}): install evdev-binary"
            ) from error
        self._device: evdev.InputDevice = InputDevice(path)
        self._keys = keys
        try:
            typed = self._device.capabilities().get(ecodes.EV_KEY, [])
            if ecodes.KEY_ENTER not in typed or ecodes.KEY_A not in typed:
                raise OSError(errno.ENOTTY, "it has no keys to type with")
            self._device.grab()
        except OSError:
            self._device.close()
            raise
        keys.reset()
        if ecodes.EV_LED in self._device.capabilities():
            # So that a scanner that minds the Caps Lock lamp and one that does not type alike.
            with suppress(OSError, EvdevError):  # EvdevError: we may only read
                self._device.set_led(LED_CAPSL, 0)

    def fileno(self) -> int:
        return int(self._device.fileno())

    def pull(self, framer: Framer) -> Found:
        events = list(self._device.read())
        at = time.monotonic()
        if not events:
            raise OSError(errno.EIO, "end of input")
        found: Found = []
        for event in events:
            if event.type == EV_SYN and event.code == SYN_DROPPED:
                found += framer.spoil(
                    "incomplete", "the kernel lost key events: the machine was too busy", at
                )
                self._keys.reset()
                continue
            try:
                text = self._keys.feed(event.type, event.code, event.value)
            except UnknownKeyError as error:
                found += framer.spoil("undecodable", f"{error}: set `layout` as the scanner is set", at)
                continue
            if text:
                found += framer.feed(text.encode(), at)
        return found

    def close(self) -> None:
        self._device.close()  # ends the grab as well


def explain_open_error(path: str, error: OSError) -> DeviceUnavailable:
    """Turn the system's refusal into a state and one sentence that says what to do."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceUnavailable(
            DeviceState.DENIED,
            f"{path} may not be opened: add the service's user to the group input (usermod -aG input USER),"
            " or install the udev rules that come with redeemd",
        )
    if error.errno == errno.EBUSY:
        return DeviceUnavailable(
            DeviceState.DENIED, f"{path} is grabbed by another program: stop it (`fuser {path}` shows which)"
        )
    return DeviceUnavailable(DeviceState.LOST, f"{path} cannot be read ({error.strerror or error})")
