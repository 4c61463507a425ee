"""A USB scanner that acts as a keyboard, read through evdev and grabbed: what it types reaches nobody else.

The device is found by its USB identity, so that neither the cashier's keyboard is taken nor a new device number
matters. Grabbing (EVIOCGRAB) keeps scans out of whatever window has the focus, and other programs' reach.
"""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from struct import pack
from typing import TYPE_CHECKING

from drivers.discover import InputDevice, fits, input_devices
from drivers.framing import GAP_S, Framer
from drivers.keymap import EV_SYN, LED_CAPSL, SYN_DROPPED, KeyDecoder, UnknownKeyError
from drivers.ports import DeviceState
from drivers.reading import Found, Scanner
from drivers.state import DeviceUnavailable

if TYPE_CHECKING:
    import evdev

_EVIOCSCLOCKID = 0x400445A0  # linux/input.h: which clock an event's time is told in


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
        return fits(device, self.vendor, self.product, self.serial, self.device_name)

    def rule(self) -> str:
        """The rule in words, for messages."""
        named = ("vendor", "product", "serial", "device_name")
        return ", ".join(f"{key} {value}" for key in named if (value := getattr(self, key)))


class WedgeScanner(Scanner):
    """A `ScanSource` over one keyboard-like scanner. Raises ValueError for an unknown layout.

    A rule that names no device is final: MISCONFIGURED.
    """

    def __init__(self, settings: WedgeSettings):
        self._settings = settings
        self._keys = KeyDecoder(settings.layout)
        framer = Framer(
            settings.name, settings.suffix, gap_s=settings.gap_s, prefix=settings.prefix, typed=True
        )
        super().__init__(settings.name, "wedge", framer, self._open_first)

    def _open_first(self) -> _Keyboard:
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


class Typing:
    """What is typed, into a framer. Pure: events come with their times, in monotonic seconds."""

    def __init__(self, keys: KeyDecoder):
        self._keys = keys
        self._last_at = 0.0

    def feed(self, framer: Framer, kind: int, code: int, value: int, at: float) -> Found:
        """Take one event as the kernel gives it; return what it completed."""
        if at - self._last_at >= framer.gap_s:
            # A scan leaves no key pressed and Caps Lock as it was; one that was cut may, and the next begins afresh.
            self._keys.reset()
        self._last_at = at
        if kind == EV_SYN and code == SYN_DROPPED:
            self._keys.reset()
            return framer.spoil("incomplete", "the kernel lost key events: the machine was too busy", at)
        try:
            text = self._keys.feed(kind, code, value)
        except UnknownKeyError as error:
            return framer.spoil("undecodable", f"{error}: set `layout` as the scanner is set", at)
        return framer.feed(text.encode(), at) if text else []


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
        self._typing = Typing(keys)
        try:
            typed = self._device.capabilities().get(ecodes.EV_KEY, [])
            if ecodes.KEY_ENTER not in typed or ecodes.KEY_A not in typed:
                raise OSError(errno.ENOTTY, "it has no keys to type with")
            self._device.grab()
        except OSError:
            self._device.close()
            raise
        self._kernel_tells_time = _use_monotonic_clock(self._device.fileno())
        keys.reset()
        if ecodes.EV_LED in self._device.capabilities():
            # So that a scanner that minds the Caps Lock lamp and one that does not type alike.
            with suppress(OSError, EvdevError):  # EvdevError: we may only read
                self._device.set_led(LED_CAPSL, 0)

    def fileno(self) -> int:
        return int(self._device.fileno())

    def pull(self, framer: Framer) -> Found:
        events = list(self._device.read())
        now = time.monotonic()
        if not events:
            raise OSError(errno.EIO, "end of input")
        found: Found = []
        for event in events:
            at = event.timestamp() if self._kernel_tells_time else now
            found += self._typing.feed(framer, event.type, event.code, event.value, at)
        return found

    def close(self) -> None:
        self._device.close()  # ends the grab as well


def _use_monotonic_clock(descriptor: int) -> bool:
    """Have the kernel tell when keys were pressed, so that a busy till sees the scanner's pauses and not its own."""
    try:
        ioctl(descriptor, _EVIOCSCLOCKID, pack("i", time.CLOCK_MONOTONIC))
    except OSError:
        return False  # a mocked device
    return True


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
