// The frame: who is logged in, which page is shown, and asking again every half minute while somebody may be looking.

import { ask, post, Refusal } from "./cloud.js";
import { attributes, button, byId, el, link, memory } from "./dom.js";
import { hash, here } from "./table.js";
import { hourly, lang, speak, t, word } from "./words.js";
import * as acts from "./acts.js";
import * as arms from "./arms.js";
import * as campaigns from "./campaigns.js";
import * as conflicts from "./conflicts.js";
import * as quarantine from "./quarantine.js";
import * as settlement from "./settlement.js";
import * as tills from "./tills.js";

const PAGES = { tills, campaigns, arms, conflicts, quarantine, settlement, acts };
const AGAIN_MS = 30000;
const LANGUAGE = "redeemd-operator-language";

let session = null;
let turn = 0;
let shown = "";

/** {name, path, rest, query}: what the address says (`here`), and which of the pages it is. */
function where() {
  const { path, query } = here();
  const [name, ...rest] = path.split("/").map(decodeURIComponent);
  const known = Object.hasOwn(PAGES, name) ? name : "tills";
  return { name: known, rest, path: known === name ? path : known, query };
}

function translate() {
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("button.language")) node.textContent = t("other_language");
  document.title = t("title");
}

function frame(place) {
  translate();
  byId("login").hidden = session !== null;
  byId("shell").hidden = session === null;
  if (session === null) return;
  byId("who").textContent = `${session.name} · ${word(`role_${session.role}`, session.role)}`;
  menu(byId("nav"), place);
}

/** The links stay the ones they are, with the focus, until there are others; the one of this page is in sight. */
function menu(nav, place) {
  const names = Object.keys(PAGES).filter((name) => session.may.includes(PAGES[name].NEEDS));
  const made = `${lang()} ${names}`;
  if (nav.dataset.made !== made) nav.replaceChildren(...names.map((name) => link(hash(name), "", t(name))));
  nav.dataset.made = made;
  for (const [at, one] of [...nav.children].entries()) {
    const current = one.hasAttribute("aria-current");
    if (names[at] !== place.name) one.removeAttribute("aria-current");
    else if (!current) {
      one.setAttribute("aria-current", "page");
      nav.scrollLeft = one.offsetLeft - nav.offsetLeft - (nav.clientWidth - one.offsetWidth) / 2;
    }
  }
}

/** Show the place that the address names. quiet: asked again by itself, so what is shown stays until there is new. */
async function show(quiet = false) {
  const place = where();
  const mine = ++turn;
  frame(place);
  if (session === null) return;
  const main = byId("main");
  const page = PAGES[place.name];
  if (!session.may.includes(page.NEEDS)) {
    main.ariaBusy = "false";
    main.replaceChildren(el("div", "empty", el("strong", "", t("no_right", { role: word(`role_${session.role}`, session.role) })), el("p", "", t("no_right_do"))));
    return;
  }
  const other = shown !== place.path;
  const inside = main.contains(document.activeElement);
  if (other) main.replaceChildren(el("p", "loading", t("loading")));
  main.ariaBusy = "true";
  try {
    const content = await page.show(place, session);
    if (mine !== turn) return;
    replace(main, content, quiet);
    if (other && inside) main.focus({ preventScroll: true });
    if (other && !quiet) scrollTo(0, 0);
    shown = place.path;
    byId("lost").hidden = true;
    byId("updated").textContent = t("updated", { t: hourly(Date.now()) });
  } catch (error) {
    if (mine === turn) failed(main, error, other);
  } finally {
    if (mine === turn) main.ariaBusy = "false";
  }
}

/** What a link, a button or a summary is, whatever it says or leads to now. */
const keyOf = (one) => one.dataset.key ?? one.closest("[data-key]")?.dataset.key ?? one.getAttribute("href") ?? one.textContent;
const PRESSED = "a, button, summary";

/**
 * New content in place of the old. The field that somebody types into stays the one it is, what was opened stays open, and
 * the link that has the focus has it again.
 */
