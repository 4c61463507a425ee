"""A roll that is nearly used up, at a real till over either line: named wherever the printer is, and no hindrance."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import config
from agent.commands.show import fetch_status, status_lines
from agent.ports import PrintState
from agent.printing import watch
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.integration.api_kit import WAIT_S, RealTill, real_till, settings, until
from tests.unit.test_metrics import read


async def until_cause(till: RealTill, cause: str) -> dict[str, object]:
    """The printer as the status tells it, once it names this cause."""
    async with asyncio.timeout(WAIT_S):
        while True:
            (printer,) = (await till.call("GET", "/v1/status")).json["devices"]
            if printer["cause"] == cause and printer["state"] != "starting":
                assert isinstance(printer, dict)
                return printer


async def configured(line: str, virtual: VirtualPrinter) -> config.Printer:
    if line == "tcp":
        return config.TcpPrinter(name="front", host="127.0.0.1", port=virtual.port, ask_every_s=1)
    return config.SerialPrinter(name="front", device=await virtual.open_pty(), flow="none", ask_every_s=1)


@pytest.mark.parametrize("line", ["tcp", "pty"])
async def test_low_paper_is_told_until_the_roll_is_changed_and_holds_up_nothing(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TICK_S", 0.05)
    async with (
        VirtualPrinter() as virtual,
        real_till(tmp_path / "till", printer=(await configured(line, virtual),)) as till,
    ):
        well = await until_cause(till, "")
        assert (well["state"], well["zh"], well["en"], well["detail"]) == ("ready", "", "", "")
        virtual.set_fault(Fault.PAPER_LOW)
        low = await until_cause(till, "paper_low")  # nobody printed: the till asked
        assert (low["state"], low["zh"], low["en"]) == (
            "ready",
            "打印机「front」纸快用完了",
            "The printer 'front' is low on paper",
        )
        health = (await till.call("GET", "/v1/health")).json
        assert health["ok"] is True
        (issue,) = health["issues"]
        assert (issue["code"], issue["severity"]) == ("paper_low", "info")
        assert (issue["action_zh"], issue["action_en"]) == (
            "请备好新纸卷，小票照常打印",
            "Have a new roll ready; receipts are printed as before",
        )
        assert (await till.redeem(till.coupon())).json["accepted"] is True
        assert len(await virtual.wait_for_jobs(1)) == 1
        await until(lambda: till.app.till.receipts.told[PrintState.PRINTED] == 1)
        measured = read((await till.call("GET", "/metrics")).raw.decode())
        assert measured['redeemd_printer_ready{printer="front"}'] == 1
        assert measured['redeemd_printer_cause{printer="front",cause="paper_low"}'] == 1
        assert measured['redeemd_receipts_ended_total{state="printed"}'] == 1
        assert measured['redeemd_receipts_ended_total{state="failed"}'] == 0
        assert measured["redeemd_receipts_waiting"] == 0
        await until_cause(till, "paper_low")
        known = settings(tmp_path / "till", api=config.Api(port=till.port))
        lines = list(status_lines(await asyncio.to_thread(fetch_status, known)))
        assert any(
            line.startswith("printer   front") and "ready" in line and "roll" in line for line in lines
        )
        assert "info      The printer 'front' is low on paper. Have a new roll ready;" in "\n".join(lines)
        virtual.set_fault(Fault.PAPER_LOW, on=False)
        await until_cause(till, "")
        assert (await till.call("GET", "/v1/health")).json["issues"] == []
