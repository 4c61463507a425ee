"""A root of two of three keepers made away from the server, rotated key by key, and taken up by a running cloud."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from agent.domain import bundle
from cloud import main
from cloud.errors import SetupError
from cloud.keyring import read_public
from tests.integration.cloud_server_kit import running_cloud

KEEPERS = ("alice", "bob", "carol")


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    return main.run(parser.parse_args([str(argument) for argument in arguments]))


class Office:
    """Three keepers around one machine without a line, and the server's folder. said: what the last command printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.cloud = folder / "cloud"
        self._capsys = capsys

    def root(self, *arguments: str | Path) -> str:
        assert run("root", *arguments) == 0, self._capsys.readouterr().err
        return self._capsys.readouterr().out

    def refused(self, *arguments: str | Path) -> str:
        self._capsys.readouterr()
        assert run("root", *arguments) == 1
        said = self._capsys.readouterr().err
        assert len(said.splitlines()) == 1, "one sentence"
        return said

    def file(self, name: str) -> Path:
        return self.folder / name

    def manifest_public(self) -> Path:
        (found,) = self.cloud.glob("manifest-*.pub")
        return found


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Office:
    """A cloud without a root, and three root keys elsewhere."""
    made = Office(tmp_path, capsys)
    assert run("init", made.cloud, "--offline-root") == 0
    assert "no root yet" in capsys.readouterr().out
    for keeper in KEEPERS:
        made.root("key", made.file(f"{keeper}.pem"))
    return made


def first_root(office: Office) -> Path:
    out = office.file("root-1.cbor")
    keys = [argument for keeper in KEEPERS for argument in ("--root-key", office.file(f"{keeper}.pub"))]
    office.root("new", out, "--threshold", "2", *keys, "--manifest-key", office.manifest_public())
    return out


def signed_by(office: Office, path: Path, *keepers: str, after: Path | None = None) -> str:
    said = ""
    for keeper in keepers:
        known = () if after is None else ("--after", after)
        said = office.root("sign", path, "--key", office.file(f"{keeper}.pem"), *known)
    return said


def test_no_root_key_ever_lies_on_the_server(office: Office) -> None:
    path = first_root(office)
    assert "0 of 2 signatures" in office.root("show", path)
    assert "1 of 2 signatures" in signed_by(office, path, "alice")
    assert "it is complete" in signed_by(office, path, "carol")
    assert office.root("publish", office.cloud, path).startswith("root 1 is in force")
    (key,) = (office.cloud / "keys").iterdir()
    assert key.name.startswith("manifest-")
    root = main.open_cloud(office.cloud).roots.newest().root
    assert (root.epoch, root.threshold, len(root.root_keys)) == (1, 2, 3)
    for keeper in KEEPERS:
        assert office.file(f"{keeper}.pem").stat().st_mode & 0o077 == 0


def test_a_root_that_may_not_be_published_says_why(office: Office) -> None:
    with pytest.raises(SetupError, match="holds no root"):
        main.open_cloud(office.cloud)
    path = first_root(office)
    signed_by(office, path, "alice")
    assert "fewer than 2 keys" in office.refused("publish", office.cloud, path)
    signed_by(office, path, "bob")
    office.root("publish", office.cloud, path)
    assert office.root("publish", office.cloud, path), "the same again is no error"
    second = office.file("root-2.cbor")
    office.root("next", path, second)
    assert "neither" not in signed_by(office, second, "alice", after=path)
    assert "fewer than 2 keys" in office.refused("publish", office.cloud, second)
    third = office.file("root-3.cbor")
    signed_by(office, second, "bob", after=path)
    office.root("next", second, third)
    signed_by(office, third, "alice", "bob", after=second)
    assert "does not follow" in office.refused("publish", office.cloud, third)


def test_what_can_never_hold_is_not_written(office: Office) -> None:
    path = office.file("bad.cbor")
    public, manifest = office.file("alice.pub"), office.manifest_public()
    new = ("new", path, "--root-key", public, "--manifest-key", manifest, "--threshold")
    assert "can never sign" in office.refused(*new, "2")
    assert "can never sign" in office.refused(*new, "0")
    secret = office.file("alice.pem")
    assert "no public key" in office.refused(
        "new", path, "--root-key", secret, "--manifest-key", manifest, "--threshold", "1"
    )
    assert not path.exists()
    first = first_root(office)
    assert "exists" in office.refused("next", first, first)
    assert "no key 00" in office.refused("next", first, path, "--drop-root-key", "00" * 8)
    office.root("key", office.file("mallory.pem"))
    assert "is no root key" in office.refused("sign", first, "--key", office.file("mallory.pem"))
    assert "is no root document" in office.refused("show", public)
    assert "exists" in office.refused("key", secret)


def test_a_lost_root_key_is_replaced_by_two_that_are_left(office: Office) -> None:
    first = first_root(office)
    signed_by(office, first, "alice", "bob")
    office.root("publish", office.cloud, first)
    office.root("key", office.file("dora.pem"))
    carol = next(
        kid.hex()
        for kid, raw in bundle.open_root(first.read_bytes()).root.root_keys.items()
        if raw == read_public(office.file("carol.pub"))
    )
    second = office.file("root-2.cbor")
    office.root("next", first, second, "--drop-root-key", carol, "--add-root-key", office.file("dora.pub"))
    assert "it is complete" in signed_by(office, second, "alice", "bob", after=first)
    office.root("publish", office.cloud, second)
    third = office.file("root-3.cbor")
    office.root("next", second, third)
    assert "is no root key" in office.refused("sign", third, "--key", office.file("carol.pem"))
    assert "it is complete" in signed_by(office, third, "dora", "alice", after=second)


async def test_a_running_cloud_takes_up_a_new_root_at_once(tmp_path: Path) -> None:
    """A manifest key of the next root signs the next bundle; the sequence begins anew."""
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")
        await client.refresh()
        await cloud.admin("POST", "revocations", {"issuer": "acme", "campaign": 7, "indexes": [1]})
        await client.refresh()
        assert client.manifest is not None
        assert (client.manifest.epoch, client.manifest.sequence) == (1, 2)
        first = tmp_path / "cloud" / "roots" / "1.cbor"
        old = next(iter(client.root.manifest_keys)).hex()
        made = main.new_manifest_key(tmp_path / "cloud")
        second = tmp_path / "root-2.cbor"
        changes = ("--add-manifest-key", made["manifest_public"], "--drop-manifest-key", old)
        assert run("root", "next", first, second, *changes) == 0
        (root_key,) = (tmp_path / "cloud" / "keys").glob("root-*.pem")
        assert run("root", "sign", second, "--key", root_key, "--after", first) == 0
        assert run("root", "publish", tmp_path / "cloud", second) == 0
        async with cloud.session.get(f"{cloud.url}/v1/roots/2") as answer:
            assert answer.status == 200
            client.root = bundle.read_root(await answer.read(), client.root)
        async with cloud.session.get(f"{cloud.url}/v1/roots/3") as answer:
            assert answer.status == 404
        await client.refresh()
        assert (client.manifest.epoch, client.manifest.sequence) == (2, 1)
        assert await client.refresh()
        newcomer = await cloud.enrol("T-2", 2)
        assert newcomer.root == client.root, "who enrols now begins with the newest root"
