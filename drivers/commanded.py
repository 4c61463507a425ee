"""What a till may say to a scanner: beep for yes, beep for no, begin to read, stop reading.

The bytes are the maker's and stand in the configuration, for each model has its own (docs/scanners.md lists some).
They are handed to the line without waiting: a scanner that does not listen holds up nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Commands:
    """Bytes as the scanner's manual gives them; b"" for what it has no command for."""

    beep_good: bytes = b""
    beep_bad: bytes = b""
    trigger_on: bytes = b""
    trigger_off: bytes = b""


NO_COMMANDS = Commands()


@runtime_checkable
class Writable(Protocol):
    """An open line that takes bytes."""

    def write(self, data: bytes) -> None:
        """Hand over what the line takes at once. Raises OSError when it takes less."""


class Mouth:
    """The way to a device that comes and goes: whoever opened it says so here."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self._line: Writable | None = None

    def opened(self, line: Writable) -> None:
        self._line = line

    def closed(self) -> None:
        self._line = None

    def say(self, data: bytes) -> bool:
        """True if the line took it. Nothing is said to a device that is not there or has no such command."""
        line = self._line
        if line is None or not data:
            return False
        try:
            line.write(data)
        except OSError:  # it does not listen, or is just going away: reading notices that by itself
            return False
        return True
