"""Where a till asks its cloud, below the base URL. Pure."""

from __future__ import annotations

import re

from sync.errors import WireError

ENROL_PATH = "/v1/enrol"
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def till_path(till_id: str) -> str:
    return f"/v1/tills/{_segment(till_id)}"


def batch_path(till_id: str, lane: str) -> str:
    return f"{till_path(till_id)}/batches/{_segment(lane)}"


def bundle_path(till_id: str, *, newer: bool = False) -> str:
    """newer: one that was signed just now, though nothing changed."""
    return f"{till_path(till_id)}/bundle{'?newer=1' if newer else ''}"


def root_path(epoch: int) -> str:
    return f"/v1/roots/{epoch:d}"


def key_path(till_id: str) -> str:
    """Where a till announces its next key."""
    return f"{till_path(till_id)}/key"


def checks_path(till_id: str) -> str:
    """Where a till asks about coupons before it accepts them."""
    return f"{till_path(till_id)}/checks"


def part_path(sha256_hex: str) -> str:
    """sha256_hex: 64 lowercase hex digits, from a verified manifest."""
    if not _SHA256_HEX.fullmatch(sha256_hex):
        raise WireError("bad_digest", "a part is named by 64 lowercase hex digits")
    return f"/v1/parts/{sha256_hex}"


def _segment(text: str) -> str:
    if not _SEGMENT.fullmatch(text):
        raise WireError(
            "bad_name", f"{text[:80]!r} is not a name: 1 to 64 of A-Z a-z 0-9 . _ - and no dot first"
        )
    return text