function replace(main, content, quiet) {
  const active = document.activeElement;
  const focused = main.contains(active) && active.matches(PRESSED) ? keyOf(active) : null;
  const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  const fresh = el("div", "", ...content);
  if (quiet) for (const one of fresh.querySelectorAll("details")) one.open = open.has(one.dataset.key);
  const field = [document.activeElement, ...main.querySelectorAll("input")].find((one) => one.id && one.matches("input") && main.contains(one));
  const next = field && fresh.querySelector(`input#${CSS.escape(field.id)}`);
  if (next && depth(field, main) === depth(next, fresh)) keep(field, next, main);
  else main.replaceChildren(...fresh.childNodes);
  if (focused !== null) [...main.querySelectorAll(PRESSED)].find((one) => keyOf(one) === focused)?.focus({ preventScroll: true });
}

function depth(node, above) {
  let count = 0;
  for (let one = node; one !== above; one = one.parentNode) count += 1;
  return count;
}

/** Put everything around `next` around `field`, which is never taken out: caret, composition and undo live in it alone. */
function keep(field, next, main) {
  const typed = field.value.trim() !== (field.dataset.shown ?? "");
  if (!typed) field.value = next.value;
  field.dataset.shown = next.dataset.shown ?? "";
  for (const name of ["placeholder", "aria-label"]) if (next.hasAttribute(name)) field.setAttribute(name, next.getAttribute(name));
  for (let old = field, by = next; old !== main; old = old.parentNode, by = by.parentNode) {
    for (const one of [...old.parentNode.childNodes]) if (one !== old) one.remove();
    const around = [...by.parentNode.childNodes];
    const at = around.indexOf(by);
    old.before(...around.slice(0, at));
    old.after(...around.slice(at + 1));
    if (old !== field) old.className = by.className;
  }
}

function failed(main, error, nothingShown) {
  if (!(error instanceof Refusal)) throw error;
  if (error.status === 401) {
    end(t("session_over"));
    return;
  }
  const said = error.status === 0 || error.status >= 500 ? t("unreachable") : t("refused", { d: error.detail || error.code || error.status });
  byId("lost").textContent = said;
  byId("lost").hidden = false;
  if (nothingShown) {
    main.replaceChildren(el("div", "empty", el("strong", "", said), button("primary", t("again"), () => show())));
    shown = "";
  }
}

function end(note) {
  session = null;
  shown = "";
  byId("main").replaceChildren();
  frame(where());
  byId("login-note").textContent = note;
  byId("token").focus();
}

async function logIn(event) {
  event.preventDefault();
  const token = byId("token").value.trim();
  const note = byId("login-note");
  note.textContent = token ? "" : t("login_empty");
  if (!token) return;
  try {
    session = (await post("session", { token })).body;
    byId("token").value = "";
    await show();
    byId("main").focus({ preventScroll: true });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const wrong = error.status === 401 || error.status === 422;
    note.textContent = wrong ? t("login_wrong") : error.status === 0 || error.status >= 500 ? t("unreachable") : t("refused", { d: error.detail });
    byId("token").select();
  }
}

async function logOut() {
  try { await post("session/end", {}); } catch { /* it ends by itself */ }
  end("");
}

function otherLanguage() {
  speak(lang() === "zh" ? "en" : "zh");
  memory.set(LANGUAGE, lang());
  byId("login-note").textContent = "";
  show();
}

async function start() {
  speak(memory.get(LANGUAGE) ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
  byId("login-form").addEventListener("submit", logIn);
  byId("logout").addEventListener("click", logOut);
  for (const node of document.querySelectorAll("button.language")) node.addEventListener("click", otherLanguage);
  addEventListener("hashchange", () => show());
  setInterval(() => { if (session && !document.hidden) show(true); }, AGAIN_MS);
  document.addEventListener("visibilitychange", () => { if (session && !document.hidden) show(true); });
  try {
    session = (await ask("session")).body;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    end(error.status === 401 ? "" : t("unreachable"));
    return;
  }
  await show();
}

start();
