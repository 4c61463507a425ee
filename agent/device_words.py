"""What is told of a device that does not work, or soon will not: what is the matter, what to do, what comes then."""

from __future__ import annotations

from typing import NamedTuple

from agent.printing.words import PRINTER, Words, advice
from drivers.ports import DeviceState, DeviceStatus, PrinterCause

_ROLE_ZH = {"scanner": "扫码枪", "camera": "摄像头", "printer": "打印机"}
_STATES = {
    DeviceState.LOST: Words("连不上", "is not connected", "请检查电源和线", "check power and cable"),
    DeviceState.DENIED: Words("打不开", "cannot be opened", "请通知 IT", "tell store IT"),
    DeviceState.MISCONFIGURED: Words("设置有误", "is set up wrongly", "请通知 IT", "tell store IT"),
}
_RECEIPTS_THEN = ("等待的小票随后自动打印", "receipts that wait are then printed by themselves")
_RECEIPTS_NOW = ("小票照常打印", "receipts are printed as before")


class DeviceWords(NamedTuple):
    """Whole sentences, for the cashier."""

    zh: str
    en: str
    action_zh: str
    action_en: str


def trouble(role: str, status: DeviceStatus) -> DeviceWords | None:
    """None while all is well, or nothing is known yet. What a printer names is said of it, unless a person must first
    let us open it."""
    low = status.state is DeviceState.READY and status.cause == PrinterCause.PAPER_LOW
    if status.state not in _STATES and not low:
        return None
    named = PRINTER.get(status.cause) if low or status.state is DeviceState.LOST else None
    words = named or _STATES[status.state]
    then = ("", "") if role != "printer" else _RECEIPTS_NOW if low else _RECEIPTS_THEN
    return DeviceWords(
        f"{_ROLE_ZH[role]}「{status.name}」{words.zh}",
        f"The {role} {status.name!r} {words.en}",
        *advice(words, then),
    )
