"""Every answer of a real till fits docs/openapi.yaml, and the document names every route and no other.

Long because one till answers all of it: each status that the document names must have been seen.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import config
from agent.api import server, wire
from agent.bundles.carried import INBOX
from agent.commands.show import status_lines
from agent.domain import bundle_file
from agent.domain.bundle_file import Head
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.guesses import AT_ONCE
from agent.hub import LISTENERS_MAX
from drivers.escpos_commands import DRAWER_PULSE
from drivers.ports import DeviceState, ScanFault
from drivers.virtual_printer import Fault, VirtualPrinter
from drivers.virtual_scanner import VirtualScanner
from sync.wire import PROBLEM_TYPE
from tests.api_contract import METHODS, Contract
from tests.factory import Factory
from tests.integration.api_kit import WAIT_S, Answer, RealTill, listening, real_till, until
from tests.unit.test_sync_document import block

module_loop = pytest.mark.asyncio(loop_scope="module")
TOKEN = "0123456789abcdef-token"
# What no caller can bring about: it takes a fault of our own.
UNREACHABLE_STATUS = 500


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def till(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealTill]:
    async with real_till(tmp_path_factory.mktemp("till") / "state") as made:
        yield made


class Checked:
    """Calls a till and holds every answer against the document."""

    def __init__(self, till: RealTill, contract: Contract) -> None:
        self._till = till
        self._contract = contract

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        answer = await self._till.call(method, path, body, **more)
        kind = answer.header("Content-Type") or ""
        self._contract.check(method, path, answer.status, kind, answer.raw)
        return answer

    async def redeem(self, text: str, key: str, **sale: Any) -> Answer:
        return await self.call(
            "POST", "/v1/redeem", {"text": text, "sale": sale or None}, Idempotency_Key=key
        )


@module_loop
async def test_it_names_every_route_and_no_other(till: RealTill, contract: Contract) -> None:
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in server.make_app(till.app.till, "", ()).router.routes()
        if route.resource is not None
        and route.resource.canonical.startswith(("/v1/", "/metrics"))
        and route.method != "HEAD"
    }
    assert {method for method, _ in served} <= set(METHODS)
    assert served == set(contract.operations())


async def play_coupons(till: RealTill, checked: Checked) -> None:
    coupon = till.coupon()
    for text in (coupon, till.coupon()):
        await checked.call("POST", "/v1/verify", {"text": text, "sale": {"total_minor": 20_000}})
    await checked.redeem(coupon, "a", total_minor=20_000)
    await checked.redeem(coupon, "a", total_minor=20_000)
    await checked.redeem(coupon, "b", total_minor=20_000)
    assert (await checked.redeem(till.coupon(), "a", total_minor=20_000)).status == 422
    refusals: list[tuple[str, dict[str, Any]]] = [
        ("hello", {}),
        ("RC1ABC", {}),
        (till.factory.coupon(40, expires=1, not_before=0), {}),
        (till.factory.coupon(41, not_before=30_000, expires=30_001), {}),
        (till.factory.coupon(42, number=9), {}),
        (Factory().coupon(43), {}),
        (till.factory.coupon(44), {"total_minor": 1}),
        (till.factory.coupon(45), {"total_minor": 20_000, "currency": "EUR"}),
        (till.factory.coupon(46), {}),
    ]
    outcomes = [
        (await checked.redeem(text, f"r{n}", **sale)).json["outcome"]
        for n, (text, sale) in enumerate(refusals)
    ]
    assert len(set(outcomes)) >= 8, outcomes
    first, second = await asyncio.gather(*(checked.redeem(till.coupon(), "twice") for _ in range(2)))
    assert {first.status, second.status} <= {200, 409, 422}
    await checked.call("POST", "/v1/scan", {"text": till.coupon()})
    await checked.call("GET", "/v1/verdicts?limit=50")


async def play_errors(checked: Checked) -> None:
    large = b'{"text": "' + b"x" * wire.BODY_BYTES_MAX + b'"}'
    posts = [("POST", f"/v1/{name}") for name in ("redeem", "verify", "scan", "outbox/retry", *SALES)]
    posts.append(("PUT", "/v1/sale"))
    for method, path in posts:
        await checked.call(method, path, {"x": 1}, Idempotency_Key="e")
        await checked.call(method, path, raw=b"{}", Content_Type="text/plain")
        await checked.call(method, path, raw=large, Idempotency_Key="e")
    await checked.call("POST", "/v1/redeem", {"text": "x"})
    await checked.call("GET", "/v1/verdicts?limit=0")
    await checked.call("PUT", "/v1/sale", {"total_minor": 1, "currency": "EUR"})
    named = {"text": "x", "member": {"card": "RCM1"}}
    assert (await checked.call("POST", "/v1/verify", named)).code == "card_refused"
    quoted = {"sale": {"total_minor": 1}, "member": {"card": "RCM1"}}
    assert (await checked.call("POST", "/v1/quotes", quoted)).code == "card_refused"
    await checked.call("GET", "/v1/join")


SALES = ("quotes", "holds", "holds/x/commit", "reversals")


async def play_sales(till: RealTill, checked: Checked) -> None:
    """A sale that is committed and returned, one that is voided, and what may not be."""
    total = {"total_minor": 20_000, "tenders": ["cash"]}
    sale = {"sale": {"sale_id": "sold", "total_minor": 20_000}}

    async def post(path: str, body: Any, key: str) -> Answer:
        return await checked.call("POST", f"/v1/{path}", body, Idempotency_Key=f"sale-{key}")

    coupons = [till.coupon(), till.coupon(), "hello"]
    assert (await post("quotes", {**sale, "coupons": coupons}, "q")).status == 200
    sold = (await post("holds", {**sale, "coupons": coupons}, "h1")).json["hold_id"]
    other = (await post("holds", {**sale, "coupons": coupons}, "h2")).json["hold_id"]
    assert (await post("holds", sale, "h1")).code == "key_reused"
    assert (await post(f"holds/{other}/void", {}, "v1")).status == 200
    assert (await post(f"holds/{sold}/commit", total, "c1")).status == 200
    assert (await post(f"holds/{sold}/commit", {**total, "total_minor": 1}, "c1")).code == "key_reused"
    assert (await post(f"holds/{other}/commit", total, "c2")).code == "hold_voided"
    assert (await post(f"holds/{sold}/void", {}, "v2")).code == "hold_committed"
    assert (await post(f"holds/{sold}/void", {}, "v1")).code == "key_reused"
    assert (await post("reversals", {"sale_id": "sold"}, "r1")).status == 201
    assert (await post("reversals", {"sale_id": "sold"}, "r2")).code == "nothing_left"
    assert (await post("reversals", {"sale_id": "other"}, "r1")).code == "key_reused"
    for hold in (sold, other):
        assert (await checked.call("GET", f"/v1/holds/{hold}")).status == 200
    for path, body in (("holds/x/commit", total), ("holds/x/void", {}), ("reversals", {"sale_id": "x"})):
        assert (await post(path, body, "none")).status == 404
    assert (await checked.call("POST", "/v1/holds/x/void", {})).code == "key_missing"
    assert (await checked.call("POST", "/v1/holds/x/void", raw=b"", Content_Type="x/y")).status == 415
    assert (await checked.call("GET", "/v1/holds/x")).status == 404


async def play_sales_elsewhere(checked: Checked) -> None:
    """On a till without offers."""
    for path in ("quotes", "holds"):
        body = {"sale": {"total_minor": 1}}
        answer = await checked.call("POST", f"/v1/{path}", body, Idempotency_Key="n")
        assert (answer.status, answer.code) == (409, "no_bundle")


async def play_receipts(till: RealTill, checked: Checked) -> None:
    job = (await checked.redeem(till.coupon(), "print", total_minor=20_000)).json["print_job"]
    await checked.call("GET", f"/v1/prints/{job}")
    await checked.call("POST", f"/v1/prints/{job}/reprint", {})
    await checked.call("POST", f"/v1/prints/{job}/reprint", raw=b"")
    await checked.call("POST", f"/v1/prints/{job}/reprint", raw=b"", Content_Type="x/y")
    await checked.call("POST", f"/v1/prints/{job}/confirm", raw=b"", Content_Type="x/y")
    for query in ("", "?limit=1", "?limit=50&state=unconfirmed"):
        assert (await checked.call("GET", f"/v1/prints{query}")).status == 200
    for query in ("limit=0", "limit=51", "limit=x", "state=printed", "state="):
        answer = await checked.call("GET", f"/v1/prints?{query}")
        assert (answer.status, answer.code) == (400, "bad_request")
    missing = [("POST", f"/v1/prints/none/{action}") for action in ("reprint", "confirm")]
    for method, path in (("GET", "/v1/prints/none"), *missing):
        await checked.call(method, path, {} if method == "POST" else None)


async def play_bundle_files(till: RealTill, checked: Checked, folder: Path) -> None:
    """No file; one that is none; a good one; the same once more."""
    await checked.call("POST", "/v1/bundle/import", raw=b"", Content_Type="x/y")
    parts = replace(till.factory, sequence=2).parts()
    good = b"".join(
        bundle_file.write(Head((), replace(till.factory, sequence=2).manifest(parts)), parts.values())
    )
    said = []
    for content in (None, b"holiday pictures", good, good):
        if content is not None:
            (folder / INBOX).write_bytes(content)
        answer = await checked.call("POST", "/v1/bundle/import", {})
        said.append(
            (answer.json["taken"], answer.json["code"], answer.json["changed"], answer.json["sequence"])
        )
    assert said == [
        (False, "no_file", False, 1),
        (False, "no_bundle_file", False, 1),
        (True, "", True, 2),
        (True, "", False, 2),
    ]
    for _ in range(20):  # until two of them overlapped
        answers = await asyncio.gather(*(checked.call("POST", "/v1/bundle/import", {}) for _ in range(5)))
        if 409 in {answer.status for answer in answers}:
            return


async def play_unconfirmed(till: RealTill, checked: Checked, printer: VirtualPrinter) -> None:
    """A receipt cut off in its middle: listed, confirmed once, and then no longer in doubt."""
    printer.set_fault(Fault.DROP, in_job=True)
    job = (await checked.redeem(till.coupon(), "cut", total_minor=20_000)).json["print_job"]
    async with asyncio.timeout(WAIT_S):
        while not (listed := (await checked.call("GET", "/v1/prints?state=unconfirmed")).json["prints"]):
            pass
    printer.set_fault(Fault.DROP, on=False)
    assert [(one["job"], one["state"]) for one in listed] == [(job, "unconfirmed")]
    assert listed[0]["action_en"].startswith("Look whether the receipt came out")
    assert (await checked.call("GET", "/v1/prints?limit=1")).json["prints"] == listed
    status = (await checked.call("GET", "/v1/status")).json
    told = list(status_lines(status))
    assert "receipts  0 waiting for a printer, 1 not confirmed" in told
    assert f"info      1 receipt not confirmed. {listed[0]['action_en']}" in told
    confirmed = await checked.call("POST", f"/v1/prints/{job}/confirm", {})
    assert (confirmed.status, confirmed.json["state"], confirmed.json["cause"]) == (200, "printed", "")
    again = await checked.call("POST", f"/v1/prints/{job}/confirm", {})
    assert (again.status, again.code) == (409, "not_unconfirmed")
    assert (await checked.call("GET", "/v1/prints?state=unconfirmed")).json == {"prints": []}
    assert (await checked.call("GET", "/v1/status")).json["prints"]["unconfirmed"] == 0


async def play_erased(checked: Checked, folder: Path) -> None:
    """A receipt that housekeeping erased is told from one that never was."""
    job = (await checked.call("GET", "/v1/prints?limit=1")).json["prints"][0]["job"]
    beside = sqlite3.connect(folder / "till.db")
    with beside:
        beside.execute("DELETE FROM print_job WHERE job_id = ?", (job,))
    beside.close()
    acts = [("POST", f"/v1/prints/{job}/{action}") for action in ("reprint", "confirm", "give-up")]
    for method, path in (("GET", f"/v1/prints/{job}"), *acts):
        answer = await checked.call(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.code) == (410, "receipt_gone")
    till, _, number = job.rpartition("-")
    for never in (f"{till}-{int(number) + 1}", f"{till}-0", f"{till}-0{number}", f"T-9-{number}"):
        assert (await checked.call("GET", f"/v1/prints/{never}")).status == 404


async def play_given_up(till: RealTill, checked: Checked, printer: VirtualPrinter) -> None:
    """A receipt that waits for paper is not wanted any more."""
    printer.set_fault(Fault.PAPER_OUT)
    job = (await checked.redeem(till.coupon(), "unwanted", total_minor=20_000)).json["print_job"]
    async with asyncio.timeout(WAIT_S):
        while (answer := await checked.call("POST", f"/v1/prints/{job}/give-up", {})).status != 200:
            assert answer.code == "not_waiting", "it is being asked whether it has paper"
    assert (answer.json["state"], answer.json["cause"]) == ("failed", "given_up")
    again = await checked.call("POST", f"/v1/prints/{job}/give-up", {})
    assert (again.status, again.json) == (200, answer.json), "whoever asks twice wants the same"
    await checked.call("POST", f"/v1/prints/{job}/give-up", raw=b"", Content_Type="x/y")
    assert (await checked.call("POST", "/v1/prints/none/give-up", {})).status == 404
    shut = await checked.call("POST", "/v1/drawer", {})
    assert (shut.status, shut.code) == (409, "drawer_shut")
    assert "out of paper" in shut.json["en"]
    assert "缺纸" in shut.json["zh"]
    printer.set_fault(Fault.PAPER_OUT, on=False)
    before = len(printer.jobs)
    assert (await checked.call("POST", "/v1/drawer", {})).json == {"confirmed": True}
    assert sum(job.count(DRAWER_PULSE) for job in printer.jobs[before:]) == 1
    await checked.call("POST", "/v1/drawer", raw=b"", Content_Type="x/y")


async def play_scanner(till: RealTill, checked: Checked) -> None:
    """One that reads when it is asked to, and one that cannot."""
    await until(lambda: till.app._sources[0][1].status().state is DeviceState.READY)
    assert (await checked.call("POST", "/v1/scanners/front/trigger", {})).status == 200
    assert (await checked.call("POST", "/v1/scanners/side/trigger", {})).code == "no_trigger"
    assert (await checked.call("POST", "/v1/scanners/none/trigger", {})).code == "unknown_scanner"
    await checked.call("POST", "/v1/scanners/front/trigger", raw=b"", Content_Type="x/y")


async def play_everywhere(contract: Contract, checked: Checked, **headers: str) -> None:
    """The same request to every route."""
    for method, path in contract.operations():
        body: Any = {} if method in ("post", "put") else None
        await checked.call(
            method, path.replace("{job}", "x").replace("{hold}", "x").replace("{name}", "x"), body, **headers
        )


async def play_join(contract: Contract, folder: Path) -> None:
    join = {"url": "https://acme.example/join", "words": {"zh": "入会", "en": "Join"}}
    async with real_till(folder, Factory(receipt_rules={"join": join})) as till:
        assert (await till.call("GET", "/v1/join")).raw.startswith(b"<?xml")
        contract.seen.add(("get", "/v1/join", 200))


async def test_real_answers_of_every_route_fit_it(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every status that the document names for a route is seen there, but for our own faults."""
    contract.seen.clear()
    (tmp_path / "token").write_text(TOKEN)
    async with VirtualPrinter() as printer:
        devices = (config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),)
        with VirtualScanner() as line:
            scanners = (
                config.SerialScanner(name="front", port=line.port, trigger_on="\x16T\r"),
                config.WedgeScanner(name="side", vendor="1234", product="5678"),
            )
            async with real_till(tmp_path / "scanners", scanner=scanners) as till:
                await play_scanner(till, Checked(till, contract))
        async with real_till(tmp_path / "one", printer=devices) as till:
            checked = Checked(till, contract)
            await play_coupons(till, checked)
            await play_errors(checked)
            await play_receipts(till, checked)
            await play_sales(till, checked)
            await play_bundle_files(till, checked, tmp_path / "one")
            await play_unconfirmed(till, checked, printer)
            await play_given_up(till, checked, printer)
            await play_erased(checked, tmp_path / "one")
            await play_everywhere(contract, checked, Host="evil.example")
            await play_checkout(contract, tmp_path / "checkout")
            await checked.call("PUT", "/v1/sale", {"total_minor": 5, "sale_id": "x", "lines": []})
            for path in ("/v1/sale", "/v1/status"):
                await checked.call("GET", path)
            for query in ("", "?campaign=acme/1", "?campaign=acme/9", "?campaign=x"):
                await checked.call("GET", f"/v1/risk{query}")
            await checked.call("DELETE", "/v1/sale")
            await checked.call("GET", "/v1/sale")
            for path in ("/v1/health", "/v1/lanes", "/metrics"):
                await checked.call("GET", path)
            assert (await checked.call("GET", "/v1/openapi.json")).json == contract.document
            await check_stream(till, contract)
            await play_slow_bodies(till, contract, monkeypatch)
            await play_same_key_at_once(till, checked)
            await play_guesses(checked)
            await play_quarantine(checked, tmp_path / "one")
            await play_damaged_ledger(till, checked, tmp_path / "one")
    guarded = config.Api(port=0, token_file=str(tmp_path / "token"))
    await play_join(contract, tmp_path / "joins")
    async with real_till(tmp_path / "two", api=guarded) as till:
        await play_everywhere(contract, Checked(till, contract))
    async with real_till(tmp_path / "three", enrolled=False, scan=config.Scan(queue_max=1)) as till:
        checked = Checked(till, contract)
        await play_everywhere_unenrolled(checked)
        for turn in range(20):  # until some had to wait
            many = (checked.call("POST", "/v1/scan", {"text": f"s{turn}-{n}"}) for n in range(30))
            if 503 in {answer.status for answer in await asyncio.gather(*many)}:
                break
    named = {
        (method, path, int(code))
        for (method, path), operation in contract.operations().items()
        for code in operation["responses"]
    }
    assert {place for place in named - contract.seen if place[2] != UNREACHABLE_STATUS} == set()


