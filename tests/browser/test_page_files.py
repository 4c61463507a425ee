"""What the page files may not hold, read as text: needs no browser."""

from __future__ import annotations

import re

from tests.browser.till_stand_in import WEB


def test_page_asks_nothing_of_the_network_and_holds_no_inline_code() -> None:
    """What the policy forbids is not there in the first place, not merely stopped."""
    text = {path.name: path.read_text(encoding="utf-8") for path in sorted(WEB.iterdir())}
    assert {"index.html", "app.js", "style.css"} <= text.keys()
    for name, content in text.items():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", content), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", content), (
            name
        )
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text["index.html"])
