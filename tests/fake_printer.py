"""A `ReceiptPrinter` without a device, for tests of whoever prints. It keeps the contract of the real ones
(tests/contract/test_receipt_printer.py runs over it too)."""

from __future__ import annotations

import time

from drivers.ports import Delivery, DeviceState, DeviceStatus, PrinterCause, PrinterStatus, SendResult


class FakePrinter:
    """printed: confirmed jobs. cause: set it to make the printer not ready. delivery: what an accepted job reports."""

    def __init__(self, name: str = "fake") -> None:
        self.printed: list[bytes] = []
        self.cause: PrinterCause | None = None
        self.delivery = Delivery.CONFIRMED
        self._name = name
        self._state = DeviceState.STARTING
        self._since = time.monotonic()

    @property
    def name(self) -> str:
        return self._name

    def status(self) -> DeviceStatus:
        told = self._state is DeviceState.LOST or self.cause is PrinterCause.PAPER_LOW
        detail = self.cause.value if told and self.cause else ""
        return DeviceStatus(self._name, "fake", self._state, detail, self._since, detail)

    @property
    def answers(self) -> bool:
        return True

    async def query(self, silence_counts: bool = True) -> PrinterStatus:
        ready = self.cause in (None, PrinterCause.PAPER_LOW)
        if self.cause is PrinterCause.UNREACHABLE and not silence_counts:
            return PrinterStatus(False, (self.cause,), self.cause)
        self._state = DeviceState.READY if ready else DeviceState.LOST
        return PrinterStatus(ready, () if self.cause is None else (self.cause,), self.cause or "")

    def expect_rest(self) -> None:
        """It is never inside a command."""

    async def send(self, job: bytes, turn_s: float | None = None) -> SendResult:
        if not job:
            return SendResult(Delivery.NOT_SENT, PrinterCause.MISCONFIGURED, "an empty job")
        status = await self.query()
        if not status.ready:
            return SendResult(Delivery.NOT_SENT, self.cause, status.detail)
        if self.delivery is Delivery.CONFIRMED:
            self.printed.append(job)
        return SendResult(self.delivery, self.cause, "")
