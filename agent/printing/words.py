"""What is told about printers and print jobs: the cause, what to do about it, and what becomes of the receipt; in this
order, and the same in Chinese as in English."""

from __future__ import annotations

from typing import Any, NamedTuple

from agent.ports import PrintJob, PrintState
from drivers.ports import PrinterCause


class Words(NamedTuple):
    """zh, en: what is the matter. do_zh, do_en: what somebody at the till does about it; empty where nothing is to be
    done. English in small letters and without a stop, so that it goes on a sentence."""

    zh: str
    en: str
    do_zh: str = ""
    do_en: str = ""


PRINTER: dict[str, Words] = {
    PrinterCause.PAPER_OUT: Words("缺纸", "is out of paper", "请换纸", "put in a new roll"),
    PrinterCause.PAPER_LOW: Words("纸快用完了", "is low on paper", "请备好新纸卷", "have a new roll ready"),
    PrinterCause.COVER_OPEN: Words("盖没合上", "has its cover open", "请合盖", "close it"),
    PrinterCause.OFFLINE: Words(
        "离线",
        "is off line",
        "请按联机键或进纸键，仍不行请关机再开",
        "press its on-line or feed key; if it stays off line, switch it off and on",
    ),
    PrinterCause.UNREACHABLE: Words("没有应答", "does not answer", "请检查电源和线", "check power and cable"),
    PrinterCause.BUSY: Words(
        "正在打印别的小票", "is busy with another receipt", "请稍后再试", "try again in a moment"
    ),
    PrinterCause.MISCONFIGURED: Words("设置有误", "is set up wrongly", "请通知 IT", "tell store IT"),
}
"""What a printer names. What is the matter goes behind its name: 打印机 + 缺纸, The printer + is out of paper."""

CAUSES: dict[str, Words] = {
    **{
        cause: said._replace(zh=f"打印机{said.zh}", en=f"The printer {said.en}")
        for cause, said in PRINTER.items()
    },
    "restart": Words("打印时本机重启过", "The till restarted while it was printed"),
    "given_up": Words(
        "已取消打印",
        "It was given up before it was printed",
        "若还要打请按「重打」",
        'press "Reprint" if it is wanted after all',
    ),
    "unconfirmed": Words("打印机没有确认", "The printer did not confirm it"),
    "other_printer": Words(
        "由备用打印机打印", "It came out of the other printer", "请到那台取", "fetch it there"
    ),
    "": Words("", ""),
}
"""Why a receipt is not printed, or where it was."""

_THEN: dict[PrintState, tuple[str, str]] = {
    PrintState.QUEUED: ("小票随后自动打印", "the receipt is then printed by itself"),
    PrintState.SENDING: ("稍后显示小票是否已出", "whether the receipt came out is told in a moment"),
}
"""What becomes of a receipt that its printer does not print."""

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


def sentence(first: str) -> str:
    """English that goes on a sentence, as one of its own."""
    return first[:1].upper() + first[1:]


def advice(words: Words, then: tuple[str, str] = ("", "")) -> tuple[str, str]:
    """(zh, en): what to do, and what becomes of it; both empty where there is nothing to do."""
    if not words.do_zh:
        return "", ""
    zh, en = then
    return f"{words.do_zh}，{zh}" if zh else words.do_zh, sentence(
        f"{words.do_en}; {en}" if en else words.do_en
    )


def print_json(job: PrintJob) -> dict[str, Any]:
    words = CAUSES.get(job.cause, Words(job.cause, job.cause))
    if job.state is PrintState.UNCONFIRMED:
        zh, en = _IN_DOUBT.get(job.cause, (words.zh, words.en))
        action_zh, action_en = LOOK
    else:
        zh, en = words.zh, words.en
        action_zh, action_en = advice(words, _THEN.get(job.state, ("", "")))
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
