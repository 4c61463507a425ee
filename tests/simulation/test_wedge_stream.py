"""Thousands of scans typed by keyboard-like scanners as they really behave, through the driver's own decoding.

Each scan draws how it is typed: pauses between keys, keys held until the kernel repeats them, Caps Lock before letters,
characters by Alt code, a symbology identifier; and whether it is cut: its head or end lost, an overrun of the kernel's
buffer, the plug pulled. What comes out is exactly what was meant: whole scans as they were, in order, and a fault where
some were cut. `python -m tests.simulation.test_wedge_stream 10000 SEED` plays the long form.
"""

from __future__ import annotations

import random
import string
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from drivers.framing import Framer
from drivers.keymap import (
    DOWN,
    EV_KEY,
    EV_SYN,
    KEY_CAPSLOCK,
    KEY_ENTER,
    LAYOUTS,
    REPEAT,
    SYN_DROPPED,
    UP,
    KeyDecoder,
)
from drivers.ports import Scan
from drivers.reading import Found
from drivers.wedge import Typing
from tests.integration.wedge_kit import ALTGR, SHIFT, Event

GAP_S = 0.5
KEYPAD = dict(zip("0123456789", (82, 79, 80, 81, 75, 76, 77, 71, 72, 73), strict=True))
PREFIX = "~"
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + " $%*+-./:"
ALT = 56


@dataclass
class Person:
    """One till's scanner and what is done to it. `expected`: texts, and None for each fault."""

    rng: random.Random
    layout: str
    suffix: int | None
    prefix: str
    now: float = 100.0
    expected: list[str | None] = field(default_factory=list)

    def scans(self, count: int) -> Iterator[tuple[Event | None, float]]:
        """Events with their times; None when the plug was pulled."""
        for _ in range(count):
            text = "".join(self.rng.choices(ALPHABET, k=self.rng.randint(1, 24))).strip() or "RC1"
            events = list(self.typed(text))
            cut = self.rng.random() < 0.1
            yield from self.cut(events) if cut else self.whole(events, text)

    def whole(self, events: list[Event], text: str) -> Iterator[tuple[Event | None, float]]:
        for event in events:
            yield event, self.later(0.0, 0.02)
        self.expected.append(text)
        if self.suffix is None and not self.prefix:
            self.later(GAP_S, 2 * GAP_S)  # nothing else tells two scans apart
        elif self.rng.random() < 0.3:
            self.later(0.0, 2 * GAP_S)

    def cut(self, events: list[Event]) -> Iterator[tuple[Event | None, float]]:
        """Lost after the first character (before it nobody could know of a scan) and before the last key."""
        keys = KeyDecoder(self.layout)
        typed = [n for n, event in enumerate(events) if keys.feed(*event)]
        kept = events[: self.rng.randint(typed[0] + 1, typed[-1])] if typed[1:] else events[: typed[0] + 1]
        ways = ["overrun", "pulled"] + (["silence"] if self.suffix is not None else [])
        way = self.rng.choice(
            ways + (["next comes at once"] if self.prefix and self.suffix is not None else [])
        )
        for event in kept:
            yield event, self.later(0.0, 0.02)
        if way == "next comes at once" and self.number_begun(kept):
            way = "silence"  # letting go of Alt would make a character of half a number
        if way == "overrun":
            yield (EV_SYN, SYN_DROPPED, 0), self.later(0.0, 0.02)
            for event in events[len(kept) :]:
                yield event, self.later(0.0, 0.001)
            self.later(GAP_S, 2 * GAP_S)
        elif way == "pulled":
            yield None, self.later(0.0, 0.1)
        elif way == "silence":
            self.later(GAP_S, 3 * GAP_S)
        else:  # the scanner gives up and begins anew, from a keyboard at rest
            presses = [event[:2] for event in kept if event[2] == DOWN]
            for code in {event[1] for event in kept if event[0] == EV_KEY} - {KEY_CAPSLOCK}:
                yield (EV_KEY, code, UP), self.later(0.0, 0.001)
            if presses.count((EV_KEY, KEY_CAPSLOCK)) == 1:
                yield (EV_KEY, KEY_CAPSLOCK, DOWN), self.later(0.0, 0.001)
        self.expected.append(None)

    @staticmethod
    def number_begun(kept: list[Event]) -> bool:
        return [event[2] for event in kept if event[:2] == (EV_KEY, ALT)][-1:] == [DOWN]

    def later(self, least: float, most: float) -> float:
        self.now += self.rng.uniform(least, most)
        return self.now

    def typed(self, text: str) -> Iterator[Event]:
        caps = self.rng.random() < 0.3
        by_number = self.rng.random() < 0.1
        name = self.rng.choice(["", "]Q1", "]C0", "]Q2\\000026"])
        if caps:
            yield from self.pressed(KEY_CAPSLOCK)
        for character in self.prefix + name + text:
            if by_number:
                yield (EV_KEY, ALT, DOWN)
                for digit in f"0{ord(character)}":
                    yield from self.pressed(KEYPAD[digit])
                yield (EV_KEY, ALT, UP)
            else:
                yield from self.key(character, caps)
        if caps:
            yield from self.pressed(KEY_CAPSLOCK)
        if self.suffix is not None:
            yield from self.pressed(self.suffix)

    def key(self, character: str, caps: bool) -> Iterator[Event]:
        if character == " ":
            yield from self.pressed(57)
            return
        code, (plain, shifted, altgr) = next(
            (code, made) for code, made in LAYOUTS[self.layout].keys().items() if character in made
        )
        letter = plain.upper() == shifted and plain != shifted
        if character == altgr and character not in (plain, shifted):
            yield from self.pressed(code, ALTGR)
        elif (character == shifted) != (caps and letter):
            yield from self.pressed(code, SHIFT)
        else:
            yield from self.pressed(code)

    def pressed(self, code: int, *held: int) -> Iterator[Event]:
        for one in held:
            yield (EV_KEY, one, DOWN)
        yield (EV_KEY, code, DOWN)
        yield (EV_SYN, 0, 0)
        if self.rng.random() < 0.02:
            yield from ((EV_KEY, code, REPEAT),) * self.rng.randint(1, 5)
        yield (EV_KEY, code, UP)
        for one in held:
            yield (EV_KEY, one, UP)
        yield (EV_SYN, 0, 0)


