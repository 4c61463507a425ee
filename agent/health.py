"""Health: what is wrong with this till, as data. A closed list of issues, each with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.device_words import trouble
from agent.disk import DiskLevel
from agent.domain.bundle import Age, Manifest
from agent.domain.parts import Contents
from agent.domain.reasons import Stop
from agent.domain.time import EffectiveTime, day_number, timestamp
from agent.ports import Counts
from agent.printing.words import LOOK
from agent.state import Trust
from drivers.ports import DeviceState, DeviceStatus


@dataclass(frozen=True, slots=True)
class Issue:
    """severity: error (coupons are not taken, or revocations do not arrive), warning (something is lost if nobody
    acts), info.
    """

    code: str
    severity: str
    zh: str
    en: str
    action_zh: str
    action_en: str

    def to_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the issues are drawn from. stopped: why coupons are not taken, as in `TillState`.

    outdated_s: for how many seconds the cloud has offered only older bundles than the one in force, None if it has not.
    """

    enrolled: bool
    stopped: str
    age: Age | None
    time: EffectiveTime
    counts: Counts
    devices: Sequence[tuple[str, DeviceStatus]]
    skipped: Sequence[str]
    dropped_scans: int
    disk_free_mb: int
    disk: DiskLevel = DiskLevel.ENOUGH
    unrecorded: int = 0
    codes_missing: int = 0
    outdated_s: float | None = None
    template_faults: Sequence[str] = ()


OUTDATED_ERROR_S = 3600.0
"""Revocations of an hour ago are known nowhere but at the cloud: from then on somebody must act."""
_RECORD_AGAIN = (
    "本机数据库写不进去，暂停收券",
    "The last scan could not be recorded",
    "请检查磁盘空间，再扫一次；仍不行请通知 IT",
    "Check the disk's free space and scan again; if it stays, tell store IT",
)
_STOPPED_BY = {
    Stop.LEDGER_UNAVAILABLE: _RECORD_AGAIN,
    "commit_unknown": _RECORD_AGAIN,
    Stop.LEDGER_DAMAGED: (
        "本机数据库已损坏，暂停收券",
        "The till's records are damaged",
        "请勿删除文件，请通知 IT",
        "Delete nothing and tell store IT: the log names the file",
    ),
    Stop.REVOKED: (
        "本机的密钥已失效，不再收券",
        "This till's key counts no more: it was revoked, or another disk was enrolled in its place",
        "记录会继续上传。若新磁盘已在使用，请停用这一块；否则请通知 IT 重新登记",
        "Its records are delivered. If a new disk works as this till, retire this one; else store IT enrols it anew",
    ),
}
_AGE_ISSUES = {
    None: Issue(
        "no_bundle",
        "error",
        "还没有活动数据",
        "No offers are loaded",
        "请联网一次",
        "Connect this till to the cloud once",
    ),
    Age.STALE: Issue(
        "bundle_stale",
        "warning",
        "活动数据较旧",
        "The offers are old",
        "请尽快联网",
        "Bring this till online soon",
    ),
    Age.EXPIRED: Issue(
        "bundle_expired",
        "error",
        "活动数据已过期，部分券暂停",
        "The offers are too old; some coupons are refused",
        "请联网更新",
        "Bring this till online",
    ),
}


def age_sentence(age: Age, manifest: Manifest, contents: Contents, now: datetime) -> tuple[str, str]:
    """(zh, en): how old the bundle is and what that means for its campaigns."""
    days = max((now - manifest.issued).days, 0)
    if age is Age.FRESH:
        return "活动数据是最新的，各活动照常", "The offers are up to date: every campaign counts as planned"
    offers = contents.campaigns.values()
    shares = [
        (offer.stale_percent if age is Age.STALE else offer.expired_percent, offer.budget) for offer in offers
    ]
    paused = sum(percent == 0 for percent, _ in shares)
    # Without a budget there is nothing to take a share of.
    less = sum(0 < percent < 100 and budget is not None for percent, budget in shares)
    return (
        f"活动数据已有 {days} 天：{len(shares)} 个活动中 {paused} 个暂停，{less} 个额度减少",
        f"The offers are {days} day{'s' * (days != 1)} old: {paused} of {len(shares)} paused, {less} giving less",
    )


