"""Step 2: ten million opaque codes on a till: their size, a look-up that finds one, one that does not."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import cycle

from agent.domain import codes
from agent.domain.bundle import Part, describe_part
from agent.domain.codes import CodeKey, CodeKind, Codes, TableHead, code_hash, table_of_records
from agent.store.codes import FileShelf
from benchmarks.common import Benchmark, Figure, Options, alone, timed
from cloud.codes import ISSUED_ALPHABET, ISSUED_FORM

COUNT = 10_000_000
QUICK_COUNT = 2_000_000
LOOK_UP_BAR_US = 60.0
BYTES_BAR = 40.0
KNOWN = 2000
"""Codes of each table whose text is known; of the others only the hash is made: it is what costs nothing to make."""
KEY = CodeKey(b"code-key", "acme", bytes(32))


def _code() -> str:
    return "".join(random.choices(ISSUED_ALPHABET, k=16))


def _table(number: int, count: int) -> tuple[list[str], bytes]:
    """Some of the codes, and the table of all `count`."""
    known = [_code() for _ in range(KNOWN)]
    octets = os.urandom(codes.HASH_BYTES * (count - KNOWN))
    digests = [code_hash(KEY, CodeKind.PLAIN, code) for code in known]
    digests += [octets[at : at + codes.HASH_BYTES] for at in range(0, len(octets), codes.HASH_BYTES)]
    first = number * codes.TABLE_CODES_MAX
    records = sorted(digest + (first + place).to_bytes(4, "big") for place, digest in enumerate(digests))
    head = TableHead("acme", 1, CodeKind.PLAIN, KEY.key_id, ISSUED_FORM, 1, 0, 0, 65_535)
    return known, table_of_records(head, records)


def _shelf(options: Options, count: int) -> tuple[FileShelf, list[Part], list[str]]:
    shelf = FileShelf(options.folder / "codes")
    parts, known = [], []
    for number in range(-(-count // codes.TABLE_CODES_MAX)):
        texts, content = _table(number, min(codes.TABLE_CODES_MAX, count - number * codes.TABLE_CODES_MAX))
        part = describe_part(f"codes/acme/1/{number}", content)
        shelf.add(part, content)
        parts.append(part)
        known += texts
    random.shuffle(known)
    return shelf, parts, known


def look_up(options: Options) -> Iterator[Figure]:
    """From what a scanner hands over to the coupon, or to knowing that there is none."""
    count = QUICK_COUNT if options.quick else COUNT
    shelf, parts, known = _shelf(options, count)
    size = round(sum(part.length for part in parts) / count, 3)
    yield Figure(
        "02 opaque codes: bytes a code on disk",
        size,
        "B",
        None,
        None,
        BYTES_BAR,
        size <= BYTES_BAR,
        "value",
        size,
        size,
    )
    listed: Codes = shelf.open_tables(parts, {KEY.key_id: KEY})
    hits, misses = cycle(known), cycle([_code() for _ in range(len(known))])

    def hit() -> None:
        assert listed.find(CodeKind.PLAIN, next(hits)) is not None, "it is listed"

    def miss() -> None:
        assert listed.find(CodeKind.PLAIN, next(misses)) is None, "it is not"

    rounds = options.rounds(5000)
    yield alone(
        "02 opaque codes: look-up of one that is listed", "µs", timed(hit), rounds=rounds, bar=LOOK_UP_BAR_US
    )
    yield alone(
        "02 opaque codes: look-up of one that is not", "µs", timed(miss), rounds=rounds, bar=LOOK_UP_BAR_US
    )
    yield alone(
        "02 opaque codes: all tables opened",
        "ms",
        timed(lambda: shelf.open_tables(parts, {KEY.key_id: KEY})),
        rounds=options.rounds(10),
    )
    yield alone(
        "02 opaque codes: all tables checked",
        "s",
        timed(lambda: shelf.damaged(parts)),
        rounds=options.rounds(5),
    )


BENCHMARKS: dict[str, Benchmark] = {"02 opaque codes": look_up}
