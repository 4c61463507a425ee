"""Tables of codes as files: whole or not there, found, replaced, wiped."""

import os
from dataclasses import replace

import pytest

from agent.bundles.code_tables import code_parts
from agent.domain.bundle import BundleError, Part, describe_part
from agent.domain.codes import CodeKey, CodeKind, Form, TableHead, code_hash, make_table
from agent.ports import LedgerUnavailable
from agent.store.codes import MEMORY_BYTES_MAX, FileShelf, FileTable

KEY = CodeKey(b"key-0001", "acme", bytes(range(32)))
HEAD = TableHead("acme", 7, CodeKind.PLAIN, KEY.key_id, Form("0123456789", 8, 8), 1, 0, 0, 65535)
KEYS = {KEY.key_id: KEY}


def made(count, campaign=7):
    rows = [(code_hash(KEY, CodeKind.PLAIN, f"{number:08}"), number) for number in range(count)]
    content = make_table(replace(HEAD, campaign=campaign), rows)
    return describe_part(f"codes/acme/{campaign}/0", content), content


@pytest.fixture
def shelf(tmp_path):
    return FileShelf(tmp_path / "codes")


def index(codes, number):
    found = codes.find(CodeKind.PLAIN, f"{number:08}")
    return None if found is None else found.index


@pytest.mark.parametrize("count", [1, 5000])
def test_what_is_added_is_found(shelf, count):
    part, content = made(count)
    assert (part.length > MEMORY_BYTES_MAX) == (count == 5000)
    assert not shelf.has(part)
    shelf.add(part, content)
    assert shelf.has(part)
    assert shelf.content(part) == content
    codes = shelf.open_tables([part], KEYS)
    assert [index(codes, number) for number in range(0, count, 97)] == list(range(0, count, 97))
    assert index(codes, count) is None


def test_files_are_for_the_service_alone(shelf, tmp_path):
    shelf.add(*made(1))
    (file,) = (tmp_path / "codes").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_only_what_the_manifest_names_is_kept(shelf, tmp_path):
    part, content = made(1)
    with pytest.raises(BundleError, match="wrong_part"):
        shelf.add(part, content + b"\0")
    rubbish = b"no table at all"
    with pytest.raises(BundleError, match="malformed"):
        shelf.add(describe_part("codes/x", rubbish), rubbish)
    assert not (tmp_path / "codes").exists() or not list((tmp_path / "codes").iterdir())


def test_a_file_cut_short_is_not_there(shelf, tmp_path):
    part, content = made(5000)
    shelf.add(part, content)
    (file,) = (tmp_path / "codes").iterdir()
    os.truncate(file, part.length - 1)
    assert not shelf.has(part)
    with pytest.raises(BundleError, match="missing_part"):
        shelf.open_tables([part], KEYS)
    assert shelf.damaged([part]) == [part]
    shelf.add(part, content)
    assert shelf.damaged([part]) == []


def test_a_changed_byte_is_noticed(shelf, tmp_path):
    part, content = made(5000)
    shelf.add(part, content)
    (file,) = (tmp_path / "codes").iterdir()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert shelf.damaged([part]) == [part]
    with pytest.raises(BundleError, match="wrong_part"):
        shelf.content(part)


def test_a_table_in_use_outlives_its_file(shelf):
    part, content = made(5000)
    shelf.add(part, content)
    codes = shelf.open_tables([part], KEYS)
    other, others = made(1, campaign=8)
    shelf.add(other, others)
    assert shelf.keep_only([other]) == 1
    assert index(codes, 4999) == 4999, "a redemption under way finds what it looked at"
    assert not shelf.has(part)
    assert shelf.keep_only([]) == 1
    assert shelf.keep_only([]) == 0


def test_what_a_crash_left_is_swept(shelf, tmp_path):
    part, content = made(1)
    shelf.add(part, content)
    (tmp_path / "codes" / "half.part").write_bytes(b"half")
    assert shelf.keep_only([part]) == 1
    assert shelf.has(part)


def test_files_are_closed_with_their_last_reader(shelf):
    part, content = made(5000)
    shelf.add(part, content)
    before = len(os.listdir("/proc/self/fd"))
    codes = shelf.open_tables([part], KEYS)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del codes
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_disk_that_does_not_give_back_is_said(shelf, tmp_path):
    part, content = made(5000)
    shelf.add(part, content)
    (file,) = (tmp_path / "codes").iterdir()
    table = FileTable(file)
    table._close()  # what a pulled-out disk comes to: reading is an error
    with pytest.raises(LedgerUnavailable, match="cannot be read"):
        table.find(code_hash(KEY, CodeKind.PLAIN, "00000000"))


def test_code_parts_are_told_by_their_names():
    parts = [Part(name, 1, bytes(32)) for name in ("codes/a/1/0", "code_keys", "status/a/1")]
    assert code_parts(parts) == (parts[0],)
