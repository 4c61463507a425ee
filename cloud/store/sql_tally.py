"""`cloud.tally.TallyStore` in SQL that both engines read: functions on an open transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent.domain.campaign import Campaign
from agent.domain.offer import PARTIES, Funding
from agent.domain.record import REDEMPTION_LANE
from cloud.facts import REDEMPTION, Fact, Stored, least_minor, read_data, read_fact
from cloud.lists import LedgerLine
from cloud.returns import shares_of
from cloud.store.sql import Db, Row, Threads
from cloud.store.sql_campaigns import campaign_of
from cloud.store.sql_gaps import GAPS
from cloud.store.sql_issued import Issued, note
from cloud.store.sql_lists import currency_of, questioned
from cloud.store.sql_points import Points
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
    "gaps": GAPS,
}


class SqlTally:
    """Over the threads of either engine."""

    _threads: Threads

    async def behind(self, limit: int) -> list[str]:
        rows = await self._threads.read(lambda db: db.execute(_BEHIND, (limit,)).fetchall())
        return [till for (till,) in rows]

    async def count_up(self, tills: Sequence[str], limit: int) -> int:
        return await self._threads.write(lambda db: count_up(db, tills, limit), LOCK)

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


def note_late(db: Db, till: str, lane: str, sequence: int) -> None:
    """A record is to be counted that may lie behind what was counted: it took a place below the end of its lane, or is
    a return that acts only now."""
    if lane == REDEMPTION_LANE:
        db.execute("INSERT INTO tally_late VALUES (?, ?) ON CONFLICT DO NOTHING", (till, sequence))


class _Range(NamedTuple):
    """The records of a till behind what was counted. store: where the till stands."""

    till: str
    store: str
    end: int
    rows: list[Row]


def count_up(db: Db, tills: Sequence[str], limit: int) -> int:
    """`CloudStore.count_up`.

    The ranges are read before what is late: a record that comes in between shows as late, and is read by itself where
    the range did not have it. One beyond the range is left for the next.
    """
    ranges, left = list[_Range](), limit
    for till in tills:
        ranges.append(_next(db, till, left))
        left -= len(ranges[-1].rows)
        if left <= 0:
            break
    if db.execute("SELECT 1 FROM tally_late LIMIT 1").fetchone() is not None:
        ranges = [one._replace(rows=one.rows + _late(db, one)) for one in ranges]
    batch = _Batch(db)
    for till, store, _, rows in ranges:
        batch.add(till, store, [Stored(*row) for row in rows])
    batch.write()
    db.executemany(
        "INSERT INTO tally_place VALUES (?, ?) ON CONFLICT (till) DO UPDATE SET sequence = excluded.sequence",
        [(one.till, one.end) for one in ranges],
    )
    return sum(len(one.rows) for one in ranges)


def _next(db: Db, till: str, limit: int) -> _Range:
    found = db.execute(
        "SELECT t.store, coalesce(p.sequence, 0) FROM till t LEFT JOIN tally_place p ON p.till = t.till"
        " WHERE t.till = ?",
        (till,),
    ).fetchone()
    if found is None:
        return _Range(till, "", 0, [])
    store, start = found
    rows = db.execute(f"{_STORED}{_RECORD} > ? ORDER BY sequence LIMIT ?", (till, start, limit)).fetchall()
    return _Range(till, store, max([start, *(row[0] for row in rows)]), rows)


def _late(db: Db, of: _Range) -> list[Row]:
    """The late records that the range passed by; they are late no more."""
    rows = db.execute("SELECT sequence FROM tally_late WHERE till = ?", (of.till,)).fetchall()
    late, had = [one for (one,) in rows], {row[0] for row in of.rows}
    db.executemany("DELETE FROM tally_late WHERE till = ? AND sequence = ?", [(of.till, one) for one in late])
    missed = sorted(one for one in late if one <= of.end and one not in had)
    return db.matching(f"{_STORED}{_RECORD} {{keys}}", (of.till,), missed)


class _Batch:
    """What one transaction adds, summed up in memory, so that few rows are written for many records."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._campaigns: dict[tuple[str, int], Campaign | None] = {}
        self._issued = Issued(db)
        self._points = Points(db, self._issued)
        self._sums: dict[Key, Sums] = {}
        self._settled: dict[tuple[Any, ...], list[int]] = {}
        self._redeemed: list[tuple[str, Fact]] = []

    def add(self, till: str, store: str, records: Sequence[Stored]) -> None:
        """What is in question is listed before its sums are there."""
        facts, made_up = [], list[tuple[str, int, None, str]]()
        self._issued.load(
            (one.issuer, one.campaign, one.index)
            for one in records
            if one.kind == REDEMPTION
            and one.issuer is not None and one.campaign is not None and one.index is not None
        )  # fmt: skip
        for stored in records:
            data, campaign = read_data(stored.event), self._campaign(stored)
            fact = read_fact(stored, data, least_minor(campaign))
            if fact is None or (fact.returned and not _went_back(self._db, till, stored.sequence, fact)):
                continue
            self._points.count(till, store, stored, data, campaign)
            facts.append(fact)
            if not fact.returned:
                self._redeemed.append((till, fact))
                self._settle(store, stored, data, campaign)
                if why := self._issued.fault(fact.issuer, fact.campaign, fact.index, data):
                    made_up.append((till, stored.sequence, None, why))
        note(self._db, made_up)
        for key, sums in tally(facts, store).items():
            before = self._sums.get(key)
            self._sums[key] = sums if before is None else before.plus(sums)

    def _campaign(self, stored: Stored) -> Campaign | None:
        of = (stored.issuer or "", stored.campaign or 0)
        if of not in self._campaigns:
            self._campaigns[of] = campaign_of(self._db, *of)
        return self._campaigns[of]

    def _settle(self, store: str, stored: Stored, data: Mapping[str, Any], campaign: Campaign | None) -> None:
        """Shared by the funding that the campaign has now."""
        promised = campaign is not None and currency_of(data) in (None, campaign.currency)
        funding = Funding() if campaign is None else campaign.offer.funding
        parts = shares_of(data, stored.discount_minor or 0, funding)
        of = ("", 0) if campaign is None else (campaign.issuer, campaign.number)
        key = (store, *of, int(promised), stored.received_at[:10])
        sums = self._settled.setdefault(key, [0] * len(_SETTLED_SUMS))
        sums[0] += 1
        for part in parts.values():
            for place, minor in enumerate(part.funded_minor, 1):
                sums[place] += minor

    def write(self) -> None:
        db = self._db
        db.executemany(_ADD, [(*key, *sums) for key, sums in sorted(self._sums.items())])
        db.executemany(_ADD_SETTLED, [(*key, *sums) for key, sums in sorted(self._settled.items())])
        arms = _handed_out(db, self._redeemed)
        for key, more in _come_back(db, [fact for _, fact in self._redeemed]).items():
            arms[key] = arms.get(key, ArmSums()).plus(more)
        db.executemany(_ADD_ARM, [(*key, *sums) for key, sums in sorted(arms.items())])


def _went_back(db: Db, till: str, sequence: int, fact: Fact) -> bool:
    """Whether a return did what it says. One that waits is noted as late when it does (`cloud.store.sql_returns`)."""
    sql = "SELECT 1 FROM reversal WHERE issuer = ? AND campaign = ? AND idx = ? AND till = ? AND sequence = ?"
    of = (fact.issuer, fact.campaign, fact.index, till, sequence)
    return db.execute(f"{sql} AND state = 'applied'", of).fetchone() is not None


def _handed_out(db: Db, facts: Sequence[tuple[str, Fact]]) -> dict[ArmKey, ArmSums]:
    """What receipts add to their arms; the codes that they carried are remembered, redeemed already or not."""
    arms: dict[ArmKey, ArmSums] = {}
    for till, fact in facts:
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
        own = ArmSums(1, int(fact.basket_minor is not None), fact.basket_minor or 0, codes, back)
        arms[key] = arms.get(key, ArmSums()).plus(own)
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
