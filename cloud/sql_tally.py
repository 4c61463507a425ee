"""`cloud.tally.TallyStore` in SQL that both engines read: functions on an open transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from agent.domain.offer import PARTIES, Funding
from agent.domain.record import REDEMPTION_LANE
from cloud.facts import REDEMPTION, Fact, Stored, least_minor, read_fact
from cloud.lists import LedgerLine
from cloud.returns import shares_of
from cloud.sql import Db, Threads
from cloud.sql_campaigns import campaign_of
from cloud.sql_lists import currency_of, questioned
from cloud.tally import ArmKey, ArmLine, ArmSums, Key, SettledLine, Sums, TallyLine, tally

LOCK = ("tally",)
"""One receiver counts at a time: sums are added to, whichever till they come from."""
_RECORD = f"till = ? AND lane = '{REDEMPTION_LANE}' AND sequence"
_STORED = (
    "SELECT sequence, kind, received_at, issuer, campaign, idx, discount_minor, event FROM record WHERE "
)
_BEHIND = (
    "SELECT t.till FROM till t LEFT JOIN tally_place p ON p.till = t.till WHERE EXISTS (SELECT 1 FROM record r"
    f" WHERE r.till = t.till AND r.lane = '{REDEMPTION_LANE}' AND r.sequence > coalesce(p.sequence, 0))"
    " OR EXISTS (SELECT 1 FROM tally_late l WHERE l.till = t.till) ORDER BY t.till LIMIT ?"
)


def _adding(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    places = ", ".join("?" * (len(keys) + len(sums)))
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return f"INSERT INTO {table} VALUES ({places}) ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


_SETTLED_KEY = ("store", "issuer", "campaign", "as_promised", "day")
_SETTLED_SUMS = ("redemptions", *(f"{party}_minor" for party in PARTIES))
_ADD = _adding("tally", Key._fields, Sums._fields)
_ADD_CODE = "INSERT INTO trial_code VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ADD_ARM = _adding("trial", ArmKey._fields, ArmSums._fields)
_ADD_SETTLED = _adding("settled", _SETTLED_KEY, _SETTLED_SUMS)


_WRONG = {
    "conflicts": "conflict",
    "refusals": "refusal",
    "held": "held WHERE refused_at IS NULL",
    "implausible": "implausible",
    "gaps": "hole",
}


class SqlTally:
    """Over the threads of either engine."""

    _threads: Threads

    async def behind(self, limit: int) -> list[str]:
        rows = await self._threads.read(lambda db: db.execute(_BEHIND, (limit,)).fetchall())
        return [till for (till,) in rows]

    async def count_up(self, till: str, limit: int) -> int:
        return await self._threads.write(lambda db: count_up(db, till, limit), LOCK)

    async def tallies(
        self, axis: str, since: str, until: str, of: tuple[str, int] | None = None
    ) -> list[TallyLine]:
        return await self._threads.read(lambda db: _tallies(db, axis, since, until, of))

    async def arms(self, since: str, until: str) -> list[ArmLine]:
        sums = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in ArmSums._fields)
        sql = f"SELECT rule, arm, {sums} FROM trial WHERE day >= ? AND day < ? GROUP BY rule, arm ORDER BY rule, arm"
        rows = await self._threads.read(lambda db: db.execute(sql, (since, until)).fetchall())
        return [ArmLine(rule, arm, ArmSums(*found)) for rule, arm, *found in rows]

    async def conflict_counts(self) -> dict[tuple[str, int], int]:
        sql = "SELECT issuer, campaign, count(*) FROM conflict GROUP BY issuer, campaign"
        rows = await self._threads.read(lambda db: db.execute(sql).fetchall())
        return {(issuer, campaign): count for issuer, campaign, count in rows}

    async def wrong_counts(self) -> dict[str, int]:
        def work(db: Db) -> dict[str, int]:
            return {
                name: int(db.execute(f"SELECT count(*) FROM {of}").fetchone()[0])
                for name, of in _WRONG.items()
            }

        return await self._threads.read(work)

    async def settled(self, since: str, until: str) -> tuple[list[SettledLine], list[LedgerLine]]:
        return await self._threads.read(
            lambda db: (_settled_lines(db, since, until), questioned(db, since, until))
        )


class _Till(NamedTuple):
    till: str
    store: str


def note_late(db: Db, till: str, lane: str, sequence: int) -> None:
    """A record took a place below the end of its lane: it may lie behind what was counted."""
    if lane == REDEMPTION_LANE:
        db.execute("INSERT INTO tally_late VALUES (?, ?) ON CONFLICT DO NOTHING", (till, sequence))


def count_up(db: Db, till: str, limit: int) -> int:
    """`CloudStore.count_up`.

    The range is read before what is late: a record that comes in between shows as late, and is read by itself where
    the range did not have it. One beyond the range is left for the next.
    """
    place = db.execute("SELECT sequence FROM tally_place WHERE till = ?", (till,)).fetchone()
    start = 0 if place is None else place[0]
    rows = db.execute(f"{_STORED}{_RECORD} > ? ORDER BY sequence LIMIT ?", (till, start, limit)).fetchall()
    end = max([start, *(row[0] for row in rows)])
    late = [
        one for (one,) in db.execute("SELECT sequence FROM tally_late WHERE till = ?", (till,)).fetchall()
    ]
    had = {row[0] for row in rows}
    missed = sorted(one for one in late if one <= end and one not in had)
    rows += db.matching(f"{_STORED}{_RECORD} {{keys}}", (till,), missed)
    where = db.execute("SELECT store FROM till WHERE till = ?", (till,)).fetchone()
    _add(db, _Till(till, where[0] if where else ""), [Stored(*row) for row in rows])
    db.executemany("DELETE FROM tally_late WHERE till = ? AND sequence = ?", [(till, one) for one in late])
    db.execute(
        "INSERT INTO tally_place VALUES (?, ?) ON CONFLICT (till) DO UPDATE SET sequence = excluded.sequence",
        (till, end),
    )
    return len(rows)


def _add(db: Db, till: _Till, records: Sequence[Stored]) -> None:
    least: dict[tuple[str, int], int] = {}
    facts: list[Fact] = []
    for stored in records:
        campaign = (stored.issuer or "", stored.campaign or 0)
        if campaign not in least:
            least[campaign] = least_minor(campaign_of(db, *campaign))
        fact = read_fact(stored, least[campaign])
        if fact is not None:
            facts.append(fact)
    db.executemany(_ADD, [(*key, *sums) for key, sums in sorted(tally(facts, till.store).items())])
    db.executemany(_ADD_SETTLED, _settled(db, till.store, records))
    redeemed = [fact for fact in facts if not fact.returned]
    arms = _handed_out(db, till.till, redeemed)
    for key, sums in _come_back(db, redeemed).items():
        arms[key] = ArmSums(*(one + more for one, more in zip(arms.get(key, ArmSums()), sums, strict=True)))
    db.executemany(_ADD_ARM, [(*key, *sums) for key, sums in sorted(arms.items())])


def _settled(db: Db, store: str, records: Sequence[Stored]) -> list[tuple[Any, ...]]:
    """Rows of `settled`, shared by the funding that the campaign has now."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for stored in records:
        if stored.kind != REDEMPTION or stored.issuer is None:
            continue
        campaign = campaign_of(db, stored.issuer, stored.campaign or 0)
        data = json.loads(stored.event).get("data")
        promised = campaign is not None and currency_of(data) in (None, campaign.currency)
        funding = Funding() if campaign is None else campaign.offer.funding
        parts = shares_of(data if isinstance(data, dict) else {}, stored.discount_minor or 0, funding)
        of = ("", 0) if campaign is None else (campaign.issuer, campaign.number)
        key = (store, *of, int(promised), stored.received_at[:10])
        sums = found.setdefault(key, [0] * len(_SETTLED_SUMS))
        sums[0] += 1
        for part in parts.values():
            for place, minor in enumerate(part.funded_minor, 1):
                sums[place] += minor
    return [(*key, *sums) for key, sums in sorted(found.items())]


