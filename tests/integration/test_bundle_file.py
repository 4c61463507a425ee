"""A bundle on a stick: from cloud or till into a file, from there into a running or a stopped till; what is refused."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import sqlite3
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import cli
from agent.bundles import desk as bundle_desk
from agent.bundles.carried import INBOX, import_file
from agent.domain import bundle, bundle_file, cbor
from agent.domain.bundle import BundleError
from agent.domain.bundle_file import FILE_BYTES_MAX, PREFIX_BYTES, Head
from tests.core_kit import rows
from tests.factory import TILL, Factory, amount_off
from tests.integration.api_kit import real_till
from tests.integration.cloud_server_kit import STORE_BODY, running_cloud

CONFIG = '[till]\nstate_dir = "{state}"\n[api]\nport = {port}\n'


@pytest.fixture
def factory() -> Factory:
    return Factory(campaigns=[amount_off(size=1000)])


@pytest.fixture
def state(tmp_path: Path, factory: Factory) -> Path:
    factory.install(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def till(tmp_path: Path, state: Path) -> Path:
    """The configuration file of an enrolled till that does not run."""
    return configure(tmp_path, state, 9)


def configure(folder: Path, state: Path, port: int) -> Path:
    path = folder / "till.toml"
    path.write_text(CONFIG.format(state=state, port=port), "utf-8")
    return path


def newer(factory: Factory) -> Factory:
    """The next bundle: a second campaign."""
    campaigns = [factory.campaigns[0], amount_off(2, size=1000)]
    return replace(factory, sequence=factory.sequence + 1, campaigns=campaigns)


def on_stick(path: Path, factory: Factory, **documents: bytes) -> Path:
    """A bundle file of what `factory` makes."""
    made = factory.parts()
    head = Head((factory.root(),), documents.get("manifest", factory.manifest(made)))
    path.write_bytes(b"".join(bundle_file.write(head, made.values())))
    return path


def run(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in ("bundle", *arguments)])


def in_force(state: Path) -> int:
    """The sequence of the stored bundle, which is whole."""
    ((root, manifest),) = rows(
        state / "till.db", "SELECT document, manifest FROM bundle JOIN root USING (epoch)"
    )
    read = bundle.read_manifest(manifest, bundle.read_root(root, None), TILL, None)
    parts = dict(rows(state / "till.db", "SELECT name, content FROM part"))
    assert set(parts) == {part.name for part in read.parts}
    for part in read.parts:
        bundle.check_part(part, parts[part.name])
    return read.sequence


def test_into_a_stopped_till(
    till: Path, state: Path, factory: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = on_stick(tmp_path / "stick", newer(factory))
    assert run("import", stick, "--config", till) == 0
    assert capsys.readouterr().out.startswith("The bundle is in force: 2 of epoch 1")
    assert in_force(state) == 2
    assert run("import", stick, "--config", till, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["taken"], said["changed"], said["sequence"]) == (True, False, 2)
    assert not (state / INBOX).exists()


async def test_into_a_running_till(tmp_path: Path, factory: Factory) -> None:
    """Through its API, which alone may write; the next coupon is judged by it."""
    async with real_till(tmp_path / "state", factory) as running:
        path = configure(tmp_path, tmp_path / "state", running.port)
        coming = newer(factory)
        coupon = coming.coupon(5, number=2)
        assert (await running.redeem(coupon)).json["outcome"] == "unknown_campaign"
        stick = on_stick(tmp_path / "stick", coming)
        code, out, _ = await command("import", stick, "--config", path)
        assert (code, out[:26]) == (0, "The bundle is in force: 2 ")
        assert (await running.call("GET", "/v1/status")).json["bundle"]["sequence"] == 2
        assert (await running.redeem(coupon)).json["accepted"] is True
        assert not (tmp_path / "state" / INBOX).exists()
        code, _, err = await command("import", on_stick(tmp_path / "old", factory), "--config", path)
        assert code == 1
        assert "older than what this till has" in err
        assert (await running.call("GET", "/v1/status")).json["bundle"]["sequence"] == 2


async def test_one_import_at_a_time(
    tmp_path: Path, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a bundle in memory: several at once would add up."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def held(*what: Any) -> Any:
        begun.set()
        await go.wait()
        return await import_file(*what)

    monkeypatch.setattr(bundle_desk, "import_file", held)
    async with real_till(tmp_path / "state", factory) as running:
        on_stick(tmp_path / "state" / INBOX, newer(factory))
        first = asyncio.create_task(running.call("POST", "/v1/bundle/import", {}))
        await begun.wait()
        second = await running.call("POST", "/v1/bundle/import", {})
        assert (second.status, second.json["code"]) == (409, "import_running")
        assert "Retry-After" in second.headers
        path = configure(tmp_path, tmp_path / "state", running.port)
        code, _, err = await command("import", on_stick(tmp_path / "stick", newer(factory)), "--config", path)
        assert code == 1
        assert "409: Another file is being imported: try again in a moment" in err
        on_stick(tmp_path / "state" / INBOX, newer(factory))  # the command took its copy away
        go.set()
        assert (await first).json["taken"] is True
        assert (await running.call("POST", "/v1/bundle/import", {})).status == 200, "and then the next"


def test_two_commands_do_not_write_over_each_other(
    till: Path, state: Path, factory: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = on_stick(tmp_path / "stick", newer(factory))
    handle = os.open(state, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert run("import", stick, "--config", till) == 1
    finally:
        os.close(handle)
    assert "another import is under way" in capsys.readouterr().err
    assert in_force(state) == 1
    assert run("import", stick, "--config", till) == 0
    assert in_force(state) == 2


async def command(*arguments: str | Path) -> tuple[int, str, str]:
    """The real command as a process: it and the till it talks to must not share an event loop."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agent.cli",
        "bundle",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def refused_files(factory: Factory) -> Iterator[tuple[str, bytes, str, str]]:
    """(what, file, in the English, in the Chinese)."""
    coming = newer(factory)
    made = coming.parts()
    manifest = coming.manifest(made)
    whole = b"".join(bundle_file.write(Head((coming.root(),), manifest), made.values()))
    stranger = replace(Factory(), sequence=9)
    strange = stranger.parts()
    told = bundle.open_manifest(manifest)
    elsewhere = bundle.sign_manifest(replace(told, till="T-0002"), factory.manifest_key)
    changed = bytearray(whole)
    changed[-1] ^= 1
    some = [content for name, content in made.items() if name != "campaigns"]
    long = whole[: PREFIX_BYTES - 4] + b"\xff\xff\xff\xff" + whole[PREFIX_BYTES:]
    yield "empty", b"", "no bundle file", "不是活动数据文件"
    yield "a picture", b"\x89PNG\r\n\x1a\n" + bytes(1000), "no bundle file", "不是活动数据文件"
    yield "cut short", whole[:-1], "not whole", "不完整"
    yield "cut in its head", whole[: PREFIX_BYTES + 20], "not whole", "不完整"
    yield "one byte more", whole + b"\0", "not whole", "不完整"
    yield "a part twice", whole + bundle_file.part_header(bytes(32), 0) * 2, "not whole", "不完整"
    yield "one bit changed", bytes(changed), "not whole", "损坏"
    bomb = b"\xa2\x65roots" + cbor.head(4, 2**22 - 64) + b"\x80" * (2**22 - 64) + b"\x68manifest\x41\x00"
    root = b"\xa2\x64root\x41\x00\x6asignatures" + cbor.head(4, 2**17) + b"\x80" * 2**17
    yield "a head of lists", bundle_file.MAGIC + len(bomb).to_bytes(4, "big") + bomb, "not whole", "损坏"
    yield "a root of lists", bundle_file.head_bytes(Head((root,) * 30, manifest)), "not whole", "损坏"
    yield "a head of 4 GiB", long, "larger than a bundle may be", "过大"
    for what, documents, en, zh in (
        ("another till's", Head((), elsewhere), "for another till", "另一台"),
        ("another cloud's", Head((stranger.root(),), stranger.manifest(strange)), "not signed by", "不是本店"),
        ("no manifest", Head((), b"\xa0"), "not whole", "损坏"),
        ("the older one", Head((), replace(factory, sequence=1, issued=factory.issued - timedelta(1)).manifest(made)),
         "older", "旧"),
    ):  # fmt: skip
        yield what, b"".join(bundle_file.write(documents, made.values())), en, zh
    yield "a part is missing", b"".join(bundle_file.write(Head((), manifest), some)), "not whole", "损坏"


