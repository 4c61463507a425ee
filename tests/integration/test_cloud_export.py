"""`redeemd cloud export`: what came in, as CSV and as Parquet, page by page."""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.domain.campaign import Returns
from agent.domain.disclosure import MEMBER, disclosure, pair_text
from agent.domain.offer import Funding, Incentives, Reward
from cloud import export, export_files, main
from cloud.chain import CouponRef, Entry, judge
from cloud.export import TABLES, Period
from cloud.export_files import writing
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.contract.test_cloud_store import entry
from tests.contract.test_cloud_tally import deliver
from tests.unit.cloud_kit import AT, CAMPAIGN, ISSUER, LATER, SealingTill, campaign, enrolled, sealing_till

ALL = Period("", "2027")


def said(till: str, sequence: int, index: int, own: str, **data: Any) -> Entry:
    """A redemption as a till tells it."""
    before = "" if sequence == 1 else f"{own[0]}{sequence - 1:063d}"
    text = json.dumps({"data": {"currency": "CNY", "store": "S-0012", **data}}, ensure_ascii=False)
    return entry(
        sequence, index, f"{own[0]}{sequence:063d}", before, text=text, record_id=f"{till}-{sequence}"
    )


async def filled(store: CloudStore) -> None:
    """T-1: five, of which one is above its value and one in dollars. T-2: the coupon of T-1's first, and one later."""
    await enrolled(store, sealing_till("T-1"), sealing_till("T-2", 2))
    await store.put_campaign(campaign(), None, bytes(16))
    first = [
        said("T-1", number, number, "a", sale={"sale_id": f"=SUM({number})"}) for number in (1, 2, 3, 4, 5)
    ]
    first[3] = Entry(**{**_fields(first[3]), "discount_minor": 3001})
    first[4] = said("T-1", 5, 5, "a", currency="USD")
    await store.append("T-1", "redemption", first, judge, AT)
    await store.append("T-2", "redemption", [said("T-2", 1, 1, "b")], judge, AT)
    stranger = Entry(**{**_fields(said("T-2", 2, 9, "b")), "coupon": CouponRef(ISSUER, CAMPAIGN + 1, 9)})
    await store.append("T-2", "redemption", [stranger], judge, LATER)


def _fields(one: Entry) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Entry.__slots__}


