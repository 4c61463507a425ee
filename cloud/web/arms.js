// A/B arms of receipts: how many codes of each came back, with intervals drawn on one scale.

import { ask } from "./cloud.js";
import { attributes, el } from "./dom.js";
import { download, period } from "./campaigns.js";
import { empty, table } from "./table.js";
import { number, percent, t } from "./words.js";

export const NEEDS = "read";

export async function show(place) {
  const { since, until } = place.query;
  const { body } = await ask("admin/reports/arms", { since, until });
  const head = el("div", "tools", el("h1", "", t("arms")), period(place), body.rows.length ? download("admin/reports/arms", { since, until, format: "csv" }) : "");
  if (!body.rows.length) return [head, empty(t("arms_none"), t("arms_none_do"))];
  const rules = [...new Set(body.rows.map((row) => row.rule))];
  return [head, el("p", "hint", t("arms_note")), ...rules.map((rule) => section(rule, body.rows.filter((row) => row.rule === rule)))];
}

function section(rule, rows) {
  const most = Math.max(1, ...rows.map((row) => row.high_percent ?? 0));
  const base = rows.find((row) => row.against)?.against ?? rows.find((row) => row.codes)?.arm;
  const columns = [
    { label: t("arm"), cell: (row) => [el("strong", "", row.arm || "–"), row.arm === base ? el("span", "badge", t("base")) : ""] },
    { label: t("receipts"), className: "figure", cell: (row) => number(row.receipts) },
    { label: t("codes"), className: "figure", cell: (row) => (row.codes ? number(row.codes) : el("span", "quiet", t("held_out"))) },
    { label: t("came_back"), className: "figure", cell: (row) => (row.codes ? number(row.back) : "–") },
    { label: t("rate_ci"), cell: (row) => rate(row, most) },
    { label: t("difference"), cell: difference },
  ];
  return el("section", "card", el("h2", "", rule), table(columns, rows, { path: "", query: {} }));
}

function rate(row, most) {
  if (row.rate_percent === null) return el("span", "quiet", "–");
  const line = el("span", "range");
  const dot = el("span", "dot");
  line.style.left = `${(100 * row.low_percent) / most}%`;
  line.style.width = `${(100 * (row.high_percent - row.low_percent)) / most}%`;
  dot.style.left = `${(100 * row.rate_percent) / most}%`;
  return [el("span", "", percent(row.rate_percent)), el("small", "", `${percent(row.low_percent)} – ${percent(row.high_percent)}`), attributes(el("span", "scale", line, dot), { "aria-hidden": "true" })];
}

function difference(row) {
  if (row.difference_percent === null) return el("span", "quiet", "–");
  const sure = row.difference_low_percent > 0 || row.difference_high_percent < 0;
  const sign = row.difference_percent > 0 ? "+" : "";
  return [
    el("span", "", sign + percent(row.difference_percent)),
    el("small", "", `${percent(row.difference_low_percent)} – ${percent(row.difference_high_percent)}`),
    el("span", `badge ${sure ? "good" : ""}`, t(sure ? "sure" : "unsure")),
  ];
}
