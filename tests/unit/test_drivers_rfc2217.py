"""The telnet side of a device server: data apart from commands, bounded, and no endless negotiation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rfc2217 import (
    COM_PORT,
    DO,
    DONT,
    IAC,
    SB,
    SE,
    SET_BAUD,
    SET_PARITY,
    WILL,
    WONT,
    Telnet,
    TelnetError,
    command,
    greeting,
    line_settings,
)


def test_the_line_as_commands():
    settings = line_settings(115200, 7, "E", 2)
    assert [value.hex() for value in settings.values()] == ["0001c200", "07", "03", "02"]
    assert command(SET_BAUD, settings[SET_BAUD]) == bytes([IAC, SB, COM_PORT, 1, 0, 1, 0xC2, 0, IAC, SE])
    assert command(SET_BAUD, b"\0\0\0\xff") == bytes([IAC, SB, COM_PORT, 1, 0, 0, 0, IAC, IAC, IAC, SE])


def test_data_answers_and_grants_are_taken_apart():
    telnet = Telnet()
    stream = (
        b"RC1"
        + bytes([IAC, DO, COM_PORT])
        + b"A\xff\xffB"
        + bytes([IAC, SB, COM_PORT, 103, 2, IAC, SE])
        + b"\r"
    )
    assert telnet.feed(stream) == (b"RC1A\xffB\r", b"")
    assert telnet.granted is True
    assert telnet.answers == {SET_PARITY: b"\x02"}


def test_what_we_offered_needs_no_reply_and_the_rest_is_declined_once():
    telnet = Telnet()
    assert greeting()[:3] == bytes([IAC, WILL, COM_PORT])
    assert telnet.feed(bytes([IAC, DO, 0, IAC, WILL, 0, IAC, WILL, 3])) == (b"", b"")
    assert telnet.feed(bytes([IAC, DO, 3])) == (b"", bytes([IAC, WILL, 3]))
    asked = bytes([IAC, DO, 24, IAC, WILL, 1])
    assert telnet.feed(asked) == (b"", bytes([IAC, WONT, 24, IAC, DONT, 1]))
    assert telnet.feed(asked * 100) == (b"", b""), "a loop ends here"
    assert telnet.feed(bytes([IAC, DONT, COM_PORT])) == (b"", b"")
    assert telnet.granted is False


@pytest.mark.parametrize("stream", [bytes([IAC, SB]) + b"x" * 65, bytes([IAC, SB, 44, IAC, 1])])
def test_a_server_out_of_step_is_left(stream: bytes):
    with pytest.raises(TelnetError):
        Telnet().feed(stream)


@given(stream=st.binary(max_size=80), cut=st.integers(0, 80))
def test_cuts_change_nothing(stream: bytes, cut: int):
    stream = stream.replace(b"\0", b"\xff").replace(b"\1", b"\xff\xfa").replace(b"\2", b"\xff\xf0")

    def fed(*pieces: bytes) -> tuple[bytes, bytes, dict[int, bytes], bool | None] | None:
        telnet, data, replies = Telnet(), b"", b""
        try:
            for piece in pieces:
                more, reply = telnet.feed(piece)
                data, replies = data + more, replies + reply
        except TelnetError:
            return None
        return data, replies, telnet.answers, telnet.granted

    assert fed(stream) == fed(stream[:cut], stream[cut:])


@given(st.binary(max_size=60))
def test_data_survive_escaping(data: bytes):
    assert Telnet().feed(data.replace(b"\xff", b"\xff\xff")) == (data, b"")
