"""One atheris run: `python -m tests.fuzz.child TARGET [libFuzzer's options]`. libFuzzer ends the process."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["agent.domain"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.read)
    atheris.Fuzz()
