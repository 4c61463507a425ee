"""Speaks the local HTTP API to the cashier page over a real socket, with a state the test sets freely.

Only for states a real till reaches slowly or by harm (37 records waiting, paper out). It decides nothing: a test says
which verdict a scan gets. The page's headers are the daemon's own, so what its policy forbids fails here too, and
all it says is held to docs/openapi.yaml: a page is not tried on answers that no till gives.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from agent.api.security import PAGE_HEADERS
from agent.device_words import trouble
from agent.domain.outcome import SAYINGS, Outcome, sentences
from agent.till_json import device_json
from drivers.ports import DeviceState, DeviceStatus, PrinterCause
from tests.api_contract import Contract

WEB = Path(__file__).parents[2] / "agent" / "web"

Json = dict[str, Any]

CONTRACT = Contract()
EVENTS = {
    "status": "Status",
    "verdict": "Verdict",
    "fault": "ScanFault",
    "sale": "CheckoutNow",
    "print": "Print",
}  # what each event of /v1/events carries


def ago(**delta: float) -> str:
    return (datetime.now().astimezone() - timedelta(**delta)).isoformat(timespec="seconds")


def device(role: str, name: str, kind: str, state: DeviceState, detail: str = "", cause: str = "") -> Json:
    """A device in the words of the real till."""
    return device_json(role, DeviceStatus(name, kind, state, detail, 0.0, cause))


def printer(cause: str = "", detail: str = "") -> Json:
    state = DeviceState.READY if cause in ("", PrinterCause.PAPER_LOW) else DeviceState.LOST
    return device("printer", "receipts", "tcp", state, detail, cause)


def printer_issue(cause: str) -> Json:
    """What the real till says of it."""
    state = DeviceState.READY if cause == PrinterCause.PAPER_LOW else DeviceState.LOST
    said = trouble("printer", DeviceStatus("receipts", "tcp", state, "", 0.0, cause))
    assert said is not None
    low = state is DeviceState.READY
    return {
        "code": "paper_low" if low else "device_lost",
        "severity": "info" if low else "warning",
        **said._asdict(),
    }


def status(**changes: Any) -> Json:
    """A till at rest: online, nothing waiting, every device ready."""
    return {
        "version": "0.1.0",
        "till": "T-0001",
        "store": {"code": "SH-0042", "name_zh": "南京西路店", "name_en": "Nanjing West Road"},
        "language": "zh",
        "currency": "CNY",
        "zone": "Asia/Shanghai",
        "time": ago(),
        "line": {
            "state": "online",
            "since": ago(hours=5),
            "last_success": ago(seconds=4),
            "zh": "",
            "en": "",
        },
        "outbox": {"waiting": 0, "oldest": None, "quarantined": 0, "conflicts": 0},
        "bundle": {
            "epoch": 1,
            "sequence": 118,
            "issued": ago(hours=2),
            "age": "fresh",
            "campaigns": 3,
            "zh": "活动数据是最新的，各活动照常",
            "en": "The offers are up to date: every campaign counts as planned",
        },
        "clock": {"doubt": False, "zh": "", "en": ""},
        "devices": [
            device("scanner", "counter", "serial", DeviceState.READY),
            device("camera", "window", "camera", DeviceState.READY),
            printer(),
        ],
        "prints": {"waiting": 0, "unconfirmed": 0},
        "promos_free": 40,
        "messages": [],
        "conflicts": [],
        "issues": [],
        "healthy": True,
        "sale": None,
        "checkout": None,
        "member": None,
        "assistant": None,
        "join": None,
        "today": {"accepted": 46, "refused": 5, "discount_minor": 128650, "assistants": []},
        **changes,
    }


def campaign(**changes: str) -> Json:
    return {
        "title_zh": "秋季满减",
        "title_en": "Autumn saver",
        "benefit_zh": "满 100 减 30",
        "benefit_en": "30 off 100",
        "prompt_zh": "",
        "prompt_en": "",
        **changes,
    }


def verdict(outcome: Outcome = Outcome.ACCEPTED, **changes: Any) -> Json:
    """A verdict with the tone and the sentences the till really gives for `outcome`."""
    names = {"benefit": "减 ¥30.00", "first_use": ago(hours=2)[11:16], "expires": "10-31", "starts": "12-01"}
    said = sentences(
        outcome, {**names, "missing": "¥17.00"}, {**names, "benefit": "¥30.00 off", "missing": "¥17.00"}
    )
    return {
        "scan_id": str(uuid4()),
        "at": ago(),
        "source": "counter",
        "outcome": outcome.value,
        "accepted": outcome is Outcome.ACCEPTED,
        "tone": SAYINGS[outcome].tone.value,
        "transient": SAYINGS[outcome].tone.value == "warn",
        "zh": said.zh,
        "en": said.en,
        "next_zh": said.next_zh,
        "next_en": said.next_en,
        "works_from": None,
        "detail": None,
        "coupon": {"issuer": "acme", "campaign": 3, "index": 4711, "expires": "2026-12-31"},
        "campaign": campaign(),
        "discount_minor": None,
        "left_minor": None,
        "currency": "CNY",
        "redemption_id": None,
        "print_job": None,
        "offline": False,
        "first_use": None,
        "replayed": False,
        "ms": 1.9,
        **changes,
    }


def accepted(minor: int | None = 3000, **changes: Any) -> Json:
    fields: Json = {"discount_minor": minor, "redemption_id": str(uuid4()), "print_job": "job-1"}
    if minor is None:  # the sale is not known: the cashier is told what to check
        fields |= {"zh": "可用：满 100 减 30", "en": "Accepted: 30 off 100"}
        fields |= {"next_zh": "请核对：满 100 减 30", "next_en": "Check: 30 off 100"}
    return verdict(**{**fields, **changes})


def used(**changes: Any) -> Json:
    first_use = {"at": ago(hours=2, minutes=11), "till": "T-0003", "redemption_id": "T-0003-41"}
    return verdict(Outcome.ALREADY_REDEEMED, **{"first_use": first_use, **changes})


def wrong_store(**changes: Any) -> Json:
    return verdict(Outcome.WRONG_STORE, **{"detail": "store_not_listed", **changes})


def truncated(**changes: Any) -> Json:
    return verdict(Outcome.TRUNCATED, **{"coupon": None, "campaign": None, **changes})


RECEIPT = """\
        南京西路店
     优惠券核销凭证
