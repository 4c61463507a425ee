"""ESC/POS bytes into commands. Pure and incremental: a virtual printer feeds it what the line brings.

Only the shape of a command is decided here (where it ends); what it does is the interpreter's part. A command whose
length is known is never taken for text. Source: Epson ESC/POS command reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ESC, FS, GS, DLE = 0x1B, 0x1C, 0x1D, 0x10
DRAWER_PULSE = b"\x1bp\x00\x19\xfa"  # ESC p 0 25 250: 50 ms on pin 2, then 500 ms pause
COMMAND_BYTES_MAX = 1 << 20  # a length field beyond this is damage, not a picture

# Bytes that follow the two command bytes, for commands of one length.
_PARAMETERS: dict[bytes, int] = {
    **dict.fromkeys((b"\x1b@", b"\x1b2", b"\x1bL", b"\x1bS", b"\x1b\x0c", b"\x1bi", b"\x1bm", b"\x1c&", b"\x1c."), 0),
    **dict.fromkeys((b"\x1ba", b"\x1bE", b"\x1bG", b"\x1bM", b"\x1b!", b"\x1b-", b"\x1b{", b"\x1bV", b"\x1bR"), 1),
    **dict.fromkeys((b"\x1bt", b"\x1bd", b"\x1be", b"\x1bJ", b"\x1bK", b"\x1b3", b"\x1b ", b"\x1b=", b"\x1br"), 1),
    **dict.fromkeys((b"\x1c!", b"\x1cW", b"\x1c-", b"\x1cC"), 1),
    **dict.fromkeys((b"\x1d!", b"\x1dB", b"\x1db", b"\x1da", b"\x1dr", b"\x1dI", b"\x1dH", b"\x1dh", b"\x1dw"), 1),
    **dict.fromkeys((b"\x1df", b"\x1d|", b"\x10\x04", b"\x10\x05"), 1),
    **dict.fromkeys((b"\x1b$", b"\x1b\\", b"\x1bB", b"\x1bc", b"\x1cS", b"\x1dL", b"\x1dW", b"\x1dP", b"\x1d$"), 2),
    **dict.fromkeys((b"\x1bp", b"\x10\x14"), 3),
    b"\x1bW": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """name: the command's leading bytes, b"" for a run of text, one byte for LF and other lone controls.

    data: what follows the name. known: False where the length had to be guessed (only the name was taken).
    """

    name: bytes
    data: bytes
    known: bool = True

    @property
    def raw(self) -> bytes:
        return self.name + self.data


def next_command(buffer: bytes | bytearray, start: int) -> tuple[Command, int] | None:
    """The command at `start` and where the next one begins; None while its end has not arrived."""
    first = buffer[start]
    if first >= 0x20:
        end = start + 1
        while end < len(buffer) and buffer[end] >= 0x20:
            end += 1
        return Command(b"", bytes(buffer[start:end])), end
    if first not in (ESC, FS, GS, DLE):
        return Command(bytes((first,)), b""), start + 1
    name = bytes(buffer[start : start + 2])
    if len(name) < 2:
        return None
    length = _length(name, buffer, start + 2)
    if length is None:
        return None
    if length < 0 or length > COMMAND_BYTES_MAX:
        return Command(name, b"", known=False), start + 2
    end = start + 2 + length
    return (Command(name, bytes(buffer[start + 2 : end])), end) if end <= len(buffer) else None


def _length(name: bytes, buffer: bytes | bytearray, at: int) -> int | None:
    """Bytes after the name; None if more must arrive to know it; -1 if the command is not known."""
    if name in _PARAMETERS:
        return _PARAMETERS[name]
    if name == b"\x1dV":  # GS V m [n]: the feeding forms (65, 66, 97, 98, 103, 104) carry a second byte
        return _when(buffer, at, 1, lambda head: 2 if head[0] >= 65 else 1)
    if name == b"\x1dv":  # GS v 0 m xL xH yL yH d1...
        return _when(buffer, at, 6, lambda head: 6 + (head[2] | head[3] << 8) * (head[4] | head[5] << 8))
    if name in (b"\x1d(", b"\x1b(", b"\x1c("):  # ... fn pL pH d1...
        return _when(buffer, at, 3, lambda head: 3 + (head[1] | head[2] << 8))
    if name == b"\x1d8":  # GS 8 L p1 p2 p3 p4 d1...
        return _when(buffer, at, 5, lambda head: 5 + int.from_bytes(head[1:5], "little"))
    if name == b"\x1b*":  # ESC * m nL nH d1...: 24-dot modes carry three bytes a column
        return _when(buffer, at, 3, lambda head: 3 + (head[1] | head[2] << 8) * (3 if head[0] >= 32 else 1))
    if name == b"\x1dk":  # GS k m d1...NUL, or m >= 65: m n d1...dn
        head = buffer[at : at + 2]
        if len(head) < 2:
            return None
        return 2 + head[1] if head[0] >= 65 else _to_nul(buffer, at)
    if name == b"\x1bD":  # ESC D n1...NUL
        return _to_nul(buffer, at)
    return -1


def _when(buffer: bytes | bytearray, at: int, count: int, length: Callable[[bytes], int]) -> int | None:
    head = bytes(buffer[at : at + count])
    return length(head) if len(head) == count else None


def _to_nul(buffer: bytes | bytearray, at: int) -> int | None:
    end = buffer.find(b"\0", at)
    return None if end < 0 else end + 1 - at


def split_commands(job: bytes) -> tuple[list[Command], bytes]:
    """Every whole command of a job, and the bytes of a last one that is incomplete."""
    commands: list[Command] = []
    at = 0
    while at < len(job):
        found = next_command(job, at)
        if found is None:
            break
        command, at = found
        commands.append(command)
    return commands, job[at:]
