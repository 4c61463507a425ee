// Who changed what, the newest first.

import { ask } from "./cloud.js";
import { el } from "./dom.js";
import { when } from "./conflicts.js";
import { empty, pager, table } from "./table.js";
import { t, word } from "./words.js";

export const NEEDS = "staff";
const SHOWN = 50;

export async function show(place) {
  const { body, next } = await ask("admin/acts", { after: place.query.after, limit: SHOWN });
  const rows = body.acts.length ? [table(columns(), body.acts, place), pager(place, next)] : [empty(t("acts_none"), t("acts_none_do"))];
  return [el("div", "tools", el("h1", "", t("acts"))), ...rows];
}

function columns() {
  return [
    { label: t("act_at"), cell: (row) => when(row.at) },
    { label: t("who"), cell: (row) => [el("strong", "", row.who), el("small", "", word(`role_${row.role}`, row.role))] },
    { label: t("act"), cell: (row) => el("code", "", row.act) },
    { label: t("detail"), cell: (row) => el("small", "named", named(row.detail)) },
    { label: t("answer"), cell: answer },
  ];
}

/** {"till":"T-1"} as "till T-1". */
function named(detail) {
  try {
    return Object.entries(JSON.parse(detail)).map(([name, value]) => `${name} ${value}`).join(", ");
  } catch {
    return detail;
  }
}

function answer(row) {
  if (row.status === null) return el("span", "badge warn", t("not_known"));
  return el("span", `badge ${row.status < 400 ? "good" : "bad"}`, String(row.status));
}
