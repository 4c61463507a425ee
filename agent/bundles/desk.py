"""The use case of a bundle that somebody carried here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.bundles.carried import INBOX, import_file
from agent.bundles.refresh import Refresher
from agent.state import TillState

log = logging.getLogger(__name__)


class ImportRunning(Exception):
    """A bundle file is being taken right now; another one waits for its end."""


class BundleDesk:
    """changed: called after each attempt."""

    def __init__(
        self, state_dir: Path, refresher: Refresher, state: TillState, changed: Callable[[], None]
    ) -> None:
        self._file = state_dir / INBOX
        self._refresher = refresher
        self._state = state
        self._changed = changed
        self._running = False

    async def take(self) -> dict[str, Any]:
        """Take the bundle file that `redeemd bundle import` has put into the state directory: the Imported object.

        One at a time, for each holds a whole bundle in memory: ImportRunning for another.
        """
        if self._running:
            raise ImportRunning
        self._running = True
        try:
            imported = await import_file(self._file, self._refresher, self._state)
        finally:
            self._running = False
        self._changed()
        log.warning("bundle import", extra={"code": imported.code, "detail": imported.detail})
        return imported.to_json()
