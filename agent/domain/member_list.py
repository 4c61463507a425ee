"""What head office tells a till of the members it may meet, in the part "members": no name, no number, no pseudonym.

    rows   each ROW_BYTES: name 16, level 1, flags 1 (bit 0: consent), points 6, visits 4, last visit 4; big-endian,
           rising by name
    name   the first 16 bytes of `disclosure.erased_digest` of the pseudonym

A pseudonym is at least 8 random bytes, so a stolen till's list names nobody; who shows a pseudonym is found in it. The
rows stay bytes: a hundred thousand members take 3.2 MB and no time to read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from agent.domain import cbor
from agent.domain.disclosure import erased_digest
from agent.domain.eligibility import LEVEL_MAX, VISITS_MAX
from agent.domain.fields import FieldError, Fields
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.record import SEQUENCE_MAX
from agent.domain.time import from_timestamp, timestamp
from agent.domain.token import DAY_MAX

PART = "members"
NAME_BYTES = 16
ROW_BYTES = 32
MEMBERS_MAX = 100_000
TILLS_MAX = 1_000
POINTS_MAX = 2**48 - 1
SPENDS_MAX = 10_000
NO_DAY = 2**32 - 1
_CONSENT = 1


def name_of(pseudonym: bytes) -> bytes:
    return erased_digest(pseudonym)[:NAME_BYTES]


class Known(NamedTuple):
    """What is known of one member. last_day: of the last visit, None before the first."""

    level: int
    points: int
    visits: int
    last_day: int | None
    consent: bool


@dataclass(frozen=True, slots=True)
class Program:
    """How points are earned and spent. earn_minor: what is paid for one point, 0: a sale earns none by itself.

    What one member may spend at one till: times and points a day, and since its records were last added up; 0: none.
    """

    earn_minor: int = 0
    count_day: int = 0
    points_day: int = 0
    count_offline: int = 0
    points_offline: int = 0


@dataclass(frozen=True, slots=True)
class MemberList:
    """as_of: when it was made. through: of each till of the store the last redemption record that its points hold.
    program: None where points are none of the till's business.
    """

    as_of: datetime | None = None
    through: Mapping[str, int] = field(default_factory=dict)
    program: Program | None = None
    rows: bytes = b""

    def __len__(self) -> int:
        return len(self.rows) // ROW_BYTES

    def find(self, pseudonym: bytes) -> Known | None:
        name = name_of(pseudonym)
        place = bisect_left(range(len(self)), name, key=lambda row: _name(self.rows, row))
        if place == len(self) or _name(self.rows, place) != name:
            return None
        row = self.rows[place * ROW_BYTES + NAME_BYTES : (place + 1) * ROW_BYTES]
        points, visits, last = (int.from_bytes(row[a:b], "big") for a, b in ((2, 8), (8, 12), (12, 16)))
        return Known(row[0], points, visits, None if last == NO_DAY else last, bool(row[1] & _CONSENT))


NO_MEMBERS = MemberList()


def _name(rows: bytes, row: int) -> bytes:
    return rows[row * ROW_BYTES : row * ROW_BYTES + NAME_BYTES]


def pack(members: Iterable[tuple[bytes, Known]]) -> bytes:
    """The rows of (name, what is known), whatever order they come in."""
    return b"".join(
        name
        + bytes((known.level, _CONSENT if known.consent else 0))
        + known.points.to_bytes(6, "big")
        + known.visits.to_bytes(4, "big")
        + (NO_DAY if known.last_day is None else known.last_day).to_bytes(4, "big")
        for name, known in sorted(members)
    )


_PROGRAM = (
    ("earn_minor", AMOUNT_MAX_MINOR),
    ("count_day", SPENDS_MAX),
    ("points_day", POINTS_MAX),
    ("count_offline", SPENDS_MAX),
    ("points_offline", POINTS_MAX),
)


def program_to_wire(program: Program) -> dict[str, int]:
    return {name: getattr(program, name) for name, _ in _PROGRAM}


def read_program(value: Any) -> Program:
    """Strictly; FieldError names the field."""
    fields = Fields(value, "program")
    program = Program(**{name: fields.integer(name, 0, most, default=0) for name, most in _PROGRAM})
    fields.done()
    return program


def to_wire(members: MemberList) -> dict[str, Any]:
    """The content of the part."""
    assert members.as_of is not None, "a list that is sent says of when it is"
    return {
        "as_of": timestamp(members.as_of),
        "through": dict(members.through),
        "program": None if members.program is None else program_to_wire(members.program),
        "rows": members.rows,
    }


def read_part(parts: Mapping[str, bytes]) -> MemberList:
    """The list of a bundle; an empty one where it has none. Raises FieldError, CborError."""
    if PART not in parts:
        return NO_MEMBERS
    fields = Fields(cbor.decode(parts[PART]), PART)
    program = fields.mapping("program", default=None)
    try:
        as_of = from_timestamp(fields.text("as_of", 32, least=1))
    except ValueError:
        raise fields.error("as_of", "is no time such as 2026-11-28T12:00:00.000Z") from None
    found = MemberList(
        as_of,
        _read_through(fields.mapping("through")),
        None if program is None else read_program(program),
        fields.octets("rows", 0, MEMBERS_MAX * ROW_BYTES),
    )
    fields.done()
    _check_rows(found.rows)
    return found


def _read_through(value: Mapping[Any, Any]) -> dict[str, int]:
    fields = Fields(value, "through")
    if len(value) > TILLS_MAX or not all(isinstance(till, str) for till in value):
        raise FieldError(f"members.through is not of at most {TILLS_MAX} tills")
    return {till: fields.integer(till, 0, SEQUENCE_MAX) for till in value}


def _check_rows(rows: bytes) -> None:
    if len(rows) % ROW_BYTES:
        raise FieldError(f"members.rows is not whole rows of {ROW_BYTES} bytes")
    count = len(rows) // ROW_BYTES
    names = [_name(rows, row) for row in range(count)]
    if any(one >= other for one, other in pairwise(names)):
        raise FieldError("members.rows do not rise by name")
    for row in range(count):
        start = row * ROW_BYTES + NAME_BYTES
        visits, last = rows[start + 8 : start + 12], int.from_bytes(rows[start + 12 : start + 16], "big")
        if (
            rows[start] > LEVEL_MAX
            or rows[start + 1] > _CONSENT
            or int.from_bytes(visits, "big") > VISITS_MAX
        ):
            raise FieldError("members.rows holds a level, flags or visits beyond their limits")
        if last != NO_DAY and last > DAY_MAX:
            raise FieldError("members.rows holds a day beyond the last")
