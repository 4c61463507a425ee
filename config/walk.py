"""Compares what the file says with the schema and finds every fault, not the first only.

`msgspec.convert` stops at the first fault and names no alternative. So the walk goes down the Structs by itself and
gives msgspec one value at a time; the words for what is allowed come from the same type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard, Union, get_args, get_origin

import msgspec

from config import other_words
from config.consistency import Finding, device_findings, table_findings
from config.lines import Path
from config.problem import quote
from config.schema import Config

StructType: TypeAlias = type[msgspec.Struct]

_KINDS: dict[type, str] = {
    bool: "a true/false value",
    int: "a whole number",
    float: "a number with a decimal point",
    str: "text in quotes",
    list: "a list",
    dict: "a table",
    datetime: "a date and time",
    date: "a date",
    time: "a time of day",
}
_CREDENTIALS = re.compile(r"//[^/\s]*@")


def findings(document: dict[str, Any]) -> Iterator[Finding]:
    """Every fault of a parsed file, in no particular order; none when `msgspec.convert` to `Config` will succeed."""
    yield from _table(document, Config, ())
    yield from device_findings(document)


def split(hint: Any) -> tuple[Any, list[msgspec.Meta]]:
    """The bare type of an annotation, and the `Meta`s around it from the inside out."""
    if get_origin(hint) is Annotated:
        bare, *metas = get_args(hint)
        return bare, [meta for meta in metas if isinstance(meta, msgspec.Meta)]
    return hint, []


def structs_in(bare: Any) -> tuple[StructType, ...]:
    """The Structs a type allows: one, the members of a union, or those of a tuple's items; () for plain values."""
    if get_origin(bare) is tuple:
        return structs_in(split(get_args(bare)[0])[0])
    members = get_args(bare) if get_origin(bare) in (Union, UnionType) else (bare,)
    return tuple(member for member in members if _is_struct(member))


def allowed(hint: Any) -> str:
    """What a value of type `hint` may be, in words that follow "use"."""
    bare, metas = split(hint)
    for meta in metas:
        if meta.extra and "allowed" in meta.extra:
            return str(meta.extra["allowed"])
    if get_origin(bare) is Literal:
        return "one of " + ", ".join(shown(value) for value in get_args(bare))
    if get_origin(bare) is tuple:
        return f"a list, each item {allowed(get_args(bare)[0])}" + _count(metas)
    if bare is bool:
        return "true or false"
    low, high = _bound(metas, "ge"), _bound(metas, "le")
    return f"a {'whole ' if bare is int else ''}number from {_plain(low)} to {_plain(high)}"


