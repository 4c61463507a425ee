"""The cloud's private keys: one PEM file each (PKCS #8, mode 0600) in one directory of mode 0700."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.domain.cose import Algorithm
from agent.domain.keys import (
    KeyFault,
    SigningKey,
    load_public_key,
    new_signing_key,
    public_key_from_pem,
    signing_key_from_pem,
)
from cloud.errors import SetupError
from config.regular_file import read_regular

KEYS_FOLDER = "keys"
"""Of a cloud's data directory."""
ROOT = "root"
MANIFEST = "manifest"
PEM_BYTES_MAX = 10_000


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

    def create(self, prefix: str, algorithm: Algorithm = Algorithm.ED25519) -> SigningKey:
        """A fresh key, on disk before it is used, named by `key_name`."""
        key = new_signing_key(algorithm)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_key(self._path(key_name(prefix, key.kid)), key)
        return key

    def load(self, prefix: str, kid: bytes, algorithm: Algorithm = Algorithm.ED25519) -> SigningKey:
        """The key made by `create(prefix, algorithm)` that has this kid."""
        name = key_name(prefix, kid)
        key = self._loaded.get(name)
        if key is None:
            key = self._loaded[name] = read_key(self._path(name), algorithm)
        return key

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pem"


def write_key(path: Path, key: SigningKey) -> None:
    """A private key, on disk and readable by its owner alone before this returns; never over another file."""
    _write_new(path, key.to_pem())


def read_key(path: Path, algorithm: Algorithm = Algorithm.ED25519) -> SigningKey:
    """What `write_key` wrote. Raises SetupError."""
    try:
        if path.stat().st_mode & 0o077:
            raise SetupError(
                f"the key {path} is open to others; chmod 600 it, and replace it if anyone read it"
            )
        return signing_key_from_pem(read_regular(path, PEM_BYTES_MAX), algorithm)
    except OSError as error:
        raise SetupError(f"the key {path} cannot be read: {error.strerror}") from error
    except KeyFault as error:
        raise SetupError(f"the key {path} is damaged: {error}") from error


def write_public(path: Path, public_key: bytes) -> None:
    """The public half (32 raw bytes) as PEM, for `openssl pkey -pubin` too; never over another file."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    _write_new(path, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def read_public(path: Path) -> bytes:
    """The 32 raw bytes of an Ed25519 public key in PEM. Raises SetupError."""
    try:
        algorithm, raw = public_key_from_pem(read_regular(path, PEM_BYTES_MAX))
        load_public_key(Algorithm.ED25519, raw)
    except OSError as error:
        raise SetupError(f"the public key {path} cannot be read: {error.strerror}") from error
    except KeyFault as error:
        raise SetupError(f"{path} holds no public key that may be used: {error}") from error
    if algorithm is not Algorithm.ED25519:
        raise SetupError(f"{path} is no Ed25519 key: root and manifest keys are")
    return raw


def _write_new(path: Path, content: bytes) -> None:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise SetupError(f"the key {path} cannot be written: {error.strerror}") from error