--------------------------------
活动          秋季满减 满100减30
优惠                     -¥30.00
券号              acme/3/0004711
时间            2026-11-22 14:03
收银台                    T-0001
--------------------------------
   下次购物，请出示下方二维码
          [二维码]
"""


def receipt(job: str, state: str = "printed", **changes: Any) -> Json:
    """A receipt as GET /v1/prints/{job} gives it."""
    return {**printing(job, state), "text": RECEIPT, "html": "", **changes}


def printing(job: str, state: str, **changes: Any) -> Json:
    """The same without the receipt, as the event `print` gives it."""
    action = ("小票出来了吗？", "Is it there?") if state == "unconfirmed" else ("", "")
    causes = {"cause": "", "cause_zh": "", "cause_en": "", "updated_at": ago(minutes=6)}
    causes |= {"action_zh": action[0], "action_en": action[1]}
    return {"job": job, "redemption_id": job, "state": state, "copies": 0, **causes, **changes}


def _bare(job: Json) -> Json:
    return {name: said for name, said in job.items() if name not in ("text", "html")}


def problem(code: str, zh: str, en: str, status: int = 409) -> Json:
    """Why a call is refused (RFC 9457)."""
    kind = {"type": f"urn:redeemd:problem:{code}", "title": en, "status": status, "detail": en}
    return {**kind, "code": code, "zh": zh, "en": en}


class TillStandIn:
    """The server; `url` is where the page is. Tests set its fields; `push` sends an event to every open page."""

    def __init__(self) -> None:
        self.url = ""
        self.reset()
        self._port = 0
        self._runner: web.AppRunner | None = None

    def reset(self) -> None:
        self.wrong: list[str] = []
        self.held = True
        """To docs/openapi.yaml; False for what a hostile or a later till might say."""
        self.status = status()
        self.verdicts: list[Json] = []
        self.prints: dict[str, Json] = {"job-1": receipt("job-1")}
        self.calls: list[tuple[str, str, Any]] = []
        self.scan_answer: Json | None = None
        self.refuse: Json | None = None
        self._streams: set[asyncio.Queue[str]] = set()

    async def push(self, event: str, data: Json) -> None:
        fault = CONTRACT.fault(CONTRACT.schema(EVENTS[event]), data) if self.held else None
        assert fault is None, f"no till says this: {event} {fault}"
        if event == "verdict":
            self.verdicts.insert(0, data)
        if event == "status":
            self.status = data
        for stream in self._streams:
            stream.put_nowait(f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n")

    async def start(self) -> None:
        app = web.Application(middlewares=[self._note])
        app.add_routes(
            [
                web.get("/", self._file),
                web.get("/v1/status", self._status),
                web.get("/v1/verdicts", self._verdicts),
                web.get("/v1/events", self._events),
                web.post("/v1/scan", self._scan),
                web.put("/v1/sale", self._put_sale),
                web.delete("/v1/sale", self._delete_sale),
                web.get("/v1/prints", self._prints),
                web.get("/v1/prints/{job}", self._print),
                web.post("/v1/prints/{job}/confirm", self._confirm),
                web.post("/v1/prints/{job}/reprint", self._reprint),
                web.post("/v1/conflicts/{id}/seen", self._see),
                web.get("/{name}", self._file),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/"

    async def stop(self) -> None:
        assert self._runner is not None
        assert self.wrong == [], f"no till says this: {self.wrong[0]}"
        for stream in self._streams:
            stream.put_nowait("")  # ends it
        await self._runner.cleanup()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method in ("POST", "PUT"):
            assert request.content_type == "application/json"
            self.calls.append((request.method, request.path, await request.json()))
        elif request.method == "DELETE":
            self.calls.append((request.method, request.path, None))
        if self.refuse is not None and request.method != "GET":
            response: web.StreamResponse = web.json_response(
                self.refuse, status=self.refuse["status"], content_type="application/problem+json"
            )
        else:
            response = await handler(request)
        if self.held and isinstance(response, web.Response) and request.path.startswith("/v1/"):
            self._hold(request, response)
        return response

    def _hold(self, request: web.Request, answer: web.Response) -> None:
        body = answer.body if isinstance(answer.body, bytes) else b""
        try:
            CONTRACT.check(request.method, request.path, answer.status, answer.content_type, body)
        except AssertionError as error:
            self.wrong.append(str(error))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = WEB / request.match_info.get("name", "index.html")
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers=PAGE_HEADERS)

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response({**self.status, "time": ago()})

    async def _verdicts(self, request: web.Request) -> web.Response:
        return web.json_response({"verdicts": self.verdicts[: int(request.query["limit"])]})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        await response.write(b": hello\n\n")
        stream: asyncio.Queue[str] = asyncio.Queue()
        self._streams.add(stream)
        try:
            while message := await stream.get():
                await response.write(message.encode())
        except ConnectionError:
            pass  # the page went away
        finally:
            self._streams.discard(stream)
        return response

    async def _scan(self, _: web.Request) -> web.Response:
        assert self.scan_answer is not None
        await self.push("verdict", self.scan_answer)
        return web.json_response(self.scan_answer)

    async def _put_sale(self, request: web.Request) -> web.Response:
        total = (await request.json())["total_minor"]
        sale = {"sale_id": "sale-1", "total_minor": total, "currency": self.status["currency"]}
        await self.push("status", {**self.status, "sale": sale})
        return web.json_response({"sale": sale, "member": None, "checkout": self.status["checkout"]})

    async def _delete_sale(self, _: web.Request) -> web.Response:
        await self.push("status", {**self.status, "sale": None})
        return web.Response(status=204)

    async def _prints(self, request: web.Request) -> web.Response:
        state = request.query.get("state")
        newest = [_bare(job) for job in reversed(self.prints.values()) if state in (None, job["state"])]
        return web.json_response({"prints": newest[: int(request.query["limit"])]})

    async def _confirm(self, request: web.Request) -> web.Response:
        job = self.prints[request.match_info["job"]]
        job["state"] = "printed"
        await self.tell_unconfirmed()
        return web.json_response(_bare(job))

    async def tell_unconfirmed(self) -> None:
        """The status with as many unconfirmed receipts as there are."""
        count = sum(job["state"] == "unconfirmed" for job in self.prints.values())
        await self.push("status", {**self.status, "prints": {**self.status["prints"], "unconfirmed": count}})

    async def _see(self, request: web.Request) -> web.Response:
        left = [one for one in self.status["conflicts"] if str(one["id"]) != request.match_info["id"]]
        await self.push("status", {**self.status, "conflicts": left})
        return web.json_response({"id": int(request.match_info["id"])})

    async def _print(self, request: web.Request) -> web.Response:
        return web.json_response(self.prints[request.match_info["job"]])

    async def _reprint(self, request: web.Request) -> web.Response:
        job = self.prints[request.match_info["job"]]
        job["copies"] += 1
        return web.json_response({"job": job["job"], "copy": job["copies"], "state": "queued"})
