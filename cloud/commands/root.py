"""`redeemd cloud root ...`: make root keys, write a root, sign it keeper by keeper, publish it.

All but `publish` work on files alone, for machines without a line: root keys never come to the server. A ceremony and
each rotation stand step by step in docs/cloud-keys.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from agent.domain import bundle
from agent.domain.bundle import KEYS_MAX, BundleError, Root, SignedRoot
from agent.domain.keys import key_id, new_signing_key
from agent.domain.time import timestamp
from cloud import roots
from cloud.errors import SetupError
from cloud.keyring import KEYS_FOLDER, Keyring, read_key, read_public, write_key, write_public
from config.regular_file import read_regular

DOCUMENT_BYTES_MAX = bundle.DOCUMENT_BYTES_MAX


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud root`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="root_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text)

    making = add("key", "Make a root key: FILE, which one keeper keeps, and its public half beside it.")
    making.add_argument("file", type=Path, help="for example alice.pem; the public half is alice.pub")
    first = add("new", "Write the first root, not signed yet.")
    first.add_argument("out", type=Path, help="for example root-1.cbor")
    first.add_argument(
        "--threshold", type=int, required=True, help="how many root keys must sign the next root"
    )
    first.add_argument("--root-key", type=Path, action="append", required=True, metavar="PUB")
    first.add_argument("--manifest-key", type=Path, action="append", required=True, metavar="PUB")
    following = add(
        "next", "Write the root that follows BEFORE, not signed yet: the same keys but for the changes."
    )
    following.add_argument("before", type=Path, help="the root in force")
    following.add_argument("out", type=Path)
    following.add_argument("--threshold", type=int)
    for what in ("root", "manifest"):
        following.add_argument(f"--add-{what}-key", type=Path, action="append", default=[], metavar="PUB")
        following.add_argument(f"--drop-{what}-key", type=_kid, action="append", default=[], metavar="KID")
    signing = add("sign", "Add a keeper's signature to a root.")
    signing.add_argument("file", type=Path)
    signing.add_argument("--key", type=Path, required=True, help="the keeper's private key")
    signing.add_argument(
        "--after", type=Path, metavar="BEFORE", help="the root it follows, unless it is the first"
    )
    showing = add("show", "Show a root and whose signatures are missing.")
    showing.add_argument("file", type=Path)
    showing.add_argument(
        "--after", type=Path, metavar="BEFORE", help="the root it follows, unless it is the first"
    )
    publishing = add(
        "publish", "Put a signed root in force at this cloud; a running server takes it up at once."
    )
    publishing.add_argument("dir", type=Path, help="the cloud's data directory")
    publishing.add_argument("file", type=Path)


def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    try:
        for line in _ACTIONS[args.root_action](args, now):
            print(line)
    except BundleError as error:
        raise SetupError(str(error)) from error
    except OSError as error:
        raise SetupError(f"{error.filename}: {error.strerror}") from error


def _key(args: argparse.Namespace, _now: Callable[[], datetime]) -> Iterator[str]:
    public = args.file.with_suffix(".pub")
    if public == args.file or public.exists():
        raise SetupError(f"{public} exists or is the very same file; name another one")
    key = new_signing_key()
    write_key(args.file, key)
    write_public(public, key.public_key)
    yield f"root key {key.kid.hex()} in {args.file}: keep it away from the server and from the other root keys"
    yield f"its public half is in {public}"


def _new(args: argparse.Namespace, now: Callable[[], datetime]) -> Iterator[str]:
    root = Root(1, now(), args.threshold, _read_keys(args.root_key), _read_keys(args.manifest_key))
    return _write(args.out, root, None)


def _next(args: argparse.Namespace, now: Callable[[], datetime]) -> Iterator[str]:
    before = _open(args.before).root
    root = replace(
        before,
        epoch=before.epoch + 1,
        issued=now(),
        threshold=before.threshold if args.threshold is None else args.threshold,
        root_keys=_changed(before.root_keys, args.add_root_key, args.drop_root_key),
        manifest_keys=_changed(before.manifest_keys, args.add_manifest_key, args.drop_manifest_key),
    )
    return _write(args.out, root, before)


def _sign(args: argparse.Namespace, _now: Callable[[], datetime]) -> Iterator[str]:
    signed, before = _open(args.file), _before(args)
    key = read_key(args.key)
    if key.kid not in signed.root.root_keys and (before is None or key.kid not in before.root_keys):
        raise SetupError(
            f"{args.key} is no root key of {args.file}, nor of the root before it (name that with --after)"
        )
    _replace(args.file, bundle.add_signature(_read(args.file), key))
    return _missing(args.file, _open(args.file), before)


def _show(args: argparse.Namespace, _now: Callable[[], datetime]) -> Iterator[str]:
    signed = _open(args.file)
    root = signed.root
    yield f"root {root.epoch}, issued {timestamp(root.issued)}, {root.threshold} of {len(root.root_keys)} keys sign"
    for name, keys in (("root key    ", root.root_keys), ("manifest key", root.manifest_keys)):
        for kid in keys:
            yield f"  {name} {kid.hex()}{'  signed' if kid in signed.signed_by(root) else ''}"
    yield from _missing(args.file, signed, _before(args))


def _publish(args: argparse.Namespace, _now: Callable[[], datetime]) -> Iterator[str]:
    root = roots.publish(args.dir / roots.FOLDER, Keyring(args.dir / KEYS_FOLDER), _read(args.file))
    yield f"root {root.epoch} is in force; each till takes it up at its next contact, or from a bundle file"


_ACTIONS: Mapping[str, Callable[[argparse.Namespace, Callable[[], datetime]], Iterator[str]]] = {
    "key": _key,
    "new": _new,
    "next": _next,
    "sign": _sign,
    "show": _show,
    "publish": _publish,
}


def _write(out: Path, root: Root, before: Root | None) -> Iterator[str]:
    """Check what no signature could mend, then write the unsigned root."""
    if not 1 <= root.threshold <= len(root.root_keys) <= KEYS_MAX:
        raise SetupError(
            f"{root.threshold} of {len(root.root_keys)} root keys can never sign; change --threshold"
        )
    if not 1 <= len(root.manifest_keys) <= KEYS_MAX:
        raise SetupError(f"a root names 1 to {KEYS_MAX} manifest keys, this one {len(root.manifest_keys)}")
    if out.exists():
        raise SetupError(f"{out} exists; a root that was signed is not written over")
    _replace(out, bundle.sign_root(root, []))
    return _missing(out, _open(out), before)


def _missing(path: Path, signed: SignedRoot, before: Root | None) -> Iterator[str]:
    """Whose signatures are there and how many are missing."""
    complete = True
    for judge in (signed.root,) if before is None else (signed.root, before):
        count = len(signed.signed_by(judge))
        complete = complete and count >= judge.threshold
        yield f"{path}: {count} of {judge.threshold} signatures by the keys of root {judge.epoch}"
    if before is None and signed.root.epoch > 1:
        yield f"it must be signed by the keys of root {signed.root.epoch - 1} too: name that root with --after"
    elif complete:
        yield f"it is complete: redeemd cloud root publish DIR {path}"


def _before(args: argparse.Namespace) -> Root | None:
    return None if args.after is None else _open(args.after).root


def _open(path: Path) -> SignedRoot:
    try:
        return bundle.open_root(_read(path))
    except BundleError as error:
        raise SetupError(f"{path} is no root document: {error}") from error


def _read(path: Path) -> bytes:
    return read_regular(path, DOCUMENT_BYTES_MAX)


def _replace(path: Path, document: bytes) -> None:
    fresh = path.with_name(f"{path.name}.tmp")
    try:
        with fresh.open("wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def _read_keys(files: Iterable[Path]) -> dict[bytes, bytes]:
    return {key_id(raw): raw for raw in map(read_public, files)}


def _changed(
    keys: Mapping[bytes, bytes], added: Iterable[Path], dropped: Iterable[bytes]
) -> dict[bytes, bytes]:
    left = dict(keys)
    for kid in dropped:
        if kid not in left:
            raise SetupError(f"there is no key {kid.hex()} to drop; see: redeemd cloud root show FILE")
        del left[kid]
    return left | _read_keys(added)


def _kid(text: str) -> bytes:
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 8:
        raise argparse.ArgumentTypeError("is not a kid of 16 hex digits")
    return kid
