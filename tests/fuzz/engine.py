"""Two engines: atheris, guided by the code that an input reaches, and plain mutation where it is not installed."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from time import monotonic
from types import FrameType
from typing import Any

from tests.fuzz.targets import TARGETS, corpus, corpus_file

WORK = Path("var/fuzz")
"""What atheris found to be new, and what broke something; not kept in git."""
_BLOCKS = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x9f",
    b"\xbf",
    b"\xa0",
    b"\x18\x18",
    b"\x1b" + b"\xff" * 8,
    b"=",
    b"\n",
)
KEPT_MOST = 60
"""Inputs of one target that are kept in git."""


def mutated(data: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    """`data` after one to eight small changes, a piece of another input among them now and then."""
    octets = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(octets))
        match chance.randrange(7):
            case 0 if at < len(octets):
                octets[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(octets):
                octets[at] = chance.randrange(256)
            case 2:
                octets[at:at] = chance.choice(_BLOCKS)
            case 3:
                del octets[at : at + chance.randint(1, 8)]
            case 4:
                octets[at:at] = octets[at : at + chance.randint(1, 16)]
            case 5:
                other = chance.choice(others)
                start = chance.randint(0, len(other))
                octets[at : at + chance.randint(0, 32)] = other[start : start + chance.randint(1, 32)]
            case _:
                octets[at:] = octets[at : at + chance.randint(0, 64)]
    return bytes(octets)


def by_mutation(name: str, seconds: float, seed: int) -> str | None:
    """Mutate the corpus for `seconds`; the first bug's traceback, or None. The breaking input is written to WORK."""
    target, inputs, chance = TARGETS[name], corpus(name), Random(seed)
    until, tried = monotonic() + seconds, 0
    while monotonic() < until:
        data = mutated(chance.choice(inputs), inputs, chance)[: target.most]
        tried += 1
        try:
            target.read(data)
        except Exception:
            path = _write(WORK / "broken" / name.replace(" ", "-"), data)
            return f"{path}: {data.hex()}\n{traceback.format_exc()}"
    print(f"{name:<16} {tried:>9} inputs by mutation, seed {seed}", flush=True)
    return None


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def by_atheris(name: str, seconds: float) -> str | None:
    """Fuzz with atheris in a process of its own, which libFuzzer ends; its output if something broke, or None."""
    grown, broken = _folders(name)
    for data in corpus(name):
        _write(grown, data)
    options = [f"-max_total_time={max(1, round(seconds))}", "-timeout=10", "-rss_limit_mb=1024"]
    options += [f"-max_len={TARGETS[name].most}", f"-artifact_prefix={broken}/"]
    done = _child(name, [*options, str(grown)], seconds + 60)
    if done.returncode:
        return f"see {broken}\n{done.stderr[-4000:]}"
    told = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    print(f"{name:<16} {' '.join(told)}", flush=True)
    return None


def keep(name: str) -> int:
    """Put into the corpus that git keeps what reaches code that the seeds do not, short ones first; how many."""
    grown, _ = _folders(name)
    target = TARGETS[name]
    seen: set[object] = set()
    for seed in target.seeds():
        seen |= reached(target.read, seed)
    found = {path.read_bytes() for path in grown.iterdir()} | set(corpus(name))
    kept: list[bytes] = []
    for data in sorted(found, key=lambda data: (len(data), data)):
        new = reached(target.read, data) - seen
        if new and len(kept) < KEPT_MOST:
            seen |= new
            kept.append(data)
    corpus_file(name).parent.mkdir(exist_ok=True)
    corpus_file(name).write_text("".join(data.hex() + "\n" for data in kept), encoding="ascii")
    return len(kept)


def reached(read: Callable[[bytes], object], data: bytes) -> set[object]:
    """The steps from line to line inside agent.domain that reading `data` takes."""
    steps: set[object] = set()

    def on_call(frame: FrameType, event: str, _: Any) -> Any:
        if "/agent/domain/" not in frame.f_code.co_filename:
            return None
        before = frame.f_lineno

        def on_line(inner: FrameType, event: str, _: Any) -> Any:
            nonlocal before
            steps.add((inner.f_code, before, inner.f_lineno))
            before = inner.f_lineno
            return on_line

        return on_line

    sys.settrace(on_call)
    try:
        read(data)
    finally:
        sys.settrace(None)
    return steps


def _folders(name: str) -> tuple[Path, Path]:
    folders = WORK / "grown" / name.replace(" ", "-"), WORK / "broken" / name.replace(" ", "-")
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def _write(folder: Path, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()
    path.write_bytes(data)
    return path


def _child(name: str, options: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.child", name, *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False, errors="replace"
    )