def test_what_is_refused_says_why_and_changes_nothing(
    till: Path, state: Path, factory: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = tmp_path / "stick"
    for what, content, en, zh in refused_files(factory):
        stick.write_bytes(content)
        assert run("import", stick, "--config", till) == 1, what
        said = capsys.readouterr().err
        assert en in said, (what, said)
        assert zh in said, (what, said)
        assert len(said.splitlines()) == 1, what
        assert in_force(state) == 1, what
        assert not (state / INBOX).exists(), what


@pytest.mark.parametrize("items", ["80", "a0", "00", "40", "f6"])
def test_a_head_of_millions_of_items_is_not_read_out(items: str) -> None:
    """Nobody signed it. Four million empty lists took 20 seconds and 360 MB of a running till."""
    head = b"\xa2\x65roots" + cbor.head(4, 2**22 - 64) + bytes.fromhex(items) * (2**22 - 64)
    for octets in (head, head + b"\x68manifest\x41\x00"):
        tracemalloc.start()
        try:
            with pytest.raises(BundleError, match="malformed"):
                bundle_file.read_head(octets)
            assert tracemalloc.get_traced_memory()[1] < 2**16
        finally:
            tracemalloc.stop()
    chain = Head((b"\x00" * 100,) * bundle_file.ROOTS_MAX, b"manifest")
    assert bundle_file.read_head(bundle_file.head_bytes(chain)[PREFIX_BYTES:]) == chain


def test_what_is_no_file_is_not_waited_for(
    till: Path, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe never ends, a sparse file of 2 GiB costs nothing to make, a folder is no file."""
    pipe, huge = tmp_path / "pipe", tmp_path / "huge"
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for path, said in (
        (circle, "circle"),
        (pipe, "no bundle file"),
        (huge, "larger"),
        (state, "no bundle file"),
        (tmp_path / "x", "no file"),
    ):
        assert run("import", path, "--config", till) == 1
        assert said in capsys.readouterr().err


def test_a_file_that_is_far_too_long_is_never_copied(
    till: Path, state: Path, factory: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part's header that promises what the file does not hold."""
    stick = on_stick(tmp_path / "stick", newer(factory))
    with stick.open("ab") as file:
        file.write(bundle_file.part_header(bytes(32), 2**63))
    assert run("import", stick, "--config", till) == 1
    assert "larger" in capsys.readouterr().err
    assert in_force(state) == 1


def test_a_program_is_told_in_json_that_there_is_no_file(
    till: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", tmp_path / "x", "--config", till, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["taken"], said["code"]) == (False, "no_file")


def test_a_till_that_is_not_enrolled(
    tmp_path: Path, factory: Factory, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = on_stick(tmp_path / "stick", factory)
    assert run("import", stick, "--config", configure(tmp_path, tmp_path / "new", 9)) == 1
    assert "not enrolled" in capsys.readouterr().err


def test_out_of_one_disk_into_another(
    till: Path, state: Path, factory: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a till exports, the same till takes after its cache was lost; show tells what is in it."""
    stick = tmp_path / "stick"
    assert run("export", stick, "--config", till) == 0
    assert stick.stat().st_mode & 0o777 == 0o600, "promo codes in it are money"
    assert "bundle 1 of epoch 1 for T-0001" in capsys.readouterr().out
    assert run("show", stick, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["till"], said["sequence"], said["age"], said["verified"]) == (TILL, 1, "fresh", False)
    assert run("show", "--config", till) == 0
    out = capsys.readouterr().out
    assert "campaign   acme/1 version 1, class C, 25 % when stale, 0 % when expired: 30 off 100" in out
    other = tmp_path / "other"
    shutil.copytree(state, other)
    lose_the_cache(other / "till.db")
    assert run("import", stick, "--config", configure(tmp_path, other, 9)) == 0
    assert in_force(other) == 1


def lose_the_cache(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE bundle SET manifest = NULL")
    connection.execute("DELETE FROM part")
    connection.commit()
    connection.close()


async def test_from_the_cloud_to_a_till_without_a_line(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-0001")
        token = tmp_path / "token"
        token.write_text(cloud.token)
        from_cloud = ("--cloud", cloud.url, "--token-file", token)
        stick = tmp_path / "stick"
        code, out, err = await command("fetch", "T-0001", stick, *from_cloud)
        assert (code, err) == (0, "")
        assert stick.stat().st_mode & 0o777 == 0o600
        assert "bundle 1 of epoch 1 for T-0001" in out
        contents = await client.refresh()
        factory = Factory(till_key=client.till.key)
        state = tmp_path / "state"
        factory.install(state)
        trust(state, cloud.cloud.roots.newest().document if cloud.cloud else b"")
        code, out, err = await command("import", stick, "--config", configure(tmp_path, state, 9))
        assert (code, err) == (0, "")
        assert in_force(state) == 1
        assert dict(rows(state / "till.db", "SELECT name, content FROM part")).keys() >= {
            "place",
            "campaigns",
        }
        assert len(contents.campaigns) == 1
        status, answer = await cloud.admin("GET", "tills/T-0009/bundle")
        assert (status, answer["code"]) == (404, "unknown_till")
        await cloud.admin("POST", "tills", {"till": "T-0003", "store": STORE_BODY["store"]})
        code, _, err = await command("fetch", "T-0003", tmp_path / "third", *from_cloud)
        assert "enrol it first" in err
        assert not (tmp_path / "third").exists()


def trust(state: Path, root: bytes) -> None:
    """As if this till had enrolled with that cloud."""
    connection = sqlite3.connect(state / "till.db")
    connection.execute("UPDATE bundle SET manifest = NULL")
    connection.execute("DELETE FROM root")
    connection.execute("INSERT INTO root VALUES (1, ?)", (root,))
    connection.commit()
    connection.close()


def test_a_chain_of_roots_comes_with_the_file(
    till: Path, state: Path, factory: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A till that missed two rotations takes both from the stick; a file without them it cannot believe."""
    first = bundle.open_root(factory.root()).root
    fresh = Factory().manifest_key
    second = replace(first, epoch=2)
    third = replace(first, epoch=3, manifest_keys={fresh.kid: fresh.public_key})
    chain = (factory.root(), *(bundle.sign_root(root, [factory.root_key]) for root in (second, third)))
    made = newer(factory).parts()
    described = tuple(bundle.describe_part(name, content) for name, content in sorted(made.items()))
    told = bundle.open_manifest(factory.manifest(made))
    manifest = bundle.sign_manifest(replace(told, epoch=3, sequence=1, parts=described), fresh)
    for roots, code in ((chain[:1], 1), ((*chain[:1], *chain[2:]), 1), (chain, 0)):
        path = tmp_path / "stick"
        path.write_bytes(b"".join(bundle_file.write(Head(roots, manifest), made.values())))
        assert run("import", path, "--config", till) == code
    assert rows(state / "till.db", "SELECT epoch FROM root ORDER BY epoch") == [(1,), (2,), (3,)]
    assert in_force(state) == 1
    older = on_stick(tmp_path / "older", replace(newer(factory), sequence=99))
    assert run("import", older, "--config", till) == 1
    assert "not signed by this till's cloud" in capsys.readouterr().err
