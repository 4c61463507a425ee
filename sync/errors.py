"""The exceptions of `sync`. One root, split by what the caller does next.

What a network or a cloud does to us is not an exception: it is an `Answer` or a `Failure` (`sync.ports`).
"""

from __future__ import annotations


class SyncError(Exception):
    """Root of everything `sync` raises on purpose."""


class WireError(SyncError):
    """Bytes from outside are not what the protocol says: refuse them.

    code: stable, lower_snake_case, one of those in docs/sync-protocol.md. sentence: the same for people.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


class SignatureError(WireError):
    """A request is not signed, not in our profile, or not by the key it names: 401."""


class UplinkConfigError(SyncError):
    """The cloud's address or its CA file cannot be used: a setting must change."""


class OutboxUnavailable(SyncError):
    """The till's store cannot be read or written now: the lane tries again later."""
