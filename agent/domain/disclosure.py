"""A pseudonym beside a record: what is signed holds a salted digest of it, the salt and the pseudonym stand beside.

    digest     SHA-256 over b"redeemd/disclosure/1" NUL salt pseudonym, 64 lowercase hex digits: stands in `data`
    disclosed  member of the event beside `hash` and `signature`, covered by neither: "SALT.PSEUDONYM", several with a
               space between; salt: 16 bytes, pseudonym: 8 to 16 bytes, both in lowercase hex

Once salt and pseudonym are erased the digest says nothing to anybody, also not to who knows the pseudonym, and the
chain verifies as before. The form is that of SD-JWT's disclosures (RFC 9901) without its JSON.

    erased     SHA-256 over b"redeemd/erased/1" NUL pseudonym: how an erased one is named to whom may still hold it
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agent.domain.record import RecordFault

MEMBER = "disclosed"
SALT_BYTES = 16
DISCLOSED_MAX = 8
"""Pseudonyms of one record."""
_DIGEST = b"redeemd/disclosure/1\0"
_ERASED = b"redeemd/erased/1\0"
_PAIR = r"[0-9a-f]{32}\.(?:[0-9a-f]{2}){8,16}"
_TEXT = re.compile(rf"{_PAIR}(?: {_PAIR}){{0,{DISCLOSED_MAX - 1}}}", re.ASCII)
_PSEUDONYM = re.compile(r"(?:[0-9a-f]{2}){8,16}", re.ASCII)


class Disclosure(NamedTuple):
    """digest: as it stands in the record. salt, pseudonym: in hex."""

    digest: str
    salt: str
    pseudonym: str


def disclosure(salt: bytes, pseudonym: bytes) -> Disclosure:
    assert len(salt) == SALT_BYTES, "a salt is 16 bytes"
    digest = hashlib.sha256(_DIGEST + salt + pseudonym).hexdigest()
    return Disclosure(digest, salt.hex(), pseudonym.hex())


def erased_digest(pseudonym: bytes) -> bytes:
    """The 32 bytes that name an erased pseudonym."""
    return hashlib.sha256(_ERASED + pseudonym).digest()


def is_pseudonym(text: str) -> bool:
    """Whether it is one in the form of records: 8 to 16 bytes in lowercase hex."""
    return _PSEUDONYM.fullmatch(text) is not None


def with_disclosed(event: str, pairs: str | None) -> str:
    """The event's JSON text as it is sent. pairs: the text of `disclosed`, None for none."""
    return event if not pairs else f'{event[:-1]},"{MEMBER}":"{pairs}"}}'


def pair_text(found: Iterable[Disclosure]) -> str:
    return " ".join(f"{one.salt}.{one.pseudonym}" for one in found)


def read_disclosed(event: Mapping[str, Any], text: str) -> tuple[Disclosure, ...]:
    """What an event discloses. text: its JSON without that. RecordFault where it is no disclosure of this event."""
    stated = event.get(MEMBER)
    if stated is None and MEMBER not in event:
        return ()
    if not isinstance(stated, str) or not _TEXT.fullmatch(stated):
        raise RecordFault("malformed", f"{MEMBER} is not up to {DISCLOSED_MAX} of SALT.PSEUDONYM in hex")
    found = []
    for pair in stated.split(" "):
        salt, _, pseudonym = pair.partition(".")
        one = disclosure(bytes.fromhex(salt), bytes.fromhex(pseudonym))
        if f'"{one.digest}"' not in text:
            raise RecordFault("malformed", f"{MEMBER} holds what no digest of the event stands for")
        found.append(one)
    if len({one.digest for one in found}) != len(found):
        raise RecordFault("malformed", f"{MEMBER} says one thing twice")
    return tuple(found)
