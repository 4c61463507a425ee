"""`python -m tests.fuzz --seconds N`: fuzz everything that reads hostile input. Exit code 1 if something broke."""

from __future__ import annotations

import argparse
import sys
from random import SystemRandom

from tests.fuzz import engine
from tests.fuzz.mutants import accepted_forms
from tests.fuzz.targets import TARGETS

MUTANTS = 100_000


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition(": ")[2])
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together (%(default)s)")
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=[*TARGETS, "mutants"], help="again for more"
    )
    parser.add_argument("--engine", choices=["auto", "atheris", "mutation"], default="auto")
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(2**32), help="of mutation and mutants"
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the smallest of what was found into the corpus (atheris)"
    )
    options = parser.parse_args(arguments)
    with_atheris = options.engine == "atheris" or (options.engine == "auto" and engine.has_atheris())
    if with_atheris and not engine.has_atheris():
        parser.error("atheris is not installed here: use --engine mutation")
    chosen = [name for name in TARGETS if not options.only or name in options.only]
    broken = []
    for name in chosen:
        each = options.seconds / len(chosen)
        problem = (
            engine.by_atheris(name, each) if with_atheris else engine.by_mutation(name, each, options.seed)
        )
        if problem is not None:
            broken.append(name)
            print(f"{name}: BROKEN\n{problem}", file=sys.stderr, flush=True)
        elif options.keep and with_atheris:
            print(f"{name:<16} {engine.keep(name):>9} inputs kept", flush=True)
    if not options.only or "mutants" in options.only:
        broken += _mutants(options.seed)
    if broken:
        print(f"broken: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def _mutants(seed: int) -> list[str]:
    forms = accepted_forms(MUTANTS, seed)
    several = {one: sorted(texts) for one, texts in forms.items() if len(texts) > 1}
    print(
        f"{'mutants':<16} {MUTANTS:>9} mutants of {len(forms)} tokens, seed {seed}: {len(several)} with two forms"
    )
    for one, texts in several.items():
        print(f"mutants: {one} is also accepted as {texts}", file=sys.stderr)
    return ["mutants"] if several else []


if __name__ == "__main__":
    sys.exit(main())
