// Every word of the page in both languages, and how it writes numbers, money and time.

const TEXT = {
  zh: {
    title: "核销云端", pages: "页面", logout: "退出", other_language: "English",
    login_lead: "运营页面", token: "令牌", login: "登录", login_hint: "令牌由管理员发放：redeemd cloud token add。会话 12 小时后结束，只能查看，不能修改。",
    login_wrong: "令牌不对，或已过期、已作废。请向管理员要一个新的。", login_empty: "请填写令牌。", session_over: "会话已结束，请重新登录。",
    unreachable: "云端没有回应，正在重试。下面是上一次的数据。", refused: "云端拒绝了这个请求：{d}", no_right: "您的角色（{role}）不能看这一页。", no_right_do: "需要的话请让管理员发一个合适角色的令牌。",
    again: "再试一次", updated: "更新于 {t}", loading: "正在读取…", search: "搜索", search_till: "收银机或门店", search_campaign: "活动名称或发行方",
    next: "下一页", previous: "上一页", first: "回到首页", nothing: "没有符合条件的内容", nothing_do: "换个筛选条件试试。", download: "下载 CSV", sort_by: "排序", all: "全部",
    behind: "还有 {n} 台收银机的新记录在汇总中，几秒后计入。",
    tills: "收银机", campaigns: "活动", arms: "A/B 对比", conflicts: "冲突", quarantine: "隔离与异常", settlement: "结算", acts: "操作记录",
    tills_none: "还没有收银机", tills_none_do: "用 redeemd cloud till add 添加一台，再到收银机上登记。",
    p_all: "全部", p_any: "有问题", p_silent: "失联", p_clock: "时钟存疑", p_bundle: "活动数据旧", p_backlog: "积压", p_quarantine: "有隔离", p_revoked: "已停用", p_waiting: "待登记",
    till: "收银机", store: "门店", seen: "最近联系", version: "版本", bundle: "活动数据", clock: "时钟", backlog: "待上传", quarantined: "隔离", devices: "设备与问题",
    never: "从未", clock_ok: "正常", clock_ahead: "快 {t}", clock_behind: "慢 {t}", clock_doubt: "存疑",
    age_fresh: "最新", age_stale: "较旧", age_expired: "过期", age_none: "没有", issued_at: "签发于 {t}，第 {s} 版", oldest: "最早 {t}", silent: "失联",
    state_waiting: "待登记", state_revoked: "已停用", state_enrolled: "使用中",
    scanner: "扫码枪", camera: "摄像头", printer: "打印机", well: "都正常", d_lost: "断开", d_denied: "被拒", d_misconfigured: "配置有误", said: "收银机 {t} 报告",
    i_not_enrolled: "未登记", i_revoked: "密钥已作废", i_ledger_unavailable: "数据库写不进", i_commit_unknown: "数据库写不进", i_ledger_damaged: "数据库损坏", i_cloud_outdated: "云端数据较旧", i_codes_missing: "缺券码表", i_campaign_skipped: "需升级版本", i_template_broken: "小票模板有误", i_records_forked: "像是旧备份", i_conflict: "有冲突", i_disk_tight: "磁盘偏满", i_disk_scarce: "磁盘很满", i_disk_full: "磁盘已满", i_scans_dropped: "扫描被忽略", i_print_unconfirmed: "小票未确认",
    campaigns_none: "还没有活动", campaigns_none_do: "发布一个活动：redeemd campaign publish。",
    campaign: "活动", issued: "已发放", redeemed: "已核销", rate: "核销率", discount: "优惠金额", basket: "平均客单", extra: "超门槛销售", returns: "退回", lost_to: "冲突",
    ends: "到 {d}", over: "已结束", begins: "{d} 开始", elsewhere: "本云未发行", times: "{n} 笔", before_returns: "退货前 {m}", extra_tip: "已知 {n} 单中，超过门槛的金额",
    by_hour: "按时段", by_store: "按门店", by_source: "按渠道", by_merchant: "按商户", by_group: "按门店组（区域）", group: "门店组", share: "占比", hour: "时段", source: "渠道", unknown: "未知", back: "返回活动列表", no_redemptions: "还没有核销",
    since: "从", until: "到", period: "期间", show: "查看",
    arms_none: "还没有 A/B 数据", arms_none_do: "小票规则里设置分组后，这里显示各组券码的回收率。", rule: "规则", arm: "分组", receipts: "小票", codes: "发出券码", came_back: "已回收", rate_ci: "回收率（95% 区间）", difference: "与基准之差（95% 区间）", held_out: "对照组，不发券码", base: "基准", sure: "差异显著", unsure: "尚不能断定",
    arms_note: "每组区间用 Wilson 法，差的区间用 Newcombe 第 10 法。区间不含 0 时，差异才算得上可靠。",
    conflicts_none: "没有冲突", conflicts_none_do: "没有一张券在两处核销。", time: "时间", coupon: "券", lost_at: "后到", won_at: "先到", kind: "类型", filter_till: "收银机，如 T-0001",
    lasting: "未了结", ended: "已了结", ended_none: "没有已了结的冲突", ended_none_do: "一方退货后，冲突了结并列在这里。", what_follows: "处理结果",
    conflicts_lead: "按记录到达云端的先后，先到的有效，不看收银机时钟。两家门店都已收到通知。", by_till: "{till} 第 {n} 条", came_off: "优惠 {m}", at_till: "收银机 {t}", at_cloud: "云端 {t}",
    listed: "{t} 起列为已用", revoked_coupon: "{t} 作废", ended_by: "{t}，退货记录 {id}",
    double: "两处核销", fork: "同号异文", broken_chain: "链不衔接", wrong_key: "密钥不对",
    refusals: "被拒记录", held: "待裁定", implausible: "不合理", gaps: "缺号", clean: "一条也没有", clean_do: "一切正常。",
    reason: "原因", record: "记录", lane: "通道", lane_redemption: "核销", lane_evidence: "证据", sequence: "序号", event: "原文", amount: "金额", key: "密钥", sequences: "序号范围", gap_missing: "未收到", gap_replaced: "换盘预留",
    no_such_coupon: "没有这个券号", never_issued: "从未发放", not_as_issued: "不是发放的那张券", above_value: "超过最高面额", wrong_shares: "分摊对不上", wrong_points: "积分对不上", return_wrong_points: "退货积分对不上", malformed: "格式不对", wrong_till: "别的收银机的记录", wrong_lane: "通道不对", wrong_hash: "内容被改动", bad_signature: "签名不对", too_large: "过大", unreadable: "读不出",
    settlement_lead: "按收到日期（UTC），已减去退回。待定：有冲突、被暂扣或不合理，须人工裁定。", merchant: "商户", party: "承担方", count: "笔数", payable: "应付", open: "待定", returned: "其中退回", total: "合计",
    party_issuer: "发行方", party_merchant: "商户", party_supplier: "供应商", settlement_none: "这段时间没有核销", settlement_none_do: "换一个期间。", unknown_campaign: "未知活动",
    exports: "下载明细（CSV）", export_redemptions: "核销明细", export_conflicts: "冲突", export_settlement: "结算", export_shares: "分摊明细", export_rewards: "奖励",
    acts_none: "还没有操作", acts_none_do: "", act_at: "时间", minor: "{n}（最小单位）", who: "谁", role: "角色", act: "操作", detail: "内容", answer: "结果", not_known: "不确定是否完成", machine: "云端主机",
    role_viewer: "查看", role_operator: "运营", role_issuer: "发行", role_settlement: "结算", role_admin: "管理员", role_machine: "云端主机",
  },
  en: {
    title: "redeemd cloud", pages: "Pages", logout: "Log out", other_language: "中文",
    login_lead: "Operator page", token: "Token", login: "Log in", login_hint: "An administrator makes tokens: redeemd cloud token add. A session lasts 12 hours; it reads and changes nothing.",
    login_wrong: "This token is unknown, expired or revoked. Ask an administrator for a new one.", login_empty: "Enter a token.", session_over: "The session is over. Please log in again.",
    unreachable: "The cloud does not answer; trying again. What is shown is what it said last.", refused: "The cloud refused this request: {d}", no_right: "Your role ({role}) may not see this page.", no_right_do: "If you need it, ask an administrator for a token with a role that may.",
    again: "Try again", updated: "Updated {t}", loading: "Loading…", search: "Search", search_till: "Till or store", search_campaign: "Campaign or issuer",
    next: "Next", previous: "Previous", first: "First page", nothing: "Nothing fits", nothing_do: "Try another filter.", download: "Download CSV", sort_by: "Sort by", all: "All",
    behind: "New records of {n} tills are being counted and show in some seconds.", behind_one: "New records of 1 till are being counted and show in some seconds.",
    tills: "Tills", campaigns: "Campaigns", arms: "A/B", conflicts: "Conflicts", quarantine: "Quarantine", settlement: "Settlement", acts: "Audit",
    tills_none: "No tills yet", tills_none_do: "Add one with redeemd cloud till add, then enrol it at the till.",
    p_all: "All", p_any: "With a problem", p_silent: "Silent", p_clock: "Clock in doubt", p_bundle: "Old offers", p_backlog: "Backlog", p_quarantine: "Quarantine", p_revoked: "Revoked", p_waiting: "Not enrolled",
    till: "Till", store: "Store", seen: "Last seen", version: "Version", bundle: "Offers", clock: "Clock", backlog: "Waiting", quarantined: "Quarantined", devices: "Devices and problems",
    never: "never", clock_ok: "right", clock_ahead: "{t} fast", clock_behind: "{t} slow", clock_doubt: "in doubt",
    age_fresh: "fresh", age_stale: "stale", age_expired: "expired", age_none: "none", issued_at: "issued {t}, number {s}", oldest: "oldest {t}", silent: "silent",
    state_waiting: "not enrolled", state_revoked: "revoked", state_enrolled: "in use",
    scanner: "Scanner", camera: "Camera", printer: "Printer", well: "all well", d_lost: "lost", d_denied: "not permitted", d_misconfigured: "set up wrong", said: "said by the till {t}",
    i_not_enrolled: "not enrolled", i_revoked: "key revoked", i_ledger_unavailable: "database not writable", i_commit_unknown: "database not writable", i_ledger_damaged: "database damaged", i_cloud_outdated: "cloud's data is older", i_codes_missing: "code tables missing", i_campaign_skipped: "needs an upgrade", i_template_broken: "template broken", i_records_forked: "looks like an old backup", i_conflict: "conflicts", i_disk_tight: "disk filling up", i_disk_scarce: "disk nearly full", i_disk_full: "disk full", i_scans_dropped: "scans not taken", i_print_unconfirmed: "receipts unconfirmed",
    campaigns_none: "No campaigns yet", campaigns_none_do: "Publish one: redeemd campaign publish.",
    campaign: "Campaign", issued: "Issued", redeemed: "Redeemed", rate: "Rate", discount: "Discount given", basket: "Average basket", extra: "Extra sales", returns: "Returns", lost_to: "Conflicts",
    ends: "until {d}", over: "over", begins: "from {d}", elsewhere: "none by this cloud", times: "count: {n}", before_returns: "{m} before returns", extra_tip: "above the least sale, in {n} known sales",
    by_hour: "By hour", by_store: "By store", by_source: "By channel", by_merchant: "By merchant", by_group: "By group of stores (region)", group: "Group", share: "Share", hour: "Hour", source: "Channel", unknown: "unknown", back: "Back to all campaigns", no_redemptions: "Nothing redeemed yet",
    since: "From", until: "to", period: "Period", show: "Show",
    arms_none: "No A/B data yet", arms_none_do: "Once a receipt rule has arms, this page shows how many of each arm's codes came back.", rule: "Rule", arm: "Arm", receipts: "Receipts", codes: "Codes given", came_back: "Came back", rate_ci: "Rate (95 % interval)", difference: "Against the base (95 % interval)", held_out: "held out, no codes", base: "base", sure: "a difference", unsure: "not certain",
    arms_note: "The interval of an arm is Wilson's, that of a difference is Newcombe's method 10. Only one that does not hold 0 tells of a difference.",
    conflicts_none: "No conflicts", conflicts_none_do: "No coupon was redeemed in two places.", time: "Received", coupon: "Coupon", lost_at: "Second", won_at: "First", kind: "Kind", filter_till: "Till, such as T-0001",
    lasting: "Lasting", ended: "Ended", ended_none: "No conflict has ended", ended_none_do: "One whose goods come back ends and is listed here.", what_follows: "What follows",
    conflicts_lead: "First is whose record reached the cloud first; no till's clock decides. Both stores have been told.", by_till: "{till}, record {n}", came_off: "{m} off", at_till: "till: {t}", at_cloud: "cloud: {t}",
    listed: "listed as used {t}", revoked_coupon: "revoked {t}", ended_by: "{t}, return {id}",
    double: "redeemed twice", fork: "two records of one number", broken_chain: "chain does not fit", wrong_key: "other key",
    refusals: "Refused records", held: "To be decided", implausible: "Implausible", gaps: "Gaps", clean: "None at all", clean_do: "All is well.",
    reason: "Reason", record: "Record", lane: "Lane", lane_redemption: "redemption", lane_evidence: "evidence", sequence: "Sequence", event: "As sent", amount: "Amount", key: "Key", sequences: "Sequences", gap_missing: "never came", gap_replaced: "left for a lost disk",
    no_such_coupon: "no such coupon", never_issued: "never issued", not_as_issued: "not the coupon that was issued", above_value: "above its value", wrong_shares: "shares do not sum up", wrong_points: "points do not add up", return_wrong_points: "points of a return do not add up", malformed: "malformed", wrong_till: "of another till", wrong_lane: "in the wrong lane", wrong_hash: "not what was hashed", bad_signature: "signature is wrong", too_large: "too large", unreadable: "cannot be read",
    settlement_lead: "By day of receipt (UTC), net of returns. Open: in conflict, held or implausible; a person decides.", merchant: "Merchant", party: "Paid by", count: "Count", payable: "Payable", open: "Open", returned: "Returned of it", total: "Total",
    party_issuer: "issuer", party_merchant: "merchant", party_supplier: "supplier", settlement_none: "Nothing redeemed in this time", settlement_none_do: "Choose another period.", unknown_campaign: "unknown campaign",
    exports: "Download records (CSV)", export_redemptions: "Redemptions", export_conflicts: "Conflicts", export_settlement: "Settlement", export_shares: "Shares", export_rewards: "Rewards",
    acts_none: "Nothing was done yet", acts_none_do: "", act_at: "When", minor: "{n} minor units", who: "Who", role: "Role", act: "Act", detail: "Named", answer: "Answer", not_known: "not known whether done", machine: "on the machine",
    role_viewer: "viewer", role_operator: "operator", role_issuer: "issuer", role_settlement: "settlement", role_admin: "admin", role_machine: "on the machine",
  },
};

