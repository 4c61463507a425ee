"""Which pseudonyms were erased on request, as tills are told: the bundle's part "erased".

    number   of the last erasure, counted from 1
    names    32 bytes each, rising: `disclosure.erased_digest` of an erased pseudonym

An erasure covers what follows from a pseudonym too: the name under which it brought friends, and the unit by which
rules of receipts shared it to an arm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from agent.domain import cbor
from agent.domain.disclosure import erased_digest
from agent.domain.fields import FieldError, Fields
from agent.domain.promo import holder_unit, unit_digest
from agent.domain.receipt_rules import referrer

PART = "erased"
KIND = "erasure"
"""Of the record by which a till says that it erased: evidence of the type redeemd.erasure.v1."""
NAME_BYTES = 32
NAMES_MAX = 50_000
NUMBER_MAX = 2**32 - 1


def names_of(pseudonym: bytes) -> tuple[bytes, ...]:
    """All that names a person, to be erased together."""
    return pseudonym, referrer(pseudonym), unit_digest(holder_unit(pseudonym))


@dataclass(frozen=True, slots=True)
class Erased:
    """names: of erased pseudonyms, by their digests."""

    number: int = 0
    names: frozenset[bytes] = frozenset()

    def has(self, pseudonym: bytes) -> bool:
        return bool(self.names) and erased_digest(pseudonym) in self.names


NOBODY = Erased()


def to_part(number: int, names: Iterable[bytes]) -> bytes:
    return cbor.encode({"number": number, "names": b"".join(sorted(names))})


def read_part(parts: Mapping[str, bytes]) -> Erased:
    """NOBODY without the part. CborError or FieldError."""
    if PART not in parts:
        return NOBODY
    fields = Fields(cbor.decode(parts[PART], max_items=8), PART)
    number = fields.integer("number", 1, NUMBER_MAX)
    rows = fields.octets("names", 0, NAMES_MAX * NAME_BYTES)
    fields.done()
    names = [rows[at : at + NAME_BYTES] for at in range(0, len(rows), NAME_BYTES)]
    if len(rows) % NAME_BYTES or any(one >= other for one, other in pairwise(names)):
        raise FieldError(f"{PART}.names is not {NAME_BYTES} bytes each, rising")
    return Erased(number, frozenset(names))
