"""Step 1: from a scan or a request to its durable answer, how long a start takes, how much memory a till holds."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter, sleep
from typing import Any

import uvloop

import config
from agent.app import App, running
from agent.domain import record
from agent.receipts.book import built_in
from agent.receipts.escpos import render_escpos
from agent.receipts.maker import document_of, lay_out
from agent.receipts.profile import printer_profile
from agent.store.database import Database
from agent.store.outbox import SqlOutbox
from benchmarks.common import REST_S, Benchmark, Figure, Options, Rounds, alone, figure, paired, rested, timed
from benchmarks.scene import (
    WAIT_S,
    Client,
    Floor,
    child,
    coupons,
    daemon,
    free_port,
    paper,
    resident_bytes,
    wait_until_printed,
    write_config,
)
from drivers.virtual_scanner import VirtualScanner
from tests.factory import TILL, Factory

START_BAR_S = 1.0
MEMORY_BAR_MB = 80.0
ANSWER_BAR = 3.0
SALE = {"total_minor": 25_800, "currency": "CNY", "sale_id": "S-1"}


def floor(options: Options) -> Iterator[Figure]:
    """The floor by itself, and its two halves: the figures below are meaningless without it."""
    here = Floor(options.folder)
    rounds = options.rounds(30)
    for name, work in (
        ("Ed25519 verification", here.verify),
        ("durable commit", here.commit),
        ("both", here.both),
    ):
        yield alone(f"01 floor: {name}", "µs", _median_of(work, 50), rounds=rounds)


def _median_of(work: Callable[[], None], count: int) -> Callable[[], float]:
    once = timed(work)
    return lambda: statistics.median(once() for _ in range(count))


class _Ear:
    """Hears what the till tells its pages: when the next verdict was told, and when its receipt was printed."""

    def __init__(self, app: App) -> None:
        self._told = app.till.hub.publish
        self.verdict_at = 0.0
        self.verdict: dict[str, Any] = {}
        self.printed = asyncio.Event()
        # In the instance's place: what the daemon runs stays as it is.
        setattr(app.till.hub, "publish", self._hear)  # noqa: B010  mypy refuses the plain form

    def _hear(self, kind: str, data: dict[str, Any]) -> None:
        at = perf_counter()
        self._told(kind, data)
        if kind == "verdict":
            self.verdict_at, self.verdict = at, data
        elif kind == "print" and data["state"] == "printed":
            self.printed.set()


def scan(options: Options) -> Iterator[Figure]:
    """A till in this process; its scanner is a pty, its printer a process. The till rests before each scan."""
    factory = Factory()
    factory.install(options.folder / "state")
    here = Floor(options.folder)
    texts = coupons(factory)
    with (
        paper() as port,
        VirtualScanner() as scanner,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        settings = config.load(write_config(options.folder, scanner=scanner.port, printer_port=port))
        till = running(settings)
        app = runner.run(till.__aenter__())
        ear = _Ear(app)

        async def one() -> float:
            text = next(texts)
            ear.printed.clear()
            await asyncio.sleep(REST_S)
            started = perf_counter()
            scanner.scan(text)
            async with asyncio.timeout(WAIT_S):
                await ear.printed.wait()
            assert ear.verdict["accepted"], ear.verdict
            return ear.verdict_at - started

        try:
            runner.run(_until_ready(app))
            found = paired(
                rested(timed(here.both)),
                lambda: runner.run(one()),
                rounds=options.rounds(40),
                each=3,
                warm_up=10,
            )
        finally:
            runner.run(till.__aexit__(None, None, None))
    yield figure("01 scan: scanner's line end to committed verdict", "µs", found, bar=ANSWER_BAR)


async def _until_ready(app: App) -> None:
    """Until the scanner's line is open: what it sends before that is lost, here as in a store."""
    async with asyncio.timeout(WAIT_S):
        with app.till.hub.listen() as told:
            while (await app.till.status())["devices"][0]["state"] != "ready":
                await told.get()


