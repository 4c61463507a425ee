"""Erasure on request, over HTTP and by command, up to a till's bundle."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.domain.disclosure import disclosure, pair_text
from cloud import main
from cloud.erasure_proof import proof_holds
from cloud.store.sqlite_store import SqliteStore
from tests.contract.test_cloud_disclosures import BOB, brought_by, send
from tests.integration.cloud_server_kit import running_cloud
from tests.unit.cloud_kit import AT, enrolled, sealing_till

ANN = bytes.fromhex("a1a2a3a4a5a6a7a8")


async def test_over_http_and_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "cloud"

    async with running_cloud(folder) as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")
        assert (await client.refresh()).erased.number == 0
        said = disclosure(bytes(16), ANN)
        event = client.till.redeem(1, who=said.digest) | {"disclosed": pair_text([said])}
        await client.post(event)
        status, made = await cloud.admin("POST", "erasures", {"pseudonym": ANN.hex()})
        assert (status, made["disclosures"], made["open"]) == (201, 1, ["T-1"])
        assert [one["hash"] for one in made["handed"]["records"]] == [event["hash"]], (
            "told once, to who asked"
        )
        assert (await cloud.admin("POST", "erasures", {"pseudonym": ANN.hex()}))[1]["handed"] is None
        erased = (await client.refresh()).erased
        assert (erased.number, erased.has(ANN), erased.has(bytes(8))) == (1, True, False)
        report = client.till.seal({"erasure": 1, "removed": 3}, "evidence", "erasure")
        await client.post(report, lane="evidence")
        _, listed = await cloud.admin("GET", "erasures")
        assert [(one["open"], one["tills"][0]["removed"]) for one in listed["erasures"]] == [([], 3)]
        status, proved = await cloud.admin("GET", "erasures/1/proof")
        assert cloud.cloud is not None
        assert proof_holds(proved, cloud.cloud.roots.newest().manifest_key.public_key)
        for path in ("erasures/2/proof", "erasures/x/proof"):
            assert (await cloud.admin("GET", path))[0] == 404
        for body in ({"pseudonym": "138001380000"}, {"pseudonym": ANN.hex(), "x": 1}, {}):
            assert (await cloud.admin("POST", "erasures", body))[0] == 422
        _, weak = await cloud.admin("POST", "tokens", {"role": "operator", "name": "o"})
        assert (await cloud.admin("GET", "erasures", token=weak["token"]))[0] == 403
        assert ANN.hex() not in str(await cloud.admin("GET", "acts")), "of whom is noted nowhere"

    parser = argparse.ArgumentParser()
    main.add_arguments(parser)

    async def command(*words: str, status: int = 0) -> list[dict[str, Any]]:
        arguments = parser.parse_args(["erase", words[0], str(folder), *words[1:]])
        assert await asyncio.to_thread(main.run, arguments) == status
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    (again,) = await command("pseudonym", ANN.hex())
    assert again["erasure"] == 1
    (other,) = await command("pseudonym", "bb" * 12)
    assert (other["erasure"], other["disclosures"], other["open"]) == (2, 0, ["T-1"])
    assert [one["erasure"] for one in await command("list")] == [2, 1]
    (proved,) = await command("proof", "1")
    assert proved["proof"]["tills"][0]["record_id"] == "T-1-E1"
    assert [chain["fault"] for chain in await command("check")] == ["", ""]
    await outside(tmp_path, parser, capsys, made, proved, await command("records", "--till", "T-1"))
    await command("pseudonym", "13800138000", status=1)
    await command("proof", "9", status=1)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [file for file in files if ANN.hex().encode() in file.read_bytes()] == []


async def outside(
    tmp_path: Path,
    parser: argparse.ArgumentParser,
    capsys: pytest.CaptureFixture[str],
    answer: dict[str, Any],
    proof: dict[str, Any],
    told: list[dict[str, Any]],
) -> None:
    """Somebody who was given these files checks them."""
    for name, document in {"answer": answer, "proof": proof}.items():
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    assert [(one["id"], "disclosed" in one) for one in told] == [("T-1-1", False), ("T-1-E1", False)]
    (tmp_path / "records").write_text("".join(f"{json.dumps(one)}\n" for one in told), encoding="utf-8")
    given = [f"--{name}={tmp_path / name}" for name in ("answer", "records")]
    files = ["verify", str(tmp_path / "proof"), "--root", str(tmp_path / "cloud" / "roots" / "1.cbor")]

    async def verify(*words: str, status: int = 0) -> list[dict[str, Any]]:
        arguments = parser.parse_args(["erase", *files, *words])
        assert await asyncio.to_thread(main.run, arguments) == status
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [one["check"] for one in await verify()] == ["signature", "record"]
    found = {one["check"]: one for one in await verify(*given)}
    assert (found["listed"]["in_chain"], found["given"]["tills"], len(found)) == (1, 1, 8)
    (tmp_path / "records").write_text(json.dumps(told[1]), encoding="utf-8")
    assert [one["of"] for one in await verify(*given, status=1) if one["fault"]] == ["T-1 redemption"]
    for broken in ("[]", "{", '{"proof": 1}'):
        (tmp_path / "proof").write_text(broken, encoding="utf-8")
        assert await verify(status=1) == []


async def test_nothing_of_the_erased_is_left_in_the_files(tmp_path: Path) -> None:
    """Neither in the database nor in its log, while the cloud runs on."""
    store, till = SqliteStore(tmp_path / "cloud.db"), sealing_till("T-1")
    await enrolled(store, till)
    assert await send(store, till, brought_by(till, 1, ANN, BOB)) == ["stored"]

    def held(person: bytes) -> bool:
        return any(person.hex().encode() in file.read_bytes() for file in tmp_path.iterdir())

    assert (held(ANN), held(BOB)) == (True, True)
    await store.erase(ANN, AT)
    assert (held(ANN), held(BOB)) == (False, True)
    await store.close()
