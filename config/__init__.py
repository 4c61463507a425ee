"""The till's configuration: one TOML file in, one frozen `Config` out, or a `ConfigError` that names every problem."""

from config.consistency import Finding
from config.devices import (
    Camera,
    FilePrinter,
    HidScanner,
    IppPrinter,
    Printer,
    Scanner,
    SerialPrinter,
    SerialScanner,
    TcpPrinter,
    TcpScanner,
    WedgeScanner,
)
from config.load import check, load, located, parse
from config.problem import ConfigError, Problem
from config.schema import Api, Cloud, Config, Members, Promo, Receipt, Scan, Storage, Sync, Till

__all__ = [
    "Api",
    "Camera",
    "Cloud",
    "Config",
    "ConfigError",
    "FilePrinter",
    "Finding",
    "HidScanner",
    "IppPrinter",
    "Members",
    "Printer",
    "Problem",
    "Promo",
    "Receipt",
    "Scan",
    "Scanner",
    "SerialPrinter",
    "SerialScanner",
    "Storage",
    "Sync",
    "TcpPrinter",
    "TcpScanner",
    "Till",
    "WedgeScanner",
    "check",
    "load",
    "located",
    "parse",
]
