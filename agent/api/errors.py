"""Errors of the local API: a closed table of stable codes, each with an HTTP status and a sentence in each language.

Rendered in one place, so that every error has one form: a problem (RFC 9457) with the members `code`, `zh` and `en`
beside the standard's, of the same media type and with the same types as the cloud's (`sync.wire`).
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import hdrs, web

from agent.domain.reasons import CARDS, STOPS, Why
from agent.guesses import TooManyGuesses
from agent.ports import CommitUnknown, LedgerUnavailable
from agent.sales.desk import SaleFault
from sync.wire import PROBLEM_NAME, PROBLEM_TYPE

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REASON_CHARS_MAX = 200
RETRY_AFTER_S = 1


class Problem(NamedTuple):
    """retry: the very same request may succeed in a moment; Retry-After says so. {reason} is filled in."""

    status: int
    zh: str
    en: str
    retry: bool = False


PROBLEMS: dict[str, Problem] = {
    "bad_request": Problem(400, "请求有误：{reason}", "The request is wrong: {reason}"),
    "bad_body": Problem(400, "请求内容有误：{reason}", "The body is wrong: {reason}"),
    "key_missing": Problem(
        400,
        "缺少 Idempotency-Key",
        "Send an Idempotency-Key header: the same key gives the same answer",
    ),
    "key_form": Problem(
        400,
        "Idempotency-Key 有误",
        "Send one Idempotency-Key of 1 to 128 printable ASCII characters",
    ),
    "token_needed": Problem(401, "需要令牌", "Send the token of token_file: Authorization: Bearer ..."),
    "foreign_origin": Problem(403, "不允许从这个网页调用", "This web page may not call the till"),
    "wrong_host": Problem(403, "地址不是本机", "Call the till by its loopback address"),
    "not_found": Problem(404, "没有这个地址", "There is nothing at this address"),
    "unknown_scanner": Problem(404, "没有这个扫码枪", "No scanner of this name is configured"),
    "unknown_hold": Problem(404, "没有这笔预留", "There is no such hold"),
    "unknown_redemption": Problem(404, "本机没有这笔核销", "This till has no such redemption"),
    "unknown_sale": Problem(404, "本机没有这笔交易的核销", "This till redeemed nothing for such a sale"),
    "unknown_campaign": Problem(404, "本机没有这个活动", "This till has no such campaign"),
    "unknown_conflict": Problem(404, "没有这条重复核销记录", "There is no such conflict"),
    "no_join": Problem(404, "没有入会码", "There is no code for becoming a member now"),
    "unknown_job": Problem(404, "没有这张小票", "There is no such receipt"),
    "method_not_allowed": Problem(405, "不支持这种请求", "This method is not allowed here"),
    "body_timeout": Problem(408, "请求没有发完", "The body did not arrive in time"),
    "still_running": Problem(
        409, "同一请求正在处理", "The same request is being answered: ask again in a moment", retry=True
    ),
    "not_unconfirmed": Problem(
        409, "这张小票不是未确认状态", "This receipt is not unconfirmed: look at its state"
    ),
    "not_waiting": Problem(
        409,
        "这张小票已交给打印机，不能取消",
        "A printer may have taken this receipt: it cannot be given up",
    ),
    "drawer_shut": Problem(
        409, "钱箱没有打开：{reason}", "The drawer was not opened, and nothing was sent: {reason}"
    ),
    "import_running": Problem(
        409, "正在导入另一份文件，请稍候", "Another file is being imported: try again in a moment", retry=True
    ),
    "hold_committed": Problem(
        409, "这笔交易已完成", "The sale was committed, otherwise than this says: use a reversal"
    ),
    "hold_voided": Problem(409, "这笔预留已取消", "The hold was voided: hold the coupons again"),
    "nothing_to_undo": Problem(
        409, "没有可以撤销的交易", "There is no last sale to take back: for an earlier one use a reversal"
    ),
    "nothing_left": Problem(409, "已全部退回", "All of it has gone back already"),
    "till_stopped": Problem(409, "本机暂停收券：{reason}", "This till takes no coupons now: {reason}"),
    "no_bundle": Problem(409, "还没有活动数据", "No offers are loaded yet: the currency is not known"),
    "receipt_gone": Problem(
        410,
        "这张小票已过保存期，内容已删除，不能查看或重打",
        "This receipt is older than the till keeps them: its words are erased and it cannot be printed again",
    ),
    "too_large": Problem(413, "请求过大", "The request is too large"),
    "json_needed": Problem(415, "请用 JSON", "Send Content-Type: application/json, without Content-Encoding"),
    "no_trigger": Problem(
        409,
        "这个扫码枪不能由程序触发，或没有连接",
        "This scanner has no trigger_on in till.toml, or is not there",
    ),
    "key_reused": Problem(422, "同一个键用于不同的请求", "This Idempotency-Key was used for another request"),
    "too_many_returned": Problem(422, "退货数量过多：{reason}", "More comes back than was sold: {reason}"),
    "lines_unknown": Problem(
        422, "这些商品没有分摊优惠", "None of these lines carries a part of what came off"
    ),
    "card_refused": Problem(422, "会员卡无效：{reason}", "The member card does not count: {reason}"),
    "wrong_currency": Problem(422, "币种不符", "The sale's currency is not the store's"),
    "too_many_guesses": Problem(
        429,
        "错误的券码太多，请稍候",
        "Too many codes were unknown: wait a little, then type the next one",
        retry=True,
    ),
    "internal": Problem(500, "程序出错，请通知门店 IT", "The till failed to answer: tell store IT"),
    "busy": Problem(503, "扫描太快，请稍候", "Too many scans are waiting", retry=True),
    "ledger_unavailable": Problem(
        503, "账本暂时不可用，请稍候", "The ledger cannot be used now; nothing was recorded", retry=True
    ),
    "result_unknown": Problem(
        503, "结果未知，请先查看", "It is not known whether this was done: look before you ask again"
    ),
    "too_many_listeners": Problem(503, "打开的页面太多", "Too many pages are open", retry=True),
}


_WHYS: dict[str, Mapping[str, Why]] = {"till_stopped": STOPS, "card_refused": CARDS}
"""Whose reason is a code of a closed list, and is said as a sentence."""


class ApiError(Exception):
    """What a handler raises; clients match `code`, a key of PROBLEMS. Made anew each time: one that is raised twice
    keeps the frames of both. reason_zh: where the reason is for a cashier too."""

    def __init__(self, code: str, reason: str = "", reason_zh: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason[:REASON_CHARS_MAX]
        self.reason_zh = reason_zh[:REASON_CHARS_MAX]

    def response(self, retry_after_s: int = RETRY_AFTER_S) -> web.Response:
        problem = PROBLEMS[self.code]
        body = json.dumps(problem_json(self.code, self.reason, self.reason_zh), ensure_ascii=False).encode()
        headers = {hdrs.CONTENT_TYPE: PROBLEM_TYPE}
        response = web.Response(body=body, status=problem.status, headers=headers)
        if problem.retry:
            response.headers[hdrs.RETRY_AFTER] = str(retry_after_s)
        if problem.status == 401:
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return response


def problem_json(code: str, reason: str = "", reason_zh: str = "") -> dict[str, str | int]:
    """The problem `code` of PROBLEMS. title: what every one of its kind is called; detail and `en`: this one."""
    problem = PROBLEMS[code]
    if (why := _WHYS.get(code, {}).get(reason)) is not None:
        reason, reason_zh = f"{why.en}. {why.next_en} ({reason})", f"{why.zh}。{why.next_zh}"
    zh, en = problem.zh.replace("{reason}", reason_zh or reason), problem.en.replace("{reason}", reason)
    return {
        "type": PROBLEM_NAME + code,
        "title": problem.en.removesuffix(": {reason}"),
        "status": problem.status,
        "detail": en,
        "code": code,
        "zh": zh,
        "en": en,
    }


_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


Answerer = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


def make_answerer(
    guard: Callable[[web.Request], web.Response | None], after_a_bug: Callable[[], None]
) -> Answerer:
    """What stands around every handler: asks the guard, lets the handler answer, and gives every error the one form.

    guard: raises ApiError, or answers itself. after_a_bug: ends the process, so that systemd starts a clean one.
    """

    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            early = guard(request)
            return await handler(request) if early is None else early
        except AssertionError:
            log.critical("a bug: ending the process", exc_info=True)
            after_a_bug()
            raise
        except Exception as error:
            return _error_answer(request, error)

    return answered


def _error_answer(request: web.Request, error: Exception) -> web.StreamResponse:
    """The one JSON form. Re-raises what is an answer by itself."""
    try:
        raise error
    except ApiError as error:
        return error.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = ApiError(_HTTP_CODES.get(error.status, "bad_request"), error.reason).response()
        if hdrs.ALLOW in error.headers:
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return response
    except (web.RequestPayloadError, ConnectionError) as error:
        log.info("a body did not arrive whole: %r", error)
        return ApiError("bad_body", "it did not arrive whole").response()
    except SaleFault as error:
        return ApiError(error.code, error.reason, error.reason_zh).response()
    except TooManyGuesses as error:
        return ApiError("too_many_guesses").response(math.ceil(error.wait_s))
    except LedgerUnavailable as error:
        log.error("ledger unavailable: %s", error)
        return ApiError("ledger_unavailable").response()
    except CommitUnknown as error:
        log.critical("commit unknown: %s", error)
        return ApiError("result_unknown").response()
    except (
        Exception
    ):  # the last resort: whatever it is, the caller gets the one form and the journal the trace
        log.exception("%s %s failed", request.method, request.path)
        return ApiError("internal").response()
