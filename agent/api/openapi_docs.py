"""Docstrings of types as descriptions of their schemas: lines `field: text`, with indented ones behind, are fields'."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

import msgspec

_FIELD = re.compile(r"^(\w+): (.+(?:\n    .+)*)\n?", re.MULTILINE)
_INNER = ("types", "item_types", "type", "item_type")


def docs_of(shapes: Iterable[Any]) -> dict[str, str]:
    """Name of each struct that `shapes` reach -> its docstring, with what those below it say of their fields."""
    found: dict[str, str] = {}

    def walk(info: Any) -> None:
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls.__name__ not in found:
                found[info.cls.__name__] = _doc(info.cls)
                for field in info.fields:
                    walk(field.type)
            return
        for name in _INNER:
            inner = getattr(info, name, ())
            for one in inner if isinstance(inner, tuple) else (inner,):
                walk(one)

    for info in msgspec.inspect.multi_type_info(shapes):
        walk(info)
    return found


def _doc(shape: type) -> str:
    def said(one: type) -> str:
        return inspect.cleandoc(one.__dict__.get("__doc__") or "")

    below = [
        one for one in shape.__mro__[1:] if issubclass(one, msgspec.Struct) and one is not msgspec.Struct
    ]
    return "\n".join((said(shape), *(found[0] for one in below for found in _FIELD.finditer(said(one)))))


def described(schema: dict[str, Any], doc: str, instead: str | None) -> dict[str, Any]:
    """The schema with its descriptions. instead: its own, where the docstring speaks to the code's readers."""
    made = {key: value for key, value in schema.items() if key not in ("title", "description")}
    properties = {name: dict(value) for name, value in made.get("properties", {}).items()}
    for found in _FIELD.finditer(doc):
        if found[1] in properties:
            text = " ".join(found[2].split())
            properties[found[1]].setdefault("description", text)
    about = instead or _FIELD.sub(lambda found: "" if found[1] in properties else found[0], doc).strip()
    if properties:
        made["properties"] = properties
    return {"description": about} | made if about else made
