"""Which template is taken: store IT's, head office's, ours. A broken one is told and never costs a receipt."""

from __future__ import annotations

import os

import msgspec
import pytest

from agent.domain import shop
from agent.receipts.book import FILES_MAX, Book, built_in, built_in_text, read_folder
from agent.receipts.maker import document_of, lay_out
from agent.receipts.plain import render_text
from tests.receipt_samples import LOGO, ZH


def template(text: str, name: str = "one") -> shop.Template:
    return shop.Template(name, 1, text.encode())


def written(folder, **files: str):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.receipt").write_text(text, "utf-8")
    return folder


def said(book: Book) -> str:
    """The first line that is printed."""
    stored = msgspec.json.encode(ZH).decode()
    return render_text(document_of(lay_out(stored, book.pick), 0)).split("\n")[0].strip()


def saying(words: str, language: str = "zh") -> str:
    return f"receipt 1 redemption {language}\ntext: {words} {{number}}\n".replace(" \n", "\n")


def test_a_file_goes_before_the_bundle_and_the_bundle_before_our_own(tmp_path):
    book = Book()
    assert book.pick("redemption", "zh") is built_in("redemption", "zh")
    book.take((template(saying("bundle")),))
    assert said(book) == "bundle T01-000042"
    with_file = Book(str(written(tmp_path / "own", mine=saying("file"))))
    with_file.take((template(saying("bundle")),))
    assert said(with_file) == "file T01-000042"


def test_one_for_the_language_goes_before_one_for_both():
    book = Book()
    book.take((template(saying("both", ""), "a"), template(saying("chinese"), "b")))
    assert said(book) == "chinese T01-000042"
    assert book.faults == ()
    book.take((template(saying("both", ""), "a"), template(saying("english", "en"), "b")))
    assert said(book) == "both T01-000042"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "begins with"),
        (b"\xff\xfe", "not UTF-8"),
        (b"receipt 1 redemption\ntext: {number} {total_minor}\n", "is no fact"),
        (b"{{ self.__init__.__globals__ }}", "begins with"),
        (b"receipt 1 redemption\ntext: {number.__class__}\n", "is no fact"),
        (b"receipt 1 redemption\n" + b"if total\n" * 5000, "at most"),
    ],
)
def test_a_broken_one_is_told_and_the_receipt_is_printed_by_another(content, fault):
    book = Book()
    book.take((shop.Template("autumn", 3, content),))
    assert len(book.faults) == 1
    assert book.faults[0].startswith("template autumn of the bundle: ")
    assert fault in book.faults[0]
    assert book.pick("redemption", "zh") is built_in("redemption", "zh")


def test_two_for_the_same_paper_are_told():
    book = Book()
    book.take((template(saying("first"), "a"), template(saying("second"), "b")))
    assert said(book) == "first T01-000042"
    assert book.faults == ("template b of the bundle: template a of the bundle is for redemption zh too",)


def test_faults_go_with_the_bundle_that_had_them():
    book = Book()
    book.take((template("nonsense"),))
    assert book.faults
    book.take(())
    assert book.faults == ()


def test_a_folder_is_read_as_far_as_it_can(tmp_path):
    folder = written(tmp_path / "own", good=saying("file"), bad="nonsense")
    (folder / "notes.txt").write_text("no template")
    templates, images, faults, _ = read_folder(folder)
    assert images == {}
    assert list(templates) == [("redemption", "zh")]
    assert len(faults) == 1
    assert "bad.receipt" in faults[0]
    assert "is no folder" in read_folder(tmp_path / "none").faults[0]
    many = written(tmp_path / "many", **{f"t{n}": saying("x") for n in range(FILES_MAX + 1)})
    assert f"at most {FILES_MAX}" in read_folder(many).faults[0]


def test_a_pipe_or_a_link_to_nowhere_costs_no_other_template_and_no_wait(tmp_path):
    folder = written(tmp_path / "own", good=saying("file"))
    os.mkfifo(folder / "a.receipt")
    os.mkfifo(folder / "a.png")
    (folder / "b.receipt").symlink_to(tmp_path / "gone")
    templates, _, faults, _ = read_folder(folder)
    assert list(templates) == [("redemption", "zh")]
    assert [fault.rpartition("/")[2] for fault in faults] == [
        "a.png cannot be read: it is no regular file",
        "a.receipt cannot be read: it is no regular file",
        "b.receipt cannot be read: No such file or directory",
    ]


def test_a_name_in_capitals_is_told_or_read(tmp_path):
    """It was passed over in silence."""
    folder = written(tmp_path / "own")
    (folder / "MINE.RECEIPT").write_text(saying("file"), "utf-8")
    (folder / "UP.PNG").write_bytes(LOGO)
    (folder / "NONE.PNG").write_bytes(b"GIF89a")
    templates, images, faults, places = read_folder(folder)
    assert (list(templates), images) == ([("redemption", "zh")], {})
    assert list(places.values()) == [str(folder / "MINE.RECEIPT")]
    assert [fault.rpartition("/")[2] for fault in faults] == [
        f"{name}: an image is named like logo.png: a-z 0-9 - _ and .png, not {name!r}"
        for name in ("NONE.PNG", "UP.PNG")
    ]


def test_every_own_template_is_text_that_store_it_can_begin_from():
    assert built_in_text("redemption", "en").startswith("receipt 1 redemption en\n")
