"""What is wrong with a configuration file, as data: `Problem`, and `ConfigError` that carries all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

SHOWN_CHARS = 60
"""Longest piece of the file that a message repeats."""


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal written as an escape, so a message is safe to print."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def quote(text: str) -> str:
    """`text` in quotation marks, printable, cut after SHOWN_CHARS characters."""
    cut = text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
    return f'"{printable(cut)}"'


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    file: the path as it was given. line: counted from 1; 0 when the file as a whole is meant. key: dotted, with the
    device counted from 0 (`scanner[1].baud`), "" when no key is meant. wrong: what is there now. allowed: what to
    write instead, as an instruction.
    """

    file: str
    line: int
    key: str
    wrong: str
    allowed: str

    def __str__(self) -> str:
        place = f"{printable(self.file)}:{self.line}" if self.line else printable(self.file)
        subject = f"{place}: {self.key}" if self.key else place
        return f"{subject}: {self.wrong}; {self.allowed}"

    def to_json(self) -> dict[str, str | int]:
        """The five fields under their own names, ready for `json.dumps`."""
        return {**asdict(self), "file": printable(self.file)}


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds everything found, never empty; `str()` is one a line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
