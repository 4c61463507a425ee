"""The composition root: the only module that constructs things. It opens the till, runs its tasks and closes it.

Each lane is a task of its own: scanning, judging, printing, uploads, bundle, screen. What a task raises is a bug; it
ends the process, and systemd starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.metadata
import logging
import signal
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import config
from agent import devices, notify
from agent.api.server import ApiServer
from agent.bundles.erasing import LOOK_EVERY_S, Erasing
from agent.bundles.refresh import Refresher
from agent.clock import SystemClock
from agent.disk import DiskLevel, disk_levels
from agent.domain.budget import BudgetUse
from agent.domain.bundle import BundleError
from agent.domain.keys import SigningKey
from agent.domain.reasons import Stop
from agent.domain.time import day_number
from agent.folder import (
    StartError,
    database_path,
    key_path,
    load_key,
    make_key,
    next_key_path,
    prepare_state_dir,
    refuse_a_lost_ledger,
)
from agent.hub import Hub
from agent.line.conflicts import Conflicts
from agent.line.desk import LaneDesk
from agent.line.health_report import report
from agent.line.lanes import Line
from agent.line.online import Checks
from agent.members import Members
from agent.ports import CommitUnknown, LedgerUnavailable, PrintJob
from agent.printing.conflict_slip import slip_maker
from agent.printing.queue import Device, PrintQueue
from agent.promos.choice import AskTyped
from agent.promos.handed_out import Promos
from agent.promos.typed import asks
from agent.receipts.maker import receipt_maker
from agent.receipts.model import ReceiptError
from agent.receipts.papers import Papers
from agent.redeem import Redeemer
from agent.risk import Risk
from agent.sales.desk import Desk
from agent.sales.lifecycle import Sales
from agent.secret import make_secret
from agent.signals import Signals
from agent.state import TillState
from agent.store.bundle_cache import SqlBundleCache
from agent.store.conflicts import SqlConflicts
from agent.store.database import Database, StoreError, check_history, refusal_to_start
from agent.store.housekeeping import Retention, tidy
from agent.store.inspect import SqlNumbers, used_bytes
from agent.store.ledger import SqlLedger
from agent.store.outbox import SqlOutbox
from agent.store.prints import SqlPrints
from agent.store.risk import read_uses
from agent.till import Till, Wiring
from sync.ports import Asker

log = logging.getLogger(__name__)

TIDY_EVERY_S = 3600.0
GC_ALLOCATIONS = 10_000
"""Allocations between two looks of the collector; Python's own 700 means several within one redemption."""


