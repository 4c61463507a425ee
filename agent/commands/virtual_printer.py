"""`redeemd printer virtual`: a printer in memory, for trying a till without paper. What goes wrong with it is typed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agent.commands.errors import CommandError
from drivers.virtual_printer import Fault, VirtualPrinter, save_receipt

_HELP = f"""\
A fault alone goes wrong at once; with "in", within the next job; with "off", it is mended; "off" alone mends all.
Faults: {" ".join(Fault)}"""


def add_arguments(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `virtual` to the actions of `redeemd printer`."""
    text = "Be a receipt printer: each receipt becomes a file of bytes, one of text and a picture."
    parser = actions.add_parser(
        "virtual",
        help=text,
        description=f"{text} While it runs, type what goes wrong, such as: paper_out",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=9100, help="0 chooses a free one; default: %(default)s")
    parser.add_argument("--serial", type=Path, metavar="PATH", help="serve a serial line too, made at PATH")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the receipts")
    parser.add_argument(
        "--dots", type=int, default=576, choices=(384, 512, 576), help="printed width; default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments))
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    numbers = itertools.count(1)
    loop = asyncio.get_running_loop()

    def save(job: bytes) -> None:
        # Drawing takes longer than a printer may take to answer.
        loop.run_in_executor(None, _save, job, arguments.out, next(numbers), arguments.dots)

    printer = VirtualPrinter(arguments.host, arguments.port, on_job=save)
    try:
        await printer.start()
    except OSError as error:
        where = f"{arguments.host}:{arguments.port}"
        raise CommandError(f"{where} cannot be served: {error.strerror}") from error
    _say(f"virtual printer on {arguments.host}:{printer.port}, receipts go to {arguments.out}")
    try:
        with _line_at(arguments.serial, await printer.open_pty() if arguments.serial else ""):
            threading.Thread(
                target=_hear, args=(sys.stdin, loop, lambda line: _switch(printer, line)), daemon=True
            ).start()
            await asyncio.Event().wait()
    finally:
        await printer.stop()


@contextlib.contextmanager
def _line_at(path: Path | None, device: str) -> Iterator[None]:
    if path is None:
        yield
        return
    try:
        if path.is_symlink() and path.readlink().is_relative_to("/dev/pts"):
            path.unlink()  # of one that was killed
        path.symlink_to(device)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}") from error
    _say(f"and on the serial line {path}")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _hear(lines: Iterable[str], loop: asyncio.AbstractEventLoop, switch: Callable[[str], None]) -> None:
    """Lines of standard input, to the loop; without one, or after its end, nothing goes wrong."""
    for line in lines:
        loop.call_soon_threadsafe(switch, line)


def _switch(printer: VirtualPrinter, line: str) -> None:
    """What somebody typed: FAULT, FAULT in, FAULT off or off."""
    match line.split():
        case ["off"]:
            for fault in Fault:
                printer.set_fault(fault, on=False)
            _say("all is well")
        case [name] if name in tuple(Fault):
            printer.set_fault(Fault(name))
            _say(f"{name} from now on")
        case [name, "in"] if name in tuple(Fault):
            printer.set_fault(Fault(name), in_job=True)
            _say(f"{name} within the next job")
        case [name, "off"] if name in tuple(Fault):
            printer.set_fault(Fault(name), on=False)
            _say(f"{name} no more")
        case []:
            pass
        case _:
            _say(_HELP)


def _save(job: bytes, folder: Path, number: int, dots: int) -> None:
    saved = save_receipt(job, folder, number, dots)
    _say(f"receipt {number}: {len(job)} bytes, {saved.png}")


def _say(line: str) -> None:
    """In one write: print() makes two, and the lines of two threads would run into one another."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