def shown(value: Any) -> str:
    """A value as the file would say it, in bounded length, fit for a terminal and without a URL's password."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quote(_CREDENTIALS.sub("//***@", value))
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of more than 38 digits"
    if isinstance(value, list | dict):
        return _KINDS[type(value)]
    return str(value)


def is_repeated(section: msgspec.structs.FieldInfo) -> bool:
    """Whether a section of `Config` may stand more than once, once for each device."""
    return get_origin(split(section.type)[0]) is tuple


def header(section: msgspec.structs.FieldInfo) -> str:
    """How the file heads a section of `Config`: [api] or, for devices, [[scanner]]."""
    return f"[[{section.encode_name}]]" if is_repeated(section) else f"[{section.encode_name}]"


def _is_struct(bare: Any) -> TypeGuard[StructType]:
    return isinstance(bare, type) and issubclass(bare, msgspec.Struct)


def _bound(metas: list[msgspec.Meta], name: str) -> Any:
    return next((getattr(meta, name) for meta in reversed(metas) if getattr(meta, name) is not None), None)


def _plain(number: float) -> str:
    """A bound without a needless ".0" and without an exponent."""
    return str(int(number)) if number == int(number) else str(number)


def _count(metas: list[msgspec.Meta]) -> str:
    low, high = _bound(metas, "min_length"), _bound(metas, "max_length")
    return f", {low or 0} to {high} of them" if high is not None else ""


def _table(raw: dict[str, Any], struct: StructType, path: Path) -> Iterator[Finding]:
    """Lazy, so that a file full of faults costs no more than the caller takes."""
    yield from _unknown(raw, struct, path)
    valid = {}
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        if name not in raw and field.required:
            yield (*path, name), "is missing", f"use {allowed(field.type)}"
            continue
        valid[name] = raw.get(name, field.default)
        if name not in raw:
            continue
        for finding in _value(raw[name], field.type, (*path, name)):
            valid.pop(name, None)
            yield finding
    yield from table_findings(struct, valid, path)


def _unknown(raw: dict[str, Any], struct: StructType, path: Path) -> Iterator[Finding]:
    tag_field = struct.__struct_config__.tag_field
    known = [*((tag_field,) if tag_field else ()), *struct.__struct_encode_fields__]
    for key, value in raw.items():
        if key in known:
            continue
        if path:
            wrong = "is no key of this table"
        elif isinstance(value, dict | list):
            wrong = "is no section of this file"
        else:
            wrong = "stands outside a section"
        yield (*path, key), wrong, other_words.hint(path, key) + _suggest(key, known)


def _suggest(key: str, known: list[str]) -> str:
    near = get_close_matches(key[:64].lower(), known, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    homes = {
        header(section)
        + (f' of kind "{struct.__struct_config__.tag}"' if struct.__struct_config__.tag else "")
        for section in msgspec.structs.fields(Config)
        for struct in structs_in(split(section.type)[0])
        if key in struct.__struct_encode_fields__
    }
    if homes:
        return f"it belongs to {' or '.join(sorted(homes))}"
    return f"use one of {', '.join(known)}"


def _value(value: Any, hint: Any, path: Path) -> Iterator[Finding]:
    bare, metas = split(hint)
    structs = structs_in(bare)
    if get_origin(bare) is tuple:
        yield from _list(value, hint, path)
    elif structs and isinstance(value, dict):
        yield from _choice(value, structs, path)
    elif structs:
        name = path[-1]
        wrong = f"is written [[{name}]]" if isinstance(value, list) else f"is {_KINDS[type(value)]}"
        yield path, wrong, f"use a table headed [{name}]"
    elif not _fits(value, hint, metas):
        yield path, _wrong(value, bare), f"{other_words.hint(path, value)}use {allowed(hint)}"


def _list(value: Any, hint: Any, path: Path) -> Iterator[Finding]:
    bare, metas = split(hint)
    structs = structs_in(bare)
    if not isinstance(value, list):
        if structs and isinstance(value, dict):
            yield (
                path,
                f"is written [{path[-1]}]",
                f"use [[{path[-1]}]], with two brackets, once for each device",
            )
        else:
            yield (
                path,
                f"is {_KINDS[type(value)]}",
                f"use [[{path[-1]}]]" if structs else f"use {allowed(hint)}",
            )
        return
    low, high = _bound(metas, "min_length") or 0, _bound(metas, "max_length")
    if not low <= len(value) <= high:
        yield path, f"has {len(value)} items", f"use {low} to {high} of them"
        return  # a list without bounds would have problems without bounds
    for number, item in enumerate(value):
        item_path = (*path, number)
        if not structs:
            yield from _value(item, get_args(bare)[0], item_path)
        elif isinstance(item, dict):
            yield from _choice(item, structs, item_path)
        else:
            yield item_path, f"is {_KINDS[type(item)]}", f"use [[{path[-1]}]] and keys below it"


def _choice(raw: dict[str, Any], structs: tuple[StructType, ...], path: Path) -> Iterator[Finding]:
    """A table of the one Struct, or of the one that its tag (`kind`) names."""
    tag_field = structs[0].__struct_config__.tag_field
    if tag_field is None:
        yield from _table(raw, structs[0], path)
        return
    by_tag = {struct.__struct_config__.tag: struct for struct in structs}
    tag = raw.get(tag_field)
    if isinstance(tag, str) and tag in by_tag:
        yield from _table(raw, by_tag[tag], path)
        return
    wrong = _wrong(tag, str) if tag_field in raw else "is missing"
    known = ", ".join(quote(str(tag)) for tag in by_tag)
    yield (*path, tag_field), wrong, f"{other_words.hint(path, tag)}use one of {known}"


def _fits(value: Any, hint: Any, metas: list[msgspec.Meta]) -> bool:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    checks = [meta.extra["check"] for meta in metas if meta.extra and meta.extra.get("check")]
    return all(check(value) for check in checks)


def _wrong(value: Any, bare: Any) -> str:
    """A value of the right kind "is not allowed"; one of another kind is named by its kind, often lost quotes."""
    wanted = type(get_args(bare)[0]) if get_origin(bare) is Literal else bare
    right_kind = type(value) is wanted or (wanted is float and type(value) is int)
    if right_kind or type(value) in (list, dict):
        return f"{shown(value)} is not allowed" if right_kind else f"is {_KINDS[type(value)]}"
    return f"{shown(value)} is {_KINDS[type(value)]}"
