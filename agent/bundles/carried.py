"""A bundle that is carried here: read a bundle file, and say in sentences why it is not taken.

The file is as hostile as the line. It is read only as far as it promised and the bounds allow, and what it holds is
verified by the very code that verifies the line (`refresh`).
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from agent.bundles.refresh import Refresher
from agent.domain import bundle, bundle_file
from agent.domain.bundle import PARTS_MAX, BundleError, Part
from agent.domain.bundle_file import FILE_BYTES_MAX, PART_HEADER_BYTES, PREFIX_BYTES
from agent.domain.time import timestamp
from agent.state import TillState

INBOX = "import.bundle"
"""The one file of the state directory that a running till imports from."""


class Reason(NamedTuple):
    """Why a file is not taken and what to do. The Chinese and the English say the same."""

    zh: str
    en: str
    next_zh: str
    next_en: str


_COPY_AGAIN = ("请重新复制文件再导入", "Copy the file again and import it once more")
_ASK_OFFICE = ("请勿使用，请联系总部", "Do not use it; ask head office for this till's file")
_NEWER = ("请让总部导出最新的文件", "Ask head office to export a new one")
_DAMAGED = Reason("文件损坏或不完整", "The file is damaged or not whole", *_COPY_AGAIN)
_FOREIGN = Reason("文件不是本店云端签发的", "The file is not signed by this till's cloud", *_ASK_OFFICE)
_REASONS: Mapping[str, Reason] = {
    "no_file": Reason("没有找到要导入的文件", "There is no file to import", *_COPY_AGAIN),
    "no_bundle_file": Reason("这不是活动数据文件", "This is no bundle file", *_ASK_OFFICE),
    "malformed": _DAMAGED,
    "cut_short": _DAMAGED,
    "wrong_part": _DAMAGED,
    "missing_part": _DAMAGED,
    "too_large": Reason("文件过大", "The file is larger than a bundle may be", *_ASK_OFFICE),
    "wrong_till": Reason("文件是给另一台收银机的", "The file is for another till", *_ASK_OFFICE),
    "rollback": Reason("文件比本机的数据旧", "The file is older than what this till has", *_NEWER),
    "wrong_epoch": Reason("文件的签名已被更换", "The file was made before its keys were replaced", *_NEWER),
    "not_enrolled": Reason(
        "本机尚未登记",
        "This till is not enrolled",
        "请先登记：redeemd enrol",
        "Enrol it first: redeemd enrol",
    ),
    "revoked": Reason("本机已被停用", "This till was revoked", "请联系总部", "Ask head office"),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an import. code: "" when the file is in force, else why not; reason says it in sentences."""

    code: str
    detail: str
    changed: bool
    epoch: int
    sequence: int
    issued: str | None

    @property
    def reason(self) -> Reason | None:
        return None if not self.code else _REASONS.get(self.code, _FOREIGN)

    def to_json(self) -> dict[str, object]:
        """The Imported object of docs/openapi.yaml."""
        said = self.reason or Reason(
            "活动数据已更新" if self.changed else "这份数据已在使用",
            "The bundle is in force" if self.changed else "This bundle was in force already",
            "",
            "",
        )
        return {"taken": not self.code, "code": self.code, "detail": self.detail, "changed": self.changed} | {
            **said._asdict(),
            "epoch": self.epoch,
            "sequence": self.sequence,
            "issued": self.issued,
        }


class BundleFile:
    """An open bundle file as a `Source`; close it by a `with` block. Raises BundleError.

    Opening reads the head and looks where each part lies: up to some tenths of a second of work for a hostile file.
    """

    def __init__(self, path: Path) -> None:
        self._places: dict[bytes, tuple[int, int]] = {}
        self._roots: dict[int, bytes] = {}
        self.manifest = b""
        self._file = _open(path)
        try:
            self._read_head()
            self._find_parts()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _read_head(self) -> None:
        length = bundle_file.head_length(self._file.read(PREFIX_BYTES))
        head = bundle_file.read_head(self._file.read(length))
        self.manifest = head.manifest
        for document in head.roots:
            self._roots[bundle.open_root(document).root.epoch] = document

    def _find_parts(self) -> None:
        """Where each part lies. Contents are passed over: only those that are asked for are read."""
        size = os.fstat(self._file.fileno()).st_size
        at = self._file.tell()
        while at < size:
            if len(self._places) == PARTS_MAX:
                raise BundleError("too_large", f"more than {PARTS_MAX} parts")
            self._file.seek(at)
            digest, length = bundle_file.read_part_header(self._file.read(PART_HEADER_BYTES))
            at += PART_HEADER_BYTES
            if digest in self._places:  # else a tail of zeros, no parts in it, were read to its end
                raise BundleError("malformed", "a part stands in the file twice")
            self._places[digest] = at, length
            at += length
        if at > size:
            raise BundleError("cut_short", f"{at - size} bytes are missing at the end")

    @property
    def roots(self) -> list[bytes]:
        """The chain as it stands in the file, the oldest first."""
        return [self._roots[epoch] for epoch in sorted(self._roots)]

    async def root(self, epoch: int) -> bytes | None:
        return self._roots.get(epoch)

    async def part(self, part: Part) -> bytes:
        return await asyncio.to_thread(self.read_part, part)

    def read_part(self, part: Part) -> bytes:
        """The bytes behind a manifest's line, not compared with it yet."""
        if part.sha256 not in self._places:
            raise BundleError("missing_part", f"{part.name} is not in the file")
        at, length = self._places[part.sha256]
        if length != part.length:
            raise BundleError("wrong_part", f"{part.name} has {length} bytes in the file, not {part.length}")
        self._file.seek(at)
        return self._file.read(length)


def _open(path: Path) -> BinaryIO:
    try:  # a pipe in its place would be waited for without end; a link may point anywhere
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise BundleError("no_file", f"{path} does not exist") from None
    except OSError as error:
        raise BundleError("no_bundle_file", f"{path}: {error.strerror}") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or about.st_size > FILE_BYTES_MAX:
        os.close(handle)
        if stat.S_ISREG(about.st_mode):
            raise BundleError("too_large", f"{path} has {about.st_size} bytes")
        raise BundleError("no_bundle_file", f"{path} is no regular file")
    return os.fdopen(handle, "rb")


async def import_file(path: Path, refresher: Refresher, state: TillState) -> Imported:
    """Take the bundle in `path`, verified exactly as one over the line. Raises LedgerUnavailable, CommitUnknown."""
    code, detail, changed = "", "", False
    try:
        with await asyncio.to_thread(BundleFile, path) as file:
            changed = await refresher.take(file.manifest, file)
    except BundleError as error:
        code, detail = error.code, str(error)
    except OSError as error:  # the stick was pulled out
        code, detail = "cut_short", f"{path}: {error.strerror}"
    manifest = None if state.trust is None else state.trust.manifest
    return Imported(
        code,
        detail,
        changed,
        0 if manifest is None else manifest.epoch,
        0 if manifest is None else manifest.sequence,
        None if manifest is None else timestamp(manifest.issued),
    )
