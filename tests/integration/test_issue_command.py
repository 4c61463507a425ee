"""`redeemd keys`, `campaign` and `issue` as an issuer uses them: with a real cloud, and with nothing but files."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import cli
from agent.domain.bundle import Manifest
from agent.domain.decide import Refusal, verify_scan
from cloud.errors import StoreUnavailable
from cloud.http import utc_now
from tests.integration.cloud_server_kit import STORE_BODY, Client, Running, running_cloud

PASSPHRASE = "correct horse battery"
TODAY = date.today()  # noqa: DTZ011  the example campaign begins on the day of its writing
KEY = (
    "--issuer",
    "acme",
    "--from",
    f"{TODAY}",
    "--to",
    f"{TODAY + timedelta(days=400)}",
    "--value-max-minor",
    "5000",
)


class Shell:
    """A folder with a campaign file, and the command line in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.campaign = folder / "autumn.toml"
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.cloud: tuple[str, ...] = ()

    def __call__(self, *arguments: str | Path | int, code: int = 0) -> str:
        """Standard output; standard error where the command fails."""
        self._capsys.readouterr()
        try:
            found = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            found = int(stop.code or 0)
        said = self._capsys.readouterr()
        assert found == code, said.err
        return said.err if code else said.out

    def own_key(self, *more: str) -> Path:
        key = self.folder / "acme.pem"
        self("keys", "new", *KEY, "--out", key, "--passphrase-file", self.passphrase, *more)
        return key

    def issue(self, *arguments: str | Path, code: int = 0) -> str:
        """With the key of `own_key`."""
        signer = ("--key", self.folder / "acme.pem", "--passphrase-file", self.passphrase)
        return self("issue", "--campaign", self.campaign, *signer, *arguments, code=code)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    made = Shell(tmp_path, capsys)
    made("campaign", "new", made.campaign)
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- without a cloud ---


@pytest.mark.parametrize("algorithm", ["ed25519", "es256"])
def test_an_issuer_without_a_cloud(shell: Shell, algorithm: str) -> None:
    key = shell.own_key("--algorithm", algorithm)
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in key.read_bytes()
    shell.issue("--new-ledger", "--count", "30", "--csv", shell.folder / "one.csv")
    shell.issue("--count", "20", "--csv", shell.folder / "two.csv", "--value-minor", "500")
    made = rows(shell.folder / "one.csv") + rows(shell.folder / "two.csv")
    assert len({row["index"] for row in made}) == 50
    assert {row["value_minor"] for row in made} == {"", "500"}
    for row in (made[0], made[49]):
        said = json.loads(shell("verify", row["token"], "--keys", key.with_suffix(".json"), "--json"))
        assert (said["outcome"], said["issuer"], said["index"]) == ("verified", "acme", int(row["index"]))


def test_what_an_issuer_without_a_cloud_is_told(shell: Shell) -> None:
    key = shell.own_key()
    out = ("--csv", shell.folder / "c.csv")
    assert "--new-ledger" in shell.issue(*out, code=1), "a lost ledger gives out indexes again"
    shell.issue("--new-ledger", *out)
    assert "leave out --new-ledger" in shell.issue("--new-ledger", *out, code=1)
    assert "exists" in shell.issue(*out, code=1)
    assert "exists" in shell("keys", "new", *KEY, "--out", key, "--no-passphrase", code=1)
    shell.passphrase.write_text("wrong passphrase")
    assert "wrong passphrase" in shell.issue("--json", code=1)
    shell.passphrase.write_text(PASSPHRASE)
    other = shell.folder / "other.pem"
    shell("keys", "new", *KEY, "--out", other, "--no-passphrase")
    key.write_bytes(other.read_bytes())
    assert "different keys" in shell.issue("--json", code=1)
    key.chmod(0o644)
    assert "open to others" in shell.issue("--json", code=1)
    assert "say where" in shell.issue(code=2)


