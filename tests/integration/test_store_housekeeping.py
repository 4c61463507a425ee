"""Housekeeping: forgets what is past its day and nothing else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.domain.time import day_number, timestamp
from agent.store import housekeeping
from agent.store.database import Database
from agent.store.housekeeping import Retention, tidy
from tests.core_kit import rows

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = day_number(NOW, UTC)
RETENTION = Retention(redemption_keep_days=100, evidence_max_rows=50)

LONG_AGO = timestamp(NOW - timedelta(days=101))
HOLDS = (("committed", LONG_AGO), ("open", LONG_AGO), ("voided", timestamp(NOW)))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "till.db")
    opened.open()
    yield opened
    opened.close()


async def put(database: Database, statement: str, *rows_: tuple[object, ...]) -> None:
    def write(db: sqlite3.Connection) -> None:
        db.executemany(statement, rows_)

    await database.run(write)


def event(days: int) -> str:
    """A record's text of so many days ago."""
    return json.dumps({"time": timestamp(NOW - timedelta(days=days))})


async def sweep(database: Database, now: datetime = NOW) -> dict[str, int]:
    return dict(await tidy(database, now, day_number(now, UTC), RETENTION))


async def test_a_use_is_kept_to_the_end_of_its_day(database: Database) -> None:
    await put(
        database,
        "INSERT INTO coupon_use VALUES ('acme', 1, ?, 'T-1', '', ?, 1, 0)",
        *((number, DAY + number - 2) for number in range(5)),
    )
    assert (await sweep(database))["coupon_use"] == 2
    assert rows(database.path, "SELECT min(forget_after) FROM coupon_use") == [(DAY,)]
    assert (await sweep(database, NOW + timedelta(days=1)))["coupon_use"] == 1


async def test_waiting_and_quarantined_records_are_never_deleted(database: Database) -> None:
    old = event(1000)
    for lane in ("redemption", "evidence"):
        kept = [(number, old, ("waiting", "quarantined")[number % 2]) for number in range(1, 200)]
        gone = [(number, old, "acknowledged") for number in range(200, 300)]
        newest = (10_000, old, "acknowledged")
        await put(database, f"INSERT INTO {lane}_record VALUES (?, ?, '', ?, NULL)", *kept, *gone, newest)
    deleted = await sweep(database)
    assert (deleted["redemption_record"], deleted["evidence_record"]) == (100, 100)
    assert rows(database.path, "SELECT lane, count(*) FROM record GROUP BY lane ORDER BY lane") == [
        ("evidence", 200),
        ("redemption", 200),
    ]


async def test_the_last_record_of_a_lane_is_kept_however_old(database: Database) -> None:
    """The chain goes on from it."""
    row = (7, event(1000))
    for lane in ("redemption", "evidence"):
        await put(database, f"INSERT INTO {lane}_record VALUES (?, ?, '', 'acknowledged', NULL)", row)
    await sweep(database)
    assert rows(database.path, "SELECT lane, sequence FROM record ORDER BY lane") == [
        ("evidence", 7),
        ("redemption", 7),
    ]


async def test_delivered_redemptions_go_by_age_and_evidence_by_number(database: Database) -> None:
    redemptions = [(200 - days, event(days)) for days in range(90, 110)]
    evidence = [(number, event(0)) for number in range(1, 101)]
    insert = "INSERT INTO {}_record VALUES (?, ?, '', 'acknowledged', NULL)"
    await put(database, insert.format("redemption"), *redemptions)
    await put(database, insert.format("evidence"), *evidence)
    await sweep(database)
    assert rows(database.path, "SELECT count(*), min(sequence) FROM record WHERE lane = 'redemption'") == [
        (11, 100)
    ]
    assert rows(database.path, "SELECT count(*), min(sequence) FROM record WHERE lane = 'evidence'") == [
        (50, 51)
    ]


