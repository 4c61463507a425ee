"""What is told about print jobs: why one waits, what happened to one in doubt, and what to do."""

from __future__ import annotations

from typing import Any

from agent.ports import PrintJob, PrintState
from drivers.ports import PrinterCause

CAUSES: dict[str, tuple[str, str]] = {
    PrinterCause.PAPER_OUT: ("打印机缺纸，请换纸", "The printer is out of paper: put in a new roll"),
    PrinterCause.PAPER_LOW: ("纸快用完了", "The paper is nearly used up"),
    PrinterCause.COVER_OPEN: ("打印机盖没合上，请合盖", "The printer's cover is open: close it"),
    PrinterCause.OFFLINE: (
        "打印机离线，请按联机键",
        "The printer is off line: press its feed or on-line key",
    ),
    PrinterCause.UNREACHABLE: (
        "连不上打印机，请检查电源和线",
        "The printer does not answer: check power and cable",
    ),
    PrinterCause.BUSY: (
        "打印机正忙，请稍后再试",
        "The printer is busy with a receipt: try again in a moment",
    ),
    PrinterCause.MISCONFIGURED: ("打印机设置有误，请通知 IT", "The printer is set up wrongly: tell store IT"),
    "restart": ("打印时本机重启过", "The till restarted while it was printed"),
    "given_up": ("已取消打印", "Not printed: somebody gave it up"),
    "unconfirmed": ("打印机没有确认", "The printer did not confirm it"),
    "other_printer": ("由备用打印机打印", "It came out of the other printer"),
    "": ("", ""),
}
"""What keeps a printer from printing now, in Chinese and English, and what to do about it."""

_IN_DOUBT: dict[str, tuple[str, str]] = {
    PrinterCause.PAPER_OUT: ("打印时缺纸", "The paper ended while it was printed"),
    PrinterCause.COVER_OPEN: ("打印时机盖打开", "The cover was opened while it was printed"),
    PrinterCause.OFFLINE: ("打印时打印机离线", "The printer went off line while it was printed"),
    PrinterCause.UNREACHABLE: ("打印时打印机没有应答", "The printer did not answer while it was printed"),
    PrinterCause.MISCONFIGURED: (
        "打印时应答有误",
        "The answers while it was printed were no receipt printer's",
    ),
}
"""What happened to a receipt in doubt. Whether it is still so is said of the printer: it may be mended long since."""

LOOK = (
    "请看小票是否已出：已出请按「小票已出」，没有请按「重打」（会印上重打）",
    'Look whether the receipt came out: if so press "It is there", if not "Reprint" (it is marked as a copy)',
)
"""What to do about a receipt in doubt, whatever brought it there."""


def print_json(job: PrintJob) -> dict[str, Any]:
    in_doubt = job.state is PrintState.UNCONFIRMED
    zh, en = (_IN_DOUBT if in_doubt else CAUSES).get(job.cause) or CAUSES.get(
        job.cause, (job.cause, job.cause)
    )
    action_zh, action_en = LOOK if in_doubt else ("", "")
    return {
        "job": job.job_id,
        "redemption_id": job.redemption_id,
        "state": job.state.value,
        "copies": job.copies,
        "cause": job.cause,
        "cause_zh": zh,
        "cause_en": en,
        "action_zh": action_zh,
        "action_en": action_en,
        "updated_at": job.updated_at,
    }
