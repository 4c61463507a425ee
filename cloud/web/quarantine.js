// What is wrong with records: refused for good, held for a person, implausible, missing. The newest first.

import { ask } from "./cloud.js";
import { attributes, el } from "./dom.js";
import { couponOf, tillFilter, when } from "./conflicts.js";
import { chips, empty, pager, table } from "./table.js";
import { t, word } from "./words.js";

export const NEEDS = "read";
const SHOWN = 50;
const HELD = 1000;
const LISTS = { refusals, held, implausible, gaps };

export async function show(place) {
  const list = Object.hasOwn(LISTS, place.query.list ?? "") ? place.query.list : "refusals";
  const { till, after } = place.query;
  const [{ body: overview }, { body, next }] = await Promise.all([ask("admin/overview"), ask(`admin/${list}`, { till, after, limit: list === "held" ? HELD : SHOWN })]);
  const choices = Object.keys(LISTS).map((name) => ({ name, label: t(name), count: overview.wrong[name], tone: "warn" }));
  const here = { ...place, query: { ...place.query, list } };
  const rows = body[list].length
    ? [table(LISTS[list](), body[list], here), pager(here, next)]
    : [till ? empty(t("nothing"), t("nothing_do")) : empty(t("clean"), t("clean_do"), "good")];
  return [el("div", "tools", el("h1", "", t("quarantine")), tillFilter(here)), chips({ ...here, query: { ...here.query, after: "" } }, "list", choices), ...rows];
}

const received = { get label() { return t("time"); }, cell: (row) => when(row.received_at ?? row.noticed_at) };
const till = { get label() { return t("till"); }, cell: (row) => el("strong", "", row.till) };
const record = { get label() { return t("record"); }, cell: (row) => [el("code", "", row.redemption_id), el("small", "", `${laneOf(row)} ${row.sequence}`)] };
const coupon = { get label() { return t("coupon"); }, cell: couponOf };
const laneOf = (row) => word(`lane_${row.lane}`, row.lane);
const reason = (code) => el("span", "badge warn", word(code, code));

function refusals() {
  return [received, till, record, { label: t("reason"), cell: (row) => reason(row.code) }, { label: t("event"), cell: sent }];
}

function sent(row) {
  if (!row.event) return el("span", "quiet", "–");
  let text = row.event;
  try { text = JSON.stringify(JSON.parse(row.event), null, 2); } catch { /* shown as it came */ }
  const opened = el("details", "", el("summary", "", t("show")), el("pre", "", text));
  return attributes(opened, { "data-key": `${row.till}/${row.lane}/${row.sequence}/${row.hash}` });
}

function held() {
  return [received, till, record, coupon, { label: t("key"), cell: (row) => el("code", "", row.kid) }];
}

function implausible() {
  return [received, till, record, coupon, { label: t("reason"), cell: (row) => reason(row.reason) }];
}

function gaps() {
  const spanOf = (row) => el("code", "", row.first === row.last ? String(row.first) : `${row.first} – ${row.last}`);
  return [
    received, till, { label: t("lane"), cell: laneOf }, { label: t("sequences"), cell: spanOf },
    { label: t("kind"), cell: (row) => el("span", `badge ${row.kind === "missing" ? "warn" : ""}`, word(`gap_${row.kind}`, row.kind)) },
  ];
}