async def test_prints_requests_and_budgets_have_their_time(database: Database) -> None:
    old, young = timestamp(NOW - timedelta(days=31)), timestamp(NOW - timedelta(days=6))
    insert = "INSERT INTO print_job VALUES (NULL, ?, '', '', ?, 0, '', '', ?)"
    states = ("printed", "queued", "sending", "unconfirmed")
    await put(
        database, insert, *((f"{state}-old", state, old) for state in states), ("new", "printed", young)
    )
    await put(database, "INSERT INTO print_document VALUES (?, 'words')", *((n,) for n in (1, 2, 4, 5)))
    await put(database, "INSERT INTO request VALUES (?, '', '', ?)", ("old", old), ("new", young))
    promo = (
        "INSERT INTO promo (short, token, texts, redemption_id, expires, signed) VALUES (?, '', '', ?, ?, ?)"
    )
    over = DAY - 61
    handed_out = (("over", "T-1", over, 0), ("signed", "T-2", over, 1), ("good", "T-3", DAY - 60, 0))
    await put(database, promo, *handed_out, ("free", None, over, 0))
    budget = "INSERT INTO budget VALUES ('acme', 1, ?, 1, 1)"
    await put(database, budget, *((day,) for day in (-1, DAY - 2, DAY - 1, DAY)))
    ended = "INSERT INTO hold VALUES (?, 'S', ?, '', ?, '', '')"
    await put(database, ended, *((f"{n}", state, at) for n, (state, at) in enumerate(HOLDS)))
    await put(database, "INSERT INTO returned VALUES (?, 'a', 1)", (999,))
    await put(database, "INSERT INTO badge_use VALUES ('b', ?, 1)", (DAY - 2,), (DAY - 1,), (DAY,))
    sale = "INSERT INTO member_sale VALUES ('acme', 1, X'00', ?, ?)"
    day_ago = NOW - timedelta(days=1, seconds=1)
    await put(database, sale, ("old", timestamp(day_ago)), ("new", timestamp(NOW)))
    deleted = await sweep(database)
    assert deleted == {
        "coupon_use": 0,
        "member_use": 0,
        "member_points": 0,
        "hold": 1,
        "badge_use": 1,
        "member_sale": 1,
        "returned": 1,
        "conflict": 0,
        "budget": 1,
        "promo": 1,
        "request": 1,
        "print_job": 2,
        "print_document": 2,
        "redemption_record": 0,
        "evidence_record": 0,
        "disclosure": 0,
    }
    assert rows(database.path, "SELECT job_id FROM print_job ORDER BY number") == [
        ("queued-old",),
        ("sending-old",),
        ("new",),
    ]
    assert rows(database.path, "SELECT number FROM print_document") == [(2,), (5,)]
    assert rows(database.path, "SELECT short FROM promo ORDER BY short") == [
        ("free",),
        ("good",),
        ("signed",),
    ]
    assert rows(database.path, "SELECT day FROM budget ORDER BY day") == [(-1,), (DAY - 1,), (DAY,)]


async def test_it_deletes_in_steps_that_are_short(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scans come in between."""
    count = housekeeping.ROWS_A_STEP * 2 + 10
    await put(
        database,
        "INSERT INTO coupon_use VALUES ('acme', 1, ?, 'T-1', '', 5, 1, 0)",
        *((number,) for number in range(count)),
    )
    steps: list[int] = []
    real = database.run

    async def counted(step: Callable[[sqlite3.Connection], int]) -> int:
        deleted = await real(step)
        steps.append(deleted)
        return deleted

    monkeypatch.setattr(database, "run", counted)
    assert (await sweep(database))["coupon_use"] == count
    assert max(steps) == housekeeping.ROWS_A_STEP


async def test_whose_a_record_is_goes_by_age_and_the_record_stays(database: Database) -> None:
    old, new = event(31), event(29)
    records = [
        (1, old, "acknowledged"),
        (2, old, "waiting"),
        (3, old, "quarantined"),
        (4, old, "conflict"),
        (5, new, "acknowledged"),
    ]
    for lane in ("redemption", "evidence"):
        await put(database, f"INSERT INTO {lane}_record VALUES (?, ?, '', ?, NULL)", *records)
        said = [(lane, sequence, "d", "s", "p") for sequence in range(1, 7)]
        await put(database, "INSERT INTO disclosure VALUES (?, ?, ?, ?, ?)", *said)
    assert (await sweep(database))["disclosure"] == 6, "6 has no record any more"
    left = rows(
        database.path, "SELECT lane, group_concat(sequence) FROM disclosure GROUP BY lane ORDER BY lane"
    )
    assert left == [("evidence", "2,3,5"), ("redemption", "2,3,5")]
    assert rows(database.path, "SELECT count(*) FROM record") == [(10,)]


async def test_what_was_held_of_a_sale_that_is_over_is_forgotten(database: Database) -> None:
    old, new = timestamp(NOW - timedelta(days=31)), timestamp(NOW - timedelta(days=29))
    holds = [("a", "committed", old), ("b", "open", old), ("c", "committed", new)]
    statement = "INSERT INTO hold VALUES (?, 's', ?, '', ?, '{\"member\": 1}', '{\"answer\": 1}')"
    await put(database, statement, *holds)
    await sweep(database)
    assert rows(database.path, "SELECT hold_id FROM hold WHERE held = '{}'") == [("a",)]
    assert rows(database.path, "SELECT DISTINCT answer FROM hold") == [('{"answer": 1}',)]
