"""The exceptions of `sync`. One root, split by what the caller does next.

What a network or a cloud does to us is not an exception: it is an `Answer` or a `Failure` (`sync.ports`).
"""

from __future__ import annotations


class SyncError(Exception):
    """Root of everything `sync` raises on purpose."""


class WireError(SyncError):
    """Bytes from outside are not what the protocol says. Refuse them; the code is stable, the sentence is
    for people.

    code: lower_snake_case, one of those listed in docs/sync-protocol.md.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


class SignatureError(WireError):
    """A request is not signed, not signed in our profile, or not by the key it names. The cloud answers
    401.
    """


class UplinkConfigError(SyncError):
    """The address of the cloud or its CA file cannot be used. Trying again cannot help: a setting must
    change.
    """


class OutboxUnavailable(SyncError):
    """The till's store cannot be read or written now. The lane keeps its records and tries again later."""
