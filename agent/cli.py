"""The `redeemd` command. Each command imports what it needs and no more: `run` must be ready within a second."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.commands.till_file import DEFAULT_CONFIG

if TYPE_CHECKING:
    from agent.commands.verify import Knowledge


GROUPS = {
    "issue": ("agent.commands.issue", "Issue coupons: CSV, QR pictures, sheets to print."),
    "keys": ("agent.commands.keys", "An issuer's keys: new, register, list, show, retire, withdraw."),
    "campaign": ("agent.commands.campaign", "Campaigns: new, check, publish, list, show, end, revoke."),
    "bundle": ("agent.commands.bundle", "The offers and keys that this till holds: show, export, import."),
    "outbox": ("agent.commands.outbox", "Records not acknowledged by the cloud: list, show, retry, export."),
    "conflicts": ("agent.commands.conflicts", "Coupons also redeemed at another till: list, seen."),
    "key": ("agent.commands.till_key", "This till's own key: show, rotate. An issuer's are: redeemd keys."),
    "camera": ("agent.commands.camera", "Cameras: a live picture that shows what is read and what is wrong."),
    "scanner": (
        "agent.commands.scanner",
        "Scanners: the test card, and what it tells of a scanner's settings.",
    ),
    "printer": ("agent.commands.printer", "Receipt printers: test, status, drawer, profiles; a virtual one."),
    "receipt": ("agent.commands.receipt", "Receipts: show, check, preview, publish templates; rules."),
    "risk": ("agent.commands.risk", "What can be lost: accepted, left under each budget, at most."),
    "time": ("agent.commands.till_time", "This till's time: show, repair."),
    "doctor": ("agent.commands.doctor", "Every device: what it is, what is wrong with it and what to do."),
    "cloud": ("cloud.main", "The reference cloud: init DIR, serve DIR."),
}
"""Commands with arguments of their own: a module with add_arguments(parser) and run(arguments), imported on demand."""


class _Version(argparse.Action):
    """--version; the version is looked up only when it is asked for, for that takes time at every start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"redeemd {version('redeemd')}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `redeemd` script; returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser(argv[0] if argv else "").parse_args(argv)
    from agent.commands.errors import EX_CONFIG, CommandError
    from config import ConfigError

    try:
        run: Callable[[argparse.Namespace], int] = arguments.run
        code = run(arguments)
        sys.stdout.flush()  # here, where a reader that has left can be told from a fault
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is to be flushed
        return 0
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except CommandError as error:
        print(f"redeemd: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from agent.commands.errors import sentence_of

        if (sentence := sentence_of(error)) is None:
            raise  # a bug: its traceback is what helps
        print(f"redeemd: {sentence}", file=sys.stderr)
        return 1


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="redeemd", description="Offline-first coupon redemption for store tills."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    def with_config(command: argparse.ArgumentParser) -> None:
        command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")

    def with_json(command: argparse.ArgumentParser) -> None:
        command.add_argument("--json", action="store_true", help="for programs: one JSON object a line")

    command = add("run", _run, "Run the agent until it is told to stop.")
    with_config(command)
    command = add("demo", _demo, "Play one day at a till with real parts, then stay up for trying by hand.")
    command.add_argument("--once", action="store_true", help="play it, check it, write summary.json, exit")
    command.add_argument("--dir", type=Path, default=Path("var/demo"), help="default: %(default)s")
    command = add("enrol", _enrol, "Make this machine a till of the cloud, with a one-time code.")
    with_config(command)
    command.add_argument("--code", required=True, help="the one-time code from the cloud")
    command = add("verify", _verify, "Explain a coupon. Records nothing.")
    _verify_arguments(command)
    with_config(command)
    with_json(command)
    command = add("decode", _decode, "Read QR codes from pictures with the camera's decoders.")
    command.add_argument("paths", nargs="+", help="pictures, or folders of them")
    with_json(command)
    command = add("status", _status, "Show how the running till is.")
    with_config(command)
    with_json(command)
    command = add("check-config", _check_config, "Check the configuration file and name every problem in it.")
    command.add_argument("file", type=Path, nargs="?", default=DEFAULT_CONFIG, help="default: %(default)s")
    command.add_argument(
        "--file-only", action="store_true", help="not the folders, files and printer models that it names"
    )
    with_json(command)
    for name, (module, text) in GROUPS.items():
        command = add(name, _nothing, text)
        if name == chosen:
            group = import_module(module)
            group.add_arguments(command)
            command.set_defaults(run=group.run)
    return parser


def _verify_arguments(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "Exit codes: 0 accepted, or all of standard input was explained; 1 refused; 2 wrong arguments; "
        "65 no picture, or no code in it; 66 the picture cannot be read."
    )
    command.add_argument("token", nargs="?", help="the coupon's text, or - for one a line on standard input")
    command.add_argument("--image", type=Path, help="read the coupon from a picture")
    command.add_argument("--keys", type=Path, help="JSON file of public keys instead of the till's bundle")


def _nothing(_arguments: argparse.Namespace) -> int:
    raise AssertionError("the arguments of a group are added when it is asked for")


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def _run(arguments: argparse.Namespace) -> int:
    from agent import logs
    from agent.commands import check
    from agent.commands.errors import EX_CONFIG

    settings = check.load(arguments.config)
    logs.set_up(settings.till.log_level)
    import uvloop

    from agent import app
    from agent.api.server import ApiStartError
    from agent.folder import StartError
    from agent.store.database import StoreError
    from sync.errors import UplinkConfigError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(app.run(settings))
    except (StartError, StoreError, ApiStartError, UplinkConfigError) as error:
        print(f"redeemd cannot start: {error}", file=sys.stderr)
        return EX_CONFIG
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from agent.demo.play import play

    return asyncio.run(play(arguments.dir, once=arguments.once))


def _enrol(arguments: argparse.Namespace) -> int:
    import config
    from agent.commands.enrol import enrol
    from agent.commands.errors import CommandError
    from agent.folder import StartError
    from agent.store.database import StoreError

    try:
        till, missing = asyncio.run(enrol(config.load(arguments.config), arguments.code))
    except (StartError, StoreError) as error:
        raise CommandError(str(error)) from error
    print(f"enrolled as {till}")
    if missing:
        print(f"no bundle yet, the till will ask again when it runs: {missing}", file=sys.stderr)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from agent.commands import verify
    from agent.commands.errors import EX_USAGE, CommandError

    if (arguments.token is None) == (arguments.image is None):
        raise CommandError("name one coupon: its text, --image FILE, or - for standard input", EX_USAGE)
    texts: Iterable[str] = [arguments.token]
    if arguments.token == "-":
        texts = (line.rstrip("\r\n") for line in sys.stdin)
    elif arguments.image is not None:
        texts = verify.texts_in(arguments.image)
    good = True
    with _known(arguments) as known:
        for text in texts:
            answer = verify.explain(text, known)
            good = good and answer["outcome"] in ("accepted", verify.VERIFIED)
            if arguments.json:
                _print_json(answer)
            else:
                _print_explanation(answer)
    return 0 if good or arguments.token == "-" else 1


def _known(arguments: argparse.Namespace) -> AbstractContextManager[Knowledge]:
    from agent.commands import verify

    if arguments.keys is not None:
        return nullcontext(verify.from_keys(arguments.keys))
    import config
    from agent.folder import database_path

    return verify.from_till(database_path(config.load(arguments.config)))


def _print_explanation(answer: dict[str, Any]) -> None:
    print(f"{answer['outcome']}: {answer['en']} / {answer['zh']}")
    if answer.get("next_en"):
        print(f"  {answer['next_en']} / {answer['next_zh']}")
    if answer["issuer"] is not None:
        print(
            f"  coupon  {answer['issuer']}/{answer['campaign']}/{answer['index']}, signed by key {answer['kid']}"
        )
        print(f"  days    {answer['not_before']} to {answer['expires']}")
    if answer.get("title"):
        print(f"  offer   {answer['title']['en']} / {answer['title']['zh']}")
    if answer.get("left_minor") is not None:
        from agent.domain.money import to_text

        left = f"{to_text(answer['left_minor'], answer['currency'])} {answer['currency']}"
        print(f"  left    {left}, as this till knows it: another till may have taken more")
    if answer["detail"]:
        print(f"  detail  {answer['detail']}")


def _decode(arguments: argparse.Namespace) -> int:
    from agent.commands.errors import CommandError
    from drivers.pictures import read_paths
    from drivers.ports import DriverError

    found = False
    try:
        for reading in read_paths(arguments.paths):
            found = found or bool(reading["texts"])
            if arguments.json:
                _print_json(reading)
            else:
                print(
                    f"{reading['path']}: {' | '.join(reading['texts']) or reading.get('error', 'no code read')}"
                )
    except DriverError as error:
        raise CommandError(str(error)) from error
    return 0 if found else 1


def _status(arguments: argparse.Namespace) -> int:
    import config
    from agent.commands.show import fetch_status, status_lines

    status = fetch_status(config.load(arguments.config))
    if arguments.json:
        _print_json(status)
    else:
        print("\n".join(status_lines(status)))
    return 0 if status["healthy"] else 1


def _check_config(arguments: argparse.Namespace) -> int:
    from agent.commands.check import check
    from agent.commands.errors import EX_CONFIG

    problems = check(arguments.file, file_only=arguments.file_only)
    for problem in problems:
        if arguments.json:
            _print_json(problem.to_json())
        else:
            print(problem)
    if not problems and not arguments.json:
        print(f"{arguments.file}: good")
    return EX_CONFIG if problems else 0


if __name__ == "__main__":
    sys.exit(main())
