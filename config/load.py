"""Reads a configuration file: `load` for the service, `check` for people. Both see every problem at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec

from config import lines, walk
from config.consistency import Finding
from config.problem import ConfigError, Problem, printable, quote
from config.regular_file import NotRegular, read_regular
from config.schema import Config

MAX_FILE_BYTES = 256 * 1024
MAX_PROBLEMS = 200

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)\Z")
_AT_END = " (at end of document)"
_TWICE = re.compile(r"Cannot declare (\(.*\)) twice")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def load(path: Path) -> Config:
    """The settings in the file at `path`. Raises `ConfigError` with every problem found, and nothing else."""
    return parse(_read(path), str(path))


def check(path: Path) -> tuple[Problem, ...]:
    """Every problem of the file at `path` in the order of its lines, at most MAX_PROBLEMS; () when `load` would do."""
    try:
        load(path)
    except ConfigError as error:
        return error.problems
    return ()


def located(path: Path, found: Iterable[Finding]) -> tuple[Problem, ...]:
    """`found`, about the file at `path` that `load` has accepted, as problems in the order of its lines."""
    return _problems(_read(path), str(path), found)


def parse(text: str, file: str) -> Config:
    """The settings in `text`; `file` is only the name used in problems. Raises `ConfigError`."""
    document = _document(text, file)
    found = list(islice(walk.findings(document), MAX_PROBLEMS + 1))
    if not found:
        return msgspec.convert(document, Config)
    problems = _problems(text, file, found[:MAX_PROBLEMS])
    if len(found) > MAX_PROBLEMS:
        more = Problem(file, 0, "", f"has more than {MAX_PROBLEMS - 1} problems", "mend these first")
        problems = (*problems[:-1], more)
    raise ConfigError(problems)


def _problems(text: str, file: str, found: Iterable[Finding]) -> tuple[Problem, ...]:
    at = lines.find_lines(text)
    problems = [
        Problem(file, _line(at, path), dotted(path), wrong, allowed) for path, wrong, allowed in found
    ]
    return tuple(sorted(problems, key=lambda problem: problem.line))


def dotted(path: lines.Path) -> str:
    """("scanner", 1, "baud") as `scanner[1].baud`; names that are no plain TOML keys stand in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _PLAIN_KEY.match(part) else quote(part)
            text += f".{name}" if text else name
    return text


def _line(at: dict[lines.Path, int], path: lines.Path) -> int:
    """The line of `path`, or of the table it would belong to; 0 when that is the file as a whole."""
    while path and path not in at:
        path = path[:-1]
    return at.get(path, 0)


def _document(text: str, file: str) -> dict[str, object]:
    refused = lines.refuse(text)
    if refused is not None:
        line, reason = refused
        raise _fault(file, line, reason, "no setting needs this: mend or shorten this line")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
    place = _AT_LINE.search(message)
    line = int(place[1]) if place else lines.last_line(text)
    reason = message[: place.start()] if place else message.removesuffix(_AT_END) + " at the end of the file"
    if twice := _TWICE.fullmatch(reason):
        name = printable(".".join(re.findall(r"'([^']*)'", twice[1])))[:80]
        raise _fault(
            file,
            line,
            f"begins [{name}] a second time",
            f"write what belongs to [{name}] under its first heading; where several are allowed each is [[{name}]]",
        )
    raise _fault(
        file,
        line,
        f"is no valid TOML: {printable(reason)[:200]}",
        'write each setting on a line of its own, as name = value, with text in "quotes"',
    )


def _read(path: Path) -> str:
    """The text of a regular file of at most MAX_FILE_BYTES, without the byte order mark some editors write."""
    file = str(path)
    try:
        content = read_regular(path, MAX_FILE_BYTES)
    except NotRegular:
        raise _fault(
            file, 0, "is not a regular file", "name a text file that the user of the service may read"
        ) from None
    except FileNotFoundError:
        raise _fault(file, 0, "does not exist", "copy till.example.toml there and edit it") from None
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _fault(
            file, 0, f"cannot be read: {reason}", "name a text file that the user of the service may read"
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise _fault(file, 0, f"is larger than {MAX_FILE_BYTES // 1024} KiB", "use a smaller file")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _fault(file, line, "is not UTF-8 text", "save the file with the encoding UTF-8") from None


def _fault(file: str, line: int, wrong: str, allowed: str) -> ConfigError:
    return ConfigError((Problem(file, line, "", wrong, allowed),))
