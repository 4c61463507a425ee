"""What `sync` asks of the till's store, and what it offers over the line. No I/O here.

Every end of a request is a returned value: an `Answer` (HTTP status and bytes, whoever sent them) or a
`Failure` of a closed kind. Each kind has one sentence for store staff in Chinese and in English.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sync.errors import OutboxUnavailable as OutboxUnavailable
from sync.wire import Record, RecordResult


class FailureKind(StrEnum):
    """Why a request did nothing for us: first the line, then the cloud, then the till itself."""

    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NO_ROUTE = "no_route"  # no network, or none of the IP version that the cloud's address is of
    PROXY = "proxy"  # the proxy cannot be reached or lets nothing through
    INTERRUPTED = "interrupted"  # the line broke after the request began: it may have been received
    TLS = "tls"  # no encrypted connection at all
    TLS_CA = "tls_ca"  # a certificate of nobody this till trusts
    TLS_NAME = "tls_name"  # a certificate of another address
    CLOCK = "clock"  # by this till's date the cloud's certificate does not count yet, or no more
    TIMEOUT = "timeout"
    CAPTIVE_PORTAL = "captive_portal"

    OUTDATED = "outdated"  # signed by the cloud, and older than what the till has
    PROTOCOL = "protocol"  # not HTTP, or not the words of this protocol
    TOO_LARGE = "too_large"  # the answer is longer than we read
    NOT_ADMITTED = "not_admitted"  # 401, 403
    NOT_FOUND = "not_found"  # 404, 405, 410
    BUSY = "busy"  # 408, 425, 429, 5xx, or nothing taken this time
    BATCH_REFUSED = "batch_refused"  # 400, 413, 422 for the whole batch
    UNKNOWN_STATUS = "unknown_status"

    OUTBOX = "outbox"  # the till's own store


@dataclass(frozen=True, slots=True)
class Sentence:
    """One fact for people, in both languages of the store."""

    zh: str
    en: str


SENTENCES: Mapping[FailureKind, Sentence] = {
    FailureKind.DNS: Sentence(
        "找不到云端服务器的地址，请检查网络或 DNS 设置。",
        "The name of the cloud cannot be looked up: check the network and its DNS.",
    ),
    FailureKind.REFUSED: Sentence(
        "云端服务器没有在此地址提供服务，稍后自动重试。",
        "Nothing answers at the cloud's address and port; it is tried again by itself.",
    ),
    FailureKind.UNREACHABLE: Sentence(
        "网络不通，无法到达云端，请检查网线或路由器。",
        "The cloud cannot be reached: check the cable and the router.",
    ),
    FailureKind.NO_ROUTE: Sentence(
        "没有通往云端的网络：请检查网线、Wi-Fi 或 IPv4/IPv6 设置。",
        "This till has no network that leads to the cloud: check cable, Wi-Fi and whether it is IPv4 or IPv6 only.",
    ),
    FailureKind.PROXY: Sentence(
        "代理服务器不可用或拒绝连接，请检查代理设置。",
        "The proxy cannot be reached or refuses: check [cloud] proxy and the proxy itself.",
    ),
    FailureKind.CLOCK: Sentence(
        "按本机日期云端证书无效：请先校准本机日期和时间。",
        "By this till's date the cloud's certificate is not valid: set date and time, then check the certificate.",
    ),
    FailureKind.INTERRUPTED: Sentence(
        "传输途中断线，记录仍保留，稍后自动重试。",
        "The line broke during a transfer; nothing is lost and it is tried again by itself.",
    ),
    FailureKind.TLS: Sentence(
        "无法与云端建立加密连接，请检查云端网址和端口。",
        "No encrypted connection can be made: check the cloud's URL and port.",
    ),
    FailureKind.TLS_CA: Sentence(
        "云端证书不受信任：请检查 CA 文件；若其他网页也打不开，网络可能要求先登录。",
        "The certificate is of nobody this till trusts: check [cloud] ca_file; if other pages fail too, the network "
        "may want a login.",
    ),
    FailureKind.TLS_NAME: Sentence(
        "证书属于别的地址：请检查云端网址；若其他网页也打不开，网络可能要求先登录。",
        "The certificate is of another address: check [cloud] url; if other pages fail too, the network may want a "
        "login.",
    ),
    FailureKind.TIMEOUT: Sentence(
        "云端没有在规定时间内回应，稍后自动重试。",
        "The cloud did not answer in time; it is tried again by itself.",
    ),
    FailureKind.CAPTIVE_PORTAL: Sentence(
        "网络要求先登录（门户页面），请店内网络管理员处理。",
        "The network shows a login page of its own instead of the cloud: sign in to the network.",
    ),
    FailureKind.OUTDATED: Sentence(
        "云端的数据比本机旧，可能恢复了旧备份，请通知总部。",
        "The cloud offers older data than this till has, as if a backup was restored: tell head office.",
    ),
    FailureKind.PROTOCOL: Sentence(
        "对方的回答无法理解，请检查云端地址和版本。",
        "The answer makes no sense to this till: check the cloud's address and version.",
    ),
    FailureKind.TOO_LARGE: Sentence(
        "对方的回答过长，已停止读取，请联系技术支持。",
        "The answer was longer than allowed and was not read: call support.",
    ),
    FailureKind.NOT_ADMITTED: Sentence(
        "云端不接受这台收银机，记录仍保留，请重新登记。",
        "The cloud does not admit this till; every record is kept. Enrol the till again.",
    ),
    FailureKind.NOT_FOUND: Sentence(
        "云端没有这个地址，请检查云端网址和版本。",
        "The cloud does not know this address: check the cloud's URL and version.",
    ),
    FailureKind.BUSY: Sentence(
        "云端繁忙，稍后自动重试。",
        "The cloud is busy; it is tried again by itself.",
    ),
    FailureKind.BATCH_REFUSED: Sentence(
        "整批记录被拒收，正在逐条查找原因，记录仍保留。",
        "A whole batch was refused; the cause is being searched record by record and all are kept.",
    ),
    FailureKind.UNKNOWN_STATUS: Sentence(
        "云端给出了未知的回应，记录仍保留，请检查版本。",
        "The cloud answered with a status this till does not know; every record is kept.",
    ),
    FailureKind.OUTBOX: Sentence(
        "本机数据库暂时不可用，稍后自动重试。",
        "This till's own database cannot be used now; it is tried again by itself.",
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """No usable answer. detail: one line for store IT. retry_after_s: the cloud's own wish, if any."""

    kind: FailureKind
    detail: str
    retry_after_s: float | None = None

    @property
    def sentence(self) -> Sentence:
        return SENTENCES[self.kind]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. headers: names in lower case. body: unpacked, within the bound asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbox(Protocol):
    """The till's durable queue, one sequence per lane. Methods raise OutboxUnavailable, nothing else."""

    async def waiting(self, lane: str, max_records: int, max_bytes: int) -> list[Record]:
        """The first unacknowledged records in order of sequence, without quarantined ones.

        At most max_records, whose events have at most max_bytes together; the first is returned whatever
        its size.
        """

    async def settle(self, lane: str, results: Sequence[RecordResult]) -> None:
        """Apply results in one transaction, durable on return: acknowledged records leave the outbox (a
        conflict is kept for the store to see), refused ones go to quarantine. Only permanent refusals
        arrive here. A result for a record that is no longer waiting is ignored: it was settled before a
        crash.
        """

    async def send_again(self, lane: str, spans: Sequence[tuple[int, int]], max_records: int) -> int:
        """Put acknowledged records of these sequences (first and last) back among those that wait; how many.

        At most max_records; what is not there, or in quarantine, stays so.
        """


class Uplink(Protocol):
    """The line to the cloud. Neither method raises; every wait and every size is bounded."""

    async def post_batch(self, lane: str, body: bytes, idempotency_key: str) -> Answer | Failure:
        """Send one batch as `wire.encode_batch` made it."""

    async def get(
        self, path: str, etag: str | None = None, *, max_bytes: int | None = None
    ) -> Answer | Failure:
        """Fetch a path of `sync.wire` (below the base URL). etag: answer 304 if it still holds.

        max_bytes: longest body read, default `Limits.part_bytes`.
        """


class Asker(Protocol):
    """Questions that somebody waits for."""

    async def ask(self, path: str, document: bytes, *, wait_s: float) -> Answer | Failure:
        """POST JSON to a path of `sync.wire`; no answer within `wait_s` seconds is a Failure. Never raises."""
