"""The till's secret: 32 random bytes in a file of their own, by which what the database must not tell is hidden.

Counts of members, fingerprints of requests and the ids of online checks are keyed with it, so a copy of the database
tests no guess. It stays when the till's key is replaced: a member's limits, an erasure and a repeated request outlive
that day. It proves nothing to anybody, and the cloud does not know it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path

from agent.folder import StartError, refuse_readable, sync_folder

SECRET_BYTES = 32
_FORM = re.compile(rf"[0-9a-f]{{{2 * SECRET_BYTES}}}\n?", re.ASCII)
log = logging.getLogger(__name__)


def derived(secret: bytes, use: str) -> bytes:
    """32 bytes for one use; those of one tell nothing of those of another."""
    return hashlib.blake2b(use.encode(), key=secret, digest_size=32).digest()


def make_secret(folder: Path) -> bytes:
    """The till's secret, made here if there is none; StartError if it is damaged or readable by others."""
    path = folder / "till.secret"
    if path.exists():
        return _load(path)
    secret = os.urandom(SECRET_BYTES)
    made = path.with_name("till.secret.new")  # a whole one, or none
    with open(os.open(made, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(made, path)
    sync_folder(folder)
    log.info("%s was made", path)
    return secret


def _load(path: Path) -> bytes:
    try:
        refuse_readable(path)
        text = path.read_bytes()[: 4 * SECRET_BYTES].decode("ascii", "replace")
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from error
    if not _FORM.fullmatch(text):
        raise StartError(
            f"{path} is damaged. Restore it; or remove it: then limits of members begin anew, "
            "and requests from before are not known again"
        )
    return bytes.fromhex(text.strip())