def bundle_json(trust: Trust | None, now: datetime) -> dict[str, Any]:
    """The bundle as the status tells it."""
    if trust is None:
        return {"epoch": 0, "sequence": 0, "issued": None, "age": "none", "campaigns": 0, "zh": "", "en": ""}
    manifest, age = trust.manifest, trust.manifest.age(now)
    zh, en = age_sentence(age, manifest, trust.contents, now)
    return {
        "epoch": manifest.epoch,
        "sequence": manifest.sequence,
        "issued": timestamp(manifest.issued),
        "age": age.value,
        "campaigns": len(trust.contents.campaigns),
        "zh": zh,
        "en": en,
    }


def messages_json(trust: Trust | None, now: datetime) -> list[dict[str, str]]:
    """What head office has to say today."""
    if trust is None:
        return []
    today = day_number(now, trust.zone)
    said = [message.words for message in trust.contents.shop.messages if message.in_force(today)]
    return [{"zh": words.zh, "en": words.en} for words in said]


def issues(facts: Facts) -> list[Issue]:
    """Everything that is wrong now, the worst first."""
    found = [*_trust_issues(facts), *_bundle_issues(facts), *_record_issues(facts), *_device_issues(facts)]
    return sorted(found, key=lambda issue: ("error", "warning", "info").index(issue.severity))


def _trust_issues(facts: Facts) -> list[Issue]:
    found = []
    if not facts.enrolled:
        found.append(
            Issue(
                "not_enrolled",
                "error",
                "本机尚未登记",
                "This till is not enrolled",
                "运行 redeemd enrol --code 登记码",
                "Run redeemd enrol --code CODE",
            )
        )
    elif facts.age in _AGE_ISSUES and facts.stopped != Stop.REVOKED:
        found.append(_AGE_ISSUES[facts.age])
    if facts.stopped in _STOPPED_BY:
        found.append(Issue(facts.stopped, "error", *_STOPPED_BY[facts.stopped]))
    if facts.time.doubt:
        found.append(Issue("clock_doubt", "warning", "本机时间可能不对", *_CLOCK_SAID[facts.time.doubt]))
    return found


_CLOCK_SAID = {
    "behind": (
        "The till's clock is behind what it remembers",
        "请核对日期和时间；若时间正确，运行 redeemd time show",
        "Set date and time; if they are right, the memory is wrong: redeemd time show says how it is repaired",
    ),
    "ahead": (
        "The till's clock is ahead",
        "请核对日期和时间",
        "Set date and time, check the battery",
    ),
}
"""Doubt -> the English sentence, and what to do in both languages."""


def _bundle_issues(facts: Facts) -> list[Issue]:
    found = []
    if facts.outdated_s is not None:
        found.append(
            Issue(
                "cloud_outdated",
                "error" if facts.outdated_s >= OUTDATED_ERROR_S else "warning",
                "云端的数据比本机旧，收不到更新和作废通知",
                "The cloud's data is older than this till's: updates and revocations do not arrive",
                "请通知总部：云端恢复备份后须运行 redeemd cloud restored",
                "Tell head office: after a restore the cloud needs redeemd cloud restored",
            )
        )
    if facts.codes_missing:
        found.append(
            Issue(
                "codes_missing",
                "warning",
                f"缺 {facts.codes_missing} 份券码表，部分券码查不到",
                f"{facts.codes_missing} tables of codes are missing: their codes are not known here",
                "请联网补齐",
                "Bring this till online",
            )
        )
    if facts.skipped:
        found.append(
            Issue(
                "campaign_skipped",
                "warning",
                f"{len(facts.skipped)} 个活动本版本不支持",
                f"{len(facts.skipped)} offers need a newer redeemd",
                "请升级 redeemd",
                f"Upgrade redeemd ({facts.skipped[0]})",
            )
        )
    if faults := len(facts.template_faults):
        found.append(
            Issue(
                "template_broken",
                "warning",
                f"小票模板有 {faults} 处错误",
                f"{faults} fault{'s' * (faults != 1)} in receipt templates",
                "小票照常打印；请通知门店 IT 修改模板",
                f"Receipts are printed all the same; mend the template ({facts.template_faults[0]})",
            )
        )
    return found


