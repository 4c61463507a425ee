"""The till as its API sees it: everything a page or a POS may ask, over the use cases. Constructs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from agent import health
from agent.bundles.desk import BundleDesk
from agent.bundles.refresh import Refresher
from agent.domain import time
from agent.domain.eligibility import Member
from agent.domain.outcome import Outcome, Tone
from agent.domain.risk import BadgeFault
from agent.domain.sale import Sale
from agent.domain.scan import Kind, route
from agent.domain.verdict import Verdict
from agent.guesses import Guesses
from agent.hub import Hub
from agent.intake import Arrival, Intake, Overflow
from agent.line.conflicts import Conflicts
from agent.line.desk import LaneDesk
from agent.members import NOBODY, Customer, Members
from agent.ports import Clock, CommitUnknown, Counts, LedgerUnavailable, PrintJob, Prints
from agent.printing.desk import ReceiptDesk
from agent.printing.queue import PrintQueue
from agent.promos.handed_out import Promos
from agent.redeem import Redeemer
from agent.request import Request
from agent.risk import Risk
from agent.sales.checkout import NOTED, Checkout
from agent.sales.counter import Counter
from agent.sales.lifecycle import Sales, StillRunning
from agent.signals import Signals
from agent.state import TillState, bundle_age
from agent.till_json import clock_json, device_json, fault_json, join_json, latest, member_json, sale_json
from drivers.ports import DeviceStatus, Scan, ScanFault
from sync.lane_state import LaneState

log = logging.getLogger(__name__)

FAULT_EVERY_S = 0.5
"""Scan faults are told at most so often: a line at the wrong speed is noise without end."""


class StatusSource(Protocol):
    """The counts behind the status page."""

    async def counts(self, day: int) -> tuple[Counts, dict[str, Any]]:
        """What waits, and the tally of store day `day`."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts that app.py made. devices: (role, how to ask for its status). lanes: those that tell of the line."""

    state: TillState
    redeemer: Redeemer
    sales: Sales
    risk: Risk
    members: Members
    conflicts: Conflicts
    refresher: Refresher
    hub: Hub
    signals: Signals
    clock: Clock
    numbers: StatusSource
    prints: Prints
    print_queue: PrintQueue | None
    promos: Promos
    shown: Callable[[PrintJob], tuple[str, str]]
    """A receipt as (plain text, HTML)."""
    template_faults: Callable[[], Sequence[str]]
    devices: Sequence[tuple[str, Callable[[], DeviceStatus]]]
    lanes: Callable[[], Sequence[LaneState]]
    lane_desk: LaneDesk
    committed: Callable[[], None]
    """Called after every committed record: wakes the uploads."""
    requeue: Callable[[str | None, int | None], Awaitable[int]]
    version: str
    language: str
    state_dir: Path
    cloud: bool
    debounce_s: float
    queue_max: int
    without_pos: bool


