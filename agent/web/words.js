// Every word the page says by itself, and how it writes money and time. Sentences about a coupon come from the daemon.

const TEXT = {
  zh: {
    lost: "与核销程序的连接已断开", lost_do: "正在自动重连。恢复之前，请不要以本屏为准收券。",
    health: "设备与线路", last_verdict: "最近一次判定", issues: "待处理的问题", recent: "最近的判定",
    enable_sound: "点一下，启用声音", mute: "静音",
    idle: "请扫券", idle_sub: "把顾客的券对准扫码枪", next_scan: "请扫下一张",
    sale_total: "本单金额", sale_keys: "直接按数字键", sale_set: "确定", sale_clear: "清除",
    assistant: "{name}：{sales} 单 {n} 张 {earned}", assistant_now: "当班 {name}：{sales} 单 {n} 张 {earned}",
    member_level: "会员 {level} 级", member_points: "会员 {level} 级，{points} 积分（截至 {t}）",
    sale_none: "输入后，下一张券按此金额判定", sale_pending: "尚未生效，请按确定", sale_on: "下一张券按此金额判定",
    sale_wrong: "请输入金额，例如 123.50",
    manual: "手工输入券码", manual_hint: "RC1…", manual_check: "判定",
    receipt: "小票", reprint: "重打", receipt_none: "还没有小票", reprinted: "已交给打印机：重打 第{n}次",
    confirm: "小票已出", give_up: "不打印了", doubt_first: "未确认 {n} 张，点这里查看", doubt_next: "下一张（共 {n} 张）", receipt_at: "{job} · {t}",
    online: "在线", offline: "离线", offline_since: "离线 {t} 起", never: "从未联网", off: "单机",
    last_success: "上次成功联网：{t}",
    waiting: "待上传 {n}", waiting_tip: "有 {n} 条记录等待上传，联网后自动上传。", waiting_none: "全部记录都已上传。",
    waiting_oldest: "最早一条：{t}",
    quarantined: "隔离 {n}", quarantined_tip: "有 {n} 条记录被云端拒收，已保留，请联系门店技术支持。",
    bundle: "活动", bundle_fresh: "活动数据最新", bundle_stale: "活动数据较旧", bundle_expired: "活动数据过期", bundle_none: "没有活动数据",
    bundle_tip: "共 {n} 个活动，签发于 {t}，序号 {s}。",
    conflict: "重复核销", seen: "已知晓",
    clock: "时钟存疑",
    scanner: "扫码枪", camera: "摄像头", printer: "打印机",
    starting: "正在启动", ready: "正常", lost_device: "连接不上", denied: "无法打开", misconfigured: "设置有误",
    prints_waiting: "待打印 {n} 张",
    today: "今日", today_accepted: "可用 {n}", today_refused: "拒绝 {n}",
    checkout_idle: "扫券或输入金额，先后都可以", checkout_total_is: "本单 {m}，请扫券", checkout_key_in: "请输入金额",
    checkout_more: "还有券可以接着扫；两分钟内不输入金额就清除", checkout_noted: "已记下 {n} 张券，等待金额", checkout_a_coupon: "一张券", checkout_and: "：",
    checkout_pay: "应收", checkout_pay_full: "应收，未减", checkout_total: "本单金额", checkout_again: "可改金额再试，或按清除",
    checkout_tenders: "仅限付款方式：{names}",
    checkout_hand_over: "请递上 {n} 件：{skus}", checkout_hint: "再买 {more} 就减 {off}",
    checkout_undo: "撤销上一单", checkout_undo_sure: "再按一次确认", checkout_undone: "已撤销",
    checkout_coupon_back: "券可以再用", checkout_coupon_gone: "按活动规则，券不能再用",
    checkout_timed_out: "已清除", checkout_nothing_used: "等得太久。没有使用任何券，可以重新扫",
    checkout_keys: "数字键", checkout_back: "退一格",
    left: "余额（本机记录）", works_from: "何时可用", first_use: "首次使用", on_till: "{t}，收银台 {till}",
    decided_offline: "离线判定", replayed: "同一次扫码的原判定", support: "支持代码",
    no_answer: "核销程序没有回应，请再试一次", server_said: "出错了（{c}），请再试一次",
  },
  en: {
    lost: "Connection to the redemption agent lost", lost_do: "Reconnecting by itself. Until it is back, accept no coupon by this screen.",
    health: "Devices and line", last_verdict: "Last verdict", issues: "Problems to look at", recent: "Recent verdicts",
    enable_sound: "Tap to enable sound", mute: "Mute",
    idle: "Ready", idle_sub: "Scan the customer’s coupon", next_scan: "Scan the next coupon",
    sale_total: "Sale total", sale_keys: "just type", sale_set: "Set", sale_clear: "Clear",
    assistant: "{name}: {sales} sales, {n} coupons, {earned}", assistant_now: "Serving {name}: {sales} sales, {n} coupons, {earned}",
    member_level: "Member, level {level}", member_points: "Member, level {level}, {points} points as of {t}",
    sale_none: "Key it in before a coupon or after", sale_pending: "Not set yet: press Set",
    sale_on: "The next coupon is judged against it", sale_wrong: "Enter an amount such as 123.50",
    manual: "Type a code", manual_hint: "RC1…", manual_check: "Check",
    receipt: "Receipt", reprint: "Reprint", receipt_none: "No receipt yet", reprinted: "Sent to the printer: copy {n}",
    confirm: "It is there", give_up: "Do not print", doubt_first: "{n} receipts unconfirmed: show", doubt_first_one: "1 receipt unconfirmed: show",
    doubt_next: "Next of {n}", doubt_next_one: "1 receipt", receipt_at: "{job} · {t}",
    online: "Online", offline: "Offline", offline_since: "Offline since {t}", never: "Never online", off: "Stand-alone",
    last_success: "Last contact: {t}",
    waiting: "{n} waiting", waiting_tip: "{n} records wait to be sent; they go by themselves once online.",
    waiting_tip_one: "1 record waits to be sent; it goes by itself once online.",
    waiting_none: "Every record has been sent.", waiting_oldest: "Oldest: {t}",
    quarantined: "{n} quarantined", quarantined_tip: "The cloud refused {n} records for good. They are kept: call store support.",
    quarantined_tip_one: "The cloud refused 1 record for good. It is kept: call store support.",
    bundle: "Offers", bundle_fresh: "Offers fresh", bundle_stale: "Offers stale", bundle_expired: "Offers expired", bundle_none: "No offers",
    bundle_tip: "{n} campaigns, issued {t}, sequence {s}.", bundle_tip_one: "1 campaign, issued {t}, sequence {s}.",
    conflict: "Redeemed twice:", seen: "Seen",
    clock: "Clock in doubt",
    scanner: "Scanner", camera: "Camera", printer: "Printer",
    starting: "starting", ready: "ready", lost_device: "not connected", denied: "cannot be opened", misconfigured: "wrong setting",
    prints_waiting: "{n} receipts to print", prints_waiting_one: "1 receipt to print",
    today: "Today", today_accepted: "{n} accepted", today_refused: "{n} refused",
    checkout_idle: "Scan a coupon or key in the total, in either order", checkout_total_is: "Total {m}: scan the coupon",
    checkout_key_in: "KEY IN TOTAL", checkout_more: "More coupons may be scanned. Without a total they are let go after two minutes",
    checkout_noted: "{n} coupons wait for the total", checkout_noted_one: "1 coupon waits for the total", checkout_a_coupon: "A coupon", checkout_and: ": ",
    checkout_pay: "TO PAY", checkout_pay_full: "NOTHING OFF", checkout_total: "Total", checkout_again: "Key in another total, or clear",
    checkout_tenders: "Only if paid by {names}",
    checkout_hand_over: "Hand over {n}: {skus}", checkout_hint: "{more} more and {off} come off",
    checkout_undo: "Undo last sale", checkout_undo_sure: "Press again: undo", checkout_undone: "TAKEN BACK",
    checkout_coupon_back: "The coupon may be used again", checkout_coupon_gone: "By its offer’s rules the coupon is used up",
    checkout_timed_out: "LET GO", checkout_nothing_used: "It waited too long. No coupon was used: scan again",
    checkout_keys: "Number keys", checkout_back: "Back",
    left: "Left, as this till knows", works_from: "Works from", first_use: "First used", on_till: "{t} at {till}",
    decided_offline: "decided offline", replayed: "same scan, same answer", support: "Support code",
    no_answer: "The redemption agent did not answer. Try again.", server_said: "Something went wrong ({c}). Try again.",
  },
};

