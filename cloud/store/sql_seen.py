"""`cloud.seen.SeenStore` in SQL that both engines read.

A page of tills is one look at all of them: a fleet's rows are small and there are tens of thousands, not millions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from agent.domain.time import timestamp
from cloud.seen import BACKLOG, CLOCK_S, PROBLEMS, SILENT_S, Seen, TillLine, TillQuery
from cloud.store.sql import Db, Threads

LOCK = ("seen",)
_WORD = (
    "said_at, version, epoch, sequence, issued, age, doubt, clock_s, waiting, oldest, quarantined, healthy, devices,"
    " issues"
)
_LINE = "SELECT t.till, t.store, p.document, t.state, t.enrolled_at, t.revoked_at, s.seen_at, " + ", ".join(
    f"s.{name.strip()}" for name in _WORD.split(",")
)
_FROM = " FROM till t JOIN place p ON p.store = t.store LEFT JOIN till_seen s ON s.till = t.till"
_PUT_SEEN = (
    "INSERT INTO till_seen (till, seen_at) VALUES (?, ?) ON CONFLICT (till) DO UPDATE SET seen_at = excluded.seen_at"
    " WHERE till_seen.seen_at < excluded.seen_at"
)
_PUT_WORD = (
    f"UPDATE till_seen SET ({_WORD}) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
    " WHERE till = ?1 AND (said_at IS NULL OR said_at < ?2)"
)
_SORTS = {
    "till": "t.till",
    "store": "t.store",
    "seen": "coalesce(s.seen_at, '')",
    "waiting": "coalesce(s.waiting, -1)",
    "issued": "coalesce(s.issued, '')",
    "quarantined": "coalesce(s.quarantined, -1)",
}
_SILENT = "(t.state = 'enrolled' AND (s.seen_at IS NULL OR s.seen_at < {since}))"
_CLOCK = f"(t.state = 'enrolled' AND (s.doubt <> '' OR s.clock_s > {CLOCK_S} OR s.clock_s < -{CLOCK_S}))"
_BUNDLE = "(t.state = 'enrolled' AND s.age IN ('stale', 'expired', 'none'))"
_BACKLOG = f"(t.state = 'enrolled' AND s.waiting > {BACKLOG})"
_QUARANTINE = "(t.state = 'enrolled' AND s.quarantined > 0)"
_UNWELL = "(t.state = 'enrolled' AND s.healthy = 0)"
_PROBLEMS = {
    "any": f"({_SILENT} OR {_CLOCK} OR {_BUNDLE} OR {_BACKLOG} OR {_QUARANTINE} OR {_UNWELL})",
    "silent": _SILENT,
    "clock": _CLOCK,
    "bundle": _BUNDLE,
    "backlog": _BACKLOG,
    "quarantine": _QUARANTINE,
    "revoked": "(t.state = 'revoked')",
    "waiting": "(t.state = 'waiting')",
}
assert set(_PROBLEMS) == set(PROBLEMS), "each problem has its condition"


class SqlSeen:
    """Over the threads of either engine."""

    _threads: Threads

    async def put_seen(self, seen: Sequence[Seen]) -> None:
        await self._threads.write(lambda db: _put(db, seen), LOCK)

    async def till_lines(self, query: TillQuery) -> list[TillLine]:
        return await self._threads.read(lambda db: _lines(db, query))

    async def till_counts(self, now: str) -> dict[str, int]:
        return await self._threads.read(lambda db: _counts(db, now))


def _put(db: Db, seen: Sequence[Seen]) -> None:
    db.executemany(_PUT_SEEN, [(one.till, one.seen_at) for one in seen])
    db.executemany(_PUT_WORD, [row for one in seen if (row := _word(one)) is not None])


def _word(one: Seen) -> tuple[Any, ...] | None:
    if one.word is None:
        return None
    health, at, clock_s = one.word
    bundle = (health.epoch, health.sequence, health.issued, health.age)
    lists = (json.dumps(health.devices, ensure_ascii=False), json.dumps(health.issues))
    said = (health.doubt, clock_s, health.waiting, health.oldest, health.quarantined, int(health.healthy))
    return (one.till, at, health.version, *bundle, *said, *lists)


def _lines(db: Db, query: TillQuery) -> list[TillLine]:
    key, values = _SORTS[query.sort], list[Any]()
    sides = "<" if query.descending else ">"

    def value(one: Any) -> str:
        values.append(one)
        return f"?{len(values)}"

    where = ["1 = 1"]
    if query.search:
        pattern = value(f"%{_plain(query.search.lower())}%")
        where.append(f"(lower(t.till) LIKE {pattern} ESCAPE '!' OR lower(t.store) LIKE {pattern} ESCAPE '!')")
    if query.problem:
        condition = _PROBLEMS[query.problem]
        where.append(
            condition.format(since=value(_since(query.now))) if "{since}" in condition else condition
        )
    if query.after is not None:
        last, till = value(query.after[0]), value(query.after[1])
        where.append(f"({key} {sides} {last} OR ({key} = {last} AND t.till > {till}))")
    order = f"{key} {'DESC' if query.descending else 'ASC'}, t.till"
    sql = f"{_LINE}{_FROM} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT {value(query.limit)}"
    return [_line(row) for row in db.execute(sql, values).fetchall()]


def _counts(db: Db, now: str) -> dict[str, int]:
    sums = ", ".join(
        f"coalesce(sum(CASE WHEN {_PROBLEMS[name].format(since='?1')} THEN 1 ELSE 0 END), 0)"
        for name in PROBLEMS
    )
    row = db.execute(f"SELECT {sums}, count(*){_FROM}", (_since(now),)).fetchone()
    return dict(zip((*PROBLEMS, "all"), map(int, row), strict=True))


def _since(now: str) -> str:
    return timestamp(datetime.fromisoformat(now) - timedelta(seconds=SILENT_S))


def _plain(text: str) -> str:
    """So that nothing in it is a pattern."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _line(row: tuple[Any, ...]) -> TillLine:
    *said, healthy, devices, issues = row
    said[2] = json.loads(said[2])["merchant"]
    well = None if healthy is None else bool(healthy)
    names = tuple((role, name, state) for role, name, state in json.loads(devices or "[]"))
    return TillLine(*(*said, well, names, tuple(json.loads(issues or "[]"))))