class Till:
    """What happens on this till, one object for pages and POS."""

    def __init__(self, wiring: Wiring) -> None:
        self._w = w = wiring
        self.hub, self.requeue = wiring.hub, wiring.requeue
        self.signals, self.sales, self.lanes = wiring.signals, wiring.sales, wiring.lane_desk
        self.risk, self.members, self.conflicts = wiring.risk, wiring.members, wiring.conflicts
        self.receipts = ReceiptDesk(w.prints, w.print_queue, w.promos, w.shown, self.tell_print)
        checkout = Checkout(self.sales, w.redeemer, w.state, w.clock)
        alone = checkout if w.without_pos else None
        self.counter = Counter(w.state, w.redeemer, w.members, w.clock, alone)
        self._intake = Intake(
            self.counter.judge,
            self._tell_verdict,
            wiring.clock,
            debounce_s=wiring.debounce_s,
            queue_max=wiring.queue_max,
        )
        self._guesses = Guesses(wiring.clock.monotonic)
        self._fault_told_at = -FAULT_EVERY_S
        self._running: set[str] = set()
        self._line: tuple[str, str | None] = ("never" if wiring.cloud else "off", None)
        self._last_success: tuple[float, str] | None = None
        self._changed = asyncio.Event()
        self.bundles = BundleDesk(wiring.state_dir, wiring.refresher, wiring.state, self._changed.set)

    @property
    def name(self) -> str:
        """The till's id, empty before it is enrolled."""
        return self._w.state.till

    # scans

    def take(self, scan: Scan) -> None:
        """A device's scan: queued, judged in order, told to everybody."""
        try:
            self._intake.submit(Arrival(scan.text, scan.source, scan.at))
        except Overflow as error:
            log.warning("scan not taken: %s", error, extra={"source": scan.source})
            self._changed.set()

    def take_fault(self, fault: ScanFault) -> None:
        """A device read no whole scan: the cashier is told, for the green before is no answer to it."""
        log.warning("scan fault", extra={"source": fault.source, "code": fault.code, "detail": fault.detail})
        now = self._w.clock.monotonic()
        if now - self._fault_told_at < FAULT_EVERY_S:
            return
        self._fault_told_at = now
        said = fault_json(fault, self._w.clock.now())
        self.hub.publish("fault", said)
        self.signals.answer({**said, "tone": Tone.BAD})

    async def scan(self, text: str, source: str) -> Verdict:
        """A scan by a page or a POS, debounced like a device's. Raises Overflow and TooManyGuesses."""
        self._check_guesses(text)
        future = self._intake.submit(Arrival(text, source, self._w.clock.monotonic()))
        return self._counted(await asyncio.shield(future))

    async def redeem(
        self,
        text: str,
        sale: Sale | None,
        request_id: str,
        customer: Customer = NOBODY,
        supervisor: str = "",
    ) -> Verdict:
        """A POS redeems for its sale. Raises CardRefused, KeyReused, StillRunning and TooManyGuesses."""
        self.check_texts((text, supervisor) if supervisor else (text,))
        if request_id in self._running:
            raise StillRunning(request_id)
        self._running.add(request_id)
        started = self._w.clock.monotonic()
        try:
            asked = Request(text, "api", sale, request_id, customer, supervisor)
            verdict = await self._w.redeemer.redeem(asked)
        finally:
            self._running.discard(request_id)
        verdict = verdict.measured((self._w.clock.monotonic() - started) * 1000)
        if verdict.stored is None:
            # The POS comes first: the others are told when its answer is on its way.
            asyncio.get_running_loop().call_soon(self._tell_verdict, verdict)
        return self._counted(verdict)

    def explain(self, text: str, sale: Sale | None, customer: Customer = NOBODY) -> Verdict:
        """What would be said now; nothing happens. TooManyGuesses."""
        self._check_guesses(text)
        return self._counted(self._w.redeemer.explain(text, sale, customer))

    def check_texts(self, texts: Sequence[str]) -> None:
        """TooManyGuesses where one of them may be a guess and there were too many."""
        for text in texts:
            self._check_guesses(text)

    def counted(self, priced: dict[str, Any]) -> dict[str, Any]:
        """Count the guesses among the refused coupons of a sale."""
        for one in priced["refused"]:
            if one["reason"] == Outcome.UNKNOWN_CODE or one["detail"] == BadgeFault.UNKNOWN:
                self._guesses.count()
        return priced

    def tell_committed(self) -> None:
        """A sale's records and print jobs are on disk."""
        if self._w.print_queue is not None:
            self._w.print_queue.wake()
        self._changed.set()

    def _check_guesses(self, text: str) -> None:
        if self._guesses.wait_s() > 0 and route(text).kind is not Kind.TOKEN:  # a signature cannot be guessed
            self._guesses.check()

    def _counted(self, verdict: Verdict) -> Verdict:
        if verdict.outcome is Outcome.UNKNOWN_CODE or verdict.detail == BadgeFault.UNKNOWN:
            self._guesses.count()
        return verdict

    def _tell_verdict(self, verdict: Verdict) -> None:
        if verdict.redemption_id is not None and self._w.print_queue is not None:
            self._w.print_queue.wake()
        if verdict.detail != NOTED:  # told with the sale, and no scanner beeps yes or no of it
            said = verdict.to_json()
            self.hub.publish("verdict", said)
            self.signals.answer(said)
            self._w.committed()
        self.tell_sale()

    def tell_sale(self) -> None:
        """The sale of a shop without a POS, if it is another than was told; after the verdicts on its coupons."""
        if (checkout := self.counter.checkout) is not None and checkout.changed:
            checkout.changed = False
            self.hub.publish("sale", checkout.said)
        self._changed.set()

    # the sale of a shop without a POS

    @property
    def sale(self) -> Sale | None:
        return self._w.state.sale

    @property
    def currency(self) -> str:
        return self._w.state.currency()

    @property
    def member(self) -> Member | None:
        return self.counter.member

    async def set_sale(self, sale: Sale | None, member: Member | None = None) -> None:
        """The sale that the next scans belong to, and whose it is; None: the next customer. See `Counter.begin`."""
        self._intake.begin_anew()
        for verdict in await self.counter.begin(sale, member):
            self._tell_verdict(verdict)
        self.tell_sale()

    def tell_print(self, job: PrintJob) -> None:
        self.receipts.told[job.state] += 1
        self.hub.publish("print", self.receipts.said(job))
        self._changed.set()

    # status

    async def status(self) -> dict[str, Any]:
        """The Status object of docs/openapi.yaml."""
        w, state = self._w, self._w.state
        effective = state.now(w.clock)
        counts, today = await self._numbers(time.day_number(effective.now, state.zone()))
        devices = [(role, status()) for role, status in w.devices]
        facts = self._facts(effective, counts, devices)
        found = health.issues(facts)
        place = None if state.trust is None else state.trust.contents.place
        return {
            "version": w.version,
            "till": state.till,
            "store": {
                "code": "" if place is None else place.store,
                "name_zh": "" if place is None else place.title.zh,
                "name_en": "" if place is None else place.title.en,
            },
            "language": w.language,
            "currency": self.currency,
            "zone": "UTC" if place is None else place.zone,
            "time": effective.now.astimezone(state.zone()).isoformat(timespec="seconds"),
            "line": self._line_json(),
            "outbox": {
                "waiting": sum(counts.waiting.values()),
                "oldest": counts.oldest_waiting,
                "quarantined": counts.quarantined,
                "conflicts": counts.conflicts,
            },
            "bundle": health.bundle_json(state.trust, effective.now),
            "clock": clock_json(effective.doubt),
            "devices": [device_json(role, status) for role, status in devices],
            "prints": {
                "waiting": counts.prints.get("queued", 0) + counts.prints.get("sending", 0),
                "unconfirmed": counts.prints.get("unconfirmed", 0),
            },
            "promos_free": counts.promos_free,
            "messages": health.messages_json(state.trust, effective.now),
            "conflicts": await self.conflicts.shown(),
            "issues": health.to_json(found),
            "healthy": health.healthy(found),
            "sale": sale_json(state.sale),
            "checkout": None if self.counter.checkout is None else self.counter.checkout.said,
            "member": member_json(self.member),
            "assistant": self.counter.assistant or None,
            "join": None if self.member else join_json(state.trust),
            "today": today,
        }

    def _facts(
        self, effective: time.EffectiveTime, counts: Counts, devices: Sequence[tuple[str, DeviceStatus]]
    ) -> health.Facts:
        w, state, since = self._w, self._w.state, self._w.state.outdated_since
        return health.Facts(
            enrolled=bool(state.till),
            stopped=state.stopped or state.ledger_fault,
            age=bundle_age(state, effective.now),
            time=effective,
            counts=counts,
            devices=devices,
            skipped=() if state.trust is None else state.trust.contents.skipped,
            dropped_scans=self._intake.dropped,
            disk_free_mb=shutil.disk_usage(w.state_dir).free >> 20,
            disk=state.disk,
            unrecorded=state.unrecorded,
            codes_missing=0 if state.trust is None else state.trust.contents.codes_missing,
            outdated_s=None if since is None else w.clock.monotonic() - since,
            template_faults=w.template_faults(),
        )

    async def _numbers(self, day: int) -> tuple[Counts, dict[str, Any]]:
        try:
            return await self._w.numbers.counts(day)
        except (LedgerUnavailable, CommitUnknown):
            self._w.state.ledger_fault = "ledger_unavailable"
            nothing = {"accepted": 0, "refused": 0, "discount_minor": 0, "assistants": []}
            return Counts({}, 0, 0, None, {}, 0), nothing

    def _line_json(self) -> dict[str, Any]:
        kind, since = self._line
        success, failure = latest(self._w.lanes())
        sentence = failure.failure.sentence if failure is not None and failure.failure is not None else None
        return {
            "state": kind,
            "since": since,
            "last_success": self._timestamp_of(success),
            "zh": sentence.zh if sentence is not None and kind != "online" else "",
            "en": sentence.en if sentence is not None and kind != "online" else "",
        }

    def _timestamp_of(self, lane: LaneState | None) -> str | None:
        """The wall-clock time of a lane's last success. Kept, for worked out anew it would differ by a moment."""
        if lane is None or lane.last_success_at is None:
            return None
        if self._last_success is None or self._last_success[0] != lane.last_success_at:
            ago = timedelta(seconds=self._w.clock.monotonic() - lane.last_success_at)
            self._last_success = lane.last_success_at, time.timestamp(self._w.clock.now() - ago)
        return self._last_success[1]

    def watch_line(self) -> bool:
        """Look at the lanes again; True when the line just came back."""
        if not self._w.cloud:
            return False
        success, failure = latest(self._w.lanes())
        good = None if success is None else success.last_success_at
        bad = None if failure is None else failure.failure_at
        if good is None and bad is None:
            return False
        kind = "online" if good is not None and (bad is None or good >= bad) else "offline"
        if kind == self._line[0]:
            return False
        self._line = (kind, time.timestamp(self._w.clock.now()))
        self._w.state.online = kind == "online"
        self._changed.set()
        log.info("line %s", kind)
        return kind == "online"

    # tasks

    async def run_intake(self) -> None:
        await self._intake.run()

    async def run_status(self, line_back: Callable[[], None], every_s: float = 0.5) -> None:
        """Watch the line and tell listeners the status when it changed, at most twice a second."""
        told: dict[str, Any] = {}
        while True:
            await _rest(self._changed.wait, every_s)
            self._changed.clear()
            if self.watch_line():
                line_back()
            if self.counter.checkout is not None:
                await self.counter.checkout.tick()
                self.tell_sale()
            now = await self.status()
            if {**now, "time": ""} != {**told, "time": ""}:
                told = now
                self.hub.publish("status", now)
            await asyncio.sleep(every_s / 5)


async def _rest(wait: Callable[[], Awaitable[Any]], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wait()
