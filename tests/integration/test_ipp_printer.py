"""A raw queue of a real CUPS: what it took, what became of it, what can be taken back, and the words of IPP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from drivers.ipp import Answer, IppError, Operation, read_answer, request
from drivers.ipp_printer import IppPrinter
from drivers.ports import JOB_BYTES_MAX, Delivery, DeviceState, PrinterCause
from tests.integration.cups_kit import Cups, running_cups, why_not
from tests.integration.uplink_kit import unused_port

JOB = b"\x1b@\x1c&" + "合计 ￥98.00".encode("gb18030") + b"\n\x1dVB\x00"


@pytest.fixture
async def cups(tmp_path: Path) -> AsyncIterator[Cups]:
    if reason := why_not():
        pytest.skip(reason)
    async with running_cups(tmp_path / "cups") as running:
        yield running


def printer(cups: Cups, timeout_s: float = 5.0, *, confirms: bool = False) -> IppPrinter:
    return IppPrinter("queue", cups.url, timeout_s, confirms)


async def test_a_job_reaches_the_backend_byte_for_byte(cups: Cups) -> None:
    one = printer(cups)
    assert (await one.query()).ready
    result = await one.send(JOB)
    assert cups.printed == JOB
    assert result.delivery is Delivery.UNCONFIRMED, "a backend that ended is no paper"
    assert (result.cause, one.status().state) == (None, DeviceState.READY)
    assert (await printer(cups, confirms=True).send(JOB)).delivery is Delivery.CONFIRMED
    assert cups.printed == 2 * JOB


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("media-empty-error", PrinterCause.PAPER_OUT),
        ("cover-open-warning", PrinterCause.COVER_OPEN),
        ("offline-report", PrinterCause.OFFLINE),
    ],
)
async def test_what_stops_within_a_job_is_named_and_never_printed_later(
    reason: str, cause: PrinterCause, cups: Cups
) -> None:
    cups.mood(reason)
    result = await printer(cups, 1.0).send(JOB)
    assert (result.delivery, result.cause) == (Delivery.UNCONFIRMED, cause), result
    assert await cups.jobs() == [], "it was cancelled: its copy must not come beside it"
    before = await printer(cups).query()
    assert not before.ready or reason not in before.detail
    cups.mood("good")
    assert cups.printed == b""


async def test_a_stopped_queue_takes_nothing(cups: Cups) -> None:
    await cups.run("cupsdisable", "receipts")
    result = await printer(cups).send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.OFFLINE)
    assert await cups.jobs() == []


async def test_a_job_that_only_waited_is_known_not_to_have_begun(cups: Cups) -> None:
    """Behind another program's job: it may go to the second printer."""
    cups.mood("media-empty-warning")
    other = asyncio.create_task(printer(cups, 30.0).send(b"of another program"))
    await cups.until_a_job_waits()
    waiting = printer(cups, 1.0)
    ready = await waiting.query()
    result = await waiting.send(JOB)
    assert result.delivery is Delivery.NOT_SENT, (ready, result)
    cups.mood("good")
    assert (await other).delivery is Delivery.UNCONFIRMED
    assert cups.printed == b"of another program"


async def test_a_backend_that_fails_is_unconfirmed(cups: Cups) -> None:
    cups.mood("fail")
    result = await printer(cups, 1.0).send(JOB)
    assert result.delivery is Delivery.UNCONFIRMED
    assert await cups.jobs() == []


async def test_no_queue_no_server_and_no_print_server_are_told_apart(cups: Cups) -> None:
    for url, cause in (
        (cups.url + "-none", PrinterCause.MISCONFIGURED),
        (f"http://127.0.0.1:{cups.port}/nothing/here", PrinterCause.MISCONFIGURED),
        ("ipp://127.0.0.1:1/printers/receipts", PrinterCause.UNREACHABLE),
    ):
        one = IppPrinter("queue", url, 2.0)
        result = await one.send(JOB)
        assert (result.delivery, result.cause) == (Delivery.NOT_SENT, cause), url
        assert one.status().state is DeviceState.LOST
        assert url.split("//")[1].split("/")[0] in result.detail


@pytest.mark.parametrize("job", [b"", b"x" * (JOB_BYTES_MAX + 1)])
async def test_a_job_has_bounds(job: bytes) -> None:
    result = await IppPrinter("queue", "ipp://127.0.0.1:1/").send(job)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED)


# A stranger who answers on that port


_LOW = b"\x44\x00\x15printer-state-reasons\x00\x11media-low-warning"
_TAKES_NONE = b"\x22\x00\x19printer-is-accepting-jobs\x00\x01\x00"


