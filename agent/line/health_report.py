"""What a till says of itself to its cloud: its own status, in the few words of `sync.till_health`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.till_health import TillHealth, to_header

NAME_CHARS_MAX = 64


def report(status: Mapping[str, Any], delivered: Mapping[str, int]) -> str:
    """The header's value. status: as `Till.status` gives it. delivered: by lane, up to where nothing waits."""
    bundle, outbox = status["bundle"], status["outbox"]
    return to_header(
        TillHealth(
            version=status["version"],
            epoch=bundle["epoch"],
            sequence=bundle["sequence"],
            issued=bundle["issued"],
            age=bundle["age"],
            doubt=status["clock"]["en"].rpartition(" ")[2] if status["clock"]["doubt"] else "",
            waiting=outbox["waiting"],
            oldest=outbox["oldest"],
            quarantined=outbox["quarantined"],
            healthy=status["healthy"],
            devices=tuple(
                (one["role"], one["name"][:NAME_CHARS_MAX], one["state"]) for one in status["devices"]
            ),
            issues=tuple(one["code"] for one in status["issues"]),
            delivered=tuple(delivered.items()),
        )
    )
