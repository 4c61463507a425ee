"""`redeemd run` with a printer, killed between printing and noting; and its receipts, asked for without its key."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.escpos_reader import read_receipt
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.acceptance.run_kit import TIMEOUT_S, Running, running, till, write_config
from tests.core_kit import promo_codes, rows
from tests.factory import Factory

PRINTER = '[[printer]]\nkind = "tcp"\nname = "p"\nhost = "127.0.0.1"\nport = {}\ntimeout_s = 20\n'


class Paper:
    """A virtual printer in a thread of its own: the daemon's tests block this one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.printer = VirtualPrinter()
        self._thread = threading.Thread(target=self.loop.run_forever)

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(TIMEOUT_S)

    def set_fault(self, fault: Fault, *, on: bool = True, in_job: bool = False) -> None:
        async def switch() -> None:
            self.printer.set_fault(fault, on, in_job)

        self.do(switch())

    def jobs(self, count: int) -> list[bytes]:
        return list(self.do(self.printer.wait_for_jobs(count, TIMEOUT_S)))


@pytest.fixture
def paper() -> Iterator[Paper]:
    made = Paper()
    made._thread.start()
    made.do(made.printer.start())
    try:
        yield made
    finally:
        made.do(made.printer.stop())
        made.loop.call_soon_threadsafe(made.loop.stop)
        made._thread.join(TIMEOUT_S)
        made.loop.close()


def factory() -> Factory:
    made = Factory()
    made.promos = promo_codes(made, 2)
    return made


def redeem(daemon: Running, text: str, key: str) -> Any:
    status, said = daemon.post("/v1/redeem", {"text": text}, Idempotency_Key=key)
    assert status == 200, said
    return said


@contextmanager
def killed(config: Path) -> Iterator[Running]:
    with running(config) as daemon:
        yield daemon
        daemon.process.kill()
        daemon.process.wait(TIMEOUT_S)


def test_killed_between_printing_and_noting_it_prints_once_and_the_code_counts_once(
    tmp_path: Path, paper: Paper
) -> None:
    made = factory()
    config = till(tmp_path, made, PRINTER.format(paper.printer.port))
    paper.set_fault(Fault.SILENT, in_job=True)  # it prints, and never says so
    with killed(config) as daemon:
        job = redeem(daemon, made.coupon(1), "a")["print_job"]
        (receipt,) = paper.jobs(1)
    (code,) = read_receipt(receipt).qr_codes
    paper.set_fault(Fault.SILENT, on=False)
    database = tmp_path / "state" / "till.db"
    with running(config) as daemon:
        _, shown = daemon.get(f"/v1/prints/{job}")
        assert (shown["state"], shown["cause"]) == ("unconfirmed", "restart")
        assert redeem(daemon, made.coupon(2), "b")["accepted"], "the next receipt goes out"
        assert len(paper.jobs(2)) == 2
        assert redeem(daemon, code, "c")["outcome"] == "accepted", "the customer holds it"
        assert redeem(daemon, code, "d")["outcome"] == "already_redeemed"
        paper.jobs(3)
        assert daemon.post(f"/v1/prints/{job}/confirm", {})[0] == 200
        assert daemon.post(f"/v1/prints/{job}/give-up", {})[0] == 409
        assert daemon.stop() == 0
    printed = [read_receipt(one).qr_codes for one in paper.jobs(3)]
    assert printed.count((code,)) == 1, "it was never printed again by itself"
    told = rows(
        database,
        "SELECT count(*) FROM record WHERE json_extract(event, '$.type') = 'redeemd.promo.v1'"
        " AND json_extract(event, '$.data.redemption_id') = ? AND json_extract(event, '$.data.state') = 'printed'",
        job,
    )
    assert told == [(1,)]


SECRET = "a-token-of-16-or-more"


def test_receipts_of_other_sales_are_read_with_the_key_alone(tmp_path: Path, paper: Paper) -> None:
    made = factory()
    made.install(tmp_path / "state")
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o600)
    config = write_config(tmp_path, PRINTER.format(paper.printer.port))
    config.write_text(
        config.read_text("utf-8").replace("[api]\n", f'[api]\ntoken_file = "{tmp_path}/token"\n'), "utf-8"
    )
    with running(config) as daemon:
        said = daemon.post(
            "/v1/redeem", {"text": made.coupon(1)}, Idempotency_Key="a", Authorization=f"Bearer {SECRET}"
        )[1]
        paper.jobs(1)
        job = said["print_job"]
        for path in ("/v1/prints", f"/v1/prints/{job}", "/v1/verdicts", "/v1/events"):
            assert daemon.get(path)[0] == 401, path
        for path in (f"/v1/prints/{job}/reprint", f"/v1/prints/{job}/give-up", "/v1/drawer"):
            assert daemon.post(path, {})[0] == 401
            assert daemon.post(path, {}, Authorization="Bearer wrong-token-of-16-or-more")[0] == 401
        page = urllib.request.Request(
            daemon.url + f"/v1/prints/{job}", headers={"Origin": "https://evil.example"}
        )
        assert daemon._ask(page)[0] == 403
        assert daemon.stop() == 0
    assert len(paper.jobs(1)) == 1
