"""Stopped from outside, a command ends as Ctrl-C ends it: what it has begun is cleaned up and named."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine

from agent.commands.errors import CommandError

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""A service manager's end, and a terminal's."""


async def interruptible(work: Coroutine[None, None, int]) -> int:
    """The result of `work`; SIGTERM and SIGHUP cancel it: CommandError with the shell's code, 128 and the signal."""
    if threading.current_thread() is not threading.main_thread():
        return await work  # signals are the main thread's
    loop, task, caught = asyncio.get_running_loop(), asyncio.current_task(), list[signal.Signals]()
    assert task is not None, "a coroutine runs in a task"

    def stop(number: signal.Signals) -> None:
        caught.append(number)
        task.cancel()

    # What nohup ignores stays ignored.
    numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not caught:
            raise  # Ctrl-C
        raise CommandError(f"stopped by {caught[0].name}", 128 + caught[0]) from None
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