async def exported(store: CloudStore, table: str, path: Path, period: Period = ALL) -> None:
    with writing(path, TABLES[table].columns) as put:
        async for rows in TABLES[table].pages(store, period):
            put(rows)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def test_redemptions_with_what_is_wrong_with_them(
    store: CloudStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    await filled(store)
    await exported(store, "redemptions", tmp_path / "r.csv")
    rows = read(tmp_path / "r.csv")
    assert [(row["till"], row["sequence"], row["conflict"], row["implausible"]) for row in rows] == [
        ("T-1", "1", "", ""),
        ("T-1", "2", "", ""),
        ("T-1", "3", "", ""),
        ("T-1", "4", "", "above_value"),
        ("T-1", "5", "", ""),
        ("T-2", "1", "double", ""),
        ("T-2", "2", "", "unknown_campaign"),
    ]
    assert {(row["store"], row["merchant"]) for row in rows} == {("S-0012", "M-1")}
    assert rows[0]["sale_id"] == "'=SUM(1)", "no spreadsheet runs what a till said"
    assert "discount_minor" in rows[0]
    await exported(store, "redemptions", tmp_path / "late.csv", Period(LATER, "2027"))
    assert [row["redemption_id"] for row in read(tmp_path / "late.csv")] == ["T-2-2"]


async def test_conflicts_name_their_winners(store: CloudStore, tmp_path: Path) -> None:
    await filled(store)
    await exported(store, "conflicts", tmp_path / "c.csv")
    (row,) = read(tmp_path / "c.csv")
    assert (row["redemption_id"], row["kind"], row["winner_redemption_id"]) == ("T-2-1", "double", "T-1-1")
    assert (row["store"], row["winner_store"], row["winner_merchant"]) == ("S-0012", "S-0012", "M-1")
    assert (row["discount_minor"], row["winner_discount_minor"], row["winner_currency"]) == ("", "", "CNY")
    assert (row["state"], row["follows"], row["ended_at"]) == ("lasting", "open", "")
    assert row["en"].startswith("Till T-1 keeps the coupon and is paid. Till T-2 is not paid")
    await exported(store, "conflicts", tmp_path / "none.csv", Period(LATER, "2027"))
    assert read(tmp_path / "none.csv") == []


async def test_settlement_adds_up_and_pays_nothing_unseen(store: CloudStore, tmp_path: Path) -> None:
    await filled(store)
    await exported(store, "settlement", tmp_path / "s.csv")
    rows = read(tmp_path / "s.csv")
    assert [tuple(row.values()) for row in rows] == [
        ("S-0012", "M-1", "", "", "", "issuer", "0", "0", "1", "3000", "0", "0"),
        ("S-0012", "M-1", ISSUER, str(CAMPAIGN), "CNY", "issuer", "3", "9000", "3", "9001", "0", "0"),
    ]


async def test_parties_share_each_redemption_to_the_last_unit(store: CloudStore, tmp_path: Path) -> None:
    shared = campaign()
    funding = Funding(issuer=500, merchant=333, supplier=167)
    await enrolled(store, sealing_till("T-1"))
    await store.put_campaign(replace(shared, offer=replace(shared.offer, funding=funding)), None, bytes(16))
    entries = [Entry(**{**_fields(said("T-1", one, one, "a")), "discount_minor": 101}) for one in (1, 2, 3)]
    await store.append("T-1", "redemption", entries, judge, AT)
    await exported(store, "settlement", tmp_path / "s.csv")
    rows = read(tmp_path / "s.csv")
    assert [(row["party"], row["redemptions"], row["amount_minor"]) for row in rows] == [
        ("issuer", "3", "150"),
        ("merchant", "3", "102"),
        ("supplier", "3", "51"),
    ]


async def test_parquet_has_types_and_row_groups(
    store: CloudStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr(export_files, "ROW_GROUP", 3)
    await filled(store)
    path = tmp_path / "r.parquet"
    await exported(store, "redemptions", path)
    file = parquet.ParquetFile(path)
    groups = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    assert groups == [3, 3, 1], "no more is in memory at once"
    rows = file.read().to_pylist()
    assert rows[0]["received_at"] == datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
    assert rows[0]["sale_id"] == "=SUM(1)", "Parquet runs nothing, so nothing is changed"
    assert [row["discount_minor"] for row in rows] == [3000, 3000, 3000, 3001, 3000, 3000, 3000]
    assert [row["conflict"] for row in rows] == [None] * 5 + ["double", None]
    for table in ("conflicts", "settlement"):
        await exported(store, table, tmp_path / f"{table}.parquet")
        read_back = parquet.read_table(tmp_path / f"{table}.parquet")
        assert read_back.column_names == list(TABLES[table].columns)
        assert read_back.num_rows > 0


async def test_conflicts_that_a_return_ended_come_after_those_that_last(
    store: CloudStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 1)
    one, two = sealing_till("T-1"), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    await store.put_campaign(campaign(returns=Returns.COUPON), None, bytes(16))
    sales = [two.redeem(index) for index in (1, 2, 3)]
    await deliver(store, one, [one.redeem(index) for index in (1, 2, 3)])
    await deliver(store, two, [*sales, two.give_back(sales[0]), two.give_back(sales[1])])
    await exported(store, "conflicts", tmp_path / "c.csv")
    rows = read(tmp_path / "c.csv")
    assert [(row["index"], row["state"], row["ended_back"], row["ended_by"]) for row in rows] == [
        ("3", "lasting", "", ""),
        ("1", "ended", "lost", "T-2-4"),
        ("2", "ended", "lost", "T-2-5"),
    ]


async def test_rewards_are_those_that_the_offer_promises(store: CloudStore, tmp_path: Path) -> None:
    """Two sales of one badge; above the promise, in conflict, given back: open. A referrer by the pseudonym."""
    plain, till, other = campaign(), sealing_till("T-1"), sealing_till("T-2", 2)
    rules = Incentives(assistant=Reward(minor=100), referrers=(Reward(minor=50),))
    await enrolled(store, till, other)
    await store.put_campaign(replace(plain, offer=replace(plain.offer, incentives=rules)), None, bytes(16))
    friend = disclosure(bytes(16), b"12345678")

    def sold(seller: SealingTill, index: int, amount: int, *more: dict[str, Any]) -> dict[str, Any]:
        badge = {"party": "assistant", "tier": 1, "who": "B-7", "amount_minor": amount}
        return seller.redeem(index, incentives=[badge, *more, "nonsense", {"party": "store", "tier": 9}])

    told = {"party": "referrer", "tier": 1, "who": friend.digest, "amount_minor": 50}
    events = [sold(till, 1, 100, told) | {MEMBER: pair_text([friend])}, sold(till, 2, 90), sold(till, 3, 101)]
    events.append(sold(till, 4, 100))
    await deliver(store, till, [*events, till.give_back(events[-1])])
    await deliver(store, other, [sold(other, 1, 100)])
    await exported(store, "rewards", tmp_path / "w.csv")
    rows = [tuple(row.values())[5:] for row in read(tmp_path / "w.csv")]
    assert rows == [
        ("assistant", "1", "B-7", "2", "190", "3", "301"),
        ("referrer", "1", b"12345678".hex(), "1", "50", "0", "0"),
    ]


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    return main.run(parser.parse_args(arguments))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "cloud")
    main.init(tmp_path / "cloud")
    target = tmp_path / "r.csv"
    assert run("export", folder, "redemptions", str(target), "--since", "2026-03-01") == 0
    assert "0 rows in" in capsys.readouterr().out
    assert target.stat().st_mode & 0o077 == 0, "sales are nobody else's business"
    assert target.read_bytes().decode() == ",".join(TABLES["redemptions"].columns) + "\r\n"
    for wrong, words in (
        (str(target), "exists already"),
        (str(tmp_path / "r.txt"), ".parquet"),
        ("/nowhere/r.csv", "written"),
    ):
        assert run("export", folder, "conflicts", wrong) == 1
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("export", folder, "conflicts", str(tmp_path / "x.csv"), "--since", "yesterday")
    assert "2026-11-28T09:30:00Z" in capsys.readouterr().err


def test_what_breaks_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    def broken(ending: str) -> None:
        with writing(tmp_path / f"r{ending}", {"a": "text"}) as put:
            put([("x",)])
            raise RuntimeError("the database is gone")

    for ending in export_files.ENDINGS:
        with pytest.raises(RuntimeError):
            broken(ending)
    assert list(tmp_path.iterdir()) == []
