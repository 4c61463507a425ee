"""What names people: what a record discloses, and whom a bundle says to forget."""

from __future__ import annotations

import json
from contextlib import suppress

from agent.domain import cbor, disclosure, erasure
from agent.domain.disclosure import disclosure as hidden
from agent.domain.disclosure import pair_text, read_disclosed
from agent.domain.fields import FieldError
from agent.domain.record import RecordFault

_PEOPLE = [hidden(bytes([number]) * 16, bytes([number]) * size) for number, size in enumerate((8, 12, 16), 1)]
_TEXT = json.dumps([one.digest for one in _PEOPLE])


def disclosed(data: bytes) -> None:
    """Whatever is accepted opens digests of the event, each once, and is written in one way."""
    stated = data.decode("utf-8", "surrogateescape")
    with suppress(RecordFault):
        found = read_disclosed({disclosure.MEMBER: stated}, _TEXT)
        if set(found) - set(_PEOPLE) or len(set(found)) != len(found) or pair_text(found) != stated:
            raise AssertionError("it says what no digest of the event stands for, or says it in two ways")


def disclosed_seeds() -> list[bytes]:
    return [pair_text(_PEOPLE[:count]).encode() for count in (1, 2, 3)]


def erased(data: bytes) -> None:
    """Whatever is accepted is written in one way."""
    with suppress(cbor.CborError, FieldError):
        found = erasure.read_part({erasure.PART: data})
        if erasure.to_part(found.number, found.names) != data:
            raise AssertionError("one list in two forms")


def erased_seeds() -> list[bytes]:
    return [erasure.to_part(1, ()), erasure.to_part(7, [bytes([number]) * 32 for number in range(3)])]