def _record_issues(facts: Facts) -> list[Issue]:
    found = []
    if facts.counts.forked:
        found.append(
            Issue(
                "records_forked",
                "error",
                f"云端已有 {facts.counts.forked} 条同号的其他记录：本机的数据像是旧备份",
                f"The cloud has other records of {facts.counts.forked} of this till's numbers: an old backup?",
                "请通知 IT：按旧磁盘更换处理，重新登记（operations.md）",
                "Tell store IT: enrol this till anew, as after a swapped disk; until then its uses may count twice",
            )
        )
    if facts.counts.quarantined:
        found.append(
            Issue(
                "quarantine",
                "warning",
                f"{facts.counts.quarantined} 条记录被云端拒收",
                f"The cloud refused {facts.counts.quarantined} records",
                "运行 redeemd outbox --quarantined 查看",
                "See redeemd outbox --quarantined",
            )
        )
    if facts.counts.conflicts:
        found.append(
            Issue(
                "conflict",
                "warning",
                f"{facts.counts.conflicts} 张券在别处也用过",
                f"{facts.counts.conflicts} coupons were also redeemed at another till",
                "看过后点“已知晓”，或运行 redeemd conflicts",
                "Look at them and say so here, or run redeemd conflicts",
            )
        )
    if facts.disk is not DiskLevel.ENOUGH:
        code, severity, zh, en = _DISK_SAID[facts.disk]
        found.append(
            Issue(
                code,
                severity,
                f"磁盘只剩 {facts.disk_free_mb} MB：{zh}".replace("{n}", str(facts.unrecorded)),
                f"{facts.disk_free_mb} MB left on the disk: {en}".replace("{n}", str(facts.unrecorded)),
                "请清理磁盘，或联网上传记录，或调高 [storage] budget_mb",
                "Free some room, bring the till online to deliver its records, or raise budget_mb in [storage]",
            )
        )
    if facts.dropped_scans:
        found.append(
            Issue(
                "scans_dropped",
                "warning",
                f"有 {facts.dropped_scans} 次扫描太快被忽略",
                f"{facts.dropped_scans} scans came too fast and were not taken",
                "请检查扫码枪",
                "Check the scanner",
            )
        )
    return found


_DISK_SAID = {
    DiskLevel.TIGHT: (
        "disk_tight",
        "warning",
        "已上传的旧记录会提前清除",
        "what was delivered is forgotten sooner",
    ),
    DiskLevel.SCARCE: (
        "disk_scarce",
        "error",
        "被拒的扫描不再留存（已有 {n} 次）",
        "refused scans are answered and not recorded ({n} so far)",
    ),
    DiskLevel.FULL: (
        "disk_full",
        "error",
        "只记录收券，备用空间已启用（未留存 {n} 次）",
        "redemptions alone are recorded, in the reserve ({n} refused scans were not)",
    ),
}
"""Level -> code, severity and what happens, in Chinese and English."""


def _device_issues(facts: Facts) -> list[Issue]:
    found = []
    for role, status in facts.devices:
        if (said := trouble(role, status)) is None:
            continue
        if status.state is DeviceState.READY:  # it works, and somebody should know
            found.append(Issue("paper_low", "info", *said))
        else:
            found.append(Issue(f"device_{status.state.value}", "warning", *said))
    stuck = facts.counts.prints.get("unconfirmed", 0)
    if stuck:
        found.append(
            Issue(
                "print_unconfirmed",
                "info",
                f"{stuck} 张小票未确认",
                f"{stuck} receipts not confirmed" if stuck > 1 else "1 receipt not confirmed",
                *LOOK,
            )
        )
    return found


def healthy(found: Sequence[Issue]) -> bool:
    """True while coupons are taken and revocations arrive; a line that is down is told by the bundle's age."""
    return not any(issue.severity == "error" for issue in found)


def to_json(found: Sequence[Issue]) -> list[dict[str, Any]]:
    return [issue.to_json() for issue in found]
