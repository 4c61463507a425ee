"""Status vectors: three states of a list, the deltas between them, and parts that must be refused.

States and hashes are made here from numbers and bytes, not by the code under test; the gaps are written by hand.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from agent.domain import cbor

ISSUER, CAMPAIGN, COUNT = "acme", 7, 1000
SNAPSHOT = "status/acme/7"
USED, REVOKED = 1, 2
STATES: list[dict[int, int]] = [
    {3: USED, 9: REVOKED},
    {0: USED, 3: REVOKED, 9: REVOKED, 128: USED, 999: USED},
    {0: USED, 3: REVOKED, 4: USED, 5: USED, 9: REVOKED, 128: REVOKED, 999: USED},
    {3: REVOKED, 4: USED, 9: REVOKED, 128: REVOKED, 200: USED, 999: USED},  # two used ones came back
]
# What became used, revoked and, where any did, valid again: the indexes and their gaps in hexadecimal.
Change = tuple[list[int], str, list[int], str, list[int], str]
CHANGES: list[Change] = [
    ([0, 128, 999], "00 7f e606", [3], "03", [], ""),
    ([4, 5], "04 00", [128], "8001", [], ""),
    ([200], "c801", [], "", [0, 5], "00 04"),
]
# What was used within it and came back changes nothing.
MERGED: Change = ([4, 200, 999], "04 c301 9e06", [3, 128], "03 7c", [], "")


def _bits(state: dict[int, int]) -> bytes:
    return sum(status << 2 * index for index, status in state.items()).to_bytes(COUNT // 4, "little")


def _hashed(state: dict[int, int]) -> bytes:
    """An array of five, each with its head: the name, "acme", 7, 1000, 250 bytes."""
    start = bytes.fromhex("85 70") + b"redeemd/status/1" + bytes.fromhex("64") + b"acme"
    return start + bytes.fromhex("07 1903e8 58fa") + _bits(state)


def _hash(state: dict[int, int]) -> bytes:
    return hashlib.sha256(_hashed(state)).digest()


def _snapshot(state: dict[int, int], **changes: Any) -> str:
    # Level 0: stored blocks, which every zlib writes alike.
    wire = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": COUNT, "bits": zlib.compress(_bits(state), 0)}
    return cbor.encode(wire | changes).hex()


def _delta(before: int, change: Change, after: int, **changes: Any) -> str:
    """The delta from state number `before` to number `after`."""
    used, revoked, valid = map(bytes.fromhex, (change[1], change[3], change[5]))
    given_back = {"valid": valid} if valid else {}
    wire = {
        "issuer": ISSUER,
        "campaign": CAMPAIGN,
        "base": _hash(STATES[before]),
        "target": _hash(STATES[after]),
    }
    return cbor.encode(wire | {"used": used, "revoked": revoked} | given_back | changes).hex()


def _parts(*deltas: str, snapshot: str = _snapshot(STATES[0])) -> dict[str, str]:
    return {SNAPSHOT: snapshot} | {f"delta/acme/7/{place}": delta for place, delta in enumerate(deltas, 1)}


def vectors() -> dict[str, Any]:
    """The content of status.json."""
    deltas = [_delta(at, change, at + 1) for at, change in enumerate(CHANGES)]

    def lie(**changes: Any) -> dict[str, str]:
        return _parts(deltas[0], _delta(1, CHANGES[1], 2, **changes))

    refused = [
        ("a delta left out", _parts(deltas[1]), "wrong_base"),
        ("deltas in another order", _parts(deltas[1], deltas[0]), "wrong_base"),
        ("a delta twice", _parts(deltas[0], deltas[0], deltas[1]), "wrong_base"),
        ("another snapshot", _parts(*deltas, snapshot=_snapshot(STATES[1])), "wrong_base"),
        ("no snapshot", {"delta/acme/7/1": deltas[0]}, "wrong_base"),
        ("a gap in the places", _parts(deltas[0]) | {"delta/acme/7/3": deltas[1]}, "wrong_base"),
        ("a delta of another campaign", lie(campaign=8), "wrong_base"),
        ("another target", lie(target=_hash(STATES[0])), "wrong_target"),
        ("one change left out", lie(used=b"\4"), "wrong_target"),
        ("used again", lie(used=bytes.fromhex("00 03 00")), "not_rising"),
        ("a revoked coupon used", lie(used=bytes.fromhex("04 00 03")), "not_rising"),
        ("a coupon used and revoked", lie(revoked=b"\5"), "malformed"),
        ("a coupon beyond the list", lie(used=bytes.fromhex("e807"), revoked=b""), "malformed"),
        ("no change", lie(used=b"", revoked=b""), "malformed"),
        ("a gap with a zero too many", lie(used=bytes.fromhex("8400 00")), "malformed"),
        ("a gap cut short", lie(revoked=bytes.fromhex("80")), "malformed"),
        ("a revoked coupon given back", lie(used=b"", revoked=b"", valid=b"\3"), "not_used"),
        ("a coupon given back that was not used", lie(valid=b"\7"), "not_used"),
        ("an empty list of those given back", lie(valid=b""), "malformed"),
        ("a gap of five bytes", lie(revoked=bytes.fromhex("8080808001")), "malformed"),
        ("a field more", lie(zlib=True), "malformed"),
        ("a snapshot of another size", _parts(snapshot=_snapshot(STATES[0], count=1001)), "malformed"),
        ("a snapshot under another name", {"status/acme/8": _snapshot(STATES[0])}, "malformed"),
    ]
    return {
        "about": "docs/bundle-format.md, section Status lists; `parts` lead to the last of `states`",
        "issuer": ISSUER,
        "campaign": CAMPAIGN,
        "count": COUNT,
        "states": [
            {
                "used": [index for index, status in state.items() if status == USED],
                "revoked": [index for index, status in state.items() if status == REVOKED],
                "bits": _bits(state).hex(),
                "hashed": _hashed(state).hex(),
                "hash": _hash(state).hex(),
            }
            for state in STATES
        ],
        "deltas": [
            {"used": used, "used_gaps": used_gaps, "revoked": revoked, "revoked_gaps": revoked_gaps}
            | ({"valid": valid, "valid_gaps": valid_gaps} if valid else {})
            for used, used_gaps, revoked, revoked_gaps, valid, valid_gaps in CHANGES
        ],
        "parts": _parts(*deltas),
        "merged_parts": _parts(_delta(0, MERGED, 3)),
        "invalid": [{"name": name, "parts": parts, "code": code} for name, parts, code in refused],
    }
