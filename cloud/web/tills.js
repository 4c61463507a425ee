// Tills: who is silent, whose clock is wrong, who has a backlog.

import { ask } from "./cloud.js";
import { attributes, el, link } from "./dom.js";
import { chips, empty, hash, pager, search, table } from "./table.js";
import { ago, clock, number, span, t, word } from "./words.js";

export const NEEDS = "read";
const PROBLEMS = ["any", "silent", "clock", "bundle", "backlog", "quarantine", "waiting", "revoked"];
const HARMLESS = ["waiting", "revoked"];
const SILENT_S = 900;
const CLOCK_S = 300;
const BACKLOG = 500;
const ELSEWHERE = /^(device_|bundle_|no_bundle$|clock_|quarantine$)/; // issues that another column tells of

export async function show(place) {
  const { sort, order, search: text, problem, after } = place.query;
  const asked = ask("admin/fleet", { sort, order, search: text, problem, after });
  const [{ body: overview }, { body, next }] = await Promise.all([ask("admin/overview"), asked]);
  const choices = [
    { name: "", label: t("p_all"), count: overview.tills.all },
    ...PROBLEMS.map((name) => ({ name, label: t(`p_${name}`), count: overview.tills[name], tone: HARMLESS.includes(name) ? "" : "warn" })),
  ];
  const rows = body.tills.length
    ? [table(columns(Date.parse(body.at)), body.tills, place, (row) => (row.state === "enrolled" ? "" : "off")), pager(place, next)]
    : [overview.tills.all ? empty(t("nothing"), t("nothing_do")) : empty(t("tills_none"), t("tills_none_do"))];
  return [el("div", "tools", el("h1", "", t("tills")), search(place, t("search_till"))), chips(place, "problem", choices), ...rows];
}

function columns(now) {
  return [
    { label: t("till"), sort: "till", cell: (row) => el("strong", "", row.till) },
    { label: t("store"), sort: "store", cell: (row) => [el("span", "", row.store), el("small", "", row.merchant)] },
    { label: t("seen"), sort: "seen", order: "down", cell: (row) => seen(row, now) },
    { label: t("bundle"), sort: "issued", cell: (row) => bundle(row, now) },
    { label: t("clock"), cell: clockOf },
    { label: t("backlog"), sort: "waiting", order: "down", className: "figure", cell: (row) => backlog(row, now) },
    { label: t("quarantined"), sort: "quarantined", order: "down", className: "figure", cell: quarantined },
    { label: t("devices"), cell: (row) => devices(row, now) },
    { label: t("version"), cell: (row) => el("small", "calm", row.version ?? "–") },
  ];
}

const badge = (tone, text, tip) => attributes(el("span", `badge ${tone}`, text), { title: tip ?? false });
const nothing = () => el("span", "quiet", "–");

function seen(row, now) {
  if (row.state !== "enrolled") return badge("", t(`state_${row.state}`));
  if (row.seen_at === null) return badge("bad", t("never"));
  const silent = now - Date.parse(row.seen_at) > SILENT_S * 1000;
  const text = ago(row.seen_at, now);
  return silent ? [badge("bad", t("silent"), clock(row.seen_at)), el("small", "", text)] : attributes(el("span", "", text), { title: clock(row.seen_at) });
}

function bundle(row, now) {
  if (row.age === null) return nothing();
  const tone = { fresh: "good", stale: "warn", expired: "bad", none: "bad" }[row.age] ?? "";
  const tip = row.issued && t("issued_at", { t: clock(row.issued), s: row.sequence });
  const calm = row.age === "fresh" ? "calm" : "";
  return [badge(`${tone} ${calm}`, word(`age_${row.age}`, row.age), tip), row.issued ? el("small", calm, ago(row.issued, now)) : ""];
}

function clockOf(row) {
  if (row.clock_s === null) return nothing();
  if (Math.abs(row.clock_s) > CLOCK_S) return badge("bad", t(row.clock_s > 0 ? "clock_ahead" : "clock_behind", { t: span(row.clock_s) }));
  return row.doubt ? badge("warn", t("clock_doubt")) : el("span", "quiet", t("clock_ok"));
}

function backlog(row, now) {
  if (row.waiting === null) return nothing();
  if (!row.waiting) return el("span", "quiet", "0");
  const shown = row.waiting > BACKLOG ? badge("warn", number(row.waiting)) : el("span", "", number(row.waiting));
  return [shown, row.oldest ? el("small", "", t("oldest", { t: ago(row.oldest, now) })) : ""];
}

function quarantined(row) {
  if (row.quarantined === null) return nothing();
  if (!row.quarantined) return el("span", "quiet", "0");
  return link(hash("quarantine", { till: row.till }), "badge bad", number(row.quarantined));
}

function devices(row, now) {
  if (row.said_at === null) return nothing();
  const wrong = row.devices.filter(([, , state]) => state !== "ready" && state !== "starting");
  const shown = wrong.map(([role, name, state]) => badge("warn", `${word(role, role)} ${name}: ${word(`d_${state}`, state)}`));
  const codes = row.issues.filter((code) => !ELSEWHERE.test(code)).map((code) => badge(row.healthy ? "warn" : "bad", word(`i_${code}`, code)));
  const none = shown.length + codes.length === 0;
  const well = none ? el("span", "quiet", row.healthy ? t("well") : "–") : "";
  const tip = t("said", { t: ago(row.said_at, now) });
  return attributes(el("span", `badges ${none ? "calm" : ""}`, ...shown, ...codes, well), { title: tip });
}
