"""A coupon redeemed at two tills: both stores hear of it, see it, print it once and say that they have seen it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import config
from agent.app import App, running
from agent.cli import main
from agent.commands.enrol import enrol
from agent.domain.time import day_number
from agent.line.conflicts import Conflicts
from agent.printing.conflict_slip import slip_maker
from agent.receipts.maker import document_of
from agent.receipts.papers import Papers
from agent.receipts.plain import render_text
from agent.store.conflicts import CONFLICT, SqlConflicts
from agent.store.housekeeping import CONFLICT_KEEP, Retention, tidy
from cloud.main import init
from sync.ports import Answer, Failure, FailureKind
from sync.verdicts import VERDICTS_TYPE
from tests.core_kit import Core, core, install, rows
from tests.factory import TILL, Factory
from tests.integration.api_kit import RealTill
from tests.integration.cloud_server_kit import STORE_BODY, Running
from tests.integration.test_cloud_restored import day, issue, serving
from tests.unit.test_sync_document import block

VERDICT: dict[str, Any] = json.loads(block("json verdicts"))["verdicts"][0] | {
    "zh": "此券也在门店 S-18 核销",
    "en": "also redeemed at store S-18",
}


def verdict(number: int, own: int = 1, other: int = 1, **more: Any) -> dict[str, Any]:
    against = VERDICT["other"] | {"redemption_id": f"T-9-{other}"}
    return VERDICT | {"number": number, "redemption_id": f"{TILL}-{own}", "other": against} | more


class Cloud:
    """An uplink that answers with these verdicts, as the cloud pages them."""

    def __init__(self, *verdicts: dict[str, Any]) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[str] = []
        self.answer: Answer | Failure | None = None

    async def get(
        self, path: str, etag: str | None = None, *, max_bytes: int | None = None
    ) -> Answer | Failure:
        self.asked.append(path)
        if self.answer is not None:
            return self.answer
        after = int(path.rpartition("=")[2])
        page = [one for one in self.verdicts if one["number"] > after]
        body = json.dumps({"verdicts": page[:2], "more": len(page) > 2}).encode()
        return Answer(200, {"content-type": VERDICTS_TYPE}, body)

    async def post_batch(self, lane: str, body: bytes, idempotency_key: str) -> Answer | Failure:
        raise AssertionError("not here")


@pytest.fixture
def till(tmp_path: Path) -> Any:
    factory = Factory()
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


def conflicts_of(till: Core, cloud: Cloud, *, slip: bool = False) -> Conflicts:
    made = slip_maker("en", till.state, till.clock) if slip else None
    store = SqlConflicts(till.database, TILL)
    return Conflicts(store, cloud, till.state, till.clock, made, lambda: None)


async def test_what_is_told_is_kept_once_and_seen(till: Core) -> None:
    cloud = Cloud(*(verdict(number, own=number) for number in (3, 5, 8)))
    conflicts = conflicts_of(till, cloud)
    assert await conflicts.fetch() is True
    assert cloud.asked == [f"/v1/tills/{TILL}/verdicts?after={after}" for after in (0, 5)]
    assert await conflicts.fetch() is False, "nothing new"
    cloud.verdicts.append(verdict(9, own=3))  # a restored cloud tells it again under another number
    assert await conflicts.fetch() is False
    assert await SqlConflicts(till.database, TILL).cursor() == 9
    shown = await conflicts.shown()
    assert [one["redemption_id"] for one in shown] == [f"{TILL}-8", f"{TILL}-5", f"{TILL}-3"]
    assert await conflicts.see(shown[0]["id"])
    assert await conflicts.see(shown[0]["id"]), "again is no error"
    assert not await conflicts.see(99)
    assert len(await conflicts.shown()) == 2
    assert len(await conflicts.listed(10, unseen=False)) == 3


async def test_a_conflict_that_has_ended_asks_for_nobody(till: Core) -> None:
    cloud = Cloud(verdict(1), verdict(2, other=2), verdict(3, kind="settled", standing="kept"))
    conflicts = conflicts_of(till, cloud)
    assert await conflicts.fetch() is True
    (left,) = await conflicts.shown()
    assert left["other"]["redemption_id"] == "T-9-2"
    kinds = [one["kind"] for one in await conflicts.listed(10, unseen=False)]
    assert kinds == ["settled", CONFLICT, CONFLICT]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(404, {}, b""), None),
        (Failure(FailureKind.DNS, "no"), FailureKind.DNS),
        (Answer(503, {}, b""), FailureKind.BUSY),
        (Answer(200, {"content-type": "text/html"}, b"<html>"), FailureKind.CAPTIVE_PORTAL),
        (Answer(200, {"content-type": "application/json"}, b"{}"), FailureKind.PROTOCOL),
        (Answer(200, {"content-type": VERDICTS_TYPE}, b'{"verdicts": [1]}'), FailureKind.PROTOCOL),
    ],
    ids=["none", "line", "busy", "portal", "form", "content"],
)
async def test_other_answers_change_nothing(
    till: Core, answer: Answer | Failure, kind: FailureKind | None
) -> None:
    cloud = Cloud(verdict(1))
    conflicts = conflicts_of(till, cloud)
    cloud.answer = answer
    found = await conflicts.fetch()
    assert (found.kind if isinstance(found, Failure) else None) is kind
    assert await conflicts.listed(9, unseen=False) == []
    cloud.answer = None
    assert await conflicts.fetch() is True


async def test_a_slip_is_printed_once_and_is_a_receipt_like_others(till: Core) -> None:
    cloud = Cloud(verdict(1), verdict(2, kind="settled"))
    conflicts = conflicts_of(till, cloud, slip=True)
    await conflicts.fetch()
    cloud.verdicts.append(verdict(3))
    await conflicts.fetch()
    (job,) = await till.prints.list_prints(9)
    assert (job.job_id, job.redemption_id) == (f"{TILL}-C1", f"{TILL}-1")
    text = render_text(document_of(Papers("", tuple).lay_out(job.receipt), 0), 48)
    assert "Redeemed twice" in text
    assert "also redeemed at store S-18" in text
    taken = await till.prints.next_print()
    assert taken is not None
    assert taken.job_id == job.job_id
    assert await till.prints.print_job(f"{TILL}-C1") is not None
    assert await till.prints.print_job(f"{TILL}-1") is None


async def test_it_is_forgotten_when_it_is_old(till: Core) -> None:
    conflicts = conflicts_of(till, Cloud(verdict(1)))
    await conflicts.fetch()
    now = till.clock.now()
    for later, left in ((CONFLICT_KEEP - timedelta(days=1), 1), (CONFLICT_KEEP + timedelta(days=1), 0)):
        then = now + later
        await tidy(till.database, then, day_number(then, till.state.zone()), Retention(400, 1000))
        assert len(await conflicts.listed(9, unseen=False)) == left
    assert await conflicts.fetch() is False, "the number stays known"


# --- two real tills and a real cloud ---


@asynccontextmanager
async def store_till(cloud: Running, folder: Path, name: str) -> AsyncIterator[App]:
    settings = config.Config(
        till=config.Till(state_dir=str(folder)), api=config.Api(port=0), cloud=config.Cloud(url=cloud.url)
    )
    status, made = await cloud.admin("POST", "tills", {"till": name, "store": STORE_BODY["store"]})
    assert status == 201, made
    await enrol(settings, made["code"])
    async with running(settings) as app:
        yield app


async def until(holds: Callable[[], bool], *apps: App) -> None:
    """Poll and send until it holds; the test's own time-out bounds it."""
    while not holds():
        for app in apps:
            app._line.poll_now()
            app._line.wake()
        await asyncio.sleep(0.02)


