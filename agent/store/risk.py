"""What was accepted of each campaign, for the report of what is at risk; read beside the writer, by no decision."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from agent.domain.budget import NOTHING_USED, BudgetUse
from agent.domain.outcome import Outcome
from agent.domain.record import REDEMPTION_LANE
from agent.domain.time import day_text, timestamp
from agent.ports import LedgerUnavailable
from agent.store.database import StoreError, connect_read_only
from agent.store.inspect import TABLES, WAITING
from agent.store.ledger import OFFLINE_DAY

Name = tuple[str, int]
_BUDGETS = """
SELECT issuer, campaign, total(count) FILTER (WHERE day = ?1), total(value_minor) FILTER (WHERE day = ?1),
    total(count) FILTER (WHERE day = ?2), total(value_minor) FILTER (WHERE day = ?2)
FROM budget WHERE day IN (?1, ?2) GROUP BY issuer, campaign
"""
_HELD = "SELECT issuer, campaign, count(*), sum(charge_minor) FROM held_coupon WHERE until > ? GROUP BY 1, 2"
_FACTS = """
json_extract(event, '$.data.outcome'), json_extract(event, '$.data.coupon.issuer'),
json_extract(event, '$.data.coupon.campaign'), json_extract(event, '$.data.charge_minor')
"""
_TABLE = TABLES[REDEMPTION_LANE]
_TODAY = f"SELECT json_extract(event, '$.data.business_date'), {_FACTS} FROM {_TABLE} ORDER BY sequence DESC"
_UNSEEN = (
    f"SELECT {_FACTS} FROM {WAITING[REDEMPTION_LANE]}",
    f"SELECT {_FACTS} FROM {_TABLE} INDEXED BY redemption_quarantined WHERE state = 'quarantined'",
)


def read_uses(database: Path, day: int, at: datetime) -> dict[Name, BudgetUse]:
    """`uses` of the database at this path; LedgerUnavailable."""
    try:
        with closing(connect_read_only(database)) as connection:
            connection.execute("BEGIN")  # one moment of it
            return uses(connection, day, at)
    except (StoreError, sqlite3.Error) as error:
        raise LedgerUnavailable(f"what is at risk cannot be read: {error}") from error


def uses(connection: sqlite3.Connection, day: int, at: datetime) -> dict[Name, BudgetUse]:
    """Campaign -> what was accepted of it on store day `day` and since the last contact, with what is held at `at`.

    By its budget where it has one; where it has none nothing is counted, and the records of the day are read.
    """
    counted = {
        (issuer, campaign): BudgetUse(*map(int, numbers))
        for issuer, campaign, *numbers in connection.execute(_BUDGETS, (day, OFFLINE_DAY))
    }
    found = {**_recorded(connection, day), **counted}
    for issuer, campaign, count, value_minor in connection.execute(_HELD, (timestamp(at),)):
        name = issuer, campaign
        found[name] = found.get(name, NOTHING_USED).plus(count, value_minor)
    return found


def _recorded(connection: sqlite3.Connection, day: int) -> dict[Name, BudgetUse]:
    today: dict[Name, tuple[int, int]] = {}
    unseen: dict[Name, tuple[int, int]] = {}
    for date, *facts in connection.execute(_TODAY):
        if date < day_text(day):
            break  # backwards from the newest: only this day's are read
        if date == day_text(day):
            _add(today, *facts)
    for statement in _UNSEEN:
        for facts in connection.execute(statement):
            _add(unseen, *facts)
    nothing = (0, 0)
    return {
        name: BudgetUse(*today.get(name, nothing), *unseen.get(name, nothing))
        for name in today.keys() | unseen.keys()
    }


def _add(
    into: dict[Name, tuple[int, int]], outcome: str | None, issuer: str, campaign: int, charge: int | None
) -> None:
    if outcome == Outcome.ACCEPTED:  # a reversal is in the same lane
        count, value = into.get((issuer, campaign), (0, 0))
        into[issuer, campaign] = count + 1, value + (charge or 0)
