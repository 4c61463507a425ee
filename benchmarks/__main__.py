"""`python -m benchmarks`: measure, print a table, write var/bench.json. Exit code 1 if a bar is missed."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from agent import logs
from benchmarks import (
    step01,
    step02,
    step02_codes,
    step02_issue,
    step02_status,
    step03,
    step04,
    step04_camera,
    step05,
    step06_ingest,
    step06_news,
    step06_sync,
)
from benchmarks.common import HEADER, Benchmark, Figure, Options, line, write

REGISTRY: tuple[dict[str, Benchmark], ...] = (
    step01.BENCHMARKS,
    step02.BENCHMARKS,
    step02_status.BENCHMARKS,
    step02_codes.BENCHMARKS,
    step02_issue.BENCHMARKS,
    step03.BENCHMARKS,
    step04.BENCHMARKS,
    step04_camera.BENCHMARKS,
    step05.BENCHMARKS,
    step06_ingest.BENCHMARKS,
    step06_news.BENCHMARKS,
    step06_sync.BENCHMARKS,
)
"""Each step's benchmarks by what they are about. One may give several figures; their names begin with its name."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition(":")[0])
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="only benchmarks with TEXT in their names; not written"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works; not written")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"), help="default: %(default)s")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    options = parser.parse_args(arguments)
    chosen = {
        name: run
        for benchmarks in REGISTRY
        for name, run in benchmarks.items()
        if options.only.lower() in name.lower()
    }
    if options.list or not chosen:
        print("\n".join(chosen) or f"no benchmark is named like {options.only!r}")
        return 0 if chosen else 2
    figures = _measure(chosen, options.out.parent, options.quick)
    if not options.quick and not options.only:
        write(figures, options.out)
    missed = [one.name for one in figures if not one.ok]
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _measure(chosen: dict[str, Benchmark], base: Path, quick: bool) -> list[Figure]:
    """Each benchmark in a folder of its own: on the disk of the project, never in a memory file system."""
    logs.set_up("info")  # what `redeemd run` logs is part of its work; where it goes is not
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(open(os.devnull, "w"))  # noqa: SIM115  open as long as the process
    base.mkdir(parents=True, exist_ok=True)
    print(HEADER, flush=True)
    figures = []
    for run in chosen.values():
        with tempfile.TemporaryDirectory(prefix="bench-", dir=base) as folder:
            for one in run(Options(Path(folder).resolve(), quick)):
                print(line(one), flush=True)
                figures.append(one)
    return figures


if __name__ == "__main__":
    sys.exit(main())
