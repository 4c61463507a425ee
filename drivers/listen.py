"""Listen to every device that could be a scanner at once, until one of them sends the test card's first code.

For `redeemd scanner test`, with the till stopped. Keyboards are listened to and not grabbed: the cashier's own one is
among them. A serial line is tried at one speed after the other while what comes is no text.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import serial

from drivers.card import Framing, Typed, framing_of, keys_pressed, layout_of
from drivers.inventory import Found

QUIET_S = 0.4
"""Silence after which a scan is over."""
SPEEDS = (9600, 115200, 57600, 38400, 19200, 4800, 2400, 1200)
_BYTES_MAX = 8192


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device sent. typed: of a keyboard scanner. framing, baud, raw: of a serial one."""

    device: Found
    typed: Typed | None = None
    framing: Framing | None = None
    baud: int = 0
    raw: bytes = b""


Say = Callable[[Found, str], None]
"""Told of a device: that it is listened to, or what it sent that is not the code (one sentence)."""


@dataclass
class _Ear:
    device: Found
    handle: Any
    last_at: float = 0.0
    events: list[tuple[int, int, int]] = field(default_factory=list)
    raw: bytes = b""
    speed: int = 0

    def pull(self) -> None:
        """Take what is there; OSError when the device is gone."""
        self.last_at = time.monotonic()
        if self.device.kind == "input":
            self.events += [(event.type, event.code, event.value) for event in self.handle.read()]
            del self.events[:-_BYTES_MAX]
            return
        data = os.read(self.handle.fileno(), _BYTES_MAX)
        if not data:
            raise OSError("end of input")
        self.raw = (self.raw + data)[-_BYTES_MAX:]

    @property
    def heard(self) -> bool:
        return bool(self.raw or self.events)

    def judge(self, say: Say) -> Answer | None:
        """After silence: the answer, or what to say of it. Either way it listens anew."""
        events, raw = self.events, self.raw
        self.events, self.raw = [], b""
        if self.device.kind == "input":
            typed = layout_of(events)
            if typed is not None:
                return Answer(self.device, typed=typed)
            if keys_pressed(events) > 20:  # nobody's fingers
                say(
                    self.device,
                    "typed something that is not the first code in any layout: scan the first code",
                )
            return None
        framing = framing_of(raw.decode("latin-1"))
        if framing is not None:
            return Answer(self.device, framing=framing, baud=SPEEDS[self.speed], raw=raw)
        self.speed = (self.speed + 1) % len(SPEEDS)
        with suppress(OSError, serial.SerialException, ValueError):
            self.handle.baudrate = SPEEDS[self.speed]
        say(
            self.device,
            f"sent no text at that speed: scan the first code again, now at {SPEEDS[self.speed]} baud",
        )
        return None


def listen(devices: Iterable[Found], timeout_s: float, say: Say) -> Answer | None:
    """The first device that sends the card's first code, or None after `timeout_s` without one."""
    until = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        ears = [_Ear(device, handle) for device, handle in _opened(devices, say)]
        try:
            for ear in ears:
                selector.register(ear.handle.fileno(), selectors.EVENT_READ, ear)
                say(ear.device, "listening")
            while (now := time.monotonic()) < until:
                for key, _ in selector.select(min(QUIET_S / 2, until - now)):
                    try:
                        key.data.pull()
                    except OSError as error:
                        selector.unregister(key.fd)
                        say(key.data.device, f"is gone: {error}")
                for ear in ears:
                    if ear.heard and time.monotonic() - ear.last_at >= QUIET_S:
                        answer = ear.judge(say)
                        if answer is not None:
                            return answer
        finally:
            for ear in ears:
                with suppress(OSError):
                    ear.handle.close()
    return None


def _opened(devices: Iterable[Found], say: Say) -> Iterator[tuple[Found, Any]]:
    for device in devices:
        try:
            if device.kind == "input":
                from evdev import InputDevice  # not at the top: serial scanners need none of it

                yield device, InputDevice(device.path)
            elif device.kind == "serial":
                yield device, serial.Serial(device.path, SPEEDS[0], timeout=0, exclusive=True)
        except (OSError, serial.SerialException) as error:
            say(device, f"cannot be opened: {error}")