def _handed_out(db: Db, till: str, facts: Sequence[Fact]) -> dict[ArmKey, ArmSums]:
    """What receipts add to their arms; the codes that they carried are remembered, redeemed already or not."""
    arms: dict[ArmKey, ArmSums] = {}
    for fact in facts:
        if not fact.rule:
            continue
        key = ArmKey(fact.rule, fact.arm, fact.day)
        codes, back = 0, 0
        code = None if fact.promo is None else _code_of(db, till, fact.promo)
        if code is not None:
            used = db.execute(
                "SELECT 1 FROM coupon_use WHERE issuer = ? AND campaign = ? AND idx = ?", code
            ).fetchone()
            row = (*code, *key, int(used is not None))
            codes = db.execute(
                "INSERT INTO trial_code VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row
            ).rowcount
            back = int(used is not None) if codes else 0
        own = (1, int(fact.basket_minor is not None), fact.basket_minor or 0, codes, back)
        arms[key] = ArmSums(*(one + more for one, more in zip(arms.get(key, ArmSums()), own, strict=True)))
    return arms


def _code_of(db: Db, till: str, promo: str) -> tuple[str, int, int] | None:
    found: tuple[str, int, int] | None = db.execute(
        "SELECT issuer, campaign, idx FROM promo WHERE till = ? AND short = ?", (till, promo)
    ).fetchone()
    return found


