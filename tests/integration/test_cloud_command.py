"""`redeemd cloud init` and `serve`: what they make, and what they say when it cannot work."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cloud import main
from cloud.errors import SetupError


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    return main.run(parser.parse_args(arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    main.init(tmp_path / "cloud")
    return tmp_path / "cloud"


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(*arguments) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, "one sentence"
    return said


def test_init_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", str(tmp_path / "a"), "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert sorted(made) == ["admin_token", "data_dir", "manifest_kid", "manifest_public", "root_kid"]
    assert run("init", str(tmp_path / "b")) == 0
    assert "admin token (shown once): rca_" in capsys.readouterr().out
    database = (tmp_path / "a" / "cloud.db").read_bytes()
    assert made["admin_token"].encode() not in database, "stored as a hash only"
    for path in (tmp_path / "a", *(tmp_path / "a").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, f"{path} is readable by others"


def test_what_cannot_be_served_says_why(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "redeemd cloud init DIR" in complaint(capsys, "serve", str(tmp_path / "none"))
    assert "holds a cloud already" in complaint(capsys, "init", str(folder))
    assert "--tls-cert" in complaint(capsys, "serve", str(folder), "--host", "0.0.0.0")
    assert "belong together" in complaint(capsys, "serve", str(folder), "--tls-cert", "x.pem")
    pair = ("--tls-cert", "x.pem", "--tls-key", "y.pem")
    assert "cannot be used" in complaint(capsys, "serve", str(folder), *pair)


def test_a_key_that_others_may_read_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = next((folder / "keys").glob("manifest-*.pem"))
    os.chmod(key, 0o644)
    assert "open to others" in complaint(capsys, "serve", str(folder))
    os.chmod(key, 0o600)
    key.write_bytes(b"x")
    assert "damaged" in complaint(capsys, "serve", str(folder))
    key.unlink()
    assert "cannot be read" in complaint(capsys, "serve", str(folder))


def test_a_damaged_root_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "roots" / "1.cbor").write_bytes(b"\xa0")
    assert "damaged" in complaint(capsys, "serve", str(folder))


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + b"x" * 5000])
def test_what_is_no_database_is_refused(
    folder: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "cloud.db").write_bytes(content)
    assert "cannot be used" in complaint(capsys, "serve", str(folder))


@pytest.mark.parametrize(
    ("pragma", "said"), [("application_id = 5", "not the database"), ("user_version = 99", "newer redeemd")]
)
def test_a_foreign_or_newer_database_is_refused(
    folder: Path, pragma: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = sqlite3.connect(folder / "cloud.db")
    changed.execute(f"PRAGMA {pragma}")
    changed.close()
    assert said in complaint(capsys, "serve", str(folder))


async def test_a_taken_port_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    with pytest.raises(SetupError, match=f"cannot listen on 127.0.0.1:{port}"):
        await main.serve(folder, port=port)
    listening.close()
    await listening.wait_closed()


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed certificate for this machine's loopback and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    since = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=3))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(paths[0]), str(paths[1])


async def test_serve_with_a_certificate(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = certificate(tmp_path)
    serving = asyncio.ensure_future(main.serve(folder, "0.0.0.0", 0, tls=main.server_tls(cert, key)))
    port = (await printed(capsys)).rpartition(":")[2].strip()
    trusting = ssl.create_default_context(cafile=cert)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://localhost:{port}/v1/health", ssl=trusting) as answer,
    ):
        assert answer.status == 200
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


async def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """The line that `serve` prints."""
    said = ""
    async with asyncio.timeout(30):
        while not said:
            await asyncio.sleep(0.01)  # until it has printed; the timeout bounds it
            said = capsys.readouterr().out
    return said


async def test_serve_prints_its_url_once_it_listens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serving = asyncio.ensure_future(main.serve(folder, "::1", 0))
    said = await printed(capsys)
    assert said.startswith("redeemd cloud listens on http://[::1]:")
    async with aiohttp.ClientSession() as session, session.get(f"{said.split()[-1]}/v1/health") as answer:
        document: Any = await answer.json()
    assert document == {"status": "ok"}
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


STORE = (
    *("--number", "12", "--merchant", "M-1", "--title-zh", "一店", "--title-en", "Store 1"),
    *("--currency", "CNY", "--group", "3"),
)


def test_a_store_and_its_till_without_http(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("store", "add", str(folder), "S-1", *STORE, "--zone", "Asia/Shanghai") == 0
    assert "redeemd cloud till add" in capsys.readouterr().out
    assert run("store", "list", str(folder)) == 0
    assert capsys.readouterr().out == "S-1  number 12  merchant M-1  Asia/Shanghai  CNY  一店 / Store 1\n"
    assert run("store", "list", str(folder), "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["store"], listed["number"], listed["groups"]) == ("S-1", 12, [3])
    assert run("till", "add", str(folder), "T-1", "--store", "S-1") == 0
    capsys.readouterr()
    assert run("till", "list", str(folder), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["till"], said["store"], said["state"], said["held"]) == ("T-1", "S-1", "waiting", 0)
    assert "IANA time zone" in complaint(capsys, "store", "add", str(folder), "S-2", *STORE, "--zone", "Mars")