def api(options: Options) -> Iterator[Figure]:
    """The daemon as it runs in a store, with a printer; the bare handler stands beside it for comparison."""
    factory = Factory()
    factory.install(options.folder / "state")
    here = Floor(options.folder)
    texts = coupons(factory)
    port = free_port()
    with paper() as printer:
        path = write_config(options.folder, printer_port=printer, api_port=port)
        with daemon(path, options.folder / "daemon.log") as process:
            client = Client(port, process)

            def redeem() -> bytes:
                text = next(texts)
                return client.prepared(
                    "POST", "/v1/redeem", {"text": text, "sale": SALE}, Idempotency_Key=text[-40:]
                )

            found = _requests(here, client, redeem, options)
            wait_until_printed(client, 1)
    yield figure("01 api: request to answer", "µs", found, bar=ANSWER_BAR)
    with child("benchmarks.children", "bare", str(options.folder)) as process_bare:
        assert process_bare.stdout is not None, "it was piped"
        bare = Client(int(process_bare.stdout.readline()))
        request = bare.prepared("POST", "/v1/redeem", {"text": next(texts)})
        found = _requests(here, bare, lambda: request, options)
    yield figure("01 api: bare aiohttp handler with verify and commit", "µs", found)


def _requests(here: Floor, client: Client, make: Callable[[], bytes], options: Options) -> Rounds:
    """Rounds of requests and floors, each after a rest."""

    def one() -> float:
        request = make()
        sleep(REST_S)
        started = perf_counter()
        client.send(request)
        return perf_counter() - started

    return paired(rested(timed(here.both)), one, rounds=options.rounds(40), each=3, warm_up=10)


def start(options: Options) -> Iterator[Figure]:
    """From the start of the process to the first answer: over the API, and from a scan on the serial line."""
    factory = Factory()
    factory.install(options.folder / "state")
    yield from start_figures("01", factory, options)


def start_figures(step: str, factory: Factory, options: Options) -> Iterator[Figure]:
    """The figures of starting the till whose state lies in `options.folder`/state."""
    texts = coupons(factory)
    port = free_port()
    with VirtualScanner() as scanner, paper() as printer:
        path = write_config(options.folder, scanner=scanner.port, printer_port=printer, api_port=port)

        def begun(first: Callable[[Client], None]) -> float:
            started = perf_counter()
            with daemon(path, options.folder / "daemon.log") as process:
                client = Client(port, process)
                first(client)
                took = perf_counter() - started
                client.close()
            return took

        def ask(client: Client) -> None:
            verdict = client.call("POST", "/v1/scan", {"text": next(texts)})
            assert verdict["accepted"], verdict

        def shoot(client: Client) -> None:
            text = next(texts)
            while not (verdicts := client.call("GET", "/v1/verdicts?limit=1")["verdicts"]):
                scanner.scan(text)  # lost while the line is not open; a repeat within 1.5 s is the same scan
                sleep(0.005)
            assert verdicts[0]["accepted"], verdicts[0]

        for name, first in (("answered scan", ask), ("verdict of a scanner", shoot)):
            found = paired(_python, partial(begun, first), rounds=options.rounds(9), each=1, warm_up=1)
            yield figure(
                f"{step} start: process start to first {name}", "s", found, bar=START_BAR_S, bar_on="value"
            )


def _python() -> float:
    started = perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return perf_counter() - started


