// Settlement: what each party pays for discounts in each store, net of what went back.

import { ask } from "./cloud.js";
import { el } from "./dom.js";
import { download, period } from "./campaigns.js";
import { empty, pager, search, table } from "./table.js";
import { money, number, t, word } from "./words.js";

export const NEEDS = "settle";
const SHOWN = 100;
const EXPORTS = ["redemptions", "conflicts", "settlement", "shares", "rewards"];

export async function show(place) {
  const { sort = "store", order = "up", search: text, after } = place.query;
  const { since, until } = { ...thisMonth(), ...place.query };
  const here = { ...place, query: { ...place.query, since, until, sort, order } };
  const asked = { since, until, sort, order, search: text, after, limit: SHOWN };
  const { body, next } = await ask("admin/reports/settlement", asked);
  const links = EXPORTS.map((name) => download(`admin/exports/${name}.csv`, { since, until: dayAfter(until) }, t(`export_${name}`)));
  const rows = body.rows.length ? [table(columns(), body.rows, here), pager(here, next)] : [empty(t("settlement_none"), t("settlement_none_do"))];
  return [
    el("div", "tools", el("h1", "", t("settlement")), period(here), search(here, t("search")), download("admin/reports/settlement", { since, until, format: "csv" })),
    el("p", "hint", t("settlement_lead")), ...rows,
    el("section", "card exports", el("h2", "", t("exports")), el("div", "buttons", ...links)),
  ];
}

function thisMonth() {
  const today = new Date().toISOString().slice(0, 10);
  return { since: `${today.slice(0, 7)}-01`, until: today };
}

/** Exports end before a moment, periods with a day. */
function dayAfter(day) {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(at) ? "" : new Date(at + 86400000).toISOString().slice(0, 10);
}

/** What a person decides on before it is paid, and of how many redemptions. */
function open(row) {
  if (!row.open_redemptions && !row.open_minor) return el("span", "quiet", "0");
  const badge = el("span", "badge warn", money(row.open_minor, row.currency));
  return row.open_redemptions ? [badge, el("small", "", t("times", { n: number(row.open_redemptions) }))] : badge;
}

function columns() {
  const figure = (name, label, tone = "") => ({
    label, sort: name, order: "down", className: "figure",
    cell: (row) => (row[name] && tone ? el("span", `badge ${tone}`, money(row[name], row.currency)) : row[name] ? money(row[name], row.currency) : el("span", "quiet", "0")),
  });
  const campaign = (row) => (row.issuer === null ? el("span", "badge warn", t("unknown_campaign")) : el("code", "", `${row.issuer}/${row.campaign}`));
  return [
    { label: t("store"), sort: "store", cell: (row) => [el("strong", "", row.store ?? t("unknown")), el("small", "", row.merchant ?? "")] },
    { label: t("campaign"), sort: "campaign", cell: campaign },
    { label: t("party"), sort: "party", cell: (row) => word(`party_${row.party}`, row.party) },
    { label: t("count"), sort: "redemptions", order: "down", className: "figure", cell: (row) => number(row.redemptions) },
    figure("amount_minor", t("payable")),
    { ...figure("open_minor", t("open"), "warn"), cell: open },
    figure("returned_minor", t("returned")),
  ];
}
