"""A till as the cloud knows it: where it stands, and the keys that it had one after the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class TillState(StrEnum):
    WAITING = "waiting"  # made, its enrolment code not used yet
    ENROLLED = "enrolled"
    REVOKED = "revoked"


class KeyStanding(StrEnum):
    """What a till's key is worth. ANNOUNCED: replaces the current one with the first request that it signs.

    REPLACED: signs no more; what it signed in its time still counts and may still be delivered. DROPPED: the same, and
    it was only announced when another was, or when the till was enrolled anew: nobody knows whether the till had begun
    to sign with it.
    """

    ANNOUNCED = "announced"
    CURRENT = "current"
    REPLACED = "replaced"
    DROPPED = "dropped"


OUT_OF_USE = frozenset({KeyStanding.REPLACED, KeyStanding.DROPPED})
"""What may deliver and ask for nothing."""


class LaneStart(NamedTuple):
    """Where a key's records begin: behind sequence `after`, whose hash is `hash` ("" where the till knows it).

    known: the last sequence before, as far as the cloud knew; what lies between was lost with a disk.
    """

    known: int
    after: int
    hash: str


@dataclass(frozen=True, slots=True)
class TillKey:
    """public_key: 32 raw bytes of Ed25519. lanes: where its records begin."""

    public_key: bytes
    standing: KeyStanding
    lanes: Mapping[str, LaneStart]


@dataclass(frozen=True, slots=True)
class Till:
    """keys: in the order in which it had them. Times are RFC 3339 in UTC."""

    till: str
    store: str
    state: TillState
    enrolled_at: str | None
    keys: tuple[TillKey, ...]
    revoked_at: str | None = None

    @property
    def public_key(self) -> bytes | None:
        """The current key; None before enrolment."""
        return next((key.public_key for key in self.keys if key.standing is KeyStanding.CURRENT), None)

    def keys_of(self, lane: str, sequence: int) -> list[bytes]:
        """The keys that may have signed this record: the one in force there, and any that was just announced there."""
        found = []
        for key in reversed(self.keys):
            if key.lanes[lane].after < sequence:
                found.append(key.public_key)
                if key.standing in (KeyStanding.CURRENT, KeyStanding.REPLACED):
                    break
        return found
