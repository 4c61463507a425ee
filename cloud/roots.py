"""The cloud's roots: DIR/roots/1.cbor, 2.cbor, ... each signed by the one before and by itself, none ever changed.

Where the root keys are is nobody's business here: the server needs none of them. docs/bundle-format.md, "The chain".
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from agent.domain import bundle
from agent.domain.bundle import BundleError, Root
from agent.domain.keys import SigningKey
from cloud.errors import CloudError, SetupError
from cloud.keyring import MANIFEST, Keyring

log = logging.getLogger("redeemd.cloud")

FOLDER = "roots"


@dataclass(frozen=True, slots=True)
class InForce:
    """The newest root, its document, and the manifest key of it that is kept here."""

    root: Root
    document: bytes
    manifest_key: SigningKey


class Roots:
    """The chain in `folder`. Raises SetupError if it is missing or damaged, or no manifest key of its end is here."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._keyring = keyring
        documents = read_chain(folder)
        if not documents:
            raise SetupError(
                f"{folder} holds no root; make a cloud with: redeemd cloud init DIR, "
                "and with --offline-root publish its first root"
            )
        root = check_chain(folder, documents)
        self._in_force = InForce(root, documents[-1], manifest_key(keyring, root))

    def newest(self) -> InForce:
        """The root in force. One published meanwhile (`publish`) is taken up at once; a bad one is not."""
        while (document := self.document(self._in_force.root.epoch + 1)) is not None:
            try:
                root = bundle.read_root(document, self._in_force.root)
                self._in_force = InForce(root, document, manifest_key(self._keyring, root))
            except (BundleError, SetupError) as error:
                log.error("root %d is not taken: %s", self._in_force.root.epoch + 1, error)
                break
            log.info("root %d in force", root.epoch)
        return self._in_force

    def document(self, epoch: int) -> bytes | None:
        """The root of this epoch as it was published; None if there is none."""
        try:
            return _path(self._folder, epoch).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SetupError(f"{_path(self._folder, epoch)} cannot be read: {error.strerror}") from error


def read_chain(folder: Path) -> list[bytes]:
    """Every published root, the first one first; empty if there is none."""
    documents: list[bytes] = []
    try:
        while (path := _path(folder, len(documents) + 1)).exists():
            documents.append(path.read_bytes())
    except OSError as error:
        raise SetupError(f"the roots in {folder} cannot be read: {error.strerror}") from error
    return documents


def check_chain(folder: Path, documents: list[bytes]) -> Root:
    """The last root of a chain that holds; SetupError names the one that does not."""
    root: Root | None = None
    for number, document in enumerate(documents, 1):
        try:
            root = bundle.read_root(document, root)
        except BundleError as error:
            raise SetupError(f"{_path(folder, number)} is damaged: {error}") from error
    assert root is not None, "a chain has a first root"
    return root


def manifest_key(keyring: Keyring, root: Root) -> SigningKey:
    """The manifest key of `root` that is kept here. Raises SetupError if none is."""
    errors: list[CloudError] = []
    for kid in root.manifest_keys:
        try:
            return keyring.load(MANIFEST, kid)
        except CloudError as error:
            errors.append(error)
    raise errors[0] if errors else SetupError(f"root {root.epoch} names no manifest key")


def publish(folder: Path, keyring: Keyring, document: bytes) -> Root:
    """Add a root to the chain, on disk at once; the same one again is no error.

    A running server takes it up with the next request. Raises SetupError if it does not follow, is not signed by
    enough keys, or names no manifest key that is kept here.
    """
    known = read_chain(folder)
    before = check_chain(folder, known) if known else None
    try:
        root = bundle.read_root(document, before)
        if before is None and root.epoch != 1:
            raise BundleError("epoch_gap", f"the first root is of epoch 1, not {root.epoch}")
    except BundleError as error:
        raise SetupError(f"this root is not published: {error}") from error
    manifest_key(keyring, root)
    if root != before:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(_path(folder, root.epoch), document)
    return root


def _write_once(path: Path, document: bytes) -> None:
    """Whole or not at all, and never over another one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def _path(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch}.cbor"