async def play_checkout(contract: Contract, folder: Path) -> None:
    """A shop without a POS: too little, enough, taken back, and a total that the database does not take."""
    async with real_till(folder, without_pos=True) as till, listening(till) as page:
        checked = Checked(till, contract)
        assert (await checked.call("POST", "/v1/sale/undo", {})).code == "nothing_to_undo"
        await checked.call("POST", "/v1/sale/undo", raw=b"", Content_Type="x/y")
        for _ in range(2):
            await checked.call("POST", "/v1/scan", {"text": till.coupon()})
            for minor in (1, 20_000):
                assert (await checked.call("PUT", "/v1/sale", {"total_minor": minor})).status == 200
            if till.app.till.hub.verdicts[0]["redemption_id"] == "T-0001-1":
                assert (await checked.call("POST", "/v1/sale/undo", {})).status == 200
        for _ in range(4):
            assert contract.fault(contract.schema("CheckoutNow"), await page.event("sale")) is None
        assert (
            contract.fault(contract.schema("Status"), (await checked.call("GET", "/v1/status")).json) is None
        )
        beside = sqlite3.connect(folder / "till.db")
        for old, new in (("hold", "gone"), ("gone", "hold"), ("hold", "gone")):
            beside.execute(f"ALTER TABLE {old} RENAME TO {new}")
            if new == "hold":
                await checked.call("POST", "/v1/scan", {"text": till.coupon()})
            elif (checkout := till.app.till.counter.checkout) is not None and checkout.said["undoable"]:
                assert (await checked.call("POST", "/v1/sale/undo", {})).code == "ledger_unavailable"
        beside.close()
        assert (await checked.call("PUT", "/v1/sale", {"total_minor": 20_000})).code == "ledger_unavailable"


