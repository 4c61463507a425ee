"""Write the published vectors, or with --check tell whether they are what this code writes.

    python -m tests.vectors.generate            write tests/vectors/*.json
    python -m tests.vectors.generate --check    exit 1 and name the files that differ

What is expected of each input is written by hand in the modules beside this one; signatures come from fixed seeds and
Ed25519 is deterministic, so the files never change by themselves.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors import (
    bundles,
    checks,
    codes,
    decisions,
    members,
    pricing,
    promos,
    records,
    statements,
    statuses,
    tokens,
    wording,
)

FOLDER = Path(__file__).parent
FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "tokens.json": tokens.vectors,
    "checks.json": checks.vectors,
    "decisions.json": decisions.vectors,
    "records.json": records.vectors,
    "bundle.json": bundles.vectors,
    "codes.json": codes.vectors,
    "pricing.json": pricing.vectors,
    "promos.json": promos.vectors,
    "members.json": members.vectors,
    "statements.json": statements.vectors,
    "status.json": statuses.vectors,
    "wording.json": wording.vectors,
}


def content(name: str) -> str:
    """What the file `name` should hold."""
    return json.dumps(FILES[name](), ensure_ascii=False, indent=1) + "\n"


def differing() -> list[str]:
    """The files that are missing or not what this code writes."""
    return [
        name
        for name in FILES
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != content(name)
    ]


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        for name in differing():
            print(
                f"tests/vectors/{name} differs; write it with: python -m tests.vectors.generate",
                file=sys.stderr,
            )
        return 1 if differing() else 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for name in FILES:
        (FOLDER / name).write_text(content(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
