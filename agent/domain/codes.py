"""Opaque codes: what somebody types, what is printed in a cap, what GS1 numbers. A till knows them by keyed hash only.

A code says nothing by itself: it stands for (issuer, campaign, index), the identity of a coupon, and from there on it
is one. Tables of hashes come with the bundle (parts `codes/...`), their keys in part `code_keys`. docs/codes.md is
the published form and gives the bounds behind the sizes.

    table = magic (8) | head length (4) | head (CBOR) | starts (4 each) | records (16 each)

Records are sorted by hash. `starts` says where the hashes of each value of the first `bucket_bits` bits begin.
"""

from __future__ import annotations

import hmac
import string
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from agent.domain import cbor
from agent.domain.bundle import BundleError
from agent.domain.fields import FieldError, Fields
from agent.domain.token import DAY_MAX, UINT32_MAX

MAGIC = b"RDMCODE1"
LABEL = b"redeemd/code/1"
HASH_BYTES = 12
RECORD_BYTES = HASH_BYTES + 4
KEY_BYTES = 32
KEY_ID_BYTES = 8
HEAD_BYTES_MAX = 4096
TABLE_CODES_MAX = 2**20
"""Codes of one table: 16 MiB. More codes of a campaign are more tables."""
TABLES_MAX = 1000
BUCKET_CODES = 64
_BUCKET_BITS_MAX = 16
CODE_CHARS_MAX = 64
_RAW_CHARS_MAX = 512


class CodeKind(StrEnum):
    """What a table holds: codes as they are typed or printed, GCN (GS1 AI 255) or offers (AI 8112)."""

    PLAIN = "plain"
    GCN = "gcn"
    OFFER = "offer"


LOOKALIKES = ("0Oo", "1IiLl", "2Zz", "5Ss", "8B")
"""Characters that people and scanners of print take for one another."""


@dataclass(frozen=True, slots=True)
class CodeKey:
    """A key of one issuer. Whoever holds it can test guesses, not read codes."""

    key_id: bytes
    issuer: str
    secret: bytes

    def __repr__(self) -> str:
        return f"CodeKey({self.key_id.hex()}, {self.issuer!r})"


@dataclass(frozen=True, slots=True)
class Form:
    """How codes are written. What is not declared here is not folded.

    alphabet: the characters of a code itself, visible ASCII. least, most: its length. separators: characters that may
    stand anywhere and mean nothing. prefixes: texts that may stand before it and mean nothing (a web address, mostly).
    any_case: small and capital letters are the same. lookalikes: characters that look like one of the alphabet's are
    taken for it; the alphabet then holds only one of each group of `LOOKALIKES`.
    """

    alphabet: str
    least: int
    most: int
    separators: str = ""
    prefixes: tuple[str, ...] = ()
    any_case: bool = False
    lookalikes: bool = False

    def fold(self, text: str) -> str | None:
        """The one spelling that is hashed; None if `text` is not of this form."""
        if len(text) > _RAW_CHARS_MAX:
            return None
        for prefix in self.prefixes:
            if text[: len(prefix)].upper() == prefix.upper():
                text = text[len(prefix) :]
                break
        code = text.translate(_folding(self))
        # strip stops at the first character that is not of the alphabet; none left means that there is none
        return None if not self.least <= len(code) <= self.most or code.strip(self.alphabet) else code


@lru_cache(maxsize=1024)
def _folding(form: Form) -> dict[int, str | None]:
    """What becomes of each character: itself, another one, or nothing. All others are left for `fold` to refuse."""
    folded: dict[str, str | None] = {}
    for group in LOOKALIKES if form.lookalikes else ():
        members = [character for character in group if character in form.alphabet]
        if len(members) == 1:
            folded |= dict.fromkeys(group, members[0])
    if form.any_case:
        for letter in filter(str.isalpha, form.alphabet):
            folded.setdefault(letter.swapcase(), letter)
    folded |= dict.fromkeys(form.separators, None)
    folded |= {character: character for character in form.alphabet}
    # A Chinese keyboard writes the very same characters full-width.
    wide = {chr(ord(character) + 0xFEE0): to for character, to in folded.items() if " " < character <= "~"}
    wide |= {"\u3000": None} if " " in form.separators else {}
    return {ord(character): to for character, to in (folded | wide).items()}


def form_to_wire(form: Form) -> dict[str, Any]:
    """The map in a table's head; also what an issuer writes."""
    said = {field.name: getattr(form, field.name) for field in fields(form)}
    return said | {"prefixes": list(form.prefixes)}


