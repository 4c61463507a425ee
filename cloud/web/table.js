// A table that is sorted by the cloud and read a page at a time. On a phone each row is a card that says what is not calm.

import { attributes, button, el, link } from "./dom.js";
import { t } from "./words.js";

/** The address of a place: hash("tills", {sort: "seen"}). */
export function hash(path, query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(kept).toString();
  return `#/${path}${text && `?${text}`}`;
}

/** {path, query} of the address: #/campaigns/acme/7?since=... */
export function here() {
  const [path, text = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { path, query: Object.fromEntries(new URLSearchParams(text)) };
}

/** Go to the first page of where we are, with this in the query: a field outlives what was shown when it was made. */
export function turn(changed) {
  const { path, query } = here();
  location.replace(hash(path, { ...query, ...changed, after: "" }));
}

/**
 * columns: [{name, label, sort, order, className, cell(row)}]; sort: what the cloud calls it, order: how it begins.
 * place: where we are; a header's link goes to the same place sorted otherwise.
 */
export function table(columns, rows, place, rowClass = () => "") {
  const sorted = columns.some((column) => column.sort);
  const head = attributes(el("tr", "", ...columns.map((column) => heading(column, place))), { "data-label": sorted && t("sort_by") });
  const body = rows.map((row) => el("tr", rowClass(row), ...columns.map((column) => {
    const content = el("div", "", ...[column.cell(row)].flat());
    const calm = content.children.length > 0 && [...content.children].every((one) => one.matches(".quiet, .calm"));
    return attributes(el("td", `${column.className ?? ""} ${calm ? "calm" : ""}`.trim(), content), { "data-label": column.label });
  })));
  return el("div", "table", el("table", "", el("thead", "", head), el("tbody", "", ...body)));
}

function heading(column, place) {
  const cell = attributes(el("th", `${column.className ?? ""} ${column.sort ? "" : "unsorted"}`.trim()), { scope: "col" });
  if (!column.sort) {
    cell.append(column.label);
    return cell;
  }
  const now = place.query.sort === column.sort ? place.query.order || "up" : "";
  const turned = { up: "down", down: "up", "": column.order ?? "up" }[now];
  if (now) cell.setAttribute("aria-sort", now === "up" ? "ascending" : "descending");
  const query = { ...place.query, sort: column.sort, order: turned, after: "" };
  cell.append(attributes(link(hash(place.path, query), "sort", column.label, el("span", "arrow", { up: "▲", down: "▼", "": "" }[now])), { "data-key": `sort ${column.sort}` }));
  return cell;
}

/** Next page, the page before, and back to the first. next: as the header gave it. */
export function pager(place, next) {
  const bar = el("div", "pager");
  if (place.query.after) {
    bar.append(link(hash(place.path, { ...place.query, after: "" }), "button", t("first")), button("", t("previous"), () => history.back()));
  }
  if (next) bar.append(link(hash(place.path, { ...place.query, after: next }), "button", t("next")));
  return bar;
}

export function empty(title, lead, tone = "") {
  return el("div", `empty ${tone}`, el("strong", "", title), el("p", "", lead));
}

/** Choices as links, one of them chosen: [{name, label, count, tone}]. */
export function chips(place, parameter, choices) {
  const chosen = place.query[parameter] ?? "";
  return el("div", "chips", ...choices.map(({ name, label, count, tone }) => attributes(
    link(hash(place.path, { ...place.query, [parameter]: name, after: "" }), `chip ${count ? tone ?? "" : "quiet"}`, label,
      count === undefined ? "" : el("b", "", String(count))),
    { "aria-current": name === chosen && "true", "data-key": `${parameter} ${name}` },
  )));
}

/** A field that asks for what was typed, once nothing more is typed for a moment; half a Chinese word asks for nothing. */
export function search(place, label) {
  const shown = place.query.search ?? "";
  const field = attributes(el("input"), {
    id: "search", type: "search", placeholder: label, "aria-label": label, maxlength: "64", value: shown, "data-shown": shown, spellcheck: "false",
  });
  let timer = 0;
  const typed = (event) => {
    clearTimeout(timer);
    if (event.isComposing) return;
    timer = setTimeout(() => { if (field.isConnected) turn({ search: field.value.trim() }); }, 300);
  };
  field.addEventListener("input", typed);
  field.addEventListener("compositionend", typed);
  return el("div", "search", field);
}