def _come_back(db: Db, facts: Sequence[Fact]) -> dict[ArmKey, ArmSums]:
    """The arms of redeemed coupons that were codes on receipts."""
    wanted: dict[tuple[str, int], set[int]] = {}
    for fact in facts:
        wanted.setdefault((fact.issuer, fact.campaign), set()).add(fact.index)
    arms: dict[ArmKey, ArmSums] = {}
    for campaign, indexes in sorted(wanted.items()):
        sql = "SELECT idx FROM trial_code WHERE back = 0 AND issuer = ? AND campaign = ? AND idx {keys}"
        for (index,) in db.matching(sql, campaign, sorted(indexes)):
            row = db.execute(
                "UPDATE trial_code SET back = 1 WHERE issuer = ? AND campaign = ? AND idx = ? RETURNING rule, arm, day",
                (*campaign, index),
            ).fetchone()
            key = ArmKey(*row)
            before = arms.get(key, ArmSums())
            arms[key] = before._replace(back=before.back + 1)
    return arms


def _tallies(db: Db, axis: str, since: str, until: str, of: tuple[str, int] | None) -> list[TallyLine]:
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in Sums._fields)
    chosen, values = (" AND issuer = ? AND campaign = ?", of) if of is not None else ("", ())
    rows = db.execute(
        f"SELECT issuer, campaign, value, {sums} FROM tally WHERE axis = ? AND day >= ? AND day < ?{chosen}"
        " GROUP BY issuer, campaign, value ORDER BY issuer, campaign, value",
        (axis, since, until, *values),
    )
    return [TallyLine(*(*row[:3], Sums(*row[3:]))) for row in rows.fetchall()]


def _settled_lines(db: Db, since: str, until: str) -> list[SettledLine]:
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in _SETTLED_SUMS)
    keys = ", ".join(_SETTLED_KEY[:-1])
    sql = f"SELECT {keys}, {sums} FROM settled WHERE day >= ? AND day < ? GROUP BY {keys} ORDER BY {keys}"
    rows = db.execute(sql, (since, until)).fetchall()
    return [SettledLine(*(*row[:3], bool(row[3]), row[4], tuple(row[5:]))) for row in rows]
