"""What the demo stands on."""

from __future__ import annotations

import socket

import pytest

from agent.demo import parts


def test_a_port_of_one_demo_is_no_others_though_nothing_listens_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While its till was killed, another demo took its port, and each spoke to the other's till."""
    claims: list[socket.socket] = []
    monkeypatch.setattr(parts, "_claims", claims)
    first = parts.free_port(0)
    assert parts.free_port(first) != first
    for claim in claims:
        claim.close()
    claims.clear()
    assert parts.free_port(first) == first
    claims[0].close()
