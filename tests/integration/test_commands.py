"""Single commands of `redeemd`: what they say when they cannot do what was asked, and what they cost."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import socket
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import segno
from aiohttp import web

from agent.cli import main
from agent.commands import verify
from agent.commands.admin import CloudAdmin
from agent.commands.errors import CommandError
from agent.commands.issue import issue_pictures
from agent.commands.issue_order import Order
from agent.store.database import connect, connect_read_only
from tests.core_kit import core, install
from tests.factory import Factory, amount_off
from tests.integration.api_kit import real_till
from tests.integration.cloud_server_kit import running_cloud


@pytest.fixture
def till(tmp_path: Path) -> tuple[Path, Factory]:
    factory = Factory()
    factory.install(tmp_path / "state")
    file = tmp_path / "till.toml"
    file.write_text(f'[till]\nstate_dir = "{tmp_path}/state"\n', "utf-8")
    return file, factory


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"redeemd {importlib.metadata.version('redeemd')}\n"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "１", "9" * 5000])
def test_a_limit_is_a_number_from_1(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["outbox", f"--limit={limit}"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--limit" in said
    assert "a whole number from 1" in said


async def test_a_list_that_is_cut_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factory = Factory()
    with core(install(tmp_path / "state", factory), factory) as till:
        for index in range(5):
            await till.redeem(factory.coupon(index))
    file = tmp_path / "till.toml"
    file.write_text(f'[till]\nstate_dir = "{tmp_path}/state"\n', "utf-8")
    for limit, said in ((2, "3 more, use --limit"), (4, "1 more, use --limit"), (5, "5 records")):
        assert main(["outbox", "--limit", str(limit), "--config", str(file)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == said
    assert main(["outbox", "--limit", "2", "--json", "--config", str(file)]) == 0
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), err) == (2, "3 more, use --limit\n")


# verify


def no_file(_folder: Path) -> Path:
    return Path("/nope/coupon.png")


def a_folder(folder: Path) -> Path:
    return folder


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def no_picture(folder: Path) -> Path:
    (folder / "text.png").write_text("RC1AAAA")
    return folder / "text.png"


def no_code(folder: Path) -> Path:
    cv2.imwrite(str(folder / "grey.png"), np.full((200, 200), 128, np.uint8))
    return folder / "grey.png"


IMAGES = {
    no_file: (66, "does not exist"),
    a_folder: (66, "is no file"),
    a_pipe: (66, "is no file"),
    no_picture: (65, "is no picture"),
    no_code: (65, "no QR code was read"),
}


@pytest.mark.parametrize("make", IMAGES)
def test_a_picture_without_a_coupon_says_why(
    till: tuple[Path, Factory], tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any
) -> None:
    code, reason = IMAGES[make]
    picture = make(tmp_path)
    assert main(["verify", "--image", str(picture), "--config", str(till[0])]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{picture} " in said.err
    assert reason in said.err
    assert len(said.err.splitlines()) == 1, "one sentence"


def test_a_picture_of_a_coupon(
    till: tuple[Path, Factory], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, factory = till
    segno.make_qr(factory.coupon(3), error="m").save(str(tmp_path / "coupon.png"), scale=6, border=4)
    assert main(["verify", "--image", str(tmp_path / "coupon.png"), "--config", str(config)]) == 0
    assert "accepted" in capsys.readouterr().out


def test_one_coupon_is_named_in_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 2
    assert main(["verify", "RC1", "--image", "x.png"]) == 2
    assert "name one coupon" in capsys.readouterr().err


def test_many_coupons_open_the_database_once(
    till: tuple[Path, Factory], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config, factory = till
    opened = []

    def counted(path: Path) -> Any:
        opened.append(connect_read_only(path))
        return opened[-1]

    monkeypatch.setattr("agent.commands.verify.connect_read_only", counted)
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{factory.coupon(n)}\n" for n in range(5))))
    assert main(["verify", "-", "--config", str(config)]) == 0
    assert capsys.readouterr().out.count("accepted:") == 5
    assert len(opened) == 1
    with pytest.raises(Exception, match="closed"):
        opened[0].execute("SELECT 1")


async def test_a_stored_value_says_what_this_till_knows_to_be_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    factory = Factory(
        campaigns=[amount_off(offer={"benefit": {"kind": "stored_value", "cap_minor": 5_000}}, uses=9)]
    )
    text = factory.coupon(1)
    async with real_till(tmp_path / "state", factory) as till:
        assert (await till.redeem(text, total_minor=1_250)).json["left_minor"] == 3_750
    file = tmp_path / "till.toml"
    file.write_text(f'[till]\nstate_dir = "{tmp_path}/state"\n', "utf-8")
    assert main(["verify", text, "--config", str(file)]) == 1, "it wants a total"
    assert "left    37.50 CNY, as this till knows it" in capsys.readouterr().out
    assert main(["verify", text, "--json", "--config", str(file)]) == 1
    assert json.loads(capsys.readouterr().out)["left_minor"] == 3_750


def test_a_coupon_used_while_standard_input_is_open_is_seen(till: tuple[Path, Factory]) -> None:
    """One connection, but no old view of the ledger."""
    config, factory = till
    database = config.parent / "state" / "till.db"
    with verify.from_till(database) as known:
        assert verify.explain(factory.coupon(4), known)["outcome"] == "accepted"
        with closing(connect(database)) as writer:
            writer.execute(
                "INSERT INTO coupon_use (issuer, campaign, idx, redemption_id, at, forget_after)"
                " VALUES ('acme', 1, 4, 'T-0001-1', '2026-01-01T00:00:00.000Z', 99999)"
            )
        assert verify.explain(factory.coupon(4), known)["outcome"] == "already_redeemed"


# issue


def order() -> Order:
    return Order("acme", 77, 1, date(2026, 3, 1), date(2026, 3, 9))


async def test_the_clouds_refusal_is_its_sentence(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        async with CloudAdmin(cloud.url, cloud.token) as admin:
            with pytest.raises(CommandError) as refused:
                await issue_pictures(admin, order(), 1000, tmp_path / "out")
        async with CloudAdmin(cloud.url, "rca_wrong") as stranger:
            with pytest.raises(CommandError, match="this token is unknown"):
                await issue_pictures(stranger, order(), 1000, tmp_path / "out")
    problem = str(refused.value)
    assert problem.startswith("the cloud refused: ")
    assert "{" not in problem
    assert "404" not in problem
    assert "campaign" in problem


async def test_what_is_not_the_cloud_is_not_quoted() -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>\x1b[31m bad gateway</html>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with CloudAdmin(f"http://127.0.0.1:{runner.addresses[0][1]}", "x") as admin:
            with pytest.raises(CommandError, match="HTTP 502") as refused:
                await admin.post("/v1/admin/coupons", {})
    finally:
        await runner.cleanup()
    assert "html" not in str(refused.value)


async def test_no_cloud_at_all_is_a_sentence() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    async with CloudAdmin(url, "x") as admin:
        with pytest.raises(CommandError, match="cannot be reached"):
            await admin.post("/v1/admin/coupons", {})
