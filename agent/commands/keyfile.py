"""An issuer's key on the issuer's own machine: the private half in one file, what it may sign in another.

KEY.pem   the private key (PKCS #8), mode 0600; under a passphrase (PBES2: PBKDF2-HMAC-SHA-256, AES-256-CBC) unless its
          owner wants none
KEY.json  the key record: public half, issuer, campaigns, days, largest value. No secret; `verify --keys` reads it

The rounds are many because a passphrase that people remember is guessed offline once the file is copied.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from agent.commands.errors import CommandError
from agent.domain.cose import Algorithm
from agent.domain.fields import FieldError, Fields
from agent.domain.keys import IssuerKey, KeyFault, SigningKey, signing_key_from_pem
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.token import DAY_MAX, UINT32_MAX
from config.regular_file import read_regular

KDF_ROUNDS = 600_000
"""OWASP's figure for PBKDF2-HMAC-SHA-256; about a third of a second."""
PASSPHRASE_CHARS_MIN = 12
FILE_BYTES_MAX = 64 * 1024
ALGORITHMS = {"ed25519": Algorithm.ED25519, "es256": Algorithm.ESP256}
"""What people call them."""
NAME_OF = {algorithm: name for name, algorithm in ALGORITHMS.items()} | {Algorithm.EDDSA: "eddsa"}
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256 = bytes.fromhex("300c06082a864886f70d02090500")
_AES256_CBC = bytes.fromhex("060960864801650304012a")

Passphrase = Callable[[], str]
"""Asks for it, only when it is needed."""


@dataclass(frozen=True, slots=True)
class HeldHere:
    """A private key from a file with its record."""

    record: IssuerKey
    signing: SigningKey


def record_path(key_file: Path) -> Path:
    return key_file.with_suffix(".json")


def write_key(path: Path, signing: SigningKey, record: IssuerKey, passphrase: str | None) -> None:
    """Both files, the private one mode 0600. Neither may exist: an overwritten private key is lost for good."""
    if path.suffix == ".json":
        raise CommandError(
            f"{path} is where the record goes: name the private key {path.with_suffix('.pem')}"
        )
    private = signing.to_pem() if passphrase is None else _encrypted(signing, passphrase)
    public = json.dumps([record_to_json(record)], indent=2).encode() + b"\n"
    for target in (path, record_path(path)):
        if target.exists():
            raise CommandError(f"{target} exists: choose another name, keys are never written over")
    _write_new(path, private, 0o600)
    _write_new(record_path(path), public, 0o644)


def read_key(path: Path, ask: Passphrase) -> HeldHere:
    """The key of `path` and its record beside it. CommandError if they cannot be used together."""
    record = read_record(record_path(path))
    raw = _read(path, "private key")
    if path.stat().st_mode & 0o077:
        raise CommandError(
            f"the key {path} is open to others: chmod 600 it, and replace it if anyone read it"
        )
    pem = _decrypted(path, raw, ask()) if b"BEGIN ENCRYPTED" in raw else raw
    try:
        signing = signing_key_from_pem(pem, record.algorithm)
    except KeyFault as error:
        raise CommandError(f"the key {path} cannot be used: {error}") from None
    if signing.public_key != record.public_key:
        raise CommandError(
            f"{path} and {record_path(path)} are of different keys: put the right two side by side"
        )
    return HeldHere(record, signing)


def read_record(path: Path) -> IssuerKey:
    """The one key record of a file that `write_key` wrote."""
    try:
        items = json.loads(_read(path, "key record"))
        if not isinstance(items, list) or len(items) != 1:
            raise CommandError(f"the key record {path} is not a list of one key")
        return record_from_json(items[0])
    except (ValueError, KeyFault) as error:  # FieldError is one
        raise CommandError(f"the key record {path} cannot be used: {error}") from None


