"""Settings that must fit one another: rules over one whole table, and over all devices together.

A `Finding` is (path, wrong, allowed): path is the keys and device numbers from the root of the file, `wrong` and
`allowed` are as in `Problem`. A `Fault` is the same with one key of a known table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from config.devices import RAW_PORT, Camera, HidScanner, WedgeScanner
from config.lines import Path
from config.problem import quote
from config.schema import Cloud, Sync

Finding: TypeAlias = tuple[Path, str, str]
Fault: TypeAlias = tuple[str, str, str]


def table_findings(struct: type[Struct], values: dict[str, Any], path: Path) -> Iterator[Finding]:
    """What does not fit within one table. `values` has those keys, given or default, that are valid by themselves."""
    keys, rule = _RULES.get(struct, ((), None))
    if rule is not None and all(key in values for key in keys):
        for key, wrong, allowed in rule(*(values[key] for key in keys)):
            yield (*path, key), wrong, allowed


def _timeouts(connect_s: float, total_s: float) -> Iterator[Fault]:
    if total_s < connect_s:
        wrong = f"{total_s:g} is below connect_timeout_s ({connect_s:g})"
        yield (
            "total_timeout_s",
            wrong,
            "use at least connect_timeout_s: the whole request includes connecting",
        )


def _backoff(base_s: float, cap_s: float) -> Iterator[Fault]:
    if cap_s < base_s:
        wrong = f"{cap_s:g} is below backoff_base_s ({base_s:g})"
        yield (
            "backoff_cap_s",
            wrong,
            "use at least backoff_base_s: one is the longest wait, the other the first",
        )


def _wedge(vendor: str, product: str, serial: str, device_name: str) -> Iterator[Fault]:
    """A wedge is grabbed exclusively, so a rule that fits the cashier's own keyboard would take it away."""
    if not (vendor or product or serial or device_name):
        wrong = "nothing says which keyboard is the scanner"
        yield "device_name", wrong, "use vendor and product, or serial, or device_name"
    yield from _usb_rule(vendor, product, serial, device_name)


def _usb_rule(vendor: str, product: str, serial: str, device_name: str) -> Iterator[Fault]:
    if bool(vendor) != bool(product):
        present, absent = ("vendor", "product") if vendor else ("product", "vendor")
        yield (
            absent,
            f"is missing while {present} is given",
            "use both ids, as `lsusb` shows them, or neither",
        )
    for key, value in (("serial", serial), ("device_name", device_name)):
        if value != value.strip():  # the system's names are read without the blanks around them
            yield (
                key,
                f"{quote(value)} begins or ends with a space, so no device fits",
                "take the spaces away",
            )


def _camera(decoders: Sequence[str], region: Sequence[int]) -> Iterator[Fault]:
    twice = [decoder for i, decoder in enumerate(decoders) if decoder in decoders[:i]]
    if twice:
        yield "decoders", f"{quote(twice[0])} stands there twice", "use each decoder at most once"
    left, top, width, height = region
    if not width or not height or left + width > 100 or top + height > 100:
        wrong = "the region is empty or reaches out of the picture"
        yield "region", wrong, "use [left, top, width, height] in percent, [0, 0, 100, 100] for all of it"


_RULES: dict[type[Struct], tuple[tuple[str, ...], Callable[..., Iterator[Fault]]]] = {
    Cloud: (("connect_timeout_s", "total_timeout_s"), _timeouts),
    Sync: (("backoff_base_s", "backoff_cap_s"), _backoff),
    WedgeScanner: (("vendor", "product", "serial", "device_name"), _wedge),
    HidScanner: (("vendor", "product", "serial", "device_name"), _usb_rule),
    Camera: (("decoders", "region"), _camera),
}

_DEVICE_TABLES = ("scanner", "camera", "printer")


def device_findings(document: dict[str, Any]) -> Iterator[Finding]:
    """Names used twice, and serial lines opened twice. Works on the raw file, so other faults do not hide these."""
    devices: list[tuple[Path, dict[str, Any]]] = [
        ((table, number), device)
        for table in _DEVICE_TABLES
        if isinstance(document.get(table), list)
        for number, device in enumerate(document[table])
        if isinstance(device, dict)
    ]
    yield from _used_twice(
        _texts(devices, "name"), "use a name of its own: messages tell devices apart by name"
    )
    yield from _used_twice(
        _texts(devices, "port", "device", under="/"), "use another path: only one device can own it"
    )
    yield from _used_twice(_printer_addresses(devices), "name another printer, or leave this one out")


_Use: TypeAlias = tuple[Path, Hashable, str]
"""Of something that one device alone may have: where it stands, what it is, and what to say, in front of its owner."""


def _texts(devices: Iterable[tuple[Path, dict[str, Any]]], *keys: str, under: str = "") -> Iterator[_Use]:
    """Each text beginning with `under` that stands under one of the keys."""
    for path, device in devices:
        for key in keys:
            value = device.get(key)
            if isinstance(value, str) and value.startswith(under):
                yield (*path, key), value, f"{quote(value)} is already used by"


def _printer_addresses(devices: Iterable[tuple[Path, dict[str, Any]]]) -> Iterator[_Use]:
    """A second printer at the address of a first is none: nothing is left when that one stops."""
    for path, device in devices:
        host, port = device.get("host"), device.get("port", RAW_PORT)
        if path[0] == "printer" and isinstance(host, str) and isinstance(port, int):
            yield (*path, "host"), (host.lower(), port), f"{quote(host)} port {port} is already"


def _used_twice(uses: Iterable[_Use], allowed: str) -> Iterator[Finding]:
    owner: dict[Hashable, str] = {}
    for path, used, said in uses:
        if used in owner:
            yield path, f"{said} {owner[used]}", allowed
        else:
            owner[used] = f"{path[0]}[{path[1]}]"
