"""Checks that a type and its bounds cannot say: addresses, paths, and settings that must fit one another.

Everything here is pure and total: any text gives True or False, nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_-]{1,63})*\.?\Z")
_SERIAL_URL = re.compile(r"(?:socket|rfc2217)://(\[[0-9A-Fa-f:.]+\]|[^\[\]/?#@:]+):([0-9]{1,5})\Z")
_DEFAULT_PORT = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether `host` can only mean this machine: localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return "%" not in host and ip_address(host).is_loopback
    except ValueError:
        return False


def is_host(host: str) -> bool:
    """Whether `host` is written as a host name, an IPv4 address or an IPv6 address (without brackets)."""
    if ":" not in host:
        return _HOST.match(host) is not None
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False


def is_absolute_path(text: str) -> bool:
    """Whether `text` is a full path without `..`, so that it means the same from every working directory."""
    return text.startswith("/") and ".." not in text.split("/")


def is_path_or_empty(text: str) -> bool:
    return text == "" or is_absolute_path(text)


def is_cloud_url(text: str) -> bool:
    """Whether `text` is "" or a base URL to send coupons to: https, or http that cannot leave this machine.

    A user name or password is refused because the URL is shown in logs and on the status page.
    """
    if text == "":
        return True
    parts = _split(text)
    if parts is None or parts.query or parts.fragment or "?" in text or "#" in text:
        return False
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_printer_url(text: str) -> bool:
    """Whether `text` is the address of a print queue. No user or password: the URL is shown in messages."""
    parts = _split(text, ("ipp", "ipps", "http", "https"))
    return parts is not None and "?" not in text and "#" not in text


def is_proxy_url(text: str) -> bool:
    """Whether `text` is "" or an HTTP proxy's address. A password is refused: the file's values are shown."""
    parts = _split(text) if text else None
    return text == "" or (
        parts is not None and parts.scheme == "http" and text == f"http://{parts.netloc}" and bool(parts.port)
    )


def is_origin(text: str) -> bool:
    """Whether `text` is spelled as a browser sends it (RFC 6454): small letters, no path, no default port."""
    parts = _split(text)
    if parts is None or text != f"{parts.scheme}://{parts.netloc}".lower():
        return False
    return parts.port != _DEFAULT_PORT[parts.scheme]


def is_serial_port(text: str) -> bool:
    """Whether `text` is a device path, or socket://HOST:PORT or rfc2217://HOST:PORT with nothing after it.

    No other URL of pyserial: spy:// would write what is scanned to a file.
    """
    if is_absolute_path(text):
        return True
    match = _SERIAL_URL.match(text)
    return match is not None and is_host(match[1].strip("[]")) and 1 <= int(match[2]) <= 65535


def _split(text: str, schemes: Collection[str] = _DEFAULT_PORT) -> SplitResult | None:
    """`text` as a URL (http or https) with a host and without credentials; None if it is not one."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        named_port = parts.netloc.endswith(":") or parts.port == 0
    except ValueError:  # a broken IPv6 address, or a port that is no number
        return None
    if parts.scheme not in schemes or "@" in parts.netloc or named_port:
        return None
    return parts if is_host(parts.hostname or "") else None
