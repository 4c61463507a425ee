"""`redeemd keys`, `campaign` and `issue` against a real cloud."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.domain.bundle import Manifest
from agent.domain.decide import Refusal, verify_scan
from agent.domain.status import Status
from cloud.api.http import utc_now
from cloud.errors import StoreUnavailable
from tests.integration.cloud_server_kit import STORE_BODY, Client, Running, running_cloud
from tests.integration.issue_kit import KEY, TODAY, Shell, rows


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    made = Shell(tmp_path, capsys)
    made("campaign", "new", made.campaign)
    return made


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


async def test_publishing_says_what_no_key_may_sign(ask: Ask, shell: Shell) -> None:
    said = json.loads(await ask("campaign", "publish", shell.campaign, "--json"))
    assert ["may sign coupons" in one for one in said["warnings"]] == [True], "there is no key at all"
    await ask("keys", "new", *KEY[:-1], "1")
    text = shell.campaign.read_text()
    shell.campaign.write_text(text.replace("grace_days = 0", "grace_days = 1"))
    said = json.loads(await ask("campaign", "publish", shell.campaign, "--json"))
    assert ["good for 1 at most" in one for one in said["warnings"]] == [True]
    await ask("keys", "new", *KEY)
    shell.campaign.write_text(text.replace("grace_days = 0", "grace_days = 2"))
    assert json.loads(await ask("campaign", "publish", shell.campaign, "--json"))["warnings"] == []


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
    said = await ask("campaign", "publish", shell.campaign, code=1)
    assert f"ended on {TODAY - timedelta(days=1)}" in said, "an ended campaign is not revived by its file"
    assert "--reopen" in said
    assert "promise:" not in said
    assert "version 5" in await ask("campaign", "publish", shell.campaign, "--reopen")
    assert "no campaign 9" in await ask("campaign", "show", "acme", "9", code=1)


async def test_coupons_of_a_mailing_that_went_wrong_are_revoked(
    running: Running, ask: Ask, shell: Shell
) -> None:
    client = await running.enrol("T-1")
    await ask("keys", "new", *KEY)
    await ask("campaign", "publish", shell.campaign)
    out = shell.folder / "c.csv"
    await ask("issue", "--campaign", shell.campaign, "--count", "5", "--csv", out)
    indexes = [int(row["index"]) for row in rows(out)]
    assert "1 coupons revoked" in await ask("campaign", "revoke", "acme", "1001", "--index", str(indexes[0]))
    said = json.loads(await ask("campaign", "revoke", "acme", "1001", "--csv", out, "--json"))
    assert said == {"revoked": 4, "before": 1}
    listed = (await client.refresh()).status["acme", 1001]
    assert {listed[index] for index in indexes} == {Status.REVOKED}
    assert "another campaign" in await ask("campaign", "revoke", "acme", "1002", "--csv", out, code=1)
    assert "not a CSV" in await ask("campaign", "revoke", "acme", "1001", "--csv", shell.campaign, code=1)


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
    codes, signed = (await ask("campaign", "orders", "acme", "1001")).splitlines()
    assert codes.startswith("easter/0  codes  20 coupons behind 20  ")
    assert signed.startswith("easter/0  signed  20 coupons behind 0  ")


async def manifest(client: Client) -> Manifest:
    await client.refresh()
    assert client.manifest is not None
    return client.manifest


async def test_a_cloud_that_is_not_there(shell: Shell) -> None:
    token_file = shell.folder / "t"
    token_file.write_text("x")
    nowhere = ("--cloud", "http://127.0.0.1:9", "--token-file", token_file)
    said = await asyncio.to_thread(shell, "campaign", "list", *nowhere, code=1)
    assert "cannot be reached: nothing listens there" in said


@pytest.mark.parametrize("address", ["http://cloud.example", "http://10.0.0.1:8420", "ftp://127.0.0.1"])
@pytest.mark.parametrize("command", [("campaign", "list"), ("keys", "list"), ("bundle", "fetch", "T-1", "b")])
async def test_a_token_is_never_sent_in_clear(shell: Shell, address: str, command: tuple[str, ...]) -> None:
    token_file = shell.folder / "t"
    token_file.write_text("x")
    cloud = ("--cloud", address, "--token-file", token_file)
    assert "https" in await asyncio.to_thread(shell, *command, *cloud, code=2)
