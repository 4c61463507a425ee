"""Telnet with the serial-line option (RFC 854, 855, 2217), our side of it. Sans-I/O: bytes in, data and replies out.

A serial device server that speaks RFC 2217 opens and sets its line as we tell it. The server is not trusted: what it
may make us hold is bounded, and what it asks for beyond this option is declined once.
"""

from __future__ import annotations

import struct
from typing import Final

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
BINARY, SUPPRESS_GO_AHEAD, COM_PORT = 0, 3, 44
SET_BAUD, SET_DATA_SIZE, SET_PARITY, SET_STOP_SIZE = 1, 2, 3, 4
SERVER: Final = 100
"""What a server adds to the number of the command that it answers (RFC 2217, section 3)."""
PARITY: Final = {"N": 1, "O": 2, "E": 3}

_OURS = frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT})
_THEIRS = frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT})
_ANSWER_MAX = 64
_TAKES_OPTION = (DO, DONT, WILL, WONT)


class TelnetError(OSError):
    """The server does not keep to the protocol: the connection is of no use any more."""


def greeting() -> bytes:
    """What we say first: our options, and that its bytes are to come as they are."""
    return bytes(
        [IAC, WILL, COM_PORT, IAC, WILL, BINARY, IAC, DO, BINARY, IAC, DO, SUPPRESS_GO_AHEAD]
    )  # fmt: skip


def line_settings(baud: int, bytesize: int, parity: str, stopbits: int) -> dict[int, bytes]:
    """The four commands that set a line, each with its value. parity: N, E or O."""
    return {
        SET_BAUD: struct.pack(">I", baud),
        SET_DATA_SIZE: bytes([bytesize]),
        SET_PARITY: bytes([PARITY[parity]]),
        SET_STOP_SIZE: bytes([stopbits]),
    }


def command(number: int, value: bytes) -> bytes:
    """One command of the serial-line option."""
    escaped = value.replace(bytes([IAC]), bytes([IAC, IAC]))
    return bytes([IAC, SB, COM_PORT, number]) + escaped + bytes([IAC, SE])


class Telnet:
    """The server's stream taken apart. `granted`: None until it says whether it sets lines for us; `answers`: what it
    has set, by command."""

    def __init__(self) -> None:
        self.granted: bool | None = None
        self.answers: dict[int, bytes] = {}
        self._ours = {COM_PORT, BINARY}  # options told with `greeting`; an answer to those needs no reply
        self._theirs = {BINARY, SUPPRESS_GO_AHEAD}
        self._declined: set[tuple[int, int]] = set()
        self._verb = 0  # IAC, or the verb whose option comes next, or SB
        self._answer = bytearray()
        self._iac_in_answer = False

    def feed(self, received: bytes) -> tuple[bytes, bytes]:
        """(data of the line, bytes to send back). Raises TelnetError."""
        data, replies = bytearray(), bytearray()
        for byte in received:
            if self._verb == SB:
                self._in_answer(byte)
            elif self._verb in _TAKES_OPTION:
                replies += self._negotiated(self._verb, byte)
                self._verb = 0
            elif self._verb == IAC:
                self._verb = byte if byte == SB or byte in _TAKES_OPTION else 0
                if byte == IAC:
                    data.append(IAC)
            elif byte == IAC:
                self._verb = IAC
            else:
                data.append(byte)
        return bytes(data), bytes(replies)

    def _in_answer(self, byte: int) -> None:
        if self._iac_in_answer:
            self._iac_in_answer = False
            if byte == SE:
                self._answered(bytes(self._answer))
                self._answer.clear()
                self._verb = 0
                return
            if byte != IAC:
                raise TelnetError(f"the device server breaks off an answer (byte {byte})")
        elif byte == IAC:
            self._iac_in_answer = True
            return
        self._answer.append(byte)
        if len(self._answer) > _ANSWER_MAX:
            raise TelnetError(f"the device server sends an answer of more than {_ANSWER_MAX} bytes")

    def _answered(self, answer: bytes) -> None:
        if len(answer) > 2 and answer[0] == COM_PORT and answer[1] > SERVER:
            self.answers[answer[1] - SERVER] = answer[2:]

    def _negotiated(self, verb: int, option: int) -> bytes:
        """Our reply to one offer or demand; none when it answers what we said (RFC 854: so that it ends)."""
        if option == COM_PORT and verb in (DO, DONT):
            self.granted = verb == DO
            return b""
        if verb in (DO, DONT):
            agreed, known, yes, no = self._ours, _OURS, WILL, WONT
        else:
            agreed, known, yes, no = self._theirs, _THEIRS, DO, DONT
        if verb in (DO, WILL):
            if option in agreed:
                return b""
            if option in known:
                agreed.add(option)
                return bytes([IAC, yes, option])
        elif option not in agreed:
            return b""
        agreed.discard(option)
        if (no, option) in self._declined:
            return b""
        self._declined.add((no, option))
        return bytes([IAC, no, option])
