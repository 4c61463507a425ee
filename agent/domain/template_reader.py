"""Reads and checks a receipt template, so that what was read prints (`receipt_template`)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple

from agent.domain import barcode
from agent.domain.image import ImageError, check_name
from agent.domain.receipt_facts import FACTS
from agent.domain.receipt_template import (
    FEED_LINES_MAX,
    LANGUAGES,
    MODULE_DOTS_MAX,
    MODULE_DOTS_MIN,
    PAPERS,
    QR_CHARS_MAX,
    SIZE_MAX,
    TEXT_CHARS_MAX,
    Align,
    Barcode,
    Choice,
    Columns,
    Feed,
    Image,
    Qr,
    Rule,
    Statement,
    Template,
    Text,
    Words,
    facts_of,
)
from agent.domain.wording import promises

TEMPLATE_CHARS_MAX = 16 * 1024
STATEMENTS_MAX = 150
DEPTH_MAX = 4
IMAGES_MAX = 2  # each is kept with each receipt
FEED_ALL_MAX = 40
NEEDED = "number"
"""What every paper must say: without it nobody finds the redemption again."""
_WIDE_BLANK = "\u3000"  # what Chinese writers set columns with: printed as it is
_CONTROLS = {"\t": "a tab", "\r": "a carriage return", "\x1b": "escape", "\0": "nul", "\x7f": "delete"}
"""Unicode gives controls no name."""
_ALIGNS: Mapping[str, Align] = {"left": "left", "center": "center", "right": "right"}


class TemplateError(ValueError):
    """A template that is not used. The text names the line, what is wrong and what is allowed."""


_LINE = re.compile(r"([a-z]+)((?: +[A-Za-z0-9_.-]+)*) *(?:(?<!:): ?(.*))?")
_HEAD = re.compile(rf"receipt 1 ({'|'.join(PAPERS)})(?: ({'|'.join(LANGUAGES)}))?")
_FACT = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def read_template(text: str) -> Template:
    """Read and check a template. TemplateError for whatever would not print well, forbidden promises included."""
    if len(text) > TEMPLATE_CHARS_MAX:
        raise TemplateError(f"{len(text)} characters; a template has at most {TEMPLATE_CHARS_MAX}")
    lines = _lines(text)
    if len(lines) > STATEMENTS_MAX:
        raise TemplateError(f"{len(lines)} statements; a template has at most {STATEMENTS_MAX}")
    head = _HEAD.fullmatch(lines[0].text) if lines else None
    if head is None:
        allowed = f"receipt 1 {'|'.join(PAPERS)} [{'|'.join(LANGUAGES)}]"
        raise TemplateError(f"line {lines[0].number if lines else 1}: a template begins with: {allowed}")
    reader = _Reader(lines[1:])
    template = Template(head[1], head[2] or "", reader.block())
    reader.check_promises()
    if not _says(template.statements, NEEDED):
        raise TemplateError(
            f"not every receipt says {{{NEEDED}}}, without which nobody finds the redemption again: "
            "write it outside of any if"
        )
    feeds = sum(one.lines for one in template.all() if isinstance(one, Feed))
    if feeds > FEED_ALL_MAX:
        raise TemplateError(f"{feeds} lines are fed in all, at most {FEED_ALL_MAX} are allowed")
    if len(template.images) > IMAGES_MAX:
        raise TemplateError(f"{len(template.images)} images; a template has at most {IMAGES_MAX}")
    return template


def _says(statements: tuple[Statement, ...], name: str) -> bool:
    """Whether the fact is printed whatever is known of the others. The words of an image stand instead of it alone."""
    return any(
        _says(one.then, name) and _says(one.otherwise, name)
        if isinstance(one, Choice)
        else not isinstance(one, Image) and name in facts_of(one)
        for one in statements
    )


def _joined(said: list[tuple[int, str]]) -> str:
    return "\n".join(text for _, text in said)


class _Line(NamedTuple):
    """number: in the file. column: of its first character, from 1. text: without blanks around it."""

    number: int
    column: int
    text: str


def _lines(text: str) -> list[_Line]:
    """Those that are statements. TemplateError for a character in them that no receipt shows as it is."""
    found = []
    for number, whole in enumerate(text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n"), 1):
        line = _Line(number, 1 + len(whole) - len(whole.lstrip()), whole.strip())
        if not line.text or line.text.startswith("#"):
            continue
        for place, sign in enumerate(line.text):
            if not (sign.isprintable() or sign == _WIDE_BLANK):
                where = f"line {number}, column {line.column + place}"
                raise TemplateError(
                    f"{where}: {_named(sign)} cannot be printed: leave it out or write a blank"
                )
        found.append(line)
    return found


def _named(sign: str) -> str:
    """A character by its code point and name; the sign itself where it can be seen."""
    name = _CONTROLS.get(sign) or unicodedata.name(sign, "no name")
    return f"{sign} (U+{ord(sign):04X}, {name})" if sign.isprintable() else f"U+{ord(sign):04X} ({name})"


class _Reader:
    """Goes through the lines once."""

    def __init__(self, lines: list[_Line]) -> None:
        self._lines = lines
        self._at = 0
        self._number = 1
        self._column = 1  # of what stands behind the colon
        self._branch: tuple[str, ...] = ()
        self._said: list[tuple[int, str, tuple[str, ...]]] = []
        """What people read: the line's number, its text, and in which branches of ifs it stands."""

    def block(self, depth: int = 0, begun_at: int = 0) -> tuple[Statement, ...]:
        """The statements up to `else` or `end`, which stays to be read; up to the last line at depth 0."""
        found: list[Statement] = []
        while self._at < len(self._lines):
            self._number, column, line = self._lines[self._at]
            if line in ("else", "end"):
                if depth == 0:
                    raise self._error(f"{line} without if")
                return tuple(found)
            self._at += 1
            found.append(self._statement(line, column, depth))
        if depth:
            raise TemplateError(f"line {begun_at}: if without end")
        return tuple(found)

    def _statement(self, line: str, column: int, depth: int) -> Statement:
        matched = _LINE.fullmatch(line)
        name, options, content = matched.groups() if matched else ("", "", None)
        if matched and content is not None:
            self._column = column + matched.start(3)
        words = options.split()
        match name:
            case "text" | "columns" | "qr" | "barcode" | "image":
                if content is None:
                    raise self._error(f"{name} needs a colon and what is printed")
                readers: dict[str, Callable[[list[str], str], Statement]] = {
                    "text": self._text,
                    "columns": self._columns,
                    "qr": self._qr,
                    "barcode": self._barcode,
                    "image": self._image,
                }
                return readers[name](words, content)
            case "rule" if not words and content is None:
                return Rule()
            case "feed" if content is None and len(words) <= 1:
                return Feed(self._whole(words[0], 1, FEED_LINES_MAX) if words else 1)
            case "if" if content is None:
                return self._choice(words, depth + 1)
        known = "text, columns, qr, barcode, image, rule, feed, if, else, end"
        raise self._error(f"{line[:40]!r} is no statement; there are {known}")

    def _choice(self, words: list[str], depth: int) -> Choice:
        negated = words[:1] == ["not"]
        if len(words) != 1 + negated:
            raise self._error("after if comes the name of a fact, or not and the name")
        if depth > DEPTH_MAX:
            raise self._error(f"more than {DEPTH_MAX} ifs within one another")
        fact, begun_at, around = self._known(words[-1]), self._number, self._branch
        self._branch = (*around, "then")
        then = self.block(depth, begun_at)
        otherwise: tuple[Statement, ...] = ()
        if self._lines[self._at].text == "else":
            self._at += 1
            self._branch = (*around, "else")
            otherwise = self.block(depth, begun_at)
            if self._lines[self._at].text == "else":
                raise self._error("a second else")
        self._at += 1
        self._branch = around
        return Choice(fact, negated, then, otherwise)

    def _text(self, options: list[str], content: str) -> Text:
        aligns = [align for option, align in _ALIGNS.items() if option in options]
        bold, size = self._style([option for option in options if option not in _ALIGNS])
        return Text(self._read_words(content), aligns[0] if aligns else "left", bold, size)

    def _columns(self, options: list[str], content: str) -> Columns:
        bold, size = self._style(options)
        sides = [side.strip().replace("\0", "|") for side in content.replace("||", "\0").split("|")]
        if len(sides) != 2:
            raise self._error("columns are two, parted by one |; the sign itself is ||")
        left, right = map(self._read_words, sides)
        return Columns(left, right, bold, size)

    def _qr(self, options: list[str], content: str) -> Qr:
        module_dots = 6
        if options:
            if options[0] != "dots" or len(options) != 2:
                raise self._error("after qr may stand: dots and their number")
            module_dots = self._whole(options[1], MODULE_DOTS_MIN, MODULE_DOTS_MAX)
        words = self._code_words(content, QR_CHARS_MAX, "a QR code")
        self._letters(content, "[ -~]", "a QR code holds printable ASCII characters alone")
        if not content:
            raise self._error("a QR code holds printable ASCII characters alone, at least one")
        return Qr(words, module_dots)

    def _barcode(self, options: list[str], content: str) -> Barcode:
        kind, module_dots = options[0] if options else "", 3
        if kind not in barcode.KINDS:
            raise self._error(f"after barcode comes its kind: {', '.join(barcode.KINDS)}")
        if options[1:]:
            if options[1] != "dots" or len(options) != 3:
                raise self._error("after the kind of a barcode may stand: dots and their number")
            module_dots = self._whole(options[2], barcode.MODULE_DOTS_MIN, barcode.MODULE_DOTS_MAX)
        chosen = barcode.KINDS[kind]
        words = self._code_words(content, barcode.CHARS_MAX, chosen.title)
        self._letters(content, chosen.letters, f"{chosen.title} holds {chosen.says}")
        if words.facts and chosen.letters == barcode.DIGITS:
            fitting = ", ".join(name for name, one in barcode.KINDS.items() if one.letters != barcode.DIGITS)
            raise self._error(
                f"{chosen.title} holds {chosen.says}, and {{{words.facts[0]}}} is never digits alone: use {fitting}"
            )
        if not words.facts:  # what it says is known now
            try:
                barcode.elements(kind, words.parts[0])
            except barcode.BarcodeError as error:
                raise self._error(str(error)) from error
        return Barcode(words, kind, module_dots)

    def _image(self, options: list[str], content: str) -> Image:
        if len(options) != 1:
            raise self._error(
                "after image comes its name, and after the colon what is printed where it cannot be"
            )
        try:
            check_name(options[0])
        except ImageError as error:
            raise self._error(str(error)) from error
        if not content:
            raise self._error("an image needs words behind its colon: they are printed where it cannot be")
        return Image(self._read_words(content), options[0])

    def _code_words(self, content: str, chars_max: int, title: str) -> Words:
        words = self._words(content, chars_max)
        for promise in promises("".join(words.parts[::2])):
            raise self._error(str(promise))
        if strange := next((name for name in words.facts if not FACTS[name].ascii), None):
            allowed = ", ".join(name for name, fact in FACTS.items() if fact.ascii)
            raise self._error(f"{{{strange}}} may hold any letters; {title} takes {allowed}")
        return words

    def _letters(self, content: str, letters: str, says: str) -> None:
        """TemplateError for the first character outside of facts that is none of the letters, with its place."""
        plain = _FACT.sub(lambda found: found[0] if found[1] is None else "\0" * len(found[0]), content)
        for place, sign in enumerate(plain):
            if sign != "\0" and not re.fullmatch(letters, sign):
                where = f"line {self._number}, column {self._column + place}"
                raise TemplateError(f"{where}: {says}, not {_named(sign)}")

    def _style(self, options: list[str]) -> tuple[bool, int]:
        bold, size = False, 1
        for option in options:
            if option == "bold":
                bold = True
            elif re.fullmatch(rf"x[1-{SIZE_MAX}]", option):
                size = int(option[1])
            else:
                raise self._error(
                    f"{option} is no option; there are left, center, right, bold, x2 to x{SIZE_MAX}"
                )
        return bold, size

    def _read_words(self, content: str) -> Words:
        words = self._words(content)
        self._said.append((self._number, "".join(words.parts[::2]), self._branch))
        return words

    def check_promises(self) -> None:
        """Forbidden promises of what is printed one after the other, whichever way ifs go: lines and columns part no
        word, and a line may deny what the next one says."""
        for never in ("", "else", "then"):
            said = [(number, text) for number, text, branch in self._said if never not in branch]
            for promise in promises(_joined(said)):
                ends = (end for end in range(1, len(said) + 1) if promise in promises(_joined(said[:end])))
                self._number, last = said[next(ends, len(said)) - 1]
                together = "" if promise in promises(last) else "with the lines before it, it "
                raise self._error(f"{together}{promise}")

    def _words(self, content: str, chars_max: int = TEXT_CHARS_MAX) -> Words:
        parts, at = [""], 0
        for found in _FACT.finditer(content):
            parts[-1] += content[at : found.start()]
            at = found.end()
            if found[0] in ("{{", "}}"):
                parts[-1] += found[0][0]
            elif found[1] is None:
                raise self._error(f"a lone {found[0]}; the sign itself is {found[0] * 2}")
            else:
                parts += [self._known(found[1].strip()), ""]
        parts[-1] += content[at:]
        words = Words(tuple(parts), self._number)
        longest = sum(map(len, parts[::2])) + sum(FACTS[name].chars for name in words.facts)
        if longest > chars_max:
            raise self._error(f"up to {longest} characters with its facts; at most {chars_max} are printed")
        return words

    def _known(self, name: str) -> str:
        if name not in FACTS:
            raise self._error(f"{name[:40]!r} is no fact of a receipt; there are {', '.join(FACTS)}")
        return name

    def _whole(self, text: str, least: int, most: int) -> int:
        if not re.fullmatch("[0-9]{1,2}", text) or not least <= int(text) <= most:
            raise self._error(f"{text} is not a whole number from {least} to {most}")
        return int(text)

    def _error(self, wrong: str) -> TemplateError:
        return TemplateError(f"line {self._number}: {wrong}")