async def play_everywhere_unenrolled(checked: Checked) -> None:
    for path in ("/v1/status", "/v1/health", "/v1/sale", "/v1/verdicts", "/v1/risk"):
        await checked.call("GET", path)
    await checked.call("PUT", "/v1/sale", {"total_minor": 1})
    await play_sales_elsewhere(checked)
    await checked.redeem("x", "k", total_minor=1)
    await checked.call("POST", "/v1/verify", {"text": "x"})


async def check_stream(till: RealTill, contract: Contract) -> None:
    """Each event's data fits the schema of its name; the 33rd listener is refused as written."""
    async with listening(till) as page:
        contract.seen.add(("get", "/v1/events", 200))
        assert contract.fault(contract.schema("Status"), await page.event("status")) is None
        printed = await till.redeem(till.coupon(), total_minor=20_000)
        assert contract.fault(contract.schema("Verdict"), await page.event("verdict")) is None
        told = await page.event("print")
        assert contract.fault(contract.schema("Print"), told) is None
        assert told["job"] == printed.json["print_job"]
        till.app.till.take_fault(ScanFault("front", "incomplete", "no suffix", 1.0))
        assert contract.fault(contract.schema("ScanFault"), await page.event("fault")) is None
    await until(lambda: till.app.till.hub.listeners == 0)  # the page has left, and soon the till knows it
    with_all_places_taken = [till.app.till.hub.listen() for _ in range(LISTENERS_MAX)]
    for place in with_all_places_taken[till.app.till.hub.listeners :]:
        place.__enter__()
    answer = await till.call("GET", "/v1/events")
    contract.check("get", "/v1/events", answer.status, PROBLEM_TYPE, answer.raw)
    till.app.till.hub.close()