// The one big word of a verdict. An outcome not listed here shows the word of its tone.
const BIG = {
  accepted: ["可用", "ACCEPTED"],
  not_a_coupon: ["不是券", "NO COUPON"],
  truncated: ["没扫全", "SCAN AGAIN"],
  malformed: ["码损坏", "DAMAGED"],
  member_card: ["会员卡", "MEMBER CARD"],
  staff_badge: ["员工卡", "BADGE"],
  pickup_code: ["取货码", "PICKUP"],
  payment_code: ["付款码", "PAYMENT"],
  product_barcode: ["商品码", "PRODUCT"],
  web_address: ["网址", "WEB ADDRESS"],
  unsupported_code: ["不支持", "NOT HERE"],
  unknown_code: ["无此券码", "NO SUCH CODE"],
  unknown_key: ["无法确认", "UNKNOWN"],
  bad_signature: ["假券", "FORGED"],
  key_not_valid: ["密钥失效", "KEY INVALID"],
  beyond_key_limit: ["超出权限", "NOT ALLOWED"],
  unknown_campaign: ["无此活动", "NO OFFER"],
  never_issued: ["无效券", "INVALID"],
  revoked: ["已作废", "WITHDRAWN"],
  already_redeemed: ["已用过", "USED"],
  held: ["预留中", "HELD"],
  expired: ["已过期", "EXPIRED"],
  not_yet_valid: ["未到时间", "TOO EARLY"],
  wrong_store: ["非本店", "WRONG STORE"],
  other_merchant: ["非本商户", "OTHER SHOP"],
  till_stopped: ["暂停收券", "STOPPED"],
  bundle_expired: ["离线太久", "TOO LONG OFF"],
  clock_untrusted: ["时间不对", "CLOCK WRONG"],
  online_only: ["须联网", "GO ONLINE"],
  wrong_currency: ["币种不符", "CURRENCY"],
  other_channel: ["渠道不符", "NOT HERE"],
  other_day: ["今天不行", "NOT TODAY"],
  other_hour: ["时段不符", "NOT NOW"],
  member_needed: ["会员专享", "MEMBERS"],
  other_holder: ["非本人券", "NOT THEIRS"],
  level_too_low: ["等级不够", "LEVEL"],
  not_first_visit: ["仅限首次", "FIRST VISIT"],
  not_absent: ["仅限回归", "COMEBACK"],
  limit_reached: ["次数已满", "USED UP"],
  other_tender: ["付款不符", "PAYMENT"],
  total_needed: ["输入金额", "KEY IN TOTAL"],
  item_missing: ["缺商品", "ITEM MISSING"],
  pieces_missing: ["件数不够", "TOO FEW"],
  sale_too_small: ["金额不够", "TOO LITTLE"],
  out_of_stock: ["缺货", "NO STOCK"],
  points_missing: ["积分不够", "POINTS"],
  points_limit: ["积分已限额", "POINTS LIMIT"],
  balance_empty: ["余额不足", "EMPTY"],
  nothing_cheaper: ["无优惠", "NO SAVING"],
  budget_reached: ["额度已满", "LIMIT"],
  split_sale: ["刚刚用过", "JUST USED"],
  supervisor_needed: ["请主管确认", "SUPERVISOR"],
  online_needed: ["等网络", "NO LINE"],
  unknown_result: ["结果未知", "UNKNOWN"],
  good: ["可用", "ACCEPTED"],
  warn: ["请留意", "CHECK"],
  bad: ["不可用", "REFUSED"],
};

