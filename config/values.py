"""The kinds of text and the fixed lists that settings are made of.

In a `Meta`'s `extra`, "allowed" says in words what a pattern or a check means ("use ..." stands before it), and
"check" is a predicate of `config.rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from config import rules

_PRINTABLE = r"\A[^\x00-\x1f\x7f]*\Z"  # NUL ends a path early, and control characters steer a terminal


def _text(allowed: str, check: Callable[[str], bool] | None = None, *, pattern: str = _PRINTABLE) -> Meta:
    """Bounds of a text: at most 1024 characters, `pattern`, and `check` where a pattern cannot say it."""
    return Meta(max_length=1024, pattern=pattern, extra={"allowed": allowed, "check": check})


AbsolutePath: TypeAlias = Annotated[
    str, _text("a full path, starting with / and without ..", rules.is_absolute_path)
]
PathOrEmpty: TypeAlias = Annotated[
    str, _text('a full path, starting with / and without .., or "" for none', rules.is_path_or_empty)
]
CloudUrl: TypeAlias = Annotated[
    str,
    _text(
        'an https:// address without user, password, "?" or "#" (http:// only for this machine), or "" to stand alone',
        rules.is_cloud_url,
    ),
]
ProxyUrl: TypeAlias = Annotated[
    str,
    _text(
        'an http:// address of host and port alone, such as "http://proxy.example:3128" (no password), or "" for none',
        rules.is_proxy_url,
    ),
]
PrinterUrl: TypeAlias = Annotated[
    str,
    _text(
        'an ipp, ipps, http or https address without user, password, "?" or "#", such as '
        '"ipp://localhost/printers/receipts"',
        rules.is_printer_url,
    ),
]
LoopbackHost: TypeAlias = Annotated[
    str,
    _text(
        '"127.0.0.1", "::1" or "localhost", because whoever reaches this interface can redeem coupons',
        rules.is_loopback,
    ),
]
Origin: TypeAlias = Annotated[
    str,
    _text(
        'an origin as a browser sends it, such as "https://pos.example:8443" (small letters, nothing after the port)',
        rules.is_origin,
    ),
]
Host: TypeAlias = Annotated[str, _text("a host name or IP address, without port", rules.is_host)]
SerialPort: TypeAlias = Annotated[
    str,
    _text(
        'a device path such as "/dev/ttyUSB0", or "socket://host:port" or "rfc2217://host:port"',
        rules.is_serial_port,
    ),
]
Name: TypeAlias = Annotated[
    str,
    _text(
        "1 to 40 letters, digits, spaces, dots, - or _, beginning with a letter or digit",
        pattern=r"\A[^\W_][\w .-]{0,39}\Z",
    ),
]
HexId: TypeAlias = Annotated[
    str,
    _text('4 hexadecimal digits in quotes, such as "05f9", or "" for any', pattern=r"\A([0-9a-fA-F]{4})?\Z"),
]
Text: TypeAlias = Annotated[str, _text("text of at most 1024 characters without control characters")]
NonEmpty: TypeAlias = Annotated[str, _text("text that is not empty", pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
Profile: TypeAlias = Annotated[
    str,
    _text('a profile name of python-escpos, such as "default" or "TM-T88V"', pattern=r"\A[A-Za-z0-9._-]+\Z"),
]

ScannerCommand: TypeAlias = Annotated[
    str,
    Meta(
        max_length=32,
        pattern=r"\A[\x00-\x7f]*\Z",
        extra={"allowed": 'at most 32 ASCII characters, such as "\\u0016T\\r", or "" for none'},
    ),
]
ScanPrefix: TypeAlias = Annotated[
    str,
    Meta(
        max_length=16,
        pattern=r"\A[\x01\x02\x04-\x08\x0b\x0c\x0e-\x1c\x1e-\x7e]*\Z",
        extra={"allowed": 'at most 16 ASCII characters, such as "~" or "\\u0002", or "" for none'},
    ),
]

Baud: TypeAlias = Literal[1200, 2400, 4800, 9600, 14400, 19200, 38400, 57600, 115200, 230400, 460800, 921600]
Decoder: TypeAlias = Literal["zxing", "zxing_upscaled", "zxing_sharpened", "pyzbar", "opencv"]
Suffix: TypeAlias = Literal["auto", "cr", "lf", "crlf", "tab", "etx", "none"]
ScanEncoding: TypeAlias = Literal["utf-8", "latin-1", "gb18030"]
Layout: TypeAlias = Literal["us", "uk", "de", "fr", "es", "it"]
