"""Vectors of the online check: how a coupon stands with the cloud, and its word. Written by hand."""

from __future__ import annotations

from typing import Any


def _case(name: str, word: str, **standing: Any) -> dict[str, Any]:
    usual = {"known": True, "limit": 1, "revoked": False, "uses": 0, "elsewhere": 0, "own": 0}
    return {"name": name, "standing": usual | standing, "word": word}


def vectors() -> dict[str, Any]:
    """The content of checks.json."""
    return {
        "about": "docs/sync-protocol.md, The online check; agent/domain/online.py",
        "cases": [
            _case("nobody has it", "yes"),
            _case("no such campaign, or beyond its size", "unknown", known=False, revoked=True),
            _case("withdrawn", "revoked", revoked=True),
            _case("withdrawn and used", "revoked", revoked=True, uses=1),
            _case("its redemption arrived", "used", uses=1),
            _case("arrived twice: a conflict", "used", uses=2),
            _case("used, and reserved for another", "used", uses=1, elsewhere=1),
            _case("reserved for another till", "reserved", elsewhere=1),
            _case("reserved for this till by an earlier check", "yes", own=1),
            _case("two uses, one left", "yes", limit=2, uses=1),
            _case("two uses, one reserved for another", "yes", limit=2, elsewhere=1),
            _case("two uses, both reserved for others", "reserved", limit=2, elsewhere=2),
            _case(
                "two uses, one arrived, one reserved for another", "reserved", limit=2, uses=1, elsewhere=1
            ),
            _case("two uses, one reserved by this till's other check", "yes", limit=2, own=1),
            _case("two uses, both by this till's other checks", "reserved", limit=2, own=2),
            _case("two uses, one of each", "reserved", limit=2, elsewhere=1, own=1),
            _case("two uses, both arrived", "used", limit=2, uses=2),
        ],
    }