def test_terms_that_no_till_would_take_are_refused(shell: Shell) -> None:
    shell.own_key("--campaigns", "1001")
    new = ("--new-ledger", "--json")
    late = f"{TODAY + timedelta(days=500)}"
    assert "none of the campaign's" in shell.issue(*new, "--from", late, "--to", late, code=1)
    assert "above what the campaign gives" in shell.issue("--json", "--value-minor", "3001", code=1)
    text = shell.campaign.read_text("utf-8")
    shell.campaign.write_text(text.replace("amount_minor = 3000", "amount_minor = 5001"), "utf-8")
    assert "5000 at most" in shell.issue("--json", code=1)
    shell.campaign.write_text(text.replace("number = 1001", "number = 1002"), "utf-8")
    assert "no key for campaign 1002" in shell.issue("--json", code=1)
    shell.campaign.write_text(text.replace("size = 100000", "size = 50"), "utf-8")
    assert "size stays 100000" in shell.issue("--json", code=1)


def test_an_order_that_was_broken_off_begins_with_the_same_coupons(shell: Shell) -> None:
    shell.own_key()
    shell.campaign.write_text(
        shell.campaign.read_text("utf-8").replace("size = 100000", "size = 1500"), "utf-8"
    )
    out = shell.folder / "c.csv"
    said = shell.issue("--new-ledger", "--count", "1600", "--csv", out, "--order", "easter", code=1)
    assert "500 coupons are left" in said
    assert "--order easter" in said
    assert not out.exists()
    assert [path.name for path in shell.folder.glob("*.part")] == []
    shell.issue("--count", "1500", "--csv", out, "--order", "easter")
    assert sorted(int(row["index"]) for row in rows(out)) == list(range(1500))


