"""What a file may say is what the drivers can do. `config` may not import `drivers`, so the two lists meet here."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

import config
from agent.receipts.charset import Encoding
from config import values
from config.walk import StructType, split
from drivers import decode, framing, keymap, printers


def choices(struct: StructType, key: str) -> set[str]:
    [field] = [field for field in msgspec.structs.fields(struct) if field.encode_name == key]
    return set(get_args(split(field.type)[0]))


def test_every_layout_decoder_suffix_and_flow_is_one_the_drivers_know() -> None:
    assert set(get_args(values.Layout)) == set(keymap.LAYOUTS)
    assert set(get_args(values.Decoder)) == set(decode.DECODERS)
    assert config.Camera(name="a", source="0").decoders == decode.DEFAULT_CHAIN
    assert set(get_args(values.Suffix)) == set(framing.SUFFIXES)
    assert choices(config.SerialPrinter, "flow") == set(get_args(printers.Flow))


@pytest.mark.parametrize(
    "printer", [config.TcpPrinter, config.SerialPrinter, config.FilePrinter, config.IppPrinter]
)
def test_every_printer_encoding_can_be_written(printer: StructType) -> None:
    assert choices(printer, "encoding") == set(get_args(Encoding)) - {
        "utf-8"
    }  # utf-8 is for our own pictures


def test_every_scanner_encoding_is_one_the_framer_takes() -> None:
    for encoding in choices(config.SerialScanner, "encoding"):
        framing.Framer("front", encoding=encoding)