def play(
    count: int, seed: int, layout: str, suffix: int | None, prefix: str
) -> tuple[list[str | None], list[str | None]]:
    """(what came out, what was meant); None is a fault."""
    person = Person(random.Random(seed), layout, suffix, prefix)
    framer = Framer("w", "auto" if suffix is not None else "none", gap_s=GAP_S, prefix=prefix, typed=True)
    keys = KeyDecoder(layout)
    typing = Typing(keys)
    found: Found = []
    for event, at in person.scans(count):
        if event is None:
            found += framer.abandon(at)
            keys.reset()
        else:
            found += typing.feed(framer, *event, at)
    found += framer.expire(person.now + 2 * GAP_S)
    return _runs(one.text if isinstance(one, Scan) else None for one in found), _runs(person.expected)


def _runs(found: Iterable[str | None]) -> list[str | None]:
    """Cut scans in a row as one: two halves without a silence between them cannot be told from one."""
    out: list[str | None] = []
    for one in found:
        if one is not None or out[-1:] != [None]:
            out.append(one)
    return out


SETTINGS = [
    ("us", KEY_ENTER, ""),
    ("de", KEY_ENTER, PREFIX),
    ("fr", 15, ""),
    ("it", None, ""),
    ("es", None, PREFIX),
    ("uk", 96, PREFIX),
]


@pytest.mark.parametrize(("layout", "suffix", "prefix"), SETTINGS)
def test_exactly_the_intended_scans_come_out(layout: str, suffix: int | None, prefix: str):
    found, meant = play(200, 4711, layout, suffix, prefix)
    assert found == meant
    assert meant.count(None) > 5


if __name__ == "__main__":
    scans, first_seed = int(sys.argv[1]), int(sys.argv[2])
    for number, setting in enumerate(SETTINGS):
        came, wanted = play(scans, first_seed + number, *setting)
        print(setting, "scans", len(wanted), "cut", wanted.count(None), "as meant:", came == wanted)
        if came != wanted:
            sys.exit(1)
