"""What erasing a person asks of the ledger, within one transaction: a part of `agent.ports.Transaction`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class Erases(Protocol):
    """Synchronous: it runs in the writer's thread."""

    def erased(self) -> int:
        """Up to which erasure this till has erased."""

    def put_erased(self, number: int) -> None: ...

    def erase(self, is_erased: Callable[[bytes], bool], members: Iterable[bytes]) -> int:
        """Forget whom `is_erased` says of a pseudonym, or who is counted under these digests; how many rows knew."""