def read_form(value: Any) -> Form:
    """Read and check a form; FieldError names what is wrong."""
    wire = Fields(value, "form")
    form = Form(
        wire.text("alphabet", 94, least=2),
        wire.integer("least", 1, CODE_CHARS_MAX),
        wire.integer("most", 1, CODE_CHARS_MAX),
        wire.text("separators", 8, default=""),
        tuple(wire.texts("prefixes", 0, 8, 100, default=())),
        wire.boolean("any_case", default=False),
        wire.boolean("lookalikes", default=False),
    )
    wire.done()
    if not form.alphabet.isascii() or " " in form.alphabet or len(set(form.alphabet)) != len(form.alphabet):
        raise wire.error("alphabet", "is not visible ASCII, each character once")
    if form.least > form.most:
        raise wire.error("most", "is below least")
    if not form.separators.isascii() or set(form.separators) & set(form.alphabet):
        raise wire.error("separators", "are not ASCII, or stand in the alphabet too")
    letters = {character for character in form.alphabet if character.isalpha()}
    if form.any_case and any(letter.swapcase() in letters for letter in letters):
        raise wire.error("any_case", "is not for an alphabet that tells small from capital letters")
    if form.lookalikes and any(len(set(group) & set(form.alphabet)) > 1 for group in LOOKALIKES[:2]):
        raise wire.error("lookalikes", "are not for an alphabet with both of 0 and O, or two of 1, I and L")
    return form


GS1_FORM = Form(string.digits, 8, CODE_CHARS_MAX)
"""The form of GCN and offer codes: their digits, which the router has checked."""


@dataclass(frozen=True, slots=True)
class TableHead:
    """What holds for all codes of a table. not_before to value_minor: as the claims of a signed coupon."""

    issuer: str
    campaign: int
    kind: CodeKind
    key_id: bytes
    form: Form
    count: int
    bucket_bits: int
    not_before: int
    expires: int
    store: int | None = None
    store_group: int | None = None
    value_minor: int | None = None


class Table(Protocol):
    """A table of codes, wherever its bytes are."""

    @property
    def head(self) -> TableHead: ...

    def find(self, digest: bytes) -> int | None:
        """The index behind a hash of HASH_BYTES; None if it is not here."""


def code_hash(key: CodeKey, kind: CodeKind, code: str) -> bytes:
    """HMAC-SHA-256 of a folded code, cut to HASH_BYTES (RFC 2104 section 5)."""
    message = LABEL + b"\0" + kind.value.encode() + b"\0" + code.encode("ascii")
    return hmac.digest(key.secret, message, "sha256")[:HASH_BYTES]


def make_table(head: TableHead, rows: Iterable[tuple[bytes, int]]) -> bytes:
    """A part: `rows` are (hash, index) in any order; head.count and head.bucket_bits are made to fit."""
    records = sorted(digest + index.to_bytes(4, "big") for digest, index in rows)
    return table_of_records(head, records)


