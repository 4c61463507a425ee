"""Clouds that tests start as processes of their own, held to docs/cloud-openapi.yaml as those in this process are.

A process with `environment()` writes each answer of its cloud into a file as it gives it, which costs it little;
`faults` reads them afterwards. A process that is killed leaves a line that is cut, which is passed over.
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

_FILE = "REDEEMD_TEST_ANSWERS"
_ROOT = Path(__file__).parents[1]
ALIKE_MAX = 50
"""Answers of one route and status that are looked at."""


def environment(answers: Path) -> dict[str, str]:
    """For a process whose clouds, and those of the processes that it starts, write their answers into this file."""
    answers.touch()
    return {"PYTHONPATH": os.pathsep.join((str(_ROOT / "tests/witness"), str(_ROOT))), _FILE: str(answers)}


def witnessed(make_app: Callable[..., web.Application]) -> Callable[..., web.Application]:
    """In the process: `make_app`, whose answers are written down."""
    from tests.cloud_contract import seen

    file = os.open(os.environ[_FILE], os.O_WRONLY | os.O_APPEND)

    async def write(request: web.Request, response: web.StreamResponse) -> None:
        answer = seen(request, response)
        if answer is not None:
            said = [*answer[:-1], None if answer.body is None else answer.body.decode("latin-1")]
            os.write(file, json.dumps(said).encode() + b"\n")

    @functools.wraps(make_app)
    def made(*arguments: Any, **more: Any) -> web.Application:
        app = make_app(*arguments, **more)
        app.on_response_prepare.append(write)
        return app

    return made


def faults(answers: Path) -> list[str]:
    """What the document says otherwise. AssertionError if no cloud wrote anything: then this saw nothing."""
    from tests.cloud_contract import Seen, seen_fault

    lines = answers.read_bytes().split(b"\n")[:-1]
    assert lines, f"no cloud wrote its answers into {answers}"
    alike, found = Counter[tuple[str, str, int]](), []
    for line in lines:
        *said, body = json.loads(line)
        answer = Seen._make([*said, None if body is None else body.encode("latin-1")])
        kind = (answer.method, answer.path, answer.status)
        alike[kind] += 1
        if alike[kind] <= ALIKE_MAX and (why := seen_fault(answer)):
            found.append(why)
    return found
