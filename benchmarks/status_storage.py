"""Where a status list is kept while the till runs: the measurement behind decision 0016.

    python -m benchmarks.status_storage         10 million coupons, 10 % used: bytes, a mapped file, a SQLite blob

Each way runs in a process of its own and answers the same random look-ups. ready: from the opened file to the first
answer, with the content verified as the till must. anon, file: what the process holds more than before, of its own and
of the page cache (resident, /proc/self/status). look-up: median of 50 rounds of 2000.
"""

from __future__ import annotations

import hashlib
import mmap
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from agent.domain import cbor, status
from agent.domain.status_parts import read_lists, snapshot_name, snapshot_to_wire

COUNT = 10_000_000
NAME = ("acme", 1)
LookUp = Callable[[int], int]


def _prepare(folder: Path) -> None:
    marked = [(index, 1) for index in random.Random(3).sample(range(COUNT), COUNT // 10)]
    listed = status.make(COUNT, marked)
    (folder / "bits").write_bytes(listed.bits)
    part = cbor.encode(snapshot_to_wire(*NAME, listed))
    db = sqlite3.connect(folder / "till.db")
    db.execute("CREATE TABLE part (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
    db.execute("CREATE TABLE list (id INTEGER PRIMARY KEY, bits BLOB NOT NULL)")
    db.execute("INSERT INTO part VALUES (?, ?)", (snapshot_name(*NAME), part))
    db.execute("INSERT INTO list VALUES (1, ?)", (listed.bits,))
    db.commit()
    db.close()


def _bytes(folder: Path) -> LookUp:
    """The part as it was fetched, verified, inflated."""
    db = sqlite3.connect(folder / "till.db")
    (content,) = db.execute("SELECT content FROM part").fetchone()
    hashlib.sha256(content).digest()
    listed = read_lists({snapshot_name(*NAME): content})[NAME]
    return listed.__getitem__


def _mapped(folder: Path) -> LookUp:
    """A file of its own beside the database, mapped, verified by a look at all of it."""
    with (folder / "bits").open("rb") as file:
        bits = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    hashlib.sha256(bits).digest()
    return lambda index: bits[index >> 2] >> 2 * (index & 3) & 3


def _blob(folder: Path) -> LookUp:
    """The bits in a row, read byte by byte through sqlite3.Blob, verified in pieces."""
    db = sqlite3.connect(folder / "till.db")
    bits = db.blobopen("list", "bits", 1, readonly=True)
    digest = hashlib.sha256()
    while piece := bits.read(65536):
        digest.update(piece)

    def look_up(index: int) -> int:
        bits.seek(index >> 2)
        return bits.read(1)[0] >> 2 * (index & 3) & 3

    return look_up


WAYS = {"bytes": _bytes, "mapped": _mapped, "blob": _blob}


def _resident_kib(kind: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"Rss{kind}:"):
            return int(line.split()[1])
    raise AssertionError("Linux tells it")


def _measure(way: str, folder: Path) -> None:
    drawn = random.Random(7).sample(range(COUNT), 2000)
    before = {kind: _resident_kib(kind) for kind in ("Anon", "File")}
    started = perf_counter()
    look_up = WAYS[way](folder)
    look_up(drawn[0])
    ready = perf_counter() - started
    rounds = []
    for _ in range(50):
        started = perf_counter()
        for index in drawn:
            look_up(index)
        rounds.append((perf_counter() - started) / len(drawn))
    anon, file = (_resident_kib(kind) - before[kind] for kind in ("Anon", "File"))
    found = f"{ready * 1e3:9.2f} ms {anon / 1024:7.2f} MiB {file / 1024:7.2f} MiB"
    print(f"{way:<8} {found} {statistics.median(rounds) * 1e6:9.3f} µs")


def main(arguments: list[str]) -> None:
    if arguments:
        _measure(arguments[0], Path(arguments[1]))
        return
    print(f"{'way':<8} {'ready':>12} {'anon':>11} {'file':>11} {'look-up':>12}", flush=True)
    with tempfile.TemporaryDirectory(prefix="status-") as folder:
        _prepare(Path(folder))
        for way in WAYS:
            subprocess.run([sys.executable, "-m", "benchmarks.status_storage", way, folder], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
