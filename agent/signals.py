"""What the till says to its scanners: a beep for each verdict on one's scan, and to read when a POS asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from agent.domain.outcome import Tone
from drivers.commanded import Mouth

TRIGGER_S = 5.0
"""How long a scanner goes on reading after it was asked to, if nothing is scanned."""


class UnknownScanner(LookupError):
    """No scanner of this name is configured."""


class NoTrigger(Exception):
    """This scanner has no command to begin reading, or is not there."""


class Signals:
    """mouths: the scanners that take commands, by name. others: the names of those that do not."""

    def __init__(self, mouths: Mapping[str, Mouth], others: frozenset[str]) -> None:
        self._mouths, self._others = mouths, others
        self._reading: dict[str, asyncio.TimerHandle] = {}

    def answer(self, verdict: Mapping[str, Any]) -> None:
        """Told of a verdict: the scanner that read it beeps, and stops reading if it was told to read."""
        name = verdict["source"]
        mouth = self._mouths.get(name)
        if mouth is None:
            return
        self._stop(name, mouth)
        mouth.say(mouth.commands.beep_good if verdict["tone"] == Tone.GOOD else mouth.commands.beep_bad)

    def trigger(self, name: str) -> float:
        """Have the scanner read now; returns for how long, in seconds. UnknownScanner, NoTrigger."""
        mouth = self._mouths.get(name)
        if mouth is None and name not in self._others:
            raise UnknownScanner(name)
        if mouth is None or not mouth.say(mouth.commands.trigger_on):
            raise NoTrigger(name)
        if (running := self._reading.pop(name, None)) is not None:
            running.cancel()
        loop = asyncio.get_running_loop()
        self._reading[name] = loop.call_later(TRIGGER_S, self._stop, name, mouth)
        return TRIGGER_S

    def _stop(self, name: str, mouth: Mouth) -> None:
        if (running := self._reading.pop(name, None)) is not None:
            running.cancel()
            mouth.say(mouth.commands.trigger_off)
