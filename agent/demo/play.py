"""Play the story, tell it step by step, write var/demo/summary.json, and stay up for trying by hand."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import aiohttp

from agent.commands.errors import CommandError
from agent.demo.day import Day
from agent.demo.parts import DemoError, free_port
from agent.demo.story import STORY
from drivers.virtual_printer import VirtualPrinter
from drivers.virtual_scanner import VirtualScanner


async def play(folder: Path, *, once: bool) -> int:
    """Play the story in `folder` (emptied first); exit code 0 only if every step held."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _leave, asyncio.current_task())
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "receipts").mkdir(parents=True)
    with VirtualScanner((folder / "scanner").resolve()) as scanner:
        printer = VirtualPrinter(port=free_port(9100), on_job=lambda job: day.keep_receipt(job))
        day = Day(folder, scanner, printer)
        await printer.start()
        good = False
        try:
            good = await _tell_story(day)
            _write_summary(day, good)
            if good and not once:
                await _stay_up(day)
        except asyncio.CancelledError:  # Ctrl-C or SIGTERM
            print("\n  the day is over")
        finally:
            await _go_home(day)
    return 0 if good else 1


async def _tell_story(day: Day) -> bool:
    for name, step in STORY:
        if sys.stdout.isatty():
            print(f"  ...  {name}", end="", flush=True)
        try:
            detail, ok = await step(day), True
        except (DemoError, CommandError, aiohttp.ClientError, TimeoutError, OSError) as error:
            detail, ok = f"{type(error).__name__}: {error}", False
        day.steps.append({"name": name, "ok": ok, "detail": detail})
        start = "\r" if sys.stdout.isatty() else ""
        print(f"{start}  {'ok ' if ok else 'NO '}  {name}: {detail}", flush=True)
        if not ok:
            return False
    return True


def _write_summary(day: Day, good: bool) -> None:
    verdicts = day.client.verdicts if hasattr(day, "client") else []
    summary = {
        "ok": good,
        "steps": day.steps,
        "scans": [{name: verdict[name] for name in ("source", "outcome", "ms")} for verdict in verdicts],
        "receipts": day.receipts,
        "ledgers_equal": day.ledgers_equal,
    }
    path = day.folder / "summary.json"
    path.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", "utf-8")
    print(f"\n  {day.relative(path)}: {'every step held' if good else 'a step did not hold'}")


async def _stay_up(day: Day) -> None:
    """Leave everything running for trying by hand: a line typed here is scanned."""
    kinds = {"thirty": "满100减30", "fifth": "八折", "gift": "免费兑换"}
    print(f"""
  cashier page   {day.till.url}/
  receipts       {day.relative(day.folder / "receipts")}
  logs           {day.relative(day.folder / "till.log")}, {day.relative(day.folder / "cloud.log")}
  status         redeemd status --config {day.relative(day.folder / "till.toml")}

  Coupons that are still good (type or paste one here and press Enter: the scanner reads it; Ctrl-C ends the day):
""")
    for kind, title in kinds.items():
        for text in day.tokens[kind][:2]:
            print(f"  {title}  {text}")
    if sys.stdin.isatty() or stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        await _scan_what_is_typed(day)
    await asyncio.Event().wait()


async def _scan_what_is_typed(day: Day) -> None:
    """Until the end of standard input: each line is scanned."""
    typed = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(typed), sys.stdin)
    async for line in typed:
        if text := line.decode(errors="replace").strip():
            verdict = await day.scan(text)
            print(f"  {verdict['zh']}  {verdict['next_zh']}   ({verdict['en']})")


async def _go_home(day: Day) -> None:
    """Stop everything that was started."""
    if hasattr(day, "client"):
        await day.client.close()
    for name in ("till", "cloud"):
        if hasattr(day, name):
            await getattr(day, name).stop()
    if hasattr(day, "admin"):
        await day.admin.__aexit__(None, None, None)
    await day.printer.stop()


def _leave(story: asyncio.Task[Any] | None) -> None:
    """SIGTERM ends the day as Ctrl-C does: everything that was started is stopped."""
    assert story is not None, "the story is a task"
    story.cancel()
