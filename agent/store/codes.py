"""Tables of opaque codes as files: one for each part of the bundle, named by its SHA-256, written once and only read.

Not in the till's database: ten million codes are 160 MB, and while the one writer stored them no scan would be
answered. A file is whole or not there (written beside, synced, renamed); the manifest that names it is stored after
it, files that no manifest names are removed after that. So a crash leaves the old bundle or the new one whole.

Read with `pread`, not mapped: a sector that cannot be read is an error of one look-up there, and the end of the process
with a mapped file. docs/decisions/0017 has the measurements.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent.domain.bundle import BundleError, Part, check_part
from agent.domain.codes import (
    LAYOUT_BYTES_MAX,
    CodeKey,
    Codes,
    MemoryTable,
    Table,
    TableHead,
    bucket,
    find_record,
    read_layout,
)
from agent.ports import LedgerUnavailable

MEMORY_BYTES_MAX = 16 * 1024
"""Tables up to this size are held in memory: no open file for a promo code or two."""
_WRITE_BYTES = 1024 * 1024
_SUFFIX = ".codes"


class FileTable:
    """A table on disk. Its file stays open, and readable though it be removed, for as long as somebody holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._file)
        self._layout = read_layout(os.pread(self._file, LAYOUT_BYTES_MAX, 0), os.fstat(self._file).st_size)

    @property
    def head(self) -> TableHead:
        return self._layout.head

    def find(self, digest: bytes) -> int | None:
        """As `Table.find`. LedgerUnavailable if the disk does not give the bytes back."""
        at, size = bucket(self._layout, digest)
        try:
            block = os.pread(self._file, size, at)
        except OSError as error:
            raise LedgerUnavailable(f"{self._path} cannot be read: {error.strerror}") from error
        return find_record(block, digest)


class FileShelf:
    """`agent.ports.CodeShelf`: a folder of tables."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, part: Part) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return self._path(part).stat().st_size == part.length
        return False

    def add(self, part: Part, content: bytes) -> None:
        check_part(part, content)
        read_layout(content[:LAYOUT_BYTES_MAX], len(content))
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(part)
        draft = path.with_suffix(".part")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            for at in range(0, len(content), _WRITE_BYTES):
                file.write(content[at : at + _WRITE_BYTES])
                file.flush()
                os.fdatasync(file.fileno())  # in pieces: the ledger's own syncs wait for what is under way
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(self._folder)

    def content(self, part: Part) -> bytes:
        try:
            content = self._path(part).read_bytes()
        except OSError as error:
            raise BundleError("wrong_part", f"{part.name} cannot be read: {error.strerror}") from None
        check_part(part, content)
        return content

    def damaged(self, parts: Iterable[Part]) -> list[Part]:
        return [part for part in parts if not self._whole(part)]

    def _whole(self, part: Part) -> bool:
        try:
            with self._path(part).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest() == part.sha256
        except OSError:
            return False

    def open_tables(self, parts: Iterable[Part], keys: Mapping[bytes, CodeKey]) -> Codes:
        tables: list[Table] = []
        for part in parts:
            if not self.has(part):
                raise BundleError("missing_part", part.name)
            path = self._path(part)
            small = part.length <= MEMORY_BYTES_MAX
            tables.append(MemoryTable(path.read_bytes()) if small else FileTable(path))
        return Codes(keys, tables)

    def keep_only(self, parts: Iterable[Part]) -> int:
        names = {self._path(part).name for part in parts}
        removed = 0
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in names:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _path(self, part: Part) -> Path:
        return self._folder / (part.sha256.hex() + _SUFFIX)


def code_shelf(database: Path) -> FileShelf:
    """The shelf beside a till's database."""
    return FileShelf(database.with_name("codes"))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
