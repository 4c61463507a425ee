"""The hub: everybody hears everything, nobody is waited for."""

from __future__ import annotations

import asyncio

import pytest

from agent.hub import BACKLOG_MAX, LISTENERS_MAX, VERDICTS_KEPT, Hub, Message, TooManyListeners


async def test_everybody_hears_in_order() -> None:
    hub = Hub()
    with hub.listen() as first, hub.listen() as second:
        hub.publish("status", {"a": 1})
        hub.publish("verdict", {"b": 2})
        for queue in (first, second):
            assert [queue.get_nowait(), queue.get_nowait()] == [
                Message("status", {"a": 1}),
                Message("verdict", {"b": 2}),
            ]
            assert queue.empty()


async def test_a_listener_that_does_not_read_is_cut_off_and_the_others_are_not() -> None:
    hub = Hub()
    with hub.listen() as lazy, hub.listen() as eager:
        for number in range(BACKLOG_MAX + 1):
            hub.publish("status", {"n": number})
            assert eager.get_nowait() == Message("status", {"n": number})
        assert lazy.get_nowait() is None
        hub.publish("status", {"n": "later"})
        assert lazy.empty(), "it is told nothing more"


async def test_listeners_are_bounded_and_leave() -> None:
    hub = Hub()
    held = [hub.listen() for _ in range(LISTENERS_MAX)]
    for listener in held:
        listener.__enter__()
    with pytest.raises(TooManyListeners), hub.listen():
        pass
    held.pop().__exit__(None, None, None)
    with hub.listen():
        pass
    for listener in held:
        listener.__exit__(None, None, None)


async def test_closing_ends_every_stream() -> None:
    hub = Hub()
    with hub.listen() as queue:
        hub.publish("status", {})
        hub.close()
        assert await asyncio.wait_for(queue.get(), 10) is None


async def test_the_last_verdicts_are_kept_newest_first() -> None:
    hub = Hub()
    for number in range(VERDICTS_KEPT + 5):
        hub.publish("verdict", {"n": number})
        hub.publish("status", {"n": number})
    assert [verdict["n"] for verdict in hub.verdicts] == list(range(VERDICTS_KEPT + 4, 4, -1))
