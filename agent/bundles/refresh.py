"""Refresh: bring the bundle from the cloud or from a file into the till, whole or not at all.

Everything is verified before it is stored and stored before it is used. A bundle that fails leaves the old one in
force.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from zoneinfo import ZoneInfoNotFoundError

from agent.bundles.code_tables import CodeTables
from agent.domain import bundle
from agent.domain.bundle import CODES_PREFIX, BundleError, Manifest, Part, Root
from agent.domain.parts import read_parts
from agent.domain.reasons import Stop
from agent.domain.statement import (
    STATEMENT_BYTES_MAX,
    TIME_PART,
    Revocation,
    TimeStatement,
    read_revocation,
    read_time,
    revocation_stands,
)
from agent.domain.time import SLACK, Anchor, corrected_mark, is_ahead, raised_by_bundle, timestamp
from agent.ports import BundleCache, Clock, CommitUnknown, LedgerUnavailable
from agent.state import TillState, Trust, make_trust
from sync.ports import Answer, Failure, FailureKind, Uplink
from sync.status import failure_of
from sync.wire import REVOCATION_HEADER, bundle_path, part_path, root_path

log = logging.getLogger(__name__)


ROOTS_MAX = 256
"""Roots taken at one contact."""


class Source(Protocol):
    """Where a bundle comes from. Nothing it gives is believed before it is checked."""

    async def root(self, epoch: int) -> bytes | None:
        """The root document of this epoch; None if there is none yet."""

    async def part(self, part: Part) -> bytes:
        """The bytes behind one line of the manifest; at most `part.length` are read."""


class Refresher:
    """Keeps `TillState.trust` as new as the line, or what is carried here, allows."""

    def __init__(
        self,
        cache: BundleCache,
        uplink: Uplink | None,
        state: TillState,
        clock: Clock,
        own_key: bytes | None = None,
    ) -> None:
        """own_key: the till's public key, which a revocation names; without it none is heeded."""
        self._own_key = own_key
        self._cache = cache
        self._uplink = uplink
        self._state = state
        self._clock = clock
        self._etag: str | None = None
        self._codes = CodeTables(cache.codes)
        self._stopped_before = ""  # why nothing was taken when a revocation came
        self._one_at_a_time = asyncio.Lock()  # the line and a file may bring bundles at the same moment

    async def load(self) -> None:
        """Put the stored bundle in force; BundleError if it is damaged (it was whole when it was stored)."""
        self._state.mark = await self._cache.mark()
        self._state.anchor = await self._cache.anchor()
        if await self._cache.revocation() is not None:
            self._state.stopped = Stop.REVOKED
            await self._codes.keep_only(())  # the power may have gone before they were wiped
            return
        root, manifest = await self._cache.judge(), await self._cache.manifest()
        if root is None or manifest is None:
            return
        stored = bundle.read_manifest(manifest, bundle.read_root(root, None), self._state.till, None)
        parts = await self._cache.parts()
        kept = [part for part in stored.parts if not part.name.startswith(CODES_PREFIX)]
        for part in kept:  # a page that went bad could give back what was revoked
            bundle.check_part(part, parts.get(part.name, b""))
        self._state.trust = await self._typed(stored, {part.name: parts[part.name] for part in kept})
        self._state.observe(self._clock)

    async def fetch(self) -> bool | Failure:
        """Ask the cloud for a newer bundle and put it in force: True if there was one."""
        assert self._uplink is not None, "only a till with a cloud fetches"
        if self._state.trust is not None:
            await self._codes.check(self._state.trust.manifest.parts)
        etag = None if self._state.trust is None else self._etag
        # Where clock and memory disagree, what is signed just now tells which is right.
        doubt = self._state.trust is not None and self._state.now(self._clock).doubt
        path = bundle_path(self._state.till, newer=bool(doubt))
        answer = await self._uplink.get(path, etag, max_bytes=bundle.DOCUMENT_BYTES_MAX)
        failure = answer if isinstance(answer, Failure) else failure_of(answer)
        if failure is not None:
            if isinstance(answer, Answer) and answer.status == 403:
                await self._heed_revocation(answer, _Line(self._uplink))
            return failure
        assert isinstance(answer, Answer), "a failure was handled"
        if answer.status == 304:
            self._state.outdated_since = None
            self._compare_clock(answer)
            return False
        try:
            changed = await self.take(answer.body, _Line(self._uplink))
        except BundleError as error:
            return self._refused(error)
        except (LedgerUnavailable, CommitUnknown) as error:  # what is stored twice is stored once
            return Failure(FailureKind.OUTBOX, str(error))
        except _LineFailed as failed:
            return failed.failure
        self._state.outdated_since = None
        self._etag = answer.headers.get("etag")
        self._compare_clock(answer)
        return changed

    def _refused(self, error: BundleError) -> Failure:
        if error.code != "rollback":
            return Failure(FailureKind.PROTOCOL, f"bundle refused: {error}")
        if self._state.outdated_since is None:
            self._state.outdated_since = self._clock.monotonic()
        return Failure(FailureKind.OUTDATED, f"bundle refused: {error}")

    async def _heed_revocation(self, answer: Answer, line: Source) -> None:
        """Stop and wipe if the answer carries the cloud's signed word on this very key; a bare status says nothing."""
        header = answer.headers.get(REVOCATION_HEADER.lower())
        try:
            # A bundle that is being taken is stored before this, or not at all.
            async with self._one_at_a_time:
                if await self._is_revoked(line) or header is None or self._own_key is None:
                    return
                data = base64.b64decode(header, validate=True)
                await self._read_revocation(data, self._own_key, line)
                await self._cache.revoke(data)
                self._stopped_before = self._state.stopped
                self._state.stopped, self._state.trust = Stop.REVOKED, None
        except (_LineFailed, LedgerUnavailable, CommitUnknown) as error:
            log.error("a revocation could not be taken in, the next contact brings it again: %s", error)
            return
        except ValueError as error:  # BundleError is one
            log.error("a revocation that is not the cloud's is not heeded: %s", error)
            return
        await self._codes.keep_only(())
        log.critical("this till's key was revoked: it takes no coupon any more and delivers what it has")

    async def _is_revoked(self, source: Source) -> bool:
        """Whether this till's key counts no more; the word of a key that the newest root does not list has lapsed.

        A till that is revoked goes on looking for roots, which prove themselves: a stolen key must stop none for good.
        """
        statement = await self._cache.revocation()
        if statement is None:
            return False
        if revocation_stands(statement, await self._walk(await self._root(), source)):
            return True
        await self._cache.lift_revocation()
        if self._state.stopped == Stop.REVOKED:
            self._state.stopped = self._stopped_before
        log.warning("the revocation has lapsed: the key that signed it is trusted no more")
        return False

    async def _read_revocation(self, data: bytes, own_key: bytes, line: Source) -> Revocation:
        root, till = await self._root(), self._state.till
        try:
            return read_revocation(data, root, till, own_key)
        except BundleError as error:
            if error.code != "unknown_key":
                raise
        return read_revocation(data, await self._walk(root, line), till, own_key)

    def _compare_clock(self, answer: Answer) -> None:
        """Look whether this till's clock is ahead of the cloud's; until the next contact it is then not believed."""
        trust = self._state.trust
        try:
            cloud_time = parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            return
        if trust is None or cloud_time.tzinfo is None:
            return
        ahead = is_ahead(self._clock.now(), cloud_time, trust.manifest.issued)
        if ahead and not self._state.clock_ahead:
            log.warning("this till's clock is ahead of the cloud's time %s", timestamp(cloud_time))
        self._state.clock_ahead = ahead

    async def take(self, document: bytes, source: Source) -> bool:
        """Verify the manifest `document`, gather its parts and put it in force; False if it is in force already.

        Raises BundleError, LedgerUnavailable, CommitUnknown (it may be in force after the next start) and what
        `source` raises; the bundle in force then stays.
        """
        async with self._one_at_a_time:
            return await self._apply(document, source)

    async def _apply(self, document: bytes, source: Source) -> bool:
        if await self._is_revoked(source):
            raise BundleError("revoked", "this till's key counts no more, and no bundle is for it")
        current = None if self._state.trust is None else self._state.trust.manifest
        manifest = await self._judge(document, current or await self._stored_manifest(), source)
        if manifest == current:
            if not self._codes.complete:
                await self._mend_codes(manifest, source)
            return False
        parts = await self._collect(manifest, source)
        trust = await self._typed(manifest, parts)
        reading = self._clock.boot_time()
        # What was carried here may be weeks old: only the line's newest corrects what a clock ahead left behind.
        goes_back = current is not None and manifest.issued < current.issued  # by the root keys' word
        settle = corrected_mark if goes_back or isinstance(source, _Line) else raised_by_bundle
        mark = Anchor(settle(self._state.floor(reading), manifest.issued), reading)
        await self._cache.apply(document, parts, trust.contents.promos, mark)
        self._state.set_mark(mark)
        self._state.trust = trust
        await self._codes.keep_only(manifest.parts)
        await self._repair_from(parts)
        for reason in trust.contents.skipped:
            log.warning("campaign skipped: %s", reason)
        log.info("bundle in force", extra={"epoch": manifest.epoch, "sequence": manifest.sequence})
        return True

    async def _judge(self, document: bytes, current: Manifest | None, source: Source) -> Manifest:
        """The manifest, verified under the newest root; where that does not know its key or epoch, roots may follow."""
        root, till = await self._root(), self._state.till
        try:
            return bundle.read_manifest(document, root, till, current)
        except BundleError as error:
            if (
                error.code == "rollback"
                and (stated := await self._stated(document, root, source)) is not None
            ):
                return bundle.read_manifest(document, root, till, current, stated)
            if error.code not in ("unknown_key", "wrong_epoch"):
                raise
            newest = await self._walk(root, source)
            if newest == root:
                raise
        return bundle.read_manifest(document, newest, till, current)

    async def _stated(self, document: bytes, root: Root, source: Source) -> datetime | None:
        """The time that the root keys state in the bundle of a signed manifest, once: by a number not used here."""
        part = next((one for one in bundle.open_manifest(document).parts if one.name == TIME_PART), None)
        if part is None or part.length > STATEMENT_BYTES_MAX:
            return None
        content = await source.part(part)
        bundle.check_part(part, content)
        try:
            last = await self._cache.last_time_statement()
            return read_time(content, root, self._state.till, last).time
        except BundleError as error:
            log.error("the bundle's time statement is not taken: %s", error)
            return None

    async def _stored_manifest(self) -> Manifest | None:
        """What a bundle must not fall behind even where a damaged part keeps it out of force."""
        root, manifest = await self._cache.judge(), await self._cache.manifest()
        if root is None or manifest is None:
            return None
        try:
            return bundle.read_manifest(manifest, bundle.read_root(root, None), self._state.till, None)
        except BundleError:
            return None

    async def _walk(self, root: Root, source: Source) -> Root:
        """Take the roots that follow `root`, one at a time, each on disk before the next is asked for."""
        for _ in range(ROOTS_MAX):
            document = await source.root(root.epoch + 1)
            if document is None:
                break
            following = bundle.read_root(document, root)
            if following == root:
                raise BundleError("rollback", f"root {root.epoch} again where {root.epoch + 1} was asked for")
            await self._cache.add_root(following.epoch, document)
            root = following
            log.warning("a new root is trusted", extra={"epoch": root.epoch})
        return root

    async def repair_time(self, data: bytes) -> TimeStatement:
        """Set the mark as a time statement of the root keys says, once. Raises BundleError, LedgerUnavailable."""
        root, last = await self._root(), await self._cache.last_time_statement()
        statement = read_time(data, root, self._state.till, last)
        at, trust = statement.time, self._state.trust
        if trust is not None:  # what is signed in the bundle stays the floor
            if max(at, self._clock.now()) < trust.manifest.issued - SLACK:
                raise BundleError(
                    "bundle_ahead",
                    f"the bundle in force says it is {timestamp(trust.manifest.issued)}, later than this statement "
                    "and this till's clock: put the statement into its next bundle (redeemd cloud time publish), "
                    "which leads it back",
                )
            at = max(at, trust.manifest.issued)
        mark = Anchor(at, self._clock.boot_time())
        if not await self._cache.repair_time(statement.number, mark):
            raise BundleError("used", f"number {statement.number} was used before")
        self._state.set_mark(mark)
        log.warning("time repaired", extra={"statement": statement.number, "mark": timestamp(at)})
        return statement

    async def _repair_from(self, parts: Mapping[str, bytes]) -> None:
        """Apply the time statement that came with the bundle, if it is a new one."""
        try:
            if TIME_PART in parts:
                await self.repair_time(parts[TIME_PART])
        except BundleError as error:
            if error.code != "used":
                log.error("the bundle's time statement is not taken: %s", error)

    async def _root(self) -> Root:
        document = await self._cache.root()
        if document is None:
            raise BundleError("not_enrolled", "this till trusts no root yet")
        return bundle.read_root(document, None)

    async def _collect(self, manifest: Manifest, source: Source) -> dict[str, bytes]:
        """Every part of `manifest`: those that did not change from the store, the others from `source`."""
        # What did not change alone is held beside the new parts: two bundles of the largest would be too much.
        stored = await asyncio.to_thread(_unchanged, await self._cache.parts(), manifest)
        await self._codes.collect(manifest.parts, source.part)
        parts: dict[str, bytes] = {}
        for part in manifest.parts:
            if part.name.startswith(CODES_PREFIX):
                continue
            content = stored.get(part.sha256)
            if content is None:
                content = await source.part(part)
            await asyncio.to_thread(bundle.check_part, part, content)
            parts[part.name] = content
        return parts

    async def _mend_codes(self, manifest: Manifest, source: Source) -> None:
        """Fetch the tables that are missing of the bundle in force."""
        await self._codes.collect(manifest.parts, source.part)
        trust = self._state.trust
        assert trust is not None, "a bundle is in force"
        self._state.trust = replace(
            trust, contents=await self._codes.put_into(trust.contents, manifest.parts)
        )

    async def _typed(self, manifest: Manifest, parts: Mapping[str, bytes]) -> Trust:
        # Lists of millions take tens of milliseconds: not in the thread that answers scans.
        read = await asyncio.to_thread(read_parts, parts)
        contents = await self._codes.put_into(read, manifest.parts)
        try:
            return make_trust(manifest, contents)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # the name of a folder is an OSError
            raise BundleError("malformed", f"no time zone {contents.place.zone!r}") from None


def _unchanged(stored: Mapping[str, bytes], manifest: Manifest) -> dict[bytes, bytes]:
    """Those of the stored contents that `manifest` names, by their hash."""
    named = {part.sha256 for part in manifest.parts}
    by_digest = ((hashlib.sha256(content).digest(), content) for content in stored.values())
    return {digest: content for digest, content in by_digest if digest in named}


class _Line:
    """`Source` over the uplink."""

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink

    async def root(self, epoch: int) -> bytes | None:
        try:
            return await self._get(root_path(epoch), bundle.DOCUMENT_BYTES_MAX)
        except _LineFailed as failed:
            if failed.failure.kind is FailureKind.NOT_FOUND:
                return None
            raise

    async def part(self, part: Part) -> bytes:
        return await self._get(part_path(part.sha256.hex()), part.length)

    async def _get(self, path: str, max_bytes: int) -> bytes:
        answer = await self._uplink.get(path, max_bytes=max_bytes)
        failure = answer if isinstance(answer, Failure) else failure_of(answer)
        if failure is not None:
            raise _LineFailed(failure)
        assert isinstance(answer, Answer), "a failure was handled"
        return answer.body


class _LineFailed(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure
