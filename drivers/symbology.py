"""What a scanner sends around a code's own characters: the AIM symbology identifier and ECI escapes. Pure.

The identifier ("]Q1", ISO/IEC 15424) says which symbol was read. Only the few that say "this is GS1 data" change what
the text means, so those stay and the others go. A scanner set to report Extended Channel Interpretations (AIM
ITS/04-001) writes a backslash and six digits where the character set changes, and doubles every other backslash.
"""

from __future__ import annotations

import re

_GS = b"\x1d"
CONTROLS = bytes(range(0x20)).replace(_GS, b"") + b"\x7f"
"""Bytes that scanners put around a code: STX, the LF after a CR, padding. GS is data: it is how FNC1 is sent."""

_IDENTIFIER = re.compile(rb"\][A-Za-z][0-9A-Za-z]")
_GS1 = {one: one for one in (b"]C1", b"]e0", b"]e1", b"]e2", b"]d2", b"]Q3", b"]J1")}
_GS1 |= {b"]Q4": b"]Q3", b"]d5": b"]d2"}  # the same with ECI escapes, which are resolved here
_WITH_ECI = frozenset(
    {b"]Q2", b"]Q4", b"]Q6", b"]d4", b"]d5", b"]d6", b"]z3", b"]z4", b"]z5", b"]L1", b"]h1", b"]U2", b"]U3"}
)
_ECI = re.compile(rb"\\([0-9]{6})")
_ESCAPE = re.compile(rb"\\(?:([0-9]{6})|\\)")
_CHARSETS = {
    **dict.fromkeys((0, 2), "cp437"),
    1: "iso8859-1",
    **{number: f"iso8859-{number - 2}" for number in range(3, 19) if number != 14},
    20: "shift_jis",
    21: "cp1250",
    22: "cp1251",
    23: "cp1252",
    24: "cp1256",
    25: "utf-16-be",
    26: "utf-8",
    27: "ascii",
    28: "big5",
    29: "gb18030",
    30: "euc_kr",
    32: "gb18030",
    170: "ascii",
}


class UndecodableError(Exception):
    """The bytes are no text. The message says where and what to check, never the bytes."""


def unwrap(frame: bytes, encoding: str, *, typed: bool = False) -> str:
    """The text of one frame, "" if there is none. Raises UndecodableError.

    encoding: of bytes that no ECI speaks for. typed: characters came as key strokes and are UTF-8 now, so an ECI
    says nothing of them any more.
    """
    body = frame.strip(CONTROLS)
    identifier = _IDENTIFIER.match(body)
    name = identifier.group() if identifier else b""
    body = body[len(name) :]
    if name not in _GS1:
        body = body.strip(CONTROLS)
    if name in _WITH_ECI or _ECI.match(body):
        text = "".join(_decoded(piece, charset) for piece, charset in _pieces(body, encoding, typed))
    else:
        text = _decoded(body, encoding)
    return _GS1.get(name, b"").decode() + text


def _pieces(body: bytes, encoding: str, typed: bool) -> list[tuple[bytes, str]]:
    """The body cut where the character set changes, escapes resolved."""
    pieces = [(bytearray(), encoding)]
    at = 0
    for escape in _ESCAPE.finditer(body):
        pieces[-1][0].extend(body[at : escape.start()])
        at = escape.end()
        if escape[1] is None:
            pieces[-1][0].extend(b"\\")
            continue
        charset = encoding if typed else _CHARSETS.get(int(escape[1]))
        if charset is None:
            raise UndecodableError(
                f"character set {escape[1].decode()} of the code is none we know:"
                " print the code as UTF-8, or turn ECI output off in the scanner"
            )
        pieces.append((bytearray(), charset))
    pieces[-1][0].extend(body[at:])
    return [(bytes(piece), charset) for piece, charset in pieces]


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise UndecodableError(
            f"byte {error.start + 1} of {len(body)} is not {charset}:"
            " check the line's speed and parity, and `encoding`"
        ) from None
