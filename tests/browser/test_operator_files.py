"""What the files of the operator page may not hold, and that no word of it is missing; needs no browser."""

from __future__ import annotations

import re
from importlib.resources import files

from cloud.api.page import FILES, HEADERS

TEXT = {name: content.decode() for name, (content, _) in FILES.items()}
MADE = r"t\(`(\w+)_\$\{"


def words(language: str) -> set[str]:
    block = TEXT["words.js"].split(f"  {language}: {{\n", 1)[1].split("\n  },\n", 1)[0]
    return set(re.findall(r"(?:^|[\s{,])(\w+): \"", block))


def test_the_page_asks_nothing_of_others_and_holds_no_inline_code() -> None:
    assert {"index.html", "app.js", "style.css", "icon.svg"} <= TEXT.keys()
    assert set(TEXT) == {file.name for file in files("cloud").joinpath("web").iterdir()}
    for name, content in TEXT.items():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", content), name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|url\(", content
        ), name
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", content), name
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_every_word_is_there_in_both_languages() -> None:
    chinese, english = words("zh"), words("en")
    assert chinese == {word for word in english if not word.endswith("_one")}
    assert len(chinese) > 100
    for name, content in TEXT.items():
        for used in re.findall(r"\bt\(\"(\w+)\"", content) + re.findall(
            r"data-t(?:-label)?=\"(\w+)\"", content
        ):
            assert used in chinese, (name, used)
        for stem in re.findall(MADE, content):
            assert any(word.startswith(f"{stem}_") for word in chinese), (name, stem)
