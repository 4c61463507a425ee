"""Which template a paper is printed by: store IT's file, else head office's from the bundle, else our own.

A template that cannot be read is a fault that is told, and the next one in this order is taken: a receipt is always
printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from agent.domain import shop
from agent.domain.receipt_template import (
    LANGUAGES,
    PAPERS,
    TEMPLATE_CHARS_MAX,
    Template,
    TemplateError,
    read_template,
)

SUFFIX = ".receipt"
FILES_MAX = 64
Found = Mapping[tuple[str, str], Template]


class Book:
    """The templates in force. faults: a sentence for each that is not used."""

    def __init__(self, folder: str = "") -> None:
        self._files, self._file_faults = read_folder(Path(folder)) if folder else ({}, ())
        self._bundle: tuple[tuple[shop.Template, ...], Found, tuple[str, ...]] = ((), {}, ())

    def take(self, templates: tuple[shop.Template, ...]) -> None:
        """Print by these of the bundle from now on. Cheap where they are those in force."""
        if templates is not self._bundle[0]:
            named = ((f"template {one.name} of the bundle", one.content) for one in templates)
            self._bundle = (templates, *read_all(named))  # at once: threads that print read it

    @property
    def faults(self) -> tuple[str, ...]:
        return self._file_faults + self._bundle[2]

    def pick(self, paper: str, language: str) -> Template:
        """The template of a paper; always one."""
        for found in (self._files, self._bundle[1]):
            for key in ((paper, language), (paper, "")):
                if key in found:
                    return found[key]
        return built_in(paper, language)


def read_folder(folder: Path) -> tuple[Found, tuple[str, ...]]:
    """Every template file of a folder, in the order of their names, and what is wrong with the others."""
    try:
        paths = sorted(folder.glob(f"*{SUFFIX}"))
        if not folder.is_dir():
            return {}, (f"{folder} is no folder",)
        if len(paths) > FILES_MAX:
            return {}, (f"{folder} holds {len(paths)} templates; at most {FILES_MAX} are read",)
        return read_all((str(path), _content(path)) for path in paths)
    except OSError as error:
        return {}, (f"{folder} cannot be read: {error.strerror}",)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(TEMPLATE_CHARS_MAX * 4 + 1)


def read_all(named: Iterable[tuple[str, bytes]]) -> tuple[Found, tuple[str, ...]]:
    """(name, content) pairs as templates by paper and language; a sentence for each that is not used."""
    found: dict[tuple[str, str], Template] = {}
    faults: list[str] = []
    for name, content in named:
        try:
            template = read_template(content.decode())
        except UnicodeDecodeError:
            faults.append(f"{name}: not UTF-8 text")
        except TemplateError as error:
            faults.append(f"{name}: {error}")
        else:
            if (template.paper, template.language) in found:
                faults.append(f"{name}: another one is for {template.paper} {template.language} too")
            else:
                found[template.paper, template.language] = template
    return found, tuple(faults)


def built_in_text(paper: str, language: str) -> str:
    """Our own template as it stands in the program: what to begin from."""
    assert paper in PAPERS, paper
    assert language in LANGUAGES, language
    return files("agent.receipts").joinpath("builtin", f"{paper}.{language}{SUFFIX}").read_text("utf-8")


@cache
def built_in(paper: str, language: str) -> Template:
    return read_template(built_in_text(paper, language))
