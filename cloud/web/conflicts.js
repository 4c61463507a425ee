// Conflicts: coupons that were redeemed in two places, the newest first.

import { ask } from "./cloud.js";
import { attributes, el } from "./dom.js";
import { empty, hash, pager, table } from "./table.js";
import { ago, clock, t, word } from "./words.js";

export const NEEDS = "read";
const SHOWN = 50;

export async function show(place) {
  const { till, after } = place.query;
  const { body, next } = await ask("admin/conflicts", { till, after, limit: SHOWN });
  const rows = body.conflicts.length
    ? [table(columns(), body.conflicts, place), pager(place, next)]
    : [till ? empty(t("nothing"), t("nothing_do")) : empty(t("conflicts_none"), t("conflicts_none_do"), "good")];
  return [el("div", "tools", el("h1", "", t("conflicts")), tillFilter(place)), ...rows];
}

/** A till's whole name, as other pages link to it. */
export function tillFilter(place) {
  const field = attributes(el("input"), { id: "till", type: "search", placeholder: t("filter_till"), "aria-label": t("filter_till"), maxlength: "64", value: place.query.till ?? "", spellcheck: "false" });
  field.addEventListener("change", () => location.replace(hash(place.path, { ...place.query, till: field.value.trim(), after: "" })));
  return el("div", "search", field);
}

export const when = (time) => attributes(el("span", "", ago(time)), { title: clock(time) });
export const couponOf = (row) => el("code", "", `${row.issuer}/${row.campaign}/${row.index}`);
const place = (till, id, time) => [el("strong", "", till), el("small", "", id), el("small", "", clock(time))];

function columns() {
  return [
    { label: t("time"), cell: (row) => when(row.received_at) },
    { label: t("coupon"), cell: couponOf },
    { label: t("won_at"), cell: (row) => place(row.winner.till, row.winner.redemption_id, row.winner.received_at) },
    { label: t("lost_at"), cell: (row) => place(row.till, row.redemption_id, row.received_at) },
    { label: t("kind"), cell: (row) => el("span", "badge warn", word(row.kind, row.kind)) },
  ];
}