def _good(body: bytes, said: bytes = b"") -> bytes:
    """An answer of a printer that is ready, whatever is asked; a job is number 7 and completed. said: more of it."""
    attributes = (
        b"\x01\x47\x00\x12attributes-charset\x00\x05utf-8",
        b"\x04\x23\x00\x0dprinter-state\x00\x04\x00\x00\x00\x03",
        said,
        b"\x02\x21\x00\x06job-id\x00\x04\x00\x00\x00\x07\x23\x00\x09job-state\x00\x04\x00\x00\x00\x09\x03",
    )
    return b"\x01\x01\x00\x00" + body[4:8] + b"".join(attributes)


async def _answering(answer: Callable[[web.Request, bytes], web.StreamResponse]) -> tuple[web.AppRunner, str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request, await request.read())

    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


@pytest.mark.parametrize(
    "body", [b"", b"\x01\x01", b"<html>", b"\x01\x01\x00\x00\x00\x00\x00\x01\x47\xff\xff", b"x" * 100_000]
)
async def test_what_is_no_print_server_gets_no_job(body: bytes) -> None:
    runner, url = await _answering(lambda _request, _body: web.Response(body=body))
    result = await IppPrinter("queue", url, 2.0).send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED)
    await runner.cleanup()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "what answers is no print server"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "does not let this till print"),
        (b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", "write ipps://"),
    ],
)
async def test_what_refuses_is_a_wrong_setting(said: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"ipp://127.0.0.1:{server.sockets[0].getsockname()[1]}/printers/x"
        result = await IppPrinter("queue", url, 2.0).send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED)
    assert words in result.detail


async def test_a_server_that_dies_over_the_job_leaves_it_unconfirmed() -> None:
    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if body[2:4] == b"\x00\x02":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=_good(body))

    runner, url = await _answering(answer)
    result = await IppPrinter("queue", url, 2.0).send(JOB)
    assert result.delivery is Delivery.UNCONFIRMED
    await runner.cleanup()


async def test_a_printer_of_its_own_address_confirms_and_takes_plain_bytes() -> None:
    asked: list[bytes] = []

    def answer(_request: web.Request, body: bytes) -> web.StreamResponse:
        asked.append(body)
        if body[2:4] == b"\x00\x02" and b"cups-raw" in body:
            return web.Response(
                body=b"\x01\x01\x04\x0a" + body[4:8] + b"\x03"
            )  # document-format-not-supported
        return web.Response(body=_good(body))

    runner, url = await _answering(answer)
    result = await IppPrinter("queue", url, 2.0, confirms=True).send(JOB)
    assert result.delivery is Delivery.CONFIRMED
    (taken,) = [body for body in asked if body[2:4] == b"\x00\x02" and b"octet-stream" in body]
    assert taken.endswith(b"\x03" + JOB)
    await runner.cleanup()


@pytest.mark.parametrize("confirms", [True, False])
async def test_low_paper_stops_nothing_and_is_no_doubt(confirms: bool) -> None:
    said = [_LOW]
    runner, url = await _answering(lambda _, body: web.Response(body=_good(body, said[0])))
    one = IppPrinter("queue", url, 2.0, confirms)
    result = await one.send(JOB)
    assert result.delivery is (Delivery.CONFIRMED if confirms else Delivery.UNCONFIRMED)
    assert result.cause is (PrinterCause.PAPER_LOW if confirms else None)
    assert (one.status().state, one.status().cause) == (DeviceState.READY, PrinterCause.PAPER_LOW)
    said[0] = b""
    assert (await one.query()).ready
    assert (one.status().cause, one.status().detail) == ("", "")
    await runner.cleanup()


async def test_a_queue_that_takes_no_jobs_says_so_before_it_says_low() -> None:
    runner, url = await _answering(lambda _, body: web.Response(body=_good(body, _LOW + _TAKES_NONE)))
    result = await IppPrinter("queue", url, 2.0).send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED)
    await runner.cleanup()


# No print server, and the words


@pytest.mark.parametrize(
    ("host", "said"),
    [("127.0.0.1", "Connection refused"), ("printer.invalid", "this name is not known here")],
)
async def test_why_nobody_answers_is_said_in_words_of_people(host: str, said: str) -> None:
    one = IppPrinter("queue", f"ipp://{host}:{unused_port()}/printers/x", 5.0, False)
    status = await one.query()
    assert status.causes == (PrinterCause.UNREACHABLE,)
    assert said in status.detail
    assert "Error" not in status.detail
    assert one.status().detail == status.detail


def test_a_request_reads_back_as_it_was_written() -> None:
    made = request(
        Operation.PRINT_JOB,
        "ipp://h/p",
        job_id=7,
        job_name="receipt",
        document_format="a/b",
        wanted=("x", "y"),
    )
    answer = read_answer(made)
    assert answer.status == Operation.PRINT_JOB
    assert answer.number("job-id") == 7
    assert answer.words("requested-attributes") == ("x", "y")
    assert answer.words("printer-uri") == ("ipp://h/p",)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_an_error(data: bytes) -> None:
    for body in (data, b"\x01\x01\x00\x00\x00\x00\x00\x01" + data):
        with suppress(IppError):
            assert isinstance(read_answer(body), Answer)
