"""The parts of a bundle file: each stands in it once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.bundles.carried import BundleFile
from agent.domain import bundle_file
from agent.domain.bundle import BundleError
from agent.domain.bundle_file import FILE_BYTES_MAX, Head
from tests.factory import Factory


def test_equal_parts_are_written_once() -> None:
    content = b"an empty list" * 100
    pieces = list(bundle_file.write(Head((), b"x"), [content, b"another", content]))
    assert [piece for piece in pieces if piece == content] == [content]
    assert len(pieces) == 5


def test_a_long_tail_of_zeros_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Each forty zeros read as a part of no bytes: some fifty million of them."""
    factory, stick = Factory(), tmp_path / "stick"
    made = factory.parts()
    stick.write_bytes(b"".join(bundle_file.write(Head((), factory.manifest(made)), made.values())))
    with stick.open("r+b") as file:
        file.truncate(FILE_BYTES_MAX)
    with pytest.raises(BundleError, match="twice"):
        BundleFile(stick)
