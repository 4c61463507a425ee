"""What the story holds in its hands: the parts that run, the coupons that are left, what came of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.commands.admin import CloudAdmin
from agent.demo.parts import Daemon, DemoError, TillClient
from drivers.virtual_printer import VirtualPrinter, save_receipt
from drivers.virtual_scanner import VirtualScanner

TILL = "T-0001"


@dataclass
class Day:
    """What the story holds in its hands."""

    folder: Path
    scanner: VirtualScanner
    printer: VirtualPrinter
    tokens: dict[str, list[str]] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[dict[str, str]] = field(default_factory=list)
    ledgers_equal: bool = False
    api_port: int = 0
    cloud: Daemon = field(init=False)
    till: Daemon = field(init=False)
    client: TillClient = field(init=False)
    admin: CloudAdmin = field(init=False)

    def take(self, kind: str) -> str:
        """The next unused coupon of a kind."""
        return self.tokens[kind].pop(0)

    def relative(self, path: Path) -> str:
        return os.path.relpath(path, Path.cwd())

    def keep_receipt(self, job: bytes) -> None:
        """Write a printed job as bytes, as a picture and as text."""
        saved = save_receipt(job, self.folder / "receipts", len(self.receipts) + 1)
        paths = {"escpos": saved.escpos, "png": saved.png, "text": saved.text}
        self.receipts.append({name: self.relative(path) for name, path in paths.items()})

    async def scan(self, text: str) -> dict[str, Any]:
        """Scan with the serial scanner and wait for the verdict."""
        before = len(self.client.verdicts)
        self.scanner.scan(text)
        return await self.client.wait_verdict("counter", before)


def expect(holds: bool, what: str, seen: object = "") -> None:
    """DemoError unless it holds."""
    if not holds:
        raise DemoError(f"{what}; seen: {seen}" if seen != "" else what)
