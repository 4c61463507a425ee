"""The till's folder: its database, its key, and whether both may be used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import config
from agent.domain.keys import KeyFault, SigningKey, new_signing_key, signing_key_from_pem


class StartError(Exception):
    """The till cannot start. The text says what is wrong and what to do."""


def database_path(settings: config.Config) -> Path:
    return Path(settings.till.state_dir) / "till.db"


def key_path(settings: config.Config) -> Path:
    return Path(settings.till.state_dir) / "till.key"


def prepare_state_dir(settings: config.Config) -> Path:
    """The state directory, made if need be; StartError if it cannot be used or others may read it."""
    folder = Path(settings.till.state_dir)
    if (fault := state_dir_fault(folder)) is None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return folder
        except OSError as error:
            fault = f"cannot be made: {error.strerror}", "give it to the service's user"
    raise StartError(f"state_dir {folder} {fault[0]}; {fault[1]}")


def state_dir_fault(folder: Path) -> tuple[str, str] | None:
    """What is wrong with a state directory and what to do; None for a good one and for one that can be made."""
    found = folder
    try:
        while not found.exists():
            found = found.parent
        about = found.stat()
    except OSError as error:
        return f"cannot be reached: {error.strerror}", "give it to the service's user"
    if not stat.S_ISDIR(about.st_mode):
        return f"is no folder: {found} is a file", "name a folder"
    if found != folder:
        if os.access(found, os.W_OK | os.X_OK):
            return None
        return f"does not exist and cannot be made in {found}", "make it, mode 700, for the service's user"
    mode = stat.S_IMODE(about.st_mode)
    if mode & 0o007:
        return f"may be read by everybody (mode {mode:o})", f"run: chmod 700 {folder}"
    if os.geteuid() not in (0, about.st_uid):
        return "belongs to another user", "run this as the service's user, or give the folder to it (chown)"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return "cannot be read and written", f"run: chmod 700 {folder}"
    return None


def refuse_readable(path: Path) -> None:
    """StartError if others than the till's own user may read what must stay its own. OSError if it cannot be seen."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartError(f"{path} may be read by others. Run: chmod 600 {path}")


def load_key(path: Path) -> SigningKey:
    """The till's own key; StartError if it is missing, damaged or readable by others."""
    try:
        refuse_readable(path)
        return signing_key_from_pem(path.read_bytes())
    except FileNotFoundError:
        raise StartError(f"{path} is missing: enrol this till (redeemd enrol --code CODE)") from None
    except (OSError, KeyFault) as error:
        raise StartError(f"{path}: {error}") from error


def next_key_path(path: Path) -> Path:
    """Where the key lies that will replace the one at `path`, until the cloud knows it."""
    return path.with_name(path.name + ".next")


def make_key(path: Path) -> SigningKey:
    """The till's key, made here if there is none. It never leaves this machine."""
    if path.exists():
        return load_key(path)
    key = new_signing_key()
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.to_pem())
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)  # the cloud will know this key: it must still be here after a power cut
    return key


def sync_folder(folder: Path) -> None:
    """Make names that were made or changed in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_a_lost_ledger(settings: config.Config) -> None:
    """A key without its ledger: starting blank would forget every use and every record that waits."""
    database, key = database_path(settings), key_path(settings)
    if key.exists() and (not database.exists() or database.stat().st_size == 0):
        raise StartError(
            f"{database} is missing or empty while {key} is there: its uses and records would be forgotten. "
            f"Restore the file; to set this till up anew, remove {key} too and enrol again."
        )
