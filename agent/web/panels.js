// Everything around the verdict: line, devices, problems, the day's sums, the receipt.

import { byId, el, icon } from "./dom.js";
import { call } from "./link.js";
import { clock, getLanguage, money, printState, said, t } from "./words.js";

/** One thing in the header: a drawing, a word, and a sentence that shows on hover, focus or tap. level: ok, warn, bad. */
function pill(name, level, label, tip) {
  const button = el("button", `pill ${level}`, icon(name), label && el("span", "label", label), el("span", "dot"));
  button.type = "button";
  const bubble = el("span", "tip", tip);
  bubble.id = `tip-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  bubble.setAttribute("role", "tooltip");
  button.setAttribute("aria-describedby", bubble.id);
  return el("li", "", button, bubble);
}

function linePill({ line }) {
  const since = line.since ? t("offline_since", { t: clock(line.since) }) : t("offline");
  const label = { online: t("online"), offline: since, never: t("never"), off: t("off") }[line.state] ?? String(line.state);
  const reason = said(line);
  const last = line.last_success ? t("last_success", { t: clock(line.last_success) }) : "";
  const good = line.state === "online" || line.state === "off";
  const item = pill(good ? "online" : "offline", good ? "ok" : "warn", label, [reason, last].filter(Boolean).join(" ") || label);
  if (!good && reason) item.firstChild.insertBefore(el("span", "reason", reason), item.firstChild.lastChild);
  item.classList.add("line");
  return item;
}

function outboxPills({ outbox }) {
  const oldest = outbox.oldest ? ` ${t("waiting_oldest", { t: clock(outbox.oldest) })}` : "";
  const tip = outbox.waiting ? t("waiting_tip", { n: outbox.waiting }) + oldest : t("waiting_none");
  const pills = [pill("waiting", outbox.waiting ? "warn" : "ok", t("waiting", { n: outbox.waiting }), tip)];
  pills[0].classList.add("outbox");
  if (outbox.quarantined) {
    pills.push(pill("held", "bad", t("quarantined", { n: outbox.quarantined }), t("quarantined_tip", { n: outbox.quarantined })));
  }
  return pills;
}

function bundlePill({ bundle }) {
  const level = { fresh: "ok", stale: "warn" }[bundle.age] ?? "bad";
  const word = { fresh: "bundle_fresh", stale: "bundle_stale", expired: "bundle_expired" }[bundle.age] ?? "bundle_none";
  const tip = bundle.age === "none" ? t(word)
    : `${said(bundle) || t(word)}${getLanguage() === "en" ? ". " : "。"}${t("bundle_tip", { n: bundle.campaigns, t: clock(bundle.issued), s: bundle.sequence })}`;
  const item = pill("bundle", level, level === "ok" ? t("bundle") : t(word), tip);
  item.firstChild.setAttribute("aria-label", t(word));
  item.classList.add("bundle");
  return item;
}

function devicePill(device) {
  const role = ["scanner", "camera", "printer"].includes(device.role) ? device.role : "scanner";
  const state = { lost: "lost_device" }[device.state] ?? device.state;
  const word = ["starting", "ready", "lost_device", "denied", "misconfigured"].includes(state) ? t(state) : String(device.state);
  const soon = device.state === "ready" && Boolean(device.cause); // it works, and soon will not
  const level = soon ? "warn" : { ready: "ok", starting: "warn" }[device.state] ?? "bad";
  const told = said(device);
  const tip = (told || `${t(role)} ${device.name}: ${word}`) + (device.detail ? ` · ${device.detail}` : "");
  const item = pill(role, level, "", tip);
  item.firstChild.setAttribute("aria-label", told || `${t(role)}: ${word}`);
  item.classList.add("device");
  return item;
}

export function renderPlace(status) {
  byId("store").textContent = said({ zh: status.store.name_zh, en: status.store.name_en }) || status.store.code || "redeemd";
  byId("till").textContent = status.till;
}

export function renderHealth(status) {
  const pills = [linePill(status), ...outboxPills(status), bundlePill(status)];
  if (status.clock.doubt) pills.push(pill("clock", "bad", t("clock"), said(status.clock) || t("clock")));
  const items = [...pills, ...status.devices.map(devicePill)];
  // Whoever reads a tip with the keyboard goes on reading it when the numbers change.
  const at = [...byId("health").children].findIndex((item) => item.contains(document.activeElement));
  byId("health").replaceChildren(...items);
  if (at >= 0) items[Math.min(at, items.length - 1)].firstChild.focus();
}

// A coupon that was redeemed at another till too: who keeps it, and a button for whoever has read it.
function conflictItem(conflict) {
  const seen = el("button", "", t("seen"));
  seen.type = "button";
  seen.addEventListener("click", async () => {
    seen.disabled = true; // and without the focus: a scan's Enter presses nothing
    try { await call("POST", `/v1/conflicts/${conflict.id}/seen`); } catch { seen.disabled = false; }
  });
  return el("li", "issue warn", icon("warn"),
    el("div", "", el("b", "", `${t("conflict")} ${conflict.redemption_id}`), el("span", "", said(conflict)), seen));
}

export function renderIssues(status) {
  const order = { error: 0, warning: 1, info: 2 };
  const issues = [...status.issues].sort((a, b) => (order[a.severity] ?? 0) - (order[b.severity] ?? 0));
  const list = byId("issues");
  const messages = (status.messages ?? []).map((message) => el("li", "issue good",
    icon("arrow"), el("div", "", el("b", "", said(message)))));
  const conflicts = (status.conflicts ?? []).map(conflictItem);
  list.hidden = issues.length + messages.length + conflicts.length === 0;
  const items = issues.map((issue) => {
    const tone = { info: "good", warning: "warn" }[issue.severity] ?? "bad";
    return el("li", `issue ${tone}`, icon(issue.severity === "info" ? "arrow" : tone),
      el("div", "", el("b", "", said(issue)), el("span", "", said(issue, "action"))));
  });
  const now = issues.filter((issue) => issue.severity !== "info").length; // a conflict can wait for what stops work now
  list.replaceChildren(...messages, ...items.slice(0, now), ...conflicts, ...items.slice(now));
}

export function renderToday({ today, currency, assistant }) {
  const served = today.assistants ?? [];
  byId("assistants").hidden = served.length === 0;
  byId("assistants").textContent = served.map((one) => t(one.assistant === assistant ? "assistant_now" : "assistant", {
    name: one.assistant.slice(-6), n: one.redemptions, sales: one.sales, earned: money(one.earned_minor, currency) })).join(" · ");
  byId("today").textContent = [
    t("today_accepted", { n: today.accepted }),
    t("today_refused", { n: today.refused }),
    `−${money(today.discount_minor, currency)}`,
  ].join(" · ");
}

function printsNote(prints) {
  return prints?.waiting ? t("prints_waiting", { n: prints.waiting }) : "";
}

// The receipts that nobody knows to be on paper: show them one after the other, and say of one that it is there.
function renderDoubt(receipt, count) {
  const inDoubt = receipt?.state === "unconfirmed";
  byId("doubt").hidden = !count;
  byId("doubt-next").textContent = t(inDoubt ? "doubt_next" : "doubt_first", { n: count });
  byId("doubt-next").disabled = inDoubt && count === 1; // it is the one that is shown
  byId("doubt-confirm").hidden = !inDoubt;
}

// The daemon escapes every text of the paper; a parsed document runs no script, and the page's policy allows none.
function drawPaper(node, receipt) {
  node.classList.toggle("plain", Boolean(receipt) && !receipt.html);
  if (receipt?.html) node.replaceChildren(...new DOMParser().parseFromString(receipt.html, "text/html").body.childNodes);
  else node.textContent = receipt?.text ?? t("receipt_none");
}

/** receipt: what GET /v1/prints/{job} gave, or null. prints: the counts of the status. note: what a reprint answered. */
export function renderReceipt(receipt, prints, note) {
  renderDoubt(receipt, prints?.unconfirmed ?? 0);
  drawPaper(byId("receipt-text"), receipt);
  byId("receipt-text").classList.toggle("empty", !receipt);
  byId("receipt-state").textContent = receipt ? printState(receipt.state) : "";
  byId("reprint").disabled = !receipt;
  const waits = receipt?.state === "queued" && receipt.copies === 0; // it is not on paper: there is nothing to copy
  byId("give-up").hidden = !waits;
  byId("reprint").hidden = waits;
  const which = receipt?.state === "unconfirmed" && t("receipt_at", { job: receipt.job, t: clock(receipt.updated_at) });
  const cause = said({ zh: receipt?.cause_zh, en: receipt?.cause_en });
  const action = said({ zh: receipt?.action_zh, en: receipt?.action_en });
  byId("receipt-note").textContent = note || [cause, which, action].filter(Boolean).join(" · ") || printsNote(prints);
}
