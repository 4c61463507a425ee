"""The bundle file: one till's whole bundle in one file, for a stick or a mail. docs/bundle-format.md, "Bundle file".

    magic    17 bytes
    head     4 bytes of length, then CBOR {"roots": [bstr, ...], "manifest": bstr}
    parts    each once: 32 bytes of SHA-256, 8 bytes of length, the content; up to the end of the file

Lengths are big-endian. Nothing is believed for standing here: root, manifest and parts are checked as over the line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.domain import cbor
from agent.domain.bundle import (
    BUNDLE_BYTES_MAX,
    DOCUMENT_BYTES_MAX,
    PART_BYTES_MAX,
    PARTS_MAX,
    BundleError,
)
from agent.domain.fields import FieldError, Fields

MAGIC = b"redeemd bundle 1\n"
PREFIX_BYTES = len(MAGIC) + 4
HEAD_BYTES_MAX = 4 * 1024 * 1024
ROOTS_MAX = 256
HEAD_ITEMS_MAX = 5 + ROOTS_MAX
"""CBOR items: nobody has signed the head, and four million empty lists would fit into it."""
PART_HEADER_BYTES = 32 + 8
FILE_BYTES_MAX = PREFIX_BYTES + HEAD_BYTES_MAX + BUNDLE_BYTES_MAX + PARTS_MAX * PART_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Head:
    """roots: the chain, the oldest first; a till takes those that follow its own. manifest: as the cloud signed it."""

    roots: tuple[bytes, ...]
    manifest: bytes


def write(head: Head, contents: Iterable[bytes]) -> Iterator[bytes]:
    """The file in pieces. Equal contents are written once."""
    yield head_bytes(head)
    written = set()
    for content in contents:
        digest = hashlib.sha256(content).digest()
        if digest not in written:
            written.add(digest)
            yield part_header(digest, len(content))
            yield content


def head_bytes(head: Head) -> bytes:
    """Magic and head."""
    encoded = cbor.encode({"roots": list(head.roots), "manifest": head.manifest})
    assert len(encoded) <= HEAD_BYTES_MAX, "a chain of roots is bounded"
    return MAGIC + len(encoded).to_bytes(4, "big") + encoded


def part_header(sha256: bytes, length: int) -> bytes:
    """What stands before a part's content."""
    return sha256 + length.to_bytes(8, "big")


def head_length(prefix: bytes) -> int:
    """Bytes of the head, from the first PREFIX_BYTES of a file."""
    if len(prefix) < PREFIX_BYTES or not prefix.startswith(MAGIC):
        raise BundleError("no_bundle_file", "the file does not begin as a bundle file does")
    length = int.from_bytes(prefix[len(MAGIC) :], "big")
    if not 0 < length <= HEAD_BYTES_MAX:
        raise BundleError("too_large", f"a head of {length} bytes")
    return length


def read_head(data: bytes) -> Head:
    """The head's form; what it holds is judged by `bundle`."""
    try:
        fields = Fields(cbor.decode(data, max_depth=2, max_items=HEAD_ITEMS_MAX), "head")
        roots: Sequence[object] = fields.items("roots", ROOTS_MAX)
        manifest = fields.octets("manifest", 1, DOCUMENT_BYTES_MAX)
        fields.done()
    except (cbor.CborError, FieldError) as error:
        raise BundleError("malformed", f"bundle file: {error}") from None
    documents = tuple(root for root in roots if type(root) is bytes and len(root) <= DOCUMENT_BYTES_MAX)
    if len(documents) != len(roots):
        raise BundleError("malformed", "bundle file: a root is a byte string of at most 256 KiB")
    return Head(documents, manifest)


def read_part_header(data: bytes) -> tuple[bytes, int]:
    """(SHA-256, length) of the part that follows."""
    length = int.from_bytes(data[32:], "big")
    if len(data) != PART_HEADER_BYTES:
        raise BundleError("cut_short", "the file ends within a part's header")
    if length > PART_BYTES_MAX:
        raise BundleError("too_large", f"a part of {length} bytes")
    return data[:32], length
