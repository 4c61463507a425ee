"""Enrol: the till makes its key, proves with a one-time code that it may join, and pins the cloud's root."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import config
from agent.bundles.refresh import Refresher
from agent.clock import SystemClock
from agent.commands.errors import CommandError
from agent.domain import bundle, record
from agent.domain.keys import SigningKey
from agent.domain.statement import SEQUENCE_MAX
from agent.folder import database_path, key_path, make_key, prepare_state_dir
from agent.secret import make_secret
from agent.state import TillState
from agent.store.bundle_cache import SqlBundleCache
from agent.store.bundle_cache import enrol as store_enrolment
from agent.store.database import Database
from agent.store.ledger import SqlTransaction
from agent.store.till_facts import put_starts, setting
from sync.ports import Failure
from sync.status import failure_of
from sync.uplink import HttpUplink, Identity

CONTEXT = b"redeemd/enrol/v1\0"
_HASH = re.compile(r"[0-9a-f]{64}")


async def enrol(settings: config.Config, code: str) -> tuple[str, str]:
    """Enrol this till with `code` and fetch its first bundle, so that it may start without a line.

    Returns its name and why there is no bundle yet ("" if there is). Safe to repeat: the key is kept, the code only
    works for this key.
    """
    if not settings.cloud.url:
        raise CommandError("cloud.url is not set: write the cloud's address into the configuration first")
    prepare_state_dir(settings)
    database = Database(database_path(settings))
    database.open()
    try:
        await database.run(_refuse_a_revoked_till)
        key = make_key(key_path(settings))
        make_secret(database_path(settings).parent)
        till, root, starts = await _ask(settings, code.strip(), key)
        await database.run(lambda connection: _store(connection, till, root, starts))
        missing = await _first_bundle(settings, database, till, key)
    finally:
        database.close()
    return till, missing


async def _first_bundle(settings: config.Config, database: Database, till: str, key: SigningKey) -> str:
    cloud = settings.cloud
    ca_file = Path(cloud.ca_file) if cloud.ca_file else None
    identity, proxy = Identity(till, till, key.sign), cloud.proxy or None
    async with HttpUplink(cloud.url, identity, ca_file=ca_file, proxy=proxy) as uplink:
        state = TillState(till)
        refresher = Refresher(SqlBundleCache(database), uplink, state, SystemClock(), key.public_key)
        fetched = await refresher.fetch()
    return f"{fetched.sentence.en} ({fetched.detail})" if isinstance(fetched, Failure) else ""


def _refuse_a_revoked_till(connection: sqlite3.Connection) -> None:
    if setting(connection, "revocation") is not None:
        raise CommandError(
            "this till's key was revoked. When the cloud has all of its records (redeemd outbox), move the state "
            "directory away and enrol with a new code: it goes on under its name with a new key."
        )


def _store(
    connection: sqlite3.Connection, till: str, root: bytes, starts: Mapping[str, record.ChainHead]
) -> None:
    """Keep who this till is, and where its lanes begin: behind what another disk of its name has recorded."""
    known = connection.execute("SELECT value FROM setting WHERE name = 'till'").fetchone()
    if known is not None and known[0] != till:
        raise CommandError(
            f"this machine is enrolled as {known[0]} and the code is for {till}. "
            "Its ledger belongs to the old name: move the state directory away first."
        )
    store_enrolment(connection, till, root)
    ledger = SqlTransaction(connection)
    for lane, start in starts.items():
        head = ledger.head(lane)
        if 0 < head.sequence < start.sequence:
            raise CommandError(
                f"the cloud has more records of {till} than this ledger, which is an old copy. "
                "Move the state directory away and ask for a new code."
            )
    put_starts(connection, starts)


async def _ask(
    settings: config.Config, code: str, key: SigningKey
) -> tuple[str, bytes, dict[str, record.ChainHead]]:
    document = {
        "code": code,
        "till_public_key": _base64url(key.public_key),
        "proof": _base64url(key.sign(CONTEXT + code.encode())),
    }
    cloud = settings.cloud
    ca_file = Path(cloud.ca_file) if cloud.ca_file else None
    async with HttpUplink(cloud.url, ca_file=ca_file, proxy=cloud.proxy or None) as uplink:
        answer = await uplink.enrol(json.dumps(document).encode())
    failure = answer if isinstance(answer, Failure) else failure_of(answer)
    if isinstance(answer, Failure) or failure is not None:
        assert failure is not None, "a failure or an answer"
        raise CommandError(f"the cloud did not enrol this till: {failure.detail or failure.sentence.en}")
    try:
        said = json.loads(answer.body)
        till, root = str(said["till"]), base64.b64decode(said["root"], validate=True)
        bundle.read_root(root, None)
        starts = {lane: _start(said["lanes"][lane]) for lane in record.LANES}
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise CommandError(f"the cloud's answer cannot be used: {error}") from None
    return till, root, starts


def _start(said: Any) -> record.ChainHead:
    sequence, digest = said["sequence"], said["hash"]
    if type(sequence) is not int or not 0 <= sequence <= SEQUENCE_MAX or not _HASH.fullmatch(digest):
        raise ValueError("where a lane goes on is not a sequence and a hash")
    return record.ChainHead(sequence, digest)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
