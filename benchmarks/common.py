"""Timing against a floor measured in the same run, and the figure that comes out of it.

The machine is shared and noisy, and its noise comes in waves. So floor and subject take turns in short rounds; each
round gives a pair of medians; the figure is the median of the pairs' ratios. The least and the most tell the noise.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Literal

Timed = Callable[[], float]
"""Does the thing once and returns the seconds it took."""

BarOn = Literal["ratio", "value"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. value, floor, least, most: in `unit`. bar: the most that `bar_on` may be; None for no bar.

    ratio: the median of the rounds' ratios, so not exactly value / floor. None where there is no floor.
    """

    name: str
    value: float
    unit: str
    floor: float | None
    ratio: float | None
    bar: float | None
    ok: bool
    bar_on: BarOn
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Options:
    """quick: few rounds, to see that it works; its figures are not for publication."""

    folder: Path
    quick: bool = False

    def rounds(self, wished: int) -> int:
        return max(3, wished // 5) if self.quick else wished


@dataclass(frozen=True, slots=True)
class Rounds:
    """Medians of each round in seconds (or bytes): pairs of floor and subject."""

    floors: list[float]
    subjects: list[float]


Benchmark = Callable[[Options], Iterator[Figure]]


REST_S = 0.15
"""After this long a till has printed, told its pages and closed its books on the scan before."""


def rested(measure: Timed) -> Timed:
    """`measure` after a rest: a till redeems once in a while and never in a tight loop. Floor and subject both rest,
    so that both find the processor's caches and clock as an idle machine leaves them.
    """

    def after_a_rest() -> float:
        sleep(REST_S)
        return measure()

    return after_a_rest


def paired(floor: Timed, subject: Timed, *, rounds: int, each: int, warm_up: int = 20) -> Rounds:
    """Take turns: `each` times the floor, `each` times the subject, `rounds` times."""
    for _ in range(warm_up):
        floor()
        subject()
    floors, subjects = [], []
    for _ in range(rounds):
        floors.append(statistics.median(floor() for _ in range(each)))
        subjects.append(statistics.median(subject() for _ in range(each)))
    return Rounds(floors, subjects)


def timed(work: Callable[[], object], repeat: int = 1) -> Timed:
    """`work` as something that times itself; repeat: how often for one reading, for what is too short to read."""

    def measure() -> float:
        started = perf_counter()
        for _ in range(repeat):
            work()
        return (perf_counter() - started) / repeat

    return measure


_SCALE = {"s": 1.0, "ms": 1e3, "µs": 1e6, "MB": 1e-6}


def figure(
    name: str, unit: str, found: Rounds, *, bar: float | None = None, bar_on: BarOn = "ratio"
) -> Figure:
    """The figure of rounds with a floor. unit: s, ms, µs or MB."""
    scale = _SCALE[unit]
    ratio = statistics.median(
        subject / floor for floor, subject in zip(found.floors, found.subjects, strict=True)
    )
    value = statistics.median(found.subjects) * scale
    judged = ratio if bar_on == "ratio" else value
    return Figure(
        name,
        round(value, 3),
        unit,
        round(statistics.median(found.floors) * scale, 3),
        round(ratio, 3),
        bar,
        bar is None or judged <= bar,
        bar_on,
        round(min(found.subjects) * scale, 3),
        round(max(found.subjects) * scale, 3),
    )


def alone(name: str, unit: str, measure: Timed, *, rounds: int, bar: float | None = None) -> Figure:
    """The figure of something without a floor; a bar is on its value."""
    measure()
    readings = [measure() * _SCALE[unit] for _ in range(rounds)]
    value = statistics.median(readings)
    ok = bar is None or value <= bar
    return Figure(
        name,
        round(value, 3),
        unit,
        None,
        None,
        bar,
        ok,
        "value",
        round(min(readings), 3),
        round(max(readings), 3),
    )


HEADER = (
    f"{'figure':<58} {'value':>10} {'unit':<4} {'least':>9} {'most':>9} {'floor':>9} {'ratio':>7} {'bar':>9}"
)


def line(one: Figure) -> str:
    """The figure's line of the table."""
    floor = "" if one.floor is None else f"{one.floor:.3f}"
    ratio = "" if one.ratio is None else f"{one.ratio:.2f}x"
    bar = "" if one.bar is None else f"{one.bar:g}{'x' if one.bar_on == 'ratio' else ' ' + one.unit}"
    verdict = "" if one.bar is None else "ok" if one.ok else "MISSED"
    return (
        f"{one.name:<58} {one.value:>10.3f} {one.unit:<4} {one.least:>9.3f} {one.most:>9.3f}"
        f" {floor:>9} {ratio:>7} {bar:>9} {verdict}"
    ).rstrip()


def write(figures: list[Figure], path: Path) -> None:
    """The figures as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps([asdict(one) for one in figures], ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
