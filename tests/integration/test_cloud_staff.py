"""Tokens with roles over HTTP and on the command line, sessions of the page, and what is noted of who did what."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cloud import main
from cloud.api.admission import COOKIE, USE_NOTED_EVERY
from cloud.api.staff import SESSION
from cloud.staff import Role
from tests.cloud_stores import database as database  # the fixture: both engines
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud


@pytest.fixture
async def cloud(tmp_path: Path, database: str | None) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud", database=database) as running:
        yield running


async def make(cloud: Running, role: str, **more: Any) -> str:
    status, answer = await cloud.admin("POST", "tokens", {"role": role, "name": f"the {role}", **more})
    assert status == 201, answer
    token: str = answer["token"]
    return token


async def ask(
    cloud: Running, method: str, path: str, **options: Any
) -> tuple[int, Any, aiohttp.ClientResponse]:
    async with cloud.session.request(method, f"{cloud.url}{path}", **options) as response:
        return response.status, json.loads(await response.text() or "null"), response


ASKED = {
    "GET conflicts": {"viewer", "operator", "issuer", "settlement", "admin"},
    "GET tills": {"viewer", "operator", "issuer", "settlement", "admin"},
    "GET tokens": {"admin"},
    "GET acts": {"admin"},
    "GET ledger": {"settlement", "admin"},
    "POST stores": {"operator", "admin"},
    "POST issuers": {"issuer", "admin"},
    "POST scan-rules": {"operator", "admin"},
    "POST tokens": {"admin"},
    "GET tills/T-9/bundle": {"operator", "admin"},
}


async def test_each_role_may_do_what_its_row_says(cloud: Running) -> None:
    tokens = {role.value: await make(cloud, role.value) for role in Role}
    for asked, allowed in ASKED.items():
        method, _, path = asked.partition(" ")
        body: dict[str, str] | None = {} if method == "POST" else None
        for role, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            status, answer, _ = await ask(cloud, method, f"/v1/admin/{path}", json=body, headers=headers)
            assert (status not in (401, 403)) == (role in allowed), (asked, role, answer)
            if status == 403:
                assert answer["code"] == "role_too_low"
                assert role in answer["detail"]
                assert all(other in answer["detail"] for other in allowed)


async def test_a_token_that_is_over_is_refused_with_a_challenge(cloud: Running) -> None:
    token = await make(cloud, "viewer", days=1)
    assert (await cloud.admin("GET", "tills", token=token))[0] == 200
    cloud.time.pass_s(86_400)
    status, answer, response = await ask(
        cloud, "GET", "/v1/admin/tills", headers={"Authorization": f"Bearer {token}"}
    )
    assert (status, answer["code"]) == (401, "not_authorised")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert token not in json.dumps(answer)
    other = await make(cloud, "viewer")
    assert (await cloud.admin("POST", "tokens/the viewer/revoke"))[0] == 409, "two of them have the name"
    _, listed = await cloud.admin("GET", "tokens")
    newest = max(listed["tokens"], key=lambda line: line["added_at"])
    status, answer = await cloud.admin("POST", f"tokens/{newest['id']}/revoke")
    assert (status, answer["name"]) == (200, "the viewer")
    assert (await cloud.admin("GET", "tills", token=other))[0] == 401
    assert other not in json.dumps(listed)


async def test_the_last_use_is_known_to_some_minutes(cloud: Running) -> None:
    token = await make(cloud, "viewer")

    async def used() -> str | None:
        _, listed = await cloud.admin("GET", "tokens")
        found: str | None = next(line["used_at"] for line in listed["tokens"] if line["name"] == "the viewer")
        return found

    assert await used() is None
    await cloud.admin("GET", "tills", token=token)
    first = await used()
    cloud.time.pass_s(60)
    await cloud.admin("GET", "tills", token=token)
    assert await used() == first, "not each request writes"
    cloud.time.pass_s(USE_NOTED_EVERY.total_seconds())
    await cloud.admin("GET", "tills", token=token)
    assert await used() != first


async def test_who_did_what_is_noted_before_it_is_done(cloud: Running) -> None:
    operator = await make(cloud, "operator")
    cloud.time.pass_s(1)
    await cloud.admin("POST", "stores", STORE_BODY, token=operator)
    cloud.time.pass_s(1)
    await cloud.admin("POST", "stores", {"store": "x" * 200, "number": 2**40}, token=operator)
    await cloud.admin("GET", "tills", token=operator)
    _, page = await cloud.admin("GET", "acts?limit=2")
    _, answer = await cloud.admin("GET", "acts")
    acts = answer["acts"]
    assert page["acts"] == acts[:2]
    by_time = sorted(acts, key=lambda act: act["at"])
    assert [(act["who"], act["role"], act["act"], act["status"]) for act in by_time] == [
        ("first", "admin", "POST /v1/admin/tokens", 201),
        ("the operator", "operator", "POST /v1/admin/stores", 201),
        ("the operator", "operator", "POST /v1/admin/stores", 422),
    ]
    details = [json.loads(act["detail"]) for act in by_time]
    assert details[0] == {"name": "the operator", "role": "operator"}
    assert details[1] == {"number": STORE_BODY["number"], "store": STORE_BODY["store"]}
    assert details[2] == {"number": 2**40, "store": "x" * 80}, "bounded, whatever was sent"
    assert operator not in json.dumps(acts)


async def test_a_session_reads_and_changes_nothing(cloud: Running) -> None:
    token = await make(cloud, "admin")
    status, answer, response = await ask(cloud, "POST", "/v1/session", json={"token": token})
    assert (status, answer["role"]) == (200, "admin")
    cookie = response.headers["Set-Cookie"]
    for wanted in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/", f"{COOKIE}=rca_"):
        assert wanted in cookie
    assert token not in cookie, "what the browser keeps is not the token"
    session = {"Cookie": cookie.partition(";")[0]}
    assert (await ask(cloud, "GET", "/v1/session", headers=session))[0] == 200
    assert (await ask(cloud, "GET", "/v1/admin/tills", headers=session))[0] == 200
    for path, body in (("tokens", {"role": "admin", "name": "x"}), ("stores", STORE_BODY)):
        status, answer, _ = await ask(cloud, "POST", f"/v1/admin/{path}", json=body, headers=session)
        assert (status, answer["code"]) == (403, "session_reads")
    own = session["Cookie"].partition("=")[2]
    assert (await ask(cloud, "POST", "/v1/session", json={"token": own}))[0] == 401, "no session of a session"
    cloud.time.pass_s(SESSION.total_seconds() - 1)
    assert (await ask(cloud, "GET", "/v1/session", headers=session))[0] == 200
    cloud.time.pass_s(2)
    assert (await ask(cloud, "GET", "/v1/session", headers=session))[0] == 401


async def test_a_session_is_ended(cloud: Running) -> None:
    _, _, response = await ask(cloud, "POST", "/v1/session", json={"token": cloud.token})
    session = {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}
    status, _, ended = await ask(cloud, "POST", "/v1/session/end", headers=session)
    assert status == 200
    assert "Max-Age=0" in ended.headers["Set-Cookie"]
    assert (await ask(cloud, "GET", "/v1/admin/tills", headers=session))[0] == 401
    assert (await ask(cloud, "POST", "/v1/session/end"))[0] == 200
    for wrong in ("rca_wrong", "x" * 201, ""):
        assert (await ask(cloud, "POST", "/v1/session", json={"token": wrong}))[0] in (401, 422)
    assert timedelta(0) < SESSION <= timedelta(days=1)


def command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    return main.run(parser.parse_args(arguments))


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "cloud")
    main.init(tmp_path / "cloud")
    assert command("token", "add", folder, "wall", "--role", "viewer", "--days", "30", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["token"].startswith("rca_")
    assert command("token", "add", folder, "ann", "--role", "admin") == 0
    assert "shown once" in capsys.readouterr().out
    assert command("token", "list", folder) == 0
    listed = capsys.readouterr().out
    assert "wall  expires" in listed
    assert "ann  counts  last used never" in listed
    assert made["token"] not in listed
    assert command("token", "revoke", folder, "ann") == 0
    assert command("token", "revoke", folder, "ann") == 1
    assert "no token 'ann'" in capsys.readouterr().err
    assert command("token", "add", folder, "x", "--role", "viewer", "--days", "0") == 1
    assert "days" in capsys.readouterr().err
    assert command("token", "list", folder, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["name"]: line["revoked_at"] is None for line in lines} == {
        "first": True,
        "wall": True,
        "ann": False,
    }
    assert command("acts", folder, "--json") == 0
    acts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {act["act"] for act in acts} == {"redeemd cloud token add", "redeemd cloud token revoke"}
    assert command("acts", folder) == 0
    assert '"name":"wall"' in capsys.readouterr().out
    assert command("acts", folder, "--limit", "0") == 1