def memory(options: Options) -> Iterator[Figure]:
    """A till with a scanner, a printer and a page's API, without a camera, after 200 redemptions with receipts."""
    factory = Factory()
    factory.install(options.folder / "state")
    texts = coupons(factory)
    port = free_port()
    with VirtualScanner() as scanner, paper() as printer:
        path = write_config(options.folder, scanner=scanner.port, printer_port=printer, api_port=port)
        with daemon(path, options.folder / "daemon.log") as process:
            client = Client(port, process)
            client.call("POST", "/v1/scan", {"text": next(texts)})
            begun = resident_bytes(process.pid) / 1e6
            for _ in range(199):
                text = next(texts)
                client.call("POST", "/v1/redeem", {"text": text, "sale": SALE}, Idempotency_Key=text[-40:])
            wait_until_printed(client, 200)
            after = resident_bytes(process.pid) / 1e6
    least = _idle_python_bytes() / 1e6
    yield Figure(
        "01 memory: resident without a camera",
        round(after, 1),
        "MB",
        round(least, 1),
        round(after / least, 2),
        MEMORY_BAR_MB,
        after <= MEMORY_BAR_MB,
        "value",
        round(begun, 1),
        round(after, 1),
    )


def _idle_python_bytes() -> int:
    """What Python holds before it does anything."""
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
        assert idle.stdout is not None, "it was piped"
        idle.stdout.readline()
        found = resident_bytes(idle.pid)
        idle.communicate(b"\n")
    return found


def parts(options: Options) -> Iterator[Figure]:
    """What single parts of a redemption cost, for whoever wants to make it faster."""
    factory = Factory()
    rounds = options.rounds(30)
    event, data = _an_event(factory, options)

    def seal() -> None:
        record.seal(
            lane="redemption",
            previous=record.ChainHead(),
            till=TILL,
            kind="redemption",
            time=event["time"],
            subject=event["subject"],
            data=data,
            sign=factory.till_key.sign,
        )

    found = paired(
        timed(lambda: factory.till_key.sign(b"x" * 50), 20), timed(seal, 20), rounds=rounds, each=5
    )
    yield figure("01 part: record sealed (floor: one signature)", "µs", found)
    document = _a_receipt(options)
    profile = printer_profile("default", columns=48, encoding="gb18030", native_qr=True)
    yield alone(
        "01 part: receipt document to ESC/POS",
        "µs",
        timed(lambda: render_escpos(document_of(lay_out(document, built_in), 0), profile), 10),
        rounds=rounds,
    )
    yield _outbox_read(options, rounds)


def _an_event(factory: Factory, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """A real record: 200 coupons are redeemed by a till for it."""
    import json

    from agent.store.database import connect_read_only

    factory.install(options.folder / "state")
    texts = coupons(factory)
    port = free_port()
    with paper() as printer:
        path = write_config(options.folder, printer_port=printer, api_port=port)
        with daemon(path, options.folder / "daemon.log") as process:
            client = Client(port, process)
            for _ in range(200):
                text = next(texts)
                client.call("POST", "/v1/redeem", {"text": text, "sale": SALE}, Idempotency_Key=text[-40:])
            wait_until_printed(client, 200)
    connection = connect_read_only(options.folder / "state" / "till.db")
    event = json.loads(connection.execute("SELECT event FROM record LIMIT 1").fetchone()[0])
    connection.close()
    return event, event["data"]


def _a_receipt(options: Options) -> str:
    from agent.store.database import connect_read_only

    connection = connect_read_only(options.folder / "state" / "till.db")
    found = str(connection.execute("SELECT receipt FROM print_job LIMIT 1").fetchone()[0])
    connection.close()
    return found


def _outbox_read(options: Options, rounds: int) -> Figure:
    database = Database(options.folder / "state" / "till.db")
    database.open()
    outbox = SqlOutbox(database, TILL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        def read() -> None:
            waiting = runner.run(outbox.waiting("redemption", 200, 1 << 20))
            assert len(waiting) == 200, "as many were redeemed"

        found = alone("01 part: outbox read of 200 records", "ms", timed(read), rounds=rounds)
    database.close()
    return found


BENCHMARKS: dict[str, Benchmark] = {
    "01 floor": floor,
    "01 scan": scan,
    "01 api": api,
    "01 start": start,
    "01 memory": memory,
    "01 part": parts,
}