async def by_command(
    tmp_path: Path, folder: Path, app: App, told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """`redeemd conflicts`, beside the running till."""
    toml = tmp_path / "till.toml"
    port = app.api.url.rpartition(":")[2]
    toml.write_text(f'[till]\nstate_dir = "{folder}"\n[api]\nport = {port}\n', "utf-8")
    place = ["--config", str(toml)]

    def run(*arguments: str) -> str:
        code = main(["conflicts", *arguments, *place])
        out = capsys.readouterr()
        assert code == 0, out.err
        return out.out

    assert told["en"] in await asyncio.to_thread(run)
    assert told["zh"] in await asyncio.to_thread(run, "list", "--json")
    assert "1 seen" in await asyncio.to_thread(run, "seen", "all")
    assert "none that nobody has seen" in await asyncio.to_thread(run, "list")
    assert told["en"] in await asyncio.to_thread(run, "--all")


async def test_both_stores_see_it_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = {name: tmp_path / name for name in ("T-1", "T-2")}
    unseen = "SELECT count(*) FROM conflict WHERE seen_at IS NULL"
    token = init(tmp_path / "cloud")["admin_token"]
    async with serving(tmp_path / "cloud", token) as cloud:
        await cloud.set_up(starts=day() - 10, ends=day() + 60)
        async with (
            store_till(cloud, folders["T-1"], "T-1") as one,
            store_till(cloud, folders["T-2"], "T-2") as two,
        ):
            (coupon,) = await issue(cloud, 1)
            # Both take it before they hear of one another.
            assert [(await app.till.redeem(coupon["token"], None, "k")).outcome for app in (one, two)] == [
                "accepted",
                "accepted",
            ]
            await until(
                lambda: all(rows(folder / "till.db", unseen) == [(1,)] for folder in folders.values()),
                one,
                two,
            )
            said = {}
            for name, app in (("T-1", one), ("T-2", two)):
                status = await app.till.status()
                (conflict,) = status["conflicts"]
                assert [issue["code"] for issue in status["issues"]] == ["conflict"]
                assert status["outbox"]["conflicts"] == 1, "the answer to the batch is not counted again"
                said[name] = conflict
            assert sorted(one["standing"] for one in said.values()) == ["kept", "lost"]
            assert sorted(one["follows"] for one in said.values()) == ["open", "paid"]
            (listed,) = (await cloud.admin("GET", "conflicts"))[1]["conflicts"]
            loser = next(name for name, one in said.items() if one["standing"] == "lost")
            assert listed["till"] == loser

            async with aiohttp.ClientSession() as session:
                caller = RealTill(one, Factory(), session)
                answer = await caller.call("GET", "/v1/conflicts?state=unseen")
                assert [each["id"] for each in answer.json["conflicts"]] == [1]
                assert (await caller.call("GET", "/v1/conflicts?state=x")).code == "bad_request"
                assert (await caller.call("POST", "/v1/conflicts/7/seen", {})).code == "unknown_conflict"
                assert (await caller.call("POST", "/v1/conflicts/-/seen", {})).code == "unknown_conflict"
                assert (await caller.call("POST", "/v1/conflicts/1/seen", {})).json == {"id": 1}
            status = await one.till.status()
            assert (status["conflicts"], status["issues"], status["outbox"]["conflicts"]) == ([], [], 0)

            await by_command(tmp_path, folders["T-2"], two, said["T-2"], capsys)
