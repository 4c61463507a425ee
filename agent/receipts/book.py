"""Which template a paper is printed by, and with which images: store IT's file, else head office's from the bundle,
else our own template.

What cannot be read is a fault that is told, and the next one in this order is taken: a receipt is always printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from agent.domain import image, shop
from agent.domain.image import ImageError
from agent.domain.receipt_template import LANGUAGES, PAPERS, Template
from agent.domain.template_reader import TEMPLATE_CHARS_MAX, TemplateError, read_template
from config.regular_file import read_regular

SUFFIX, IMAGE_SUFFIX = ".receipt", ".png"
FILES_MAX = 64


class Found(NamedTuple):
    """templates: by paper and language. images: PNG by name. faults: a sentence for each file that is not used.
    places: where each template stands."""

    templates: Mapping[tuple[str, str], Template]
    images: Mapping[str, bytes]
    faults: tuple[str, ...]
    places: Mapping[tuple[str, str], str]


NOTHING = Found({}, {}, (), {})


class Book:
    """The templates in force. faults: a sentence for each that is not used."""

    def __init__(self, folder: str = "") -> None:
        self._files = read_folder(Path(folder)) if folder else NOTHING
        self._bundle: tuple[tuple[shop.Template, ...], Found] = ((), NOTHING)

    def take(self, templates: tuple[shop.Template, ...]) -> None:
        """Print by these of the bundle from now on. Cheap where they are those in force."""
        if templates is not self._bundle[0]:
            named = ((f"template {one.name} of the bundle", one.name, one.content) for one in templates)
            self._bundle = (templates, read_all(named))  # at once: threads that print read it

    @property
    def faults(self) -> tuple[str, ...]:
        return self._files.faults + self._bundle[1].faults

    @property
    def images(self) -> Mapping[str, bytes]:
        return {**self._bundle[1].images, **self._files.images}

    def pick(self, paper: str, language: str) -> Template:
        """The template of a paper; always one."""
        for found in (self._files, self._bundle[1]):
            for key in ((paper, language), (paper, "")):
                if key in found.templates:
                    return found.templates[key]
        return built_in(paper, language)


def read_folder(folder: Path) -> Found:
    """Every template and image of a folder, in the order of their names, and what is wrong with the others."""
    try:
        paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in (SUFFIX, IMAGE_SUFFIX))
        if not folder.is_dir():
            return NOTHING._replace(faults=(f"{folder} is no folder",))
        if len(paths) > FILES_MAX:
            many = f"{folder} holds {len(paths)} templates and images; at most {FILES_MAX} are read"
            return NOTHING._replace(faults=(many,))
    except OSError as error:
        return NOTHING._replace(faults=(f"{folder} cannot be read: {error.strerror}",))
    contents, faults = [], []
    for path in paths:
        try:
            contents.append((str(path), path.name, read_regular(path, TEMPLATE_CHARS_MAX * 4)))
        except OSError as error:
            faults.append(f"{path} cannot be read: {error.strerror}")
    found = read_all(contents)
    return found._replace(faults=(*faults, *found.faults))


def read_all(named: Iterable[tuple[str, str, bytes]]) -> Found:
    """From (where it stands, name, content) of each."""
    templates: dict[tuple[str, str], Template] = {}
    places: dict[tuple[str, str], str] = {}
    images: dict[str, bytes] = {}
    faults: list[str] = []
    for where, name, content in named:
        try:
            if content.startswith(image.SIGNATURE) or name.lower().endswith(IMAGE_SUFFIX):
                image.check_image(name, content)
                images[name] = content
            else:
                template = read_template(content.decode())
                key = template.paper, template.language
                if key in templates:
                    both = f"{template.paper} {template.language}".rstrip()
                    raise TemplateError(f"{places[key]} is for {both} too")
                templates[key], places[key] = template, where
        except UnicodeDecodeError:
            faults.append(f"{where}: not UTF-8 text")
        except (TemplateError, ImageError) as error:
            faults.append(f"{where}: {error}")
    return Found(templates, images, tuple(faults), places)


def built_in_text(paper: str, language: str) -> str:
    """Our own template as it stands in the program: what to begin from."""
    assert paper in PAPERS, paper
    assert language in LANGUAGES, language
    return files("agent.receipts").joinpath("builtin", f"{paper}.{language}{SUFFIX}").read_text("utf-8")


@cache
def built_in(paper: str, language: str) -> Template:
    return read_template(built_in_text(paper, language))
