"""`redeemd cloud erase ...`: erase a person's pseudonym, show and prove it, check that every chain still verifies.

`verify` works on files alone: it is for somebody outside, who need not trust the cloud's machine.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.domain import bundle
from agent.domain.bundle import BundleError, Root
from agent.domain.fields import FieldError
from agent.domain.time import timestamp
from cloud import erasing, erasure_proof, roots
from cloud.commands.staff import note_command
from cloud.errors import Refused, SetupError
from cloud.keyring import KEYS_FOLDER, Keyring
from cloud.ports import CloudStore
from cloud.roots import Roots
from cloud.store.open_store import open_store
from config.regular_file import open_regular, read_regular

PROOF_BYTES_MAX = 1 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud erase`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="erase_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("dir", type=Path, help="the cloud's data directory")
        return action

    erasing_one = add("pseudonym", "Erase a pseudonym, here and at every till. It cannot be undone.")
    erasing_one.add_argument(
        "pseudonym", help="8 to 16 bytes in hexadecimal digits; - reads it from standard input"
    )
    add("list", "List the erasures, and which tills have not said that they did it.")
    proving = add("proof", "Print the signed proof of an erasure.")
    proving.add_argument("erasure", type=int)
    add("check", "Read every record again and check its hash, its signature and its chain.")
    telling = add("records", "Print records as tills signed them, one a line: for who checks a proof.")
    telling.add_argument("--till", action="append", default=[], help="of this till alone (again for more)")
    text = "Check a proof, without the cloud: its signature, tills' records, and what else is given."
    verifying = actions.add_parser("verify", help=text, description=text)
    verifying.add_argument("proof", type=Path, help="what `erase proof` printed")
    verifying.add_argument(
        "--root",
        type=Path,
        action="append",
        required=True,
        help="DIR/roots/N.cbor, which names the key that signed; the first of several is the one you trust",
    )
    verifying.add_argument(
        "--answer", type=Path, help="what the erasure was answered: which records named the person"
    )
    verifying.add_argument("--records", type=Path, help="what `erase records` printed")


async def run(args: argparse.Namespace, now: Callable[[], datetime], read: Callable[[], str]) -> None:
    """Do what `add_arguments` parsed and print JSON, one object a line. read: standard input. Raises SetupError."""
    if args.erase_action == "verify":
        _verify(args)
        return
    store = open_store(args.dir)
    try:
        await _do(store, args, now(), read)
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()


async def _do(store: CloudStore, args: argparse.Namespace, at: datetime, read: Callable[[], str]) -> None:
    match args.erase_action:
        case "pseudonym":
            text = read().strip() if args.pseudonym == "-" else args.pseudonym
            done = await store.erase(erasing.read_pseudonym(text), timestamp(at))
            await note_command(store, at, "erase", {"erasure": done.number})  # of whom is noted nowhere
            _say(await erasing.shown(store, done) | erasing.answered(done))
        case "list":
            for one in await store.erasures(erasing.ERASURES_SHOWN):
                _say(await erasing.shown(store, one))
        case "proof":
            key = Roots(args.dir / roots.FOLDER, Keyring(args.dir / KEYS_FOLDER)).newest().manifest_key
            _say(await erasing.proof(store, args.erasure, key, timestamp(at)))
        case "check":
            faults = 0
            async for lane in erasing.check_chains(store):
                said = {"records": lane.records, "missing": lane.missing, "fault": lane.fault}
                _say({"till": lane.till, "lane": lane.lane} | said)
                faults += bool(lane.fault)
            if faults:
                raise SetupError(f"{faults} chains do not verify")
        case "records":
            async for text in erasing.records(store, args.till):
                print(text)


def _verify(args: argparse.Namespace) -> None:
    """Print what was found, one check a line. SetupError if something does not hold."""
    try:
        root: Root | None = None
        for path in args.root:
            root = bundle.read_root(read_regular(path, bundle.DOCUMENT_BYTES_MAX), root)
        assert root is not None, "one is required"
        answer = None if args.answer is None else _read(args.answer)
        with contextlib.ExitStack() as opened:
            lines = None
            if args.records is not None:
                file = opened.enter_context(io.TextIOWrapper(open_regular(args.records), "utf-8"))
                lines = iter(lambda: file.readline(erasure_proof.RECORD_CHARS_MAX), "")
            found = erasure_proof.verify(_read(args.proof), root.manifest_keys, answer, lines)
            faults = 0
            for one in found:
                _say(one.shown())
                faults += bool(one.fault)
    except OSError as error:
        raise SetupError(f"{error.filename}: {error.strerror}") from error
    except (BundleError, FieldError, UnicodeDecodeError) as error:
        raise SetupError(f"this cannot be checked: {error}") from error
    if faults:
        raise SetupError(f"{faults} checks do not hold")


def _read(path: Path) -> Any:
    """SetupError for what is no JSON."""
    content = read_regular(path, PROOF_BYTES_MAX)
    if len(content) > PROOF_BYTES_MAX:
        raise SetupError(f"{path} is larger than {PROOF_BYTES_MAX} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SetupError(f"{path} is no JSON: {error}") from error


def _say(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False))