// agent.ports.PrintState; a state not listed is shown as it is.
const PRINT_STATES = {
  queued: ["排队中", "queued"],
  sending: ["正在打印", "printing"],
  printed: ["已打印", "printed"],
  unconfirmed: ["未确认", "unconfirmed"],
  failed: ["已取消", "given up"],
};

let language = "zh";

export const setLanguage = (wanted) => { language = wanted === "en" ? "en" : "zh"; };
export const getLanguage = () => language;

const choose = (pair) => pair[language === "en" ? 1 : 0];

/** The page's own text under `key`, with {names} filled in; for n = 1 that under `key`_one, where there is one. */
export function t(key, values = {}) {
  const texts = TEXT[language];
  return ((values.n === 1 && texts[`${key}_one`]) || texts[key]).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** The daemon's text: `said(verdict)` is zh or en, `said(campaign, "title")` is title_zh or title_en; "" if it has none. */
export function said(thing, name = "") {
  if (!thing) return "";
  const [mine, other] = language === "en" ? ["en", "zh"] : ["zh", "en"];
  const prefix = name ? `${name}_` : "";
  return String(thing[prefix + mine] || thing[prefix + other] || "");
}

export const bigWord = (verdict) => choose(Object.hasOwn(BIG, verdict.outcome) ? BIG[verdict.outcome] : BIG[verdict.tone] ?? BIG.bad);

export const printState = (state) => (Object.hasOwn(PRINT_STATES, state) ? choose(PRINT_STATES[state]) : String(state));

// An unknown currency is written as a bare number with its letters: wrong digits would be worse than plain ones.
function formatter(currency, options = {}) {
  const known = /^[A-Z]{3}$/.test(currency ?? "");
  return new Intl.NumberFormat(language === "en" ? "en" : "zh-CN",
    known ? { style: "currency", currency, currencyDisplay: "narrowSymbol", ...options } : { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** How many decimal digits the currency has: CNY 2, JPY 0. */
export const exponent = (currency) => formatter(currency).resolvedOptions().maximumFractionDigits;

/** Money in parts, so that the fraction can be set smaller: {whole: "¥30", fraction: ".00"}. */
export function moneyParts(minor, currency) {
  const out = { whole: "", fraction: "" };
  const format = formatter(currency);
  for (const part of format.formatToParts(minor / 10 ** exponent(currency))) {
    out[part.type === "decimal" || part.type === "fraction" ? "fraction" : "whole"] += part.value;
  }
  return out;
}

export function money(minor, currency) {
  const { whole, fraction } = moneyParts(minor, currency);
  return whole + fraction;
}

/** Money for a small chip: no fraction when there is none to tell. */
export const shortMoney = (minor, currency) =>
  formatter(currency, { trailingZeroDisplay: "stripIfInteger" }).format(minor / 10 ** exponent(currency));

export const symbol = (currency) => formatter(currency).formatToParts(0).find((part) => part.type === "currency")?.value ?? "";

/**
 * "123.5" or "1,234.50" typed by a person -> minor units; null when it is not an amount. Digits only: no float ever holds
 * it. A comma stands before three digits or nowhere: "30,5" may mean thirty and a half, and is asked for again.
 */
export function parseAmount(typed, currency) {
  const digits = exponent(currency);
  const match = /^(\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(?:\.(\d*))?$/.exec(typed.normalize("NFKC").replace(/\s/g, "").replace("。", "."));
  if (!match || (match[2] ?? "").length > digits) return null;
  return Number(match[1].replaceAll(",", "") + (match[2] ?? "").padEnd(digits, "0"));
}

/** Minor units as a person would type them: 12350 -> "123.50". */
export const plainAmount = (minor, currency) => (minor / 10 ** exponent(currency)).toFixed(exponent(currency));

const two = (number) => String(number).padStart(2, "0");

/** Local time of an RFC 3339 timestamp: "14:03", with the date before it unless it is today; "" for none. */
let zone; // the store's, once the status has told it: a till's screen may be set to another

export function setZone(name) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    zone = name;
  } catch {
    zone = undefined; // a zone this browser does not know: show its own time
  }
}

// [year, month, day, hour, minute, second] as two- or four-digit texts, in the store's zone.
function calendar(when) {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).formatToParts(when);
  const read = (type) => parts.find((part) => part.type === type).value;
  return ["year", "month", "day", "hour", "minute", "second"].map(read);
}

export function clock(timestamp, { seconds = false } = {}) {
  const when = new Date(timestamp ?? NaN);
  if (Number.isNaN(when.getTime())) return "";
  const [year, month, day, hour, minute, second] = calendar(when);
  const time = `${hour}:${minute}${seconds ? `:${second}` : ""}`;
  const [thisYear, thisMonth, today] = calendar(new Date());
  if (year === thisYear && month === thisMonth && day === today) return time;
  return `${year === thisYear ? "" : `${year}-`}${month}-${day} ${time}`;
}