def test_a_killed_run_leaves_no_file_that_looks_whole(shell: Shell) -> None:
    key = shell.folder / "open.pem"
    shell("keys", "new", *KEY, "--out", key, "--no-passphrase")
    out = shell.folder / "c.csv"
    what = (
        "issue",
        "--key",
        key,
        "--campaign",
        shell.campaign,
        "--count",
        30_000,
        "--csv",
        out,
        "--order",
        "easter",
    )
    command = [sys.executable, "-m", "agent.cli", *map(str, what), "--new-ledger", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.kill()
    assert not out.exists()
    part = out.with_name("c.csv.part")
    assert "remove it" in shell(*what, code=1)
    part.unlink()
    again = shell(*what[:5], "--count", 1000, "--order", "easter", "--json").splitlines()
    assert json.loads(again[0]) == first


def test_what_was_changed_by_hand_is_noticed(shell: Shell) -> None:
    key = shell.own_key()
    shell.issue("--new-ledger", "--json")
    record = key.with_suffix(".json")
    record.write_text(record.read_text().replace("5000", "9000"))
    assert "put it back" in shell.issue("--json", code=1)
    assert "x.pem" in shell("keys", "new", *KEY, "--out", shell.folder / "x.json", "--no-passphrase", code=1)


def test_two_processes_never_give_out_one_index_twice(shell: Shell) -> None:
    key = shell.folder / "open.pem"
    shell("keys", "new", *KEY, "--out", key, "--no-passphrase")
    command = [
        sys.executable,
        "-m",
        "agent.cli",
        "issue",
        "--key",
        str(key),
        "--campaign",
        str(shell.campaign),
    ]
    shell(
        "issue", "--key", key, "--campaign", shell.campaign, "--new-ledger", "--csv", shell.folder / "0.csv"
    )
    running = [
        subprocess.Popen([*command, "--count", "2500", "--csv", shell.folder / f"{number}.csv"])
        for number in (1, 2)
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    indexes = [row["index"] for number in range(3) for row in rows(shell.folder / f"{number}.csv")]
    assert len(indexes) == len(set(indexes)) == 5001


def test_a_campaign_file_is_checked_with_lines(shell: Shell) -> None:
    assert "满 100 减 30" in shell("campaign", "check", shell.campaign)
    text = shell.campaign.read_text("utf-8").replace("amount_minor = 3000", "amount_minor = 0")
    shell.campaign.write_text(text, "utf-8")
    assert "autumn.toml:25: benefit.amount_minor:" in shell("campaign", "check", shell.campaign, code=78)
    shell.own_key()
    assert "autumn.toml:25: benefit.amount_minor:" in shell.issue("--json", "--new-ledger", code=78)


# --- with a cloud ---

Ask = Callable[..., Any]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud") as cloud:
        cloud.time.at = utc_now()
        status, answer = await cloud.admin("POST", "stores", STORE_BODY)
        assert status == 201, answer
        yield cloud


@pytest.fixture
def ask(running: Running, shell: Shell) -> Ask:
    """A command with the cloud's address and a token of role issuer behind it, in a thread of its own."""
    token_file = shell.folder / "issuer.token"
    token_file.write_text(running.token)

    async def work(*arguments: str | Path, code: int = 0) -> str:
        return await asyncio.to_thread(
            shell, *arguments, "--cloud", running.url, "--token-file", token_file, code=code
        )

    return work


async def test_from_campaign_to_till(running: Running, ask: Ask, shell: Shell) -> None:
    client = await running.enrol("T-1")
    made = json.loads(await ask("keys", "new", *KEY, "--campaigns", "1001", "--json"))
    assert "version 1" in (said := await ask("campaign", "publish", shell.campaign))
    assert "6000.00 CNY a day" in said, "what can be lost is said before it is promised"
    out = shell.folder / "codes"
    await ask(
        "issue", "--campaign", shell.campaign, "--count", "3", "--png", out, "--svg", shell.folder / "svg"
    )
    pictures = sorted(out.iterdir())
    contents = await client.refresh()
    for reading in shell("decode", *pictures, "--json").splitlines():
        coupon = verify_scan(json.loads(reading)["texts"][0], contents)
        assert not isinstance(coupon, Refusal)
        assert coupon.kid.hex() == made["kid"]
    assert len(pictures) == len(list((shell.folder / "svg").iterdir())) == 3
    assert "3 issued" in await ask("campaign", "show", "acme", "1001")


async def test_publishing_counts_versions(ask: Ask, shell: Shell) -> None:
    await ask("campaign", "publish", shell.campaign)
    assert await ask("campaign", "publish", shell.campaign) == "", "the same says nothing new"
    text = shell.campaign.read_text("utf-8")
    shell.campaign.write_text(text.replace('en = "30 off 100"', 'en = "Thirty off"'), "utf-8")
    assert "version 2" in await ask("campaign", "publish", shell.campaign)
    assert "Thirty off" in await ask("campaign", "list")
    later = TODAY + timedelta(days=3)
    assert str(later) in await ask("campaign", "end", "acme", "1001", "--last", str(later))
    shown = json.loads(await ask("campaign", "show", "acme", "1001", "--json"))
    assert (shown["campaign"]["version"], shown["campaign"]["ends"]) == (3, shown["campaign"]["starts"] + 3)
    assert "ends on" in await ask("campaign", "end", "acme", "1001", "--last", "2090-01-01", code=2)
    assert "ends on" in await ask("campaign", "end", "acme", "1001"), "at once, on its first day too"
    assert "no campaign 9" in await ask("campaign", "show", "acme", "9", code=1)


async def test_a_key_held_elsewhere_is_registered_and_ends(ask: Ask, shell: Shell) -> None:
    key = shell.own_key()
    assert "PRIVATE" in await ask("keys", "register", "--public", key, code=1)
    await ask("keys", "register", "--public", key.with_suffix(".json"))
    (listed,) = [json.loads(line) for line in (await ask("keys", "list", "--json")).splitlines()]
    assert (listed["registered"], listed["state"], listed["value_max_minor"]) == (True, "active", 5000)
    await ask("campaign", "publish", shell.campaign)
    said = await ask("issue", "--campaign", "1001", "--issuer", "acme", "--json", code=1)
    assert "registered key" in said
    assert "retired" in await ask("keys", "retire", listed["kid"])
    assert "--yes" in await ask("keys", "withdraw", listed["kid"], code=2)
    assert "withdrawn" in await ask("keys", "withdraw", listed["kid"], "--yes")
    assert "withdrawn" in await ask("keys", "show", listed["kid"])
    assert "for good" in await ask("keys", "retire", listed["kid"], code=1)


async def test_the_public_key_of_another_key_store(ask: Ask, shell: Shell) -> None:
    pem = shell.folder / "hsm.pem"
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert "must be said" in await ask("keys", "register", "--public", pem, code=2)
    said = json.loads(await ask("keys", "register", "--public", pem, *KEY, "--json"))
    assert (said["algorithm"], len(said["public_key"])) == ("es256", 66)


async def test_an_answer_that_is_lost_is_asked_for_again(
    running: Running, ask: Ask, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cloud stops answering after the first portion, and is back for the next try."""
    monkeypatch.setattr("agent.commands.issue.WAIT_S", 0.0)
    await ask("keys", "new", *KEY)
    await ask("campaign", "publish", shell.campaign)
    assert running.cloud is not None
    store, calls = running.cloud.store, 0
    allot = store.allot

    async def lossy(*arguments: Any) -> list[int]:
        nonlocal calls
        calls += 1
        found = await allot(*arguments)
        if calls in (2, 3):
            raise StoreUnavailable("lost")  # after the work was done: the client sees 503
        return found

    monkeypatch.setattr(store, "allot", lossy)
    await ask("issue", "--campaign", shell.campaign, "--count", "2500", "--csv", shell.folder / "c.csv")
    made = rows(shell.folder / "c.csv")
    assert len({row["index"] for row in made}) == 2500
    assert "2500 issued" in await ask("campaign", "show", "acme", "1001"), "none was spent for nothing"


async def test_codes_to_be_typed(running: Running, ask: Ask, shell: Shell) -> None:
    client = await running.enrol("T-1")
    await ask("campaign", "publish", shell.campaign)
    out = (("--csv", shell.folder / "c.csv"), ("--pdf", shell.folder / "c.pdf"))
    await ask("issue", "--codes", "--campaign", shell.campaign, "--count", "3", *out[0], *out[1])
    code = rows(shell.folder / "c.csv")[0]["token"]
    assert re.fullmatch(r"([0-9A-Z]{4}-){3}[0-9A-Z]{4}", code)
    assert any(part.name.startswith("codes/") for part in (await manifest(client)).parts)
    assert "--cloud" in await asyncio.to_thread(shell.issue, "--codes", "--json", code=2)


async def test_signed_coupons_and_codes_of_one_order_are_different_coupons(ask: Ask, shell: Shell) -> None:
    await ask("keys", "new", *KEY)
    await ask("campaign", "publish", shell.campaign)
    what = ("issue", "--campaign", shell.campaign, "--count", "20", "--order", "easter")
    await ask(*what, "--csv", shell.folder / "signed.csv")
    await ask(*what, "--csv", shell.folder / "codes.csv", "--codes")
    made = rows(shell.folder / "signed.csv") + rows(shell.folder / "codes.csv")
    assert len({row["index"] for row in made}) == 40


async def manifest(client: Client) -> Manifest:
    await client.refresh()
    assert client.manifest is not None
    return client.manifest


async def test_a_cloud_that_is_not_there(shell: Shell) -> None:
    token_file = shell.folder / "t"
    token_file.write_text("x")
    nowhere = ("--cloud", "http://127.0.0.1:9", "--token-file", token_file)
    said = await asyncio.to_thread(shell, "campaign", "list", *nowhere, code=1)
    assert "cannot be reached" in said