class App:
    """One running till. `till` and `api` are there after `start`."""

    def __init__(self, settings: config.Config) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._database = Database(database_path(settings))
        self._numbers = SqlNumbers(self._database)
        self._stack = contextlib.AsyncExitStack()
        self._line = Line(settings.sync)
        self._print_queue: PrintQueue | None = None
        self._rest = False
        self._sources = devices.scan_sources(settings)
        self._papers = Papers(
            settings.receipt.templates, lambda: self._state.templates(), lambda: devices.paper_dots(settings)
        )
        self._state = TillState("")
        self._promos: Promos
        self._tidy_now = asyncio.Event()
        self.till: Till
        self.api: ApiServer

    async def start(self) -> None:
        """Open the database, put the stored bundle in force, answer the API. Raises StartError or StoreError."""
        folder = prepare_state_dir(self._settings)
        refuse_a_lost_ledger(self._settings)
        self._database.open()
        self._stack.callback(self._database.close)
        try:
            await self._start(folder)
        except LedgerUnavailable as error:
            raise refusal_to_start(self._database.path, error) from error

    async def _start(self, folder: Path) -> None:
        cache = SqlBundleCache(self._database)
        till_id = await cache.setting("till") or ""
        self._state = TillState(till_id, stopped="" if till_id else Stop.NOT_ENROLLED)
        path = key_path(self._settings)
        key = load_key(path) if till_id else make_key(path)
        secret = make_secret(folder)
        if next_key_path(path).exists():
            log.warning("a new key was made and is not in use yet: stop the till and run redeemd key rotate")
        uplink = await self._open_uplink(till_id, key)
        refresher = Refresher(cache, uplink, self._state, self._clock, key.public_key)
        try:
            await refresher.load()
        except (BundleError, MemoryError) as error:  # it stays up, takes nothing and fetches a whole one
            log.critical("the stored bundle cannot be used: %s", error or "not enough memory")
        conflicts = self._conflicts(uplink)
        if uplink is not None:
            fetches = {"bundle": refresher.fetch, "verdicts": conflicts.fetch}
            self._line.start(till_id, SqlOutbox(self._database, till_id), uplink, fetches, uplink.wait)
        prints = SqlPrints(self._database, self._clock)
        # What was being sent when the till ended, and what nobody has looked at since, may have been cut off.
        self._rest = bool(await prints.recover_prints() or await prints.list_prints(1, unconfirmed=True))
        asking = asks(uplink, self._state), self._checks(secret, uplink)
        self.till = Till(self._wiring(folder, (key, secret), prints, refresher, conflicts, asking))
        if uplink is not None:
            uplink.say_health, uplink.tell_missing = self._say_health, self._line.missed
        await self._promos.settle()  # of what was printed and not recorded before the last end
        if expired := await self.till.sales.expire():
            log.warning("%d held sales were over when the till started", expired)
        self.api = ApiServer(self.till, self._settings.api)
        await self._stack.enter_async_context(self.api)

    def _conflicts(self, uplink: Any) -> Conflicts:
        settings, slip = self._settings, None
        if settings.receipt.conflict_slip and settings.printer:
            slip = slip_maker(settings.till.language, self._state, self._clock)
        store = SqlConflicts(self._database, self._state.till)
        return Conflicts(store, uplink, self._state, self._clock, slip, self._wake_printing)

    def _checks(self, secret: bytes, asker: Asker | None) -> Checks | None:
        wait_s = self._settings.cloud.check_wait_ms / 1000
        return None if asker is None else Checks(self._state, self._clock, secret, asker, wait_s)

    def _wake_printing(self) -> None:
        if self._print_queue is not None:
            self._print_queue.wake()

    def _wiring(
        self,
        folder: Path,
        keys: tuple[SigningKey, bytes],
        prints: SqlPrints,
        refresher: Refresher,
        conflicts: Conflicts,
        asking: tuple[AskTyped, Checks | None],
    ) -> Wiring:
        settings, (key, secret) = self._settings, keys
        language = settings.till.language
        try:
            printers = devices.printers(settings)
        except ReceiptError as error:
            raise StartError(f"printer: {error}") from error
        ledger = SqlLedger(self._database)
        promos = self._promos = Promos(self._state, ledger, self._clock, key, self._line.wake)
        self._print_queue = self._queue(prints, printers, promos)
        maker = receipt_maker(language) if printers else None
        desk = Desk(self._state, ledger, self._clock, *keys, maker, settings.promo.enabled, *asking)
        members = Members(self._state, self._clock, ledger, secret, pos_wins=settings.members.pos_wins)
        self._erasing = Erasing(self._state, self._clock, ledger, key, members.digest)
        return Wiring(
            state=self._state,
            redeemer=Redeemer(*desk),
            sales=Sales(desk, self._line.wake),
            risk=Risk(self._state, self._clock, self._uses),
            members=members,
            conflicts=conflicts,
            refresher=refresher,
            hub=Hub(),
            signals=self._signals(),
            clock=self._clock,
            numbers=self._numbers,
            prints=prints,
            print_queue=self._print_queue,
            promos=promos,
            shown=lambda job: self._papers.shown(
                job.receipt, job.document, job.copies, on_paper=job.on_paper
            ),
            template_faults=self._papers.faults,
            devices=[
                *((role, source.status) for role, source in self._sources),
                *(("printer", device.printer.status) for device in printers),
            ],
            lanes=self._line.states,
            lane_desk=LaneDesk(self._line.all_states, self._numbers, self._clock),
            committed=self._line.wake,
            requeue=self._requeue,
            version=importlib.metadata.version("redeemd"),
            language=language,
            state_dir=folder,
            cloud=self._line.started,
            debounce_s=settings.scan.debounce_ms / 1000,
            queue_max=settings.scan.queue_max,
            without_pos=settings.till.without_pos,
        )

    def _queue(self, prints: SqlPrints, printers: list[Device], promos: Promos) -> PrintQueue | None:
        if not printers:
            return None
        for device in printers if self._rest else ():
            device.printer.expect_rest()
        papers = self._papers
        return PrintQueue(prints, printers, self._tell_print, papers.lay_out, promos.settle, papers.instead())

    async def _uses(self, day: int, at: datetime) -> Mapping[tuple[str, int], BudgetUse]:
        """Of a connection of its own: a report keeps no verdict waiting."""
        return await asyncio.to_thread(read_uses, self._database.path, day, at)

    def _signals(self) -> Signals:
        taking = devices.mouths(self._sources)
        return Signals(taking, frozenset(source.name for _, source in self._sources) - taking.keys())

    async def _open_uplink(self, till_id: str, key: SigningKey) -> Any:
        cloud = self._settings.cloud
        if not cloud.url or not till_id:
            return None
        from sync.uplink import HttpUplink, Identity, Timeouts

        uplink = HttpUplink(
            cloud.url,
            Identity(till_id, till_id, key.sign),
            ca_file=Path(cloud.ca_file) if cloud.ca_file else None,
            proxy=cloud.proxy or None,
            timeouts=Timeouts(cloud.connect_timeout_s, cloud.total_timeout_s, cloud.total_timeout_s),
        )
        return await self._stack.enter_async_context(uplink)

    async def _say_health(self) -> str:
        return report(await self.till.status(), await self._numbers.delivered())

    async def _requeue(self, lane: str | None, sequence: int | None) -> int:
        """What came back is sent at once."""
        count = await SqlOutbox(self._database, self._state.till).requeue(lane, sequence)
        self._line.back()
        return count

    def _tell_print(self, job: PrintJob) -> None:
        self.till.tell_print(job)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.till.run_intake(), name="intake")
            tasks.create_task(self.till.run_status(self._line.back), name="status")
            tasks.create_task(self._watch_disk(), name="disk")
            tasks.create_task(self._tidy(), name="tidy")
            tasks.create_task(self._erase(), name="erase")
            for _, source in self._sources:
                tasks.create_task(source.run(self.till.take, self.till.take_fault), name=source.name)
            for name, work in self._line.tasks():
                tasks.create_task(work(), name=name)
            if self._print_queue is not None:
                tasks.create_task(self._print_queue.run(), name="printing")

    async def close(self) -> None:
        self.till.hub.close()
        await self._stack.aclose()

    async def _tidy(self) -> None:
        storage = self._settings.storage
        receipts = timedelta(days=self._settings.receipt.keep_days)
        retention = Retention(
            storage.redemption_keep_days,
            storage.evidence_max_rows,
            print_keep=receipts,
            pseudonym_keep=timedelta(days=storage.pseudonym_keep_days),
        )
        await self._check_history()
        while True:
            # By signed time alone: a mark that a clock ahead has raised can be lowered again, and then a use that was
            # forgotten meanwhile would be missed.
            if (trust := self._state.trust) is not None:
                await self._expire_holds()
                signed = trust.manifest.issued
                kept = retention if self._state.disk is DiskLevel.ENOUGH else retention.tight()
                try:
                    await tidy(self._database, signed, day_number(signed, trust.zone), kept)
                except (LedgerUnavailable, CommitUnknown) as error:  # deleting again is harmless
                    log.error("housekeeping: %s", error)
            self._tidy_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIDY_EVERY_S):
                    await self._tidy_now.wait()

    async def _erase(self) -> None:
        """Bundles come on several roads: what matters is the one in force."""
        while True:
            if await self._erasing.look():
                self._line.wake()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _watch_disk(self) -> None:
        storage, used = self._settings.storage, partial(self._database.run, used_bytes)
        folder, (budget, least) = (
            self._database.path.parent,
            (storage.budget_mb << 20, storage.min_free_mb << 20),
        )
        async for self._state.disk in disk_levels(folder, used, budget, least):
            self._tidy_now.set()

    async def _expire_holds(self) -> None:
        try:
            await self.till.sales.expire()
        except (LedgerUnavailable, CommitUnknown) as error:  # they have ended whether or not it is noted
            log.error("holds: %s", error)

    async def _check_history(self) -> None:
        """A till whose records are damaged takes nothing more: it could not prove what it took."""
        ended = threading.Event()
        try:
            problem = await asyncio.to_thread(check_history, self._database.path, ended)
        except StoreError as error:
            log.error("the history could not be checked: %s", error)
            return
        finally:
            ended.set()  # the thread ends with its task
        if problem:
            log.critical("%s", problem)
            self._state.stopped = Stop.LEDGER_DAMAGED


@contextlib.asynccontextmanager
async def running(settings: config.Config) -> AsyncIterator[App]:
    """An open till whose tasks run while the block does: for tests, benchmarks and `run`."""
    app = App(settings)
    try:
        await app.start()
        work = asyncio.create_task(app.run(), name="till")
        owner = asyncio.current_task()
        assert owner is not None, "running() is used within a task"
        work.add_done_callback(lambda task: None if task.cancelled() else owner.cancel())
        try:
            yield app
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    finally:
        if hasattr(app, "till"):
            await app.close()
        else:
            await app._stack.aclose()


async def run(settings: config.Config) -> None:
    """`redeemd run`: until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as app:
        # What start made lives as long as the process: no collection need look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS, 20, 20)
        notify.notify(f"READY=1\nSTATUS=answering on {app.api.url}")
        log.info("ready", extra={"url": app.api.url, "till": app.till.name})
        await _until(stop)
        notify.notify("STOPPING=1")


async def _until(stop: asyncio.Event) -> None:
    """Wait for the end and keep systemd's watchdog content meanwhile."""
    interval = notify.watchdog_interval_s()
    while not stop.is_set():
        if interval is not None:
            notify.notify("WATCHDOG=1")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(interval):
                await stop.wait()
