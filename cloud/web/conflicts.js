// Conflicts: coupons that were redeemed in two places, the newest first: where, who keeps it, and what follows.

import { ask } from "./cloud.js";
import { attributes, el } from "./dom.js";
import { chips, empty, pager, table, turn } from "./table.js";
import { ago, clock, lang, minute, money, t, word } from "./words.js";

export const NEEDS = "read";
const SHOWN = 50;

export async function show(place) {
  const { till, after } = place.query;
  const state = place.query.state === "ended" ? "ended" : "";
  const [{ body: overview }, { body, next }] = await Promise.all([ask("admin/overview"), ask("admin/conflicts", { till, state, after, limit: SHOWN })]);
  const choices = [{ name: "", label: t("lasting"), count: overview.wrong.conflicts, tone: "warn" }, { name: "ended", label: t("ended") }];
  const none = state ? empty(t("ended_none"), t("ended_none_do")) : empty(t("conflicts_none"), t("conflicts_none_do"), "good");
  const rows = body.conflicts.length
    ? [table(columns(), body.conflicts, place, (row) => (row.ended ? "off" : "")), pager(place, next)]
    : [till ? empty(t("nothing"), t("nothing_do")) : none];
  return [el("div", "tools", el("h1", "", t("conflicts")), tillFilter(place)), chips(place, "state", choices), el("p", "hint", t("conflicts_lead")), ...rows];
}

/** A till's whole name, as other pages link to it. */
export function tillFilter(place) {
  const shown = place.query.till ?? "";
  const field = attributes(el("input"), {
    id: "till", type: "search", placeholder: t("filter_till"), "aria-label": t("filter_till"), maxlength: "64", value: shown, "data-shown": shown, spellcheck: "false",
  });
  field.addEventListener("change", () => turn({ till: field.value.trim() }));
  return el("div", "search", field);
}

export const when = (time) => attributes(el("span", "", ago(time)), { title: clock(time) });
export const couponOf = (row) => el("code", "", `${row.issuer}/${row.campaign}/${row.index}`);

/** One of the two: the store and its till, what came off, when by the till and when its record came. */
function side(one) {
  const title = lang() === "zh" ? one.store_zh || one.store_en : one.store_en || one.store_zh;
  return [
    el("strong", "", one.store ?? t("unknown")),
    title ? el("small", "", title) : "",
    attributes(el("small", "", t("by_till", { till: one.till, n: one.sequence })), { title: one.redemption_id }),
    one.discount_minor === null ? "" : el("small", "", t("came_off", { m: money(one.discount_minor, one.currency) })),
    one.time ? el("small", "once", t("at_till", { t: minute(one.time) })) : "",
    el("small", "once", t("at_cloud", { t: minute(one.received_at) })),
  ];
}

function coupon(row) {
  return [
    couponOf(row),
    row.listed_at ? el("small", "named", t("listed", { t: minute(row.listed_at) })) : "",
    row.revoked_at ? el("small", "", t("revoked_coupon", { t: minute(row.revoked_at) })) : "",
  ];
}

function outcome(row) {
  const said = el("span", "", lang() === "zh" ? row.zh : row.en);
  return row.ended ? [said, el("small", "", t("ended_by", { t: minute(row.ended.at), id: row.ended.by }))] : said;
}

function columns() {
  return [
    { label: t("time"), cell: (row) => [when(row.received_at), el("div", "", el("span", `badge ${row.ended ? "" : "warn"}`, word(row.kind, row.kind)))] },
    { label: t("coupon"), cell: coupon },
    { label: t("won_at"), cell: (row) => side(row.winner) },
    { label: t("lost_at"), cell: side },
    { label: t("what_follows"), className: "sentence", cell: outcome },
  ];
}