def record_to_json(key: IssuerKey) -> dict[str, Any]:
    """As `redeemd verify --keys` reads it."""
    return {
        "kid": key.kid.hex(),
        "issuer": key.issuer,
        "algorithm": int(key.algorithm),
        "public_key": key.public_key.hex(),
        "campaigns": None if key.campaigns is None else sorted(key.campaigns),
        "not_before": key.not_before,
        "expires": key.expires,
        "value_max_minor": key.value_max_minor,
    }


def record_from_json(item: Any) -> IssuerKey:
    """Raises FieldError or KeyFault. Limits that are missing are none."""
    fields = Fields(item, "key")
    number = fields.integer("algorithm", -19, -8, default=int(Algorithm.ED25519))
    if number not in set(Algorithm):
        raise fields.error("algorithm", f"is not one of {sorted(map(int, Algorithm))}")
    try:
        kid = bytes.fromhex(fields.text("kid", 16, least=16))
        public_key = bytes.fromhex(fields.text("public_key", 200, least=1))
    except FieldError:
        raise
    except ValueError:
        raise FieldError("key.kid and key.public_key are not hexadecimal") from None
    key = IssuerKey(
        kid=kid,
        issuer=fields.text("issuer", 32, least=1),
        algorithm=Algorithm(number),
        public_key=public_key,
        campaigns=fields.number_set("campaigns", UINT32_MAX),
        not_before=fields.integer("not_before", 0, DAY_MAX, default=0),
        expires=fields.integer("expires", 0, DAY_MAX, default=DAY_MAX),
        value_max_minor=fields.integer("value_max_minor", 0, AMOUNT_MAX_MINOR, default=AMOUNT_MAX_MINOR),
    )
    fields.done()
    return key


def _encrypted(signing: SigningKey, passphrase: str) -> bytes:
    """PKCS #8 EncryptedPrivateKeyInfo (RFC 5958, RFC 8018), as `openssl pkey` reads it.

    By hand, because `cryptography` writes 2048 rounds only, and its PKCS #12 has a MAC that is guessed as fast.
    """
    if len(passphrase) < PASSPHRASE_CHARS_MIN:
        raise CommandError(
            f"the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters: take a longer one"
        )
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    secret = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, KDF_ROUNDS, 32)
    plain = signing.to_pem()
    padder = PKCS7(128).padder()
    padded = padder.update(base64.b64decode(b"".join(plain.splitlines()[1:-1]))) + padder.finalize()
    cipher = Cipher(AES256(secret), CBC(iv)).encryptor()
    kdf = _der(0x30, _PBKDF2, _der(0x30, _der(4, salt), _der(2, KDF_ROUNDS.to_bytes(3, "big")), _HMAC_SHA256))
    scheme = _der(0x30, _PBES2, _der(0x30, kdf, _der(0x30, _AES256_CBC, _der(4, iv))))
    whole = _der(0x30, scheme, _der(4, cipher.update(padded) + cipher.finalize()))
    return pem_text("ENCRYPTED PRIVATE KEY", whole)


def _der(tag: int, *content: bytes) -> bytes:
    """One DER value; ours are shorter than 64 KiB."""
    body = b"".join(content)
    size = len(body)
    length = (
        bytes((size,))
        if size < 128
        else bytes((0x81, size))
        if size < 256
        else b"\x82" + size.to_bytes(2, "big")
    )
    return bytes((tag,)) + length + body


def pem_text(label: str, content: bytes) -> bytes:
    """RFC 7468."""
    text = base64.b64encode(content).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _decrypted(path: Path, pem: bytes, passphrase: str) -> bytes:
    try:
        key = load_pem_private_key(pem, passphrase.encode())
    except ValueError:
        raise CommandError(f"the key {path} does not open: wrong passphrase, or not a key file") from None
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read(path: Path, what: str) -> bytes:
    try:
        raw = read_regular(path, FILE_BYTES_MAX)
    except OSError as error:
        raise CommandError(f"{what} {path}: {error.strerror}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise CommandError(f"{what} {path} is larger than {FILE_BYTES_MAX // 1024} KiB: not one of ours")
    return raw


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
