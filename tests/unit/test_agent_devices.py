"""What the file says of a scanner reaches its driver: every key, in its unit."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec
import pytest

import config
from agent.devices import scan_sources
from drivers.commanded import Commands

VALUES: dict[str, Any] = {
    "name": "one",
    "port": "/dev/ttyX",
    "baud": 115200,
    "bytesize": 7,
    "parity": "E",
    "stopbits": 2,
    "host": "192.0.2.1",
    "vendor": "0c2e",
    "product": "0b61",
    "serial": "SN1",
    "device_name": "1900",
    "layout": "fr",
    "suffix": "none",
    "prefix": "~",
    "gap_ms": 250,
    "encoding": "latin-1",
    "beep_good": "g",
    "beep_bad": "b",
    "trigger_on": "\x16T",
    "trigger_off": "\x16U",
}
COMMANDS = Commands(b"g", b"b", b"\x16T", b"\x16U")


@pytest.mark.parametrize(
    "scanner", [config.SerialScanner, config.TcpScanner, config.WedgeScanner, config.HidScanner]
)
def test_every_key_reaches_the_driver(scanner: type[msgspec.Struct]) -> None:
    keys = set(scanner.__struct_fields__)
    given = {key: VALUES[key] for key in keys} | ({"port": 2112} if scanner is config.TcpScanner else {})
    [(role, source)] = scan_sources(config.Config(scanner=(scanner(**given),)))  # type: ignore[arg-type]  # one of them
    assert (role, source.name) == ("scanner", "one")
    settings = source._settings  # type: ignore[attr-defined]  # each driver keeps them under this name
    wanted = {**given, "gap_s": 0.25} if "gap_ms" in given else dict(given)
    wanted.pop("gap_ms", None)
    if keys >= {"beep_good"}:
        wanted = {key: value for key, value in wanted.items() if not key.startswith(("beep_", "trigger_"))}
        wanted["commands"] = COMMANDS
    assert {one.name: getattr(settings, one.name) for one in fields(settings)} == wanted