def table_of_records(head: TableHead, records: Sequence[bytes]) -> bytes:
    """`make_table` of records that are made and sorted already."""
    count = len(records)
    assert 0 < count <= TABLE_CODES_MAX, "a table holds 1 to TABLE_CODES_MAX codes"
    bits = min(_BUCKET_BITS_MAX, max(0, (count // BUCKET_CODES).bit_length()))
    sizes = array("I", bytes(4 << bits))
    for record in records:
        sizes[int.from_bytes(record[:4], "big") >> 32 - bits] += 1
    starts, total = array("I", [0]), 0
    for size in sizes:
        total += size
        starts.append(total)
    if sys.byteorder == "little":
        starts.byteswap()
    wire = cbor.encode(head_to_wire(replace(head, count=count, bucket_bits=bits)))
    return b"".join((MAGIC, len(wire).to_bytes(4, "big"), wire, starts.tobytes(), *records))


def head_to_wire(head: TableHead) -> dict[str, Any]:
    """The map at the beginning of a table."""
    said = {field.name: getattr(head, field.name) for field in fields(head)}
    said |= {"kind": head.kind.value, "form": form_to_wire(head.form)}
    return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked head, and where things are: starts in records, `records_at` in bytes from the beginning."""

    head: TableHead
    starts: Sequence[int]
    records_at: int


def read_layout(begin: bytes, length: int) -> Layout:
    """Read the beginning of a table of `length` bytes; `begin` holds at least all before the records, or all there is.

    BundleError if it is not exactly a table. Records are not looked at: whatever they hold, a look-up only finds an
    index, or nothing.
    """
    try:
        if begin[:8] != MAGIC or not 0 < (head_bytes := int.from_bytes(begin[8:12], "big")) <= HEAD_BYTES_MAX:
            raise FieldError("it does not begin as a table")
        head = read_head(cbor.decode(begin[12 : 12 + head_bytes]))
    except (cbor.CborError, FieldError) as error:
        raise BundleError("malformed", f"table of codes: {error}") from None
    starts_at = 12 + head_bytes
    records_at = starts_at + 4 * ((1 << head.bucket_bits) + 1)
    if length != records_at + head.count * RECORD_BYTES:
        raise BundleError(
            "malformed", f"table of codes: {length} bytes do not hold {head.count} codes exactly"
        )
    starts = array("I", begin[starts_at:records_at])
    if sys.byteorder == "little":
        starts.byteswap()
    if starts[0] != 0 or starts[-1] != head.count or list(starts) != sorted(starts):
        raise BundleError("malformed", "table of codes: its starts do not rise from 0 to its count")
    return Layout(head, starts, records_at)


LAYOUT_BYTES_MAX = 12 + HEAD_BYTES_MAX + 4 * ((1 << _BUCKET_BITS_MAX) + 1)
"""The most that can stand before the records."""


def read_head(value: Any) -> TableHead:
    """What `head_to_wire` made; FieldError names what is wrong."""
    wire = Fields(value, "head")
    head = TableHead(
        issuer=wire.text("issuer", 32, least=1),
        campaign=wire.integer("campaign", 0, UINT32_MAX),
        kind=CodeKind(wire.choice("kind", {kind.value: kind for kind in CodeKind})),
        key_id=wire.octets("key_id", KEY_ID_BYTES, KEY_ID_BYTES),
        form=read_form(wire.mapping("form")),
        count=wire.integer("count", 1, TABLE_CODES_MAX),
        bucket_bits=wire.integer("bucket_bits", 0, _BUCKET_BITS_MAX),
        not_before=wire.integer("not_before", 0, DAY_MAX),
        expires=wire.integer("expires", 0, DAY_MAX),
        store=wire.integer("store", 0, UINT32_MAX) if wire.has("store") else None,
        store_group=wire.integer("store_group", 0, UINT32_MAX) if wire.has("store_group") else None,
        value_minor=wire.integer("value_minor", 1, UINT32_MAX) if wire.has("value_minor") else None,
    )
    wire.done()
    return head


def find_record(block: bytes, digest: bytes) -> int | None:
    """The index that stands behind `digest` in a run of whole records; None if it is not there."""
    at = block.find(digest)
    while at % RECORD_BYTES and at >= 0:  # it may lie across two records by chance
        at = block.find(digest, at + 1)
    return None if at < 0 else int.from_bytes(block[at + HASH_BYTES : at + RECORD_BYTES], "big")


def bucket(layout: Layout, digest: bytes) -> tuple[int, int]:
    """(first byte, bytes) of the records among which `digest` would stand."""
    number = int.from_bytes(digest[:4], "big") >> 32 - layout.head.bucket_bits
    first, end = layout.starts[number], layout.starts[number + 1]
    return layout.records_at + first * RECORD_BYTES, (end - first) * RECORD_BYTES


class MemoryTable:
    """A table whose bytes are at hand. BundleError if they are none."""

    def __init__(self, content: bytes) -> None:
        self._layout = read_layout(content, len(content))
        self._content = content

    @property
    def head(self) -> TableHead:
        return self._layout.head

    def find(self, digest: bytes) -> int | None:
        at, size = bucket(self._layout, digest)
        return find_record(self._content[at : at + size], digest)


@dataclass(frozen=True, slots=True)
class Found:
    """A code that stands in a table. digest: its hash, which may be recorded where the code may not."""

    head: TableHead
    index: int
    digest: bytes


class Codes:
    """All the tables of a bundle. BundleError if a table has no key, or one of another issuer."""

    def __init__(self, keys: Mapping[bytes, CodeKey] | None = None, tables: Iterable[Table] = ()) -> None:
        self._groups: dict[tuple[CodeKind, CodeKey, Form], list[Table]] = {}
        for table in sorted(tables, key=lambda table: (table.head.issuer, table.head.campaign)):
            head = table.head
            key = (keys or {}).get(head.key_id)
            if key is None or key.issuer != head.issuer:
                what = f"table of codes {head.issuer} {head.campaign}"
                raise BundleError("bad_key", f"{what}: no key {head.key_id.hex()} of this issuer")
            self._groups.setdefault((head.kind, key, head.form), []).append(table)

    def find(self, kind: CodeKind, text: str) -> Found | None:
        """The code that `text` spells. Of two campaigns with one code the lower number counts."""
        for (held, key, form), tables in self._groups.items():
            code = form.fold(text) if held is kind else None
            if code is None:
                continue
            digest = code_hash(key, kind, code)
            for table in tables:
                if (index := table.find(digest)) is not None:
                    return Found(table.head, index, digest)
        return None

    def fits(self, text: str) -> bool:
        """True if `text` is written as plain codes of some table are: then it was meant as one."""
        return any(held is CodeKind.PLAIN and form.fold(text) is not None for held, _, form in self._groups)


NO_CODES = Codes()


def key_to_wire(key: CodeKey) -> dict[str, Any]:
    """One item of part "code_keys"."""
    return {"key_id": key.key_id, "issuer": key.issuer, "secret": key.secret}


def read_keys(items: Sequence[Any]) -> dict[bytes, CodeKey]:
    """Part "code_keys" by key_id; FieldError names what is wrong."""
    keys: dict[bytes, CodeKey] = {}
    for item in items:
        wire = Fields(item, "code key")
        key = CodeKey(
            wire.octets("key_id", KEY_ID_BYTES, KEY_ID_BYTES),
            wire.text("issuer", 32, least=1),
            wire.octets("secret", KEY_BYTES, KEY_BYTES),
        )
        wire.done()
        if key.key_id in keys:
            raise FieldError(f"code key {key.key_id.hex()} stands twice")
        keys[key.key_id] = key
    return keys
