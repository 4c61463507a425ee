"""How a till waits for news: one signed request that the cloud answers when there is something new. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sync import strict_json
from sync.errors import WireError
from sync.paths import till_path

NEWS_TYPE = "application/vnd.redeemd.news.v1+json"
NEWS_BYTES_MAX = 4096
SPREAD_MAX_MS = 60_000
_MARK = re.compile(r"[0-9A-Za-z._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class News:
    """mark: what the till sends next time; another one than before: there is something new. spread_ms: over how long
    it shall put off its questions, at random.
    """

    mark: str
    spread_ms: int


def news_path(till_id: str, seen: str, wait_s: int) -> str:
    """seen: the mark of the answer before, "" at first. wait_s: how long the cloud may keep the question."""
    return f"{till_path(till_id)}/news?seen={seen}&wait={wait_s:d}"


def is_mark(text: str) -> bool:
    return bool(_MARK.fullmatch(text))


def read_news(body: bytes) -> News:
    """Raises WireError."""
    document = strict_json.loads(body, max_bytes=NEWS_BYTES_MAX, max_depth=3)
    mark = document.get("mark") if isinstance(document, dict) else None
    if not isinstance(mark, str) or not is_mark(mark):
        raise WireError("bad_news", "mark is not 1 to 64 of A-Z a-z 0-9 . _ -")
    spread = document.get("spread_ms")
    return News(mark, min(spread, SPREAD_MAX_MS) if type(spread) is int and spread > 0 else 0)
