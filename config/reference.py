"""Writes docs/configuration.md and config/defaults.toml from the schema, so that neither can say anything else.

python -m config.reference page > docs/configuration.md
python -m config.reference defaults > config/defaults.toml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from config.devices import (
    Camera,
    FilePrinter,
    HidScanner,
    IppPrinter,
    SerialPrinter,
    SerialScanner,
    TcpPrinter,
    TcpScanner,
    WedgeScanner,
)
from config.schema import Config
from config.walk import StructType, allowed, header, is_repeated, shown, split, structs_in

_PAGE_HEAD = """\
# Configuration

<!-- Written by `python -m config.reference page` from config/schema.py; a test fails when this page is stale. -->

One [TOML](https://toml.io/en/v1.0.0) file holds every setting of a till. Every key has a default unless it is marked
*required*; an empty file is a till that stands alone, without devices. A ready file to edit is
[config/till.example.toml](../config/till.example.toml); all defaults are in
[config/defaults.toml](../config/defaults.toml).

`redeemd check-config FILE` reads the file as the service does and lists everything that is wrong with it at once, and
what this machine cannot serve of it: state folder, token and CA file, printer models (`--file-only` leaves that out):

```
till.toml:14: scanner[0].baud: 9601 is not allowed; use one of 1200, 2400, 4800, 9600, ...
till.toml:21: printer[0].nmae: is no key of this table; did you mean "name"?
```

Devices are counted from 0 in the order of the file. Text stands in quotes, numbers and `true`/`false` do not. A section
in single brackets stands at most once; one in double brackets once for each device. Device names must differ from one
another. The file is UTF-8, at most 256 KiB.
"""

_DEFAULTS_HEAD = """\
# Every setting with its default. Written by `python -m config.reference defaults`; a test fails when it is stale.
# redeemd does not read this file: to change a setting, write it into the till's own file (see till.example.toml).
# There are no devices by default: their keys stand directly behind "#", with an example where a value is required.
"""

_EXAMPLES: dict[StructType, dict[str, str | int]] = {
    SerialScanner: {"name": "serial-scanner", "port": "/dev/ttyUSB0"},
    TcpScanner: {"name": "network-scanner", "host": "192.0.2.11", "port": 2112},
    WedgeScanner: {"name": "wedge-scanner"},
    HidScanner: {"name": "hid-scanner"},
    Camera: {"name": "camera", "source": "0"},
    TcpPrinter: {"name": "network-printer", "host": "192.0.2.10"},
    SerialPrinter: {"name": "serial-printer", "device": "/dev/ttyUSB1"},
    IppPrinter: {"name": "queue", "url": "ipp://localhost/printers/receipts"},
    FilePrinter: {"name": "usb-printer", "device": "/dev/usb/lp0"},
}


def page() -> str:
    """docs/configuration.md: a table of keys for each section."""
    lines = [_PAGE_HEAD]
    for section, struct in _tables():
        lines += [f"## {header(section)}{_of_kind(struct)}", "", _summary(struct) + _limit(section), ""]
        lines += ["| Key | Default | Allowed | Meaning |", "|---|---|---|---|"]
        kind = struct.__struct_config__.tag
        if kind:
            lines.append(
                f'| `kind` | *required* | `"{kind}"` | What sort of {section.encode_name} this is. |'
            )
        for field in msgspec.structs.fields(struct):
            default = "*required*" if field.required else f"`{_toml(field.default)}`"
            cells = [f"`{field.encode_name}`", default, allowed(field.type), _description(field)]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def defaults() -> str:
    """config/defaults.toml: every key with its default and, as a comment, its meaning and what is allowed."""
    lines = [_DEFAULTS_HEAD]
    for section, struct in _tables():
        hide = "#" if is_repeated(section) else ""
        lines += [f"# {_summary(struct)}", f"{hide}{header(section)}"]
        if struct.__struct_config__.tag:
            lines.append(f'{hide}kind = "{struct.__struct_config__.tag}"')
        for field in msgspec.structs.fields(struct):
            value = _EXAMPLES[struct][field.encode_name] if field.required else field.default
            note = "required; " if field.required else ""
            lines += ["", f"# {_description(field)}", f"# ({note}{allowed(field.type)})"]
            lines.append(f"{hide}{field.encode_name} = {_toml(value)}")
        lines += ["", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _tables() -> Iterator[tuple[msgspec.structs.FieldInfo, StructType]]:
    """Each section with each Struct it may hold, in the order of the schema."""
    for section in msgspec.structs.fields(Config):
        for struct in structs_in(split(section.type)[0]):
            yield section, struct


def _of_kind(struct: StructType) -> str:
    tag = struct.__struct_config__.tag
    return f' with kind = "{tag}"' if tag else ""


def _summary(struct: StructType) -> str:
    return " ".join((struct.__doc__ or "").split())


def _limit(section: msgspec.structs.FieldInfo) -> str:
    limits = [meta.max_length for meta in split(section.type)[1] if meta.max_length]
    return f" At most {limits[0]} {section.encode_name}s in all." if limits else ""


def _description(field: msgspec.structs.FieldInfo) -> str:
    return next(meta.description for meta in split(field.type)[1] if meta.description)


def _toml(value: Any) -> str:
    """A default as the file would write it. Our defaults are plain words and numbers, so quoting needs no escapes."""
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return shown(value)


if __name__ == "__main__":
    sys.stdout.write({"page": page, "defaults": defaults}[sys.argv[1]]())
