"""The cloud's private keys: one PEM file each (PKCS #8, mode 0600) in one directory of mode 0700."""

from __future__ import annotations

import os
from pathlib import Path

from agent.domain.keys import KeyFault, SigningKey, new_signing_key, signing_key_from_pem
from cloud.errors import SetupError

ROOT = "root"
MANIFEST = "manifest"


def issuer_prefix(issuer: str) -> str:
    """What the names of an issuer's keys begin with."""
    return f"issuer-{issuer}"


def key_name(prefix: str, kid: bytes) -> str:
    """The file's name without its ending."""
    return f"{prefix}-{kid.hex()}"


class Keyring:
    """The keys in `folder`. Raises SetupError for a key that is missing, damaged or readable by others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, SigningKey] = {}

    def create(self, prefix: str) -> SigningKey:
        """A fresh key, on disk before it is used, named by `key_name`."""
        key = new_signing_key()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(key_name(prefix, key.kid))
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            raise SetupError(f"the key {path} cannot be written: {error.strerror}") from error
        with os.fdopen(handle, "wb") as file:
            file.write(key.to_pem())
            file.flush()
            os.fsync(file.fileno())
        self._sync_folder()
        return key

    def load(self, prefix: str, kid: bytes) -> SigningKey:
        """The key made by `create(prefix)` that has this kid."""
        name = key_name(prefix, kid)
        key = self._loaded.get(name)
        if key is None:
            key = self._loaded[name] = self._read(self._path(name))
        return key

    def _read(self, path: Path) -> SigningKey:
        try:
            if path.stat().st_mode & 0o077:
                raise SetupError(
                    f"the key {path} is open to others; chmod 600 it, and replace it if anyone read it"
                )
            return signing_key_from_pem(path.read_bytes())
        except OSError as error:
            raise SetupError(f"the key {path} cannot be read: {error.strerror}") from error
        except KeyFault as error:
            raise SetupError(f"the key {path} is damaged: {error}") from error

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
