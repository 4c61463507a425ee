// Campaigns: what was issued, redeemed, given, sold; and one campaign by hour, store and channel.

import { address, ask } from "./cloud.js";
import { attributes, el, link } from "./dom.js";
import { empty, hash, pager, search, table, turn } from "./table.js";
import { money, number, percent, t, titleOf } from "./words.js";

export const NEEDS = "read";
const SHOWN = 50;
const PARTS = ["store", "merchant", "group", "source"];

export async function show(place) {
  if (place.rest.length === 2) return one(place, place.rest.join("/"));
  const { sort = "redemptions", order = "down", search: text, after, since, until } = place.query;
  const sorted = { ...place, query: { ...place.query, sort, order } };
  const asked = ask("admin/reports/campaigns", { sort, order, search: text, after, since, until, limit: SHOWN });
  const [{ body: overview }, { body, next }] = await Promise.all([ask("admin/overview"), asked]);
  const rows = body.rows.length
    ? [table(columns(), body.rows, sorted), pager(place, next)]
    : [text ? empty(t("nothing"), t("nothing_do")) : empty(t("campaigns_none"), t("campaigns_none_do"))];
  return [
    el("div", "tools", el("h1", "", t("campaigns")), period(place), search(place, t("search_campaign")),
      download("admin/reports/campaigns", { since, until, format: "csv" })),
    overview.uncounted ? el("p", "hint", t("behind", { n: overview.uncounted })) : "", ...rows,
  ].filter(Boolean);
}

export function download(path, query, label = t("download")) {
  return attributes(link(address(path, query), "button", label), { download: true });
}

/** Two days; the address holds them. */
export function period(place) {
  const field = (name) => {
    const shown = place.query[name] ?? "";
    const input = attributes(el("input"), { type: "date", id: name, value: shown, "data-shown": shown, "aria-label": t(name) });
    input.addEventListener("change", () => turn({ [name]: input.value }));
    return input;
  };
  return el("div", "period", el("span", "", t("since")), field("since"), el("span", "", t("until")), field("until"));
}

function columns() {
  return [
    { label: t("campaign"), sort: "campaign", cell: named },
    { label: t("issued"), sort: "issued", order: "down", className: "figure", cell: (row) => (row.issued ? number(row.issued) : el("span", "quiet", t("elsewhere"))) },
    { label: t("redeemed"), sort: "redemptions", order: "down", className: "figure", cell: (row) => number(row.redemptions) },
    { label: t("rate"), sort: "rate_percent", order: "down", cell: rate },
    ...sums(),
    { label: t("lost_to"), sort: "conflicts", order: "down", className: "figure", cell: (row) => (row.conflicts ? el("span", "badge warn", number(row.conflicts)) : el("span", "quiet", "0")) },
  ];
}

function sums() {
  return [
    { label: t("discount"), sort: "net_minor", order: "down", className: "figure", cell: discount },
    { label: t("basket"), sort: "average_basket_minor", order: "down", className: "figure", cell: (row) => money(row.average_basket_minor, row.currency) },
    { label: t("extra"), sort: "extra_minor", order: "down", className: "figure", cell: extra },
    { label: t("returns"), sort: "returned_minor", order: "down", className: "figure", cell: returns },
  ];
}

/** Less what went back; in small what came off before. */
function discount(row) {
  const net = el("span", "", money(row.net_minor, row.currency));
  return row.returned_minor ? [net, el("small", "", t("before_returns", { m: money(row.discount_minor, row.currency) }))] : net;
}

function extra(row) {
  if (!row.measured) return el("span", "quiet", "–");
  return attributes(el("span", "", money(row.extra_minor, row.currency)), { title: t("extra_tip", { n: row.measured }) });
}

function returns(row) {
  if (!row.returns) return el("span", "quiet", "0");
  return [el("span", "", money(row.returned_minor, row.currency)), el("small", "", t("times", { n: number(row.returns) }))];
}

function named(row) {
  const today = new Date().toISOString().slice(0, 10);
  const state = row.starts > today ? t("begins", { d: row.starts }) : row.ends < today ? t("over") : t("ends", { d: row.ends });
  const title = titleOf(row) || `${row.issuer}/${row.campaign}`;
  return [link(hash(`campaigns/${encodeURIComponent(row.issuer)}/${row.campaign}`), "title", title), el("small", "", `${row.issuer}/${row.campaign} · ${state}`)];
}

function rate(row) {
  if (row.rate_percent === null) return el("span", "quiet", "–");
  return [el("span", "", percent(row.rate_percent)), bar(row.rate_percent)];
}

/** A share of a hundred, drawn. */
export function bar(share) {
  const part = el("span", "part");
  part.style.width = `${Math.min(Math.max(share, 0), 100)}%`;
  return attributes(el("span", "bar", part), { "aria-hidden": "true" });
}

async function one(place, campaign) {
  const query = { since: place.query.since, until: place.query.until, campaign };
  const breakdown = (by) => ask("admin/reports/breakdown", { ...query, by, limit: 200, sort: by === "hour" ? "hour" : "redemptions", order: by === "hour" ? "up" : "down" });
  const [whole, hours, ...parts] = await Promise.all([ask("admin/reports/campaigns", query), breakdown("hour"), ...PARTS.map(breakdown)]);
  const [row] = whole.body.rows;
  const back = link(hash("campaigns", { since: query.since, until: query.until }), "back", `← ${t("back")}`);
  if (!row) return [back, empty(t("nothing"), t("nothing_do"))];
  const tiles = columns().slice(1).map((column) => el("div", "tile", el("small", "", column.label), el("div", "", ...[column.cell(row)].flat())));
  return [
    back,
    el("div", "tools", el("h1", "", titleOf(row) || campaign), el("small", "", `${campaign} · ${row.starts} – ${row.ends}`), period(place)),
    el("div", "tiles", ...tiles),
    el("section", "card", el("h2", "", t("by_hour")), row.redemptions ? byHour(hours.body.rows) : empty(t("no_redemptions"), "")),
    ...PARTS.map((by, place) => section(t(`by_${by}`), by, parts[place].body.rows, { ...query, by })),
  ];
}

function byHour(rows) {
  const counts = new Map(rows.filter((row) => row.hour !== "").map((row) => [Number(row.hour), row.redemptions]));
  const most = Math.max(1, ...counts.values());
  const columnsOf = Array.from({ length: 24 }, (_, hour) => {
    const count = counts.get(hour) ?? 0;
    const column = el("span", "column");
    column.style.height = `${(100 * count) / most}%`;
    const track = el("span", "track", count ? el("b", "", number(count)) : "", count ? column : "");
    return attributes(el("li", "", track, el("small", "", String(hour))), { title: `${hour}:00 · ${number(count)}` });
  });
  return el("ol", "hours", ...columnsOf);
}

function section(title, by, rows, query) {
  const first = { label: t(by), cell: (row) => (row[by] === "" ? el("span", "quiet", t("unknown")) : row[by]) };
  const shares = { label: t("share"), cell: (row) => [el("span", "", percent(row.share_percent)), bar(row.share_percent)] };
  const redeemed = { label: t("redeemed"), className: "figure", cell: (row) => number(row.redemptions) };
  const plain = sums().map((column) => ({ ...column, sort: undefined }));
  const content = rows.length ? table([first, redeemed, shares, ...plain], rows, { path: "", query: {} }) : empty(t("no_redemptions"), "");
  return el("section", "card", el("div", "tools", el("h2", "", title), rows.length ? download("admin/reports/breakdown", { ...query, format: "csv" }) : ""), content);
}