async def play_slow_bodies(till: RealTill, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(wire, "BODY_WAIT_S", 0.05)
        sales = tuple(f"POST /v1/{path}".encode() for path in SALES)
        posts = (*sales, b"POST /v1/redeem", b"POST /v1/verify", b"POST /v1/scan", b"POST /v1/outbox/retry")
        for line in (*posts, b"PUT /v1/sale"):
            reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
            writer.write(
                line + b" HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
                b"Idempotency-Key: slow\r\nContent-Length: 9\r\n\r\n{"
            )
            async with asyncio.timeout(WAIT_S):
                answer = await reader.readuntil(b'"}')
            method, path = line.decode().split()
            contract.check(
                method, path, int(answer.split()[1]), PROBLEM_TYPE, answer.partition(b"\r\n\r\n")[2]
            )
            writer.close()


async def play_same_key_at_once(till: RealTill, checked: Checked) -> None:
    """Until two of them overlapped."""
    for turn in range(20):
        coupon = till.coupon()
        answers = await asyncio.gather(*(checked.redeem(coupon, f"at-once-{turn}") for _ in range(5)))
        if 409 in {answer.status for answer in answers}:
            return


async def play_guesses(checked: Checked) -> None:
    """Unknown codes until the till answers no more of them."""
    for number in range(AT_ONCE + 5):
        await checked.call("POST", "/v1/verify", {"text": f"(255)4012345000016{number:04}"})
    guess = {"text": "(255)4012345000016"}
    await checked.call("POST", "/v1/scan", guess)
    await checked.call("POST", "/v1/redeem", guess, Idempotency_Key="a guess")
    sale = {"sale": {"total_minor": 1}, "coupons": [guess["text"]]}
    for path in ("quotes", "holds"):
        assert (await checked.call("POST", f"/v1/{path}", sale, Idempotency_Key="guess")).status == 429


async def play_quarantine(checked: Checked, folder: Path) -> None:
    """Records that a cloud has refused for good: one is offered again, then a lane, then the rest."""
    beside = sqlite3.connect(folder / "till.db")
    for lane in ("redemption", "evidence"):
        beside.execute(f"UPDATE {lane}_record SET state = 'quarantined' WHERE sequence <= 2")
    beside.commit()
    beside.close()
    await play_conflicts(checked, folder)
    one = {"lane": "redemption", "sequence": 1}
    bodies: list[Any] = [one, one, {"lane": "redemption"}, {}, {"lane": None, "sequence": None}]
    said = [(await checked.call("POST", "/v1/outbox/retry", body)).json for body in bodies]
    assert [answer["requeued"] for answer in said] == [1, 0, 1, 2, 0]
    assert (await checked.call("GET", "/v1/status")).json["outbox"]["quarantined"] == 0
    for body in (
        {"sequence": 1},
        {"lane": "all"},
        {"lane": "evidence", "sequence": 0},
        {"lanes": "evidence"},
    ):
        answer = await checked.call("POST", "/v1/outbox/retry", body)
        assert (answer.status, answer.code) == (400, "bad_body"), body


async def play_conflicts(checked: Checked, folder: Path) -> None:
    """What a cloud told of coupons redeemed twice."""
    beside = sqlite3.connect(folder / "till.db")
    told = json.loads(block("json verdicts"))["verdicts"][0]
    told = {name: told[name] for name in told if name not in ("number", "because")}
    row = ("conflict", told["redemption_id"], "T-2-1", json.dumps(told), told["found_at"])
    beside.execute(
        "INSERT INTO conflict (kind, redemption_id, other_id, document, taken_at) VALUES (?, ?, ?, ?, ?)", row
    )
    beside.commit()
    beside.close()
    assert len((await checked.call("GET", "/v1/status")).json["conflicts"]) == 1
    assert len((await checked.call("GET", "/v1/conflicts?state=unseen&limit=9")).json["conflicts"]) == 1
    assert (await checked.call("GET", "/v1/conflicts?state=x")).code == "bad_request"
    for number, status in (("1", 200), ("7", 404), ("x", 404)):
        assert (await checked.call("POST", f"/v1/conflicts/{number}/seen", {})).status == status
    await checked.call("POST", "/v1/conflicts/1/seen", raw=b"", Content_Type="x/y")
    (seen,) = (await checked.call("GET", "/v1/conflicts")).json["conflicts"]
    assert seen["seen_at"] is not None


async def play_damaged_ledger(till: RealTill, checked: Checked, folder: Path) -> None:
    """A table is gone under the running till, as after a failing disk: said, and nobody is told a lie."""
    beside = sqlite3.connect(folder / "till.db")
    beside.execute("ALTER TABLE print_job RENAME TO gone")
    beside.execute("ALTER TABLE conflict RENAME TO gone_conflict")
    beside.close()
    for method, path in (("GET", "/v1/conflicts"), ("POST", "/v1/conflicts/1/seen")):
        answer = await checked.call(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.code) == (503, "ledger_unavailable")
    acts = [("POST", f"/v1/prints/x/{action}") for action in ("reprint", "confirm", "give-up")]
    for method, path in (("GET", "/v1/prints"), ("GET", "/v1/prints/x"), *acts):
        answer = await checked.call(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.code) == (503, "ledger_unavailable")
    newer = replace(till.factory, sequence=3)
    parts = newer.parts()
    pieces = bundle_file.write(Head((newer.root(),), newer.manifest(parts)), parts.values())
    (folder / INBOX).write_bytes(b"".join(pieces))
    beside = sqlite3.connect(folder / "till.db")
    beside.execute("ALTER TABLE part RENAME TO gone_too")
    beside.close()
    answer = await checked.call("POST", "/v1/bundle/import", {})
    assert (answer.status, answer.code) == (503, "ledger_unavailable")
    stopped = (await checked.redeem(till.coupon(), "damaged", total_minor=20_000)).json
    assert (stopped["outcome"], stopped["detail"]) == ("till_stopped", "ledger_unavailable")
    beside = sqlite3.connect(folder / "till.db")
    beside.execute("ALTER TABLE evidence_record RENAME TO gone_three")
    beside.close()
    answer = await checked.call("POST", "/v1/outbox/retry", {})
    assert (answer.status, answer.code) == (503, "ledger_unavailable")
    beside = sqlite3.connect(folder / "till.db")
    for table in ("hold", "redemption_record", "held_coupon", "coupon_use"):
        beside.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")
    beside.close()
    sale = {"sale": {"total_minor": 1}, "coupons": [till.coupon()]}
    total = {"total_minor": 1, "tenders": []}
    posts: list[tuple[str, Any]] = [("quotes", sale), ("holds", sale), ("holds/x/commit", total)]
    for path, body in (*posts, ("holds/x/void", {}), ("reversals", {"redemption_id": "T-0001-1"})):
        answer = await checked.call("POST", f"/v1/{path}", body, Idempotency_Key=f"gone {path}")
        assert (answer.status, answer.code) == (503, "ledger_unavailable"), path
    for path in ("/v1/holds/x", "/v1/risk", "/v1/lanes"):
        assert (await checked.call("GET", path)).code == "ledger_unavailable"
    measured = await checked.call("GET", "/metrics")
    assert b"redeemd_healthy 0\n" in measured.raw
    assert b"redeemd_lane_" not in measured.raw
    await checked.call("GET", "/v1/status")


# ---- any body -------------------------------------------------------------------------------------------------------

integers = st.integers(-(10**13), 10**13) | st.sampled_from([AMOUNT_MAX_MINOR, AMOUNT_MAX_MINOR + 1, 2**63])
scalars = st.none() | st.booleans() | integers | st.floats(0.1, 0.9) | st.text(max_size=70)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
UNSEEN = [
    "\xad",
    "\u061c",
    "\u180e",
    "\u200b",
    "\u200f",
    "\u202e",
    "\u2069",
    "\ufeff",
    "\ufffa",
    "\U000e0041",
]
names = st.text(max_size=66) | st.sampled_from(["118", "a\n", "\x7f", "\u200d", "\ufffd", *UNSEEN])
lines = st.fixed_dictionaries(
    {
        "sku": names | anything,
        "quantity": st.integers(-3, 3) | anything,
        "unit_price_minor": st.integers(0, 9) | anything,
    },
    optional={"x": anything},
)
sales = st.fixed_dictionaries(
    {"total_minor": st.integers(0, 10**6) | integers},
    optional={
        "sale_id": names | anything,
        "currency": st.sampled_from(["CNY", "EUR", "cny", "CNYX", "CNY\n", ""]) | st.none() | anything,
        "lines": st.lists(lines, max_size=2) | anything,
    },
)
scans = st.fixed_dictionaries({"text": st.text(max_size=40) | anything}, optional={"sale": sales | anything})
bodies = anything | sales | scans
BODY_SCHEMAS = {
    "/v1/redeem": "RedeemBody",
    "/v1/verify": "RedeemBody",
    "/v1/scan": "ScanBody",
    "/v1/sale": "SaleBody",
}


@module_loop
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(body=bodies)
async def test_any_body_is_answered_as_written(till: RealTill, contract: Contract, body: Any) -> None:
    """No 500; every answer fits; and the document and the code agree on which bodies are good."""
    checked, raw = Checked(till, contract), json.dumps(body).encode()
    for path, schema in BODY_SCHEMAS.items():
        till.keys += 1
        method = "PUT" if path == "/v1/sale" else "POST"
        answer = await checked.call(method, path, raw=raw, Idempotency_Key=f"any-{till.keys}")
        assert answer.status != UNREACHABLE_STATUS
        fits = contract.fault(contract.schema(schema), body) is None
        refused = answer.status == 400 and answer.code == "bad_body"
        assert refused != fits, (path, body, answer.raw)
    answer = await checked.call("POST", "/v1/prints/x/reprint", raw=raw)
    assert answer.status == 404


@module_loop
@settings(max_examples=60)
@given(raw=st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0019.eE+- text', max_size=40).map(str.encode))
async def test_any_bytes_are_answered_as_written(till: RealTill, contract: Contract, raw: bytes) -> None:
    for path in BODY_SCHEMAS:
        till.keys += 1
        method = "PUT" if path == "/v1/sale" else "POST"
        answer = await Checked(till, contract).call(method, path, raw=raw, Idempotency_Key=f"raw-{till.keys}")
        assert answer.status in (200, 400)


@module_loop
@pytest.mark.parametrize("name", ["a\n", "\n", "\x00", "a\x85b", "\x7f", "", *UNSEEN])
@pytest.mark.parametrize("field", ["sale_id", "currency"])
async def test_control_characters_and_unseen_ones_are_refused_as_written(
    till: RealTill, contract: Contract, name: str, field: str
) -> None:
    body = {"total_minor": 1, field: "CNY" + name if field == "currency" and name else name}
    answer = await Checked(till, contract).call("PUT", "/v1/sale", body)
    assert (answer.status, answer.code) == (400, "bad_body")
    assert contract.fault(contract.schema("SaleBody"), body) is not None


def test_the_judge_sees_faults(contract: Contract) -> None:
    """A test that cannot fail is a defect: the contract refuses what is wrong."""
    assert contract.fault(contract.schema("Sale")["properties"]["total_minor"], 1.5) is not None
    with pytest.raises(AssertionError, match="not in the document"):
        contract.check("get", "/v1/nothing", 200, "application/json", b"{}")
    with pytest.raises(AssertionError, match="not in the document"):
        contract.check("get", "/v1/sale", 418, "application/json", b"{}")
    with pytest.raises(AssertionError, match="is a required property"):
        contract.check("get", "/v1/sale", 200, "application/json", b"{}")
    with pytest.raises(AssertionError, match="answered text/plain"):
        contract.check("get", "/v1/sale", 200, "text/plain", b"{}")