let language = "zh";

export const LANGUAGES = Object.keys(TEXT);
export const lang = () => language;
export function speak(chosen) {
  language = TEXT[chosen] ? chosen : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

/** The word, with {name} filled in; a number n of 1 takes the form NAME_one where there is one. */
export function t(name, values = {}) {
  const words = TEXT[language];
  const text = (values.n === 1 && words[`${name}_one`]) || words[name] || name;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

/** A word that may be missing: a code of a till or cloud newer than this page stands for itself. */
export const word = (name, otherwise) => TEXT[language][name] ?? otherwise;

export const titleOf = (row) => (language === "zh" ? row.title_zh || row.title_en : row.title_en || row.title_zh) || "";

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");
export const number = (value) => (value === null ? "–" : new Intl.NumberFormat(locale()).format(value));
export const percent = (value) => (value === null ? "–" : `${new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(value)} %`);

/** minor: an integer in minor units of the currency (ISO 4217). */
export function money(minor, currency) {
  if (minor === null) return "–";
  if (!currency) return t("minor", { n: number(minor) });
  let form;
  try {
    form = new Intl.NumberFormat(locale(), { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  } catch {
    return number(minor);
  }
  return form.format(minor / 10 ** form.resolvedOptions().maximumFractionDigits);
}

const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "3 minutes ago" */
export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  const [unit, size] = STEPS.find(([, least]) => seconds >= least) ?? STEPS[3];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style: "short" }).format(-Math.floor(seconds / size), unit);
}

/** "2 h", "40 s" */
export function span(seconds) {
  const size = Math.abs(seconds);
  const [unit, least] = STEPS.find(([, one]) => size >= one) ?? STEPS[3];
  return new Intl.NumberFormat(locale(), { style: "unit", unit, unitDisplay: "short" }).format(Math.floor(size / least));
}

export const clock = (time) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(time));
/** To the minute; what no browser can read, as it was said. */
export const minute = (time) => (Number.isNaN(Date.parse(time)) ? time : minutes(new Date(time)));
const minutes = (at) => new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at);
export const hourly = (time) => new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(new Date(time));
