"""On which line a key stands, and whether a text is small enough in depth to be parsed at all.

`tomllib` gives no lines, and its time and memory grow with the square of the parts of a key (CPython issue 149231).
So `refuse` reads the text before `tomllib` does, and `find_lines` reads what `tomllib` has accepted. Both use one
tokeniser after TOML 1.0; it never fails and is linear in the text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 8
"""Deepest nesting of brackets; our settings need 3."""

MAX_DOTS = 32
"""Most dots outside quotes in one line; our keys need 1."""

MAX_WORD = 256
"""Longest run of characters outside quotes (a key, a number, a date)."""

# Possessive quantifiers (*+) keep each pattern linear. An unterminated string runs to the end of its line, or of the
# text: tomllib refuses the file at that place, so what follows does not matter.
_TOKEN = re.compile(
    r"""
      (?P<space>   [ \t\r]++ | \#[^\n]*+ )
    | (?P<newline> \n )
    | (?P<string>  \"{3} (?: [^"\\] | \\.? | \"{1,2}(?!\") )*+ (?: \"{3,5} | \Z )
                 | '{3}  (?: [^'] | '{1,2}(?!') )*+ (?: '{3,5} | \Z )
                 | \" (?: [^"\\\n] | \\[^\n]? )*+ \"?
                 | ' [^'\n]*+ '? )
    | (?P<mark>    [\[\]{},=] )
    | (?P<word>    [^\s\[\]{},="'\#]++ | [^\n] )
    """,
    re.VERBOSE | re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_.-]+\Z")


class Token(NamedTuple):
    """kind: newline, string, mark or word. line: counted from 1, of the first character."""

    kind: str
    text: str
    line: int


def tokens(text: str) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "space":
            yield Token(kind, match.group(), line)
        line += match.group().count("\n")


def refuse(text: str) -> tuple[int, str] | None:
    """The line and the reason why `text` must not reach the parser; None when it may."""
    depth = dots = 0
    for kind, piece, line in tokens(text):
        if kind == "newline":
            dots = 0
        elif kind == "word":
            dots += piece.count(".")
            if len(piece) > MAX_WORD:
                return line, f"{len(piece)} characters without a space or quotation mark"
        elif piece in ("[", "{"):
            depth += 1
        elif piece in ("]", "}"):
            depth = max(0, depth - 1)
        if depth > MAX_DEPTH:
            return line, f"brackets are nested more than {MAX_DEPTH} deep"
        if dots > MAX_DOTS:
            return line, f"more than {MAX_DOTS} dots outside quotation marks"
    return None


def last_line(text: str) -> int:
    """Where the last token begins: the place to look when a text ends too early, such as a string left open."""
    return max((token.line for token in tokens(text) if token.kind != "newline"), default=1)


def find_lines(text: str) -> dict[Path, int]:
    """The line of every table, key and list item of `text`, which `tomllib` has accepted.

    A path is as in `Problem.key`, in parts: ("scanner", 1, "baud"). A key is where its name stands, a table where
    its header stands, a list item where it begins.
    """
    return _Finder(text).read()


class _Finder:
    """Walks the tokens of a valid document once. Recursion is as deep as the brackets, which `refuse` bounds."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._now = next(self._tokens, _END)
        self._lines: dict[Path, int] = {}
        self._last: dict[Path, int] = {}  # table arrays: number of the newest element

    def read(self) -> dict[Path, int]:
        table: Path = ()
        while self._now is not _END:
            if self._now.kind == "newline":
                self._step()
            elif self._now.text == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _step(self) -> Token:
        token, self._now = self._now, next(self._tokens, _END)
        return token

    def _header(self) -> Path:
        line = self._step().line
        array = self._now.text == "["
        if array:
            self._step()
        path = self._resolve(self._key("]"))
        for _ in range(1 + array):
            self._step()
        if array:
            self._last[path] = self._last.get(path, -1) + 1
            path = (*path, self._last[path])
        for end in range(1, len(path)):
            self._lines.setdefault(path[:end], line)
        self._lines[path] = line
        return path

    def _resolve(self, parts: tuple[str, ...]) -> Path:
        """The path a header means: a name that is a table array stands for its newest element, except at the end."""
        path: Path = ()
        for part in parts:
            if path in self._last:
                path = (*path, self._last[path])
            path = (*path, part)
        return path

    def _pair(self, table: Path) -> None:
        line = self._now.line
        path = table
        for part in self._key("="):
            path = (*path, part)
            self._lines.setdefault(path, line)
        self._step()
        self._value(path)

    def _key(self, end: str) -> tuple[str, ...]:
        pieces = []
        while self._now.text != end and self._now is not _END:
            pieces.append(self._step().text)
        return _key_parts("".join(pieces))

    def _value(self, path: Path) -> None:
        if self._now.text == "[":
            self._list(path)
        elif self._now.text == "{":
            self._inline_table(path)
        else:
            while self._now.kind in ("word", "string"):  # a date and a time are two words
                self._step()

    def _list(self, path: Path) -> None:
        self._step()
        number = 0
        while self._now.text != "]" and self._now is not _END:
            if self._now.kind == "newline" or self._now.text == ",":
                self._step()
                continue
            self._lines[(*path, number)] = self._now.line
            self._value((*path, number))
            number += 1
        self._step()

    def _inline_table(self, path: Path) -> None:
        self._step()
        while self._now.text != "}" and self._now is not _END:
            if self._now.kind == "newline" or self._now.text == ",":
                self._step()
                continue
            self._pair(path)
        self._step()


_END = Token("end", "", 0)


def _key_parts(raw: str) -> tuple[str, ...]:
    """The names in a dotted key. Quoted ones are left to `tomllib`, so that escapes mean what they mean there."""
    if _BARE_KEY.match(raw):
        return tuple(raw.split("."))
    parts = []
    node: Any = tomllib.loads(f"{raw} = 0")
    while isinstance(node, dict):
        [(part, node)] = node.items()
        parts.append(part)
    return tuple(parts)
