// The verdict, very large, and the strip of those before it.

import { el, emWidth, icon } from "./dom.js";
import { bigWord, clock, money, moneyParts, said, shortMoney, t } from "./words.js";

const TONES = ["good", "warn", "bad"];

/** A tone we can draw. One we do not know is shown as bad: better to look twice than to give money away. */
export const toneOf = (verdict) => (TONES.includes(verdict.tone) ? verdict.tone : "bad");

const hasAmount = (verdict) => toneOf(verdict) === "good" && verdict.discount_minor > 0;

/** A line that fills its box: the style sheet divides the width by --em. */
export function fitted(tag, className, text, ...children) {
  const node = el(tag, className, ...(children.length ? children : [text]));
  node.style.setProperty("--em", emWidth(text).toFixed(2));
  return node;
}

function amount(verdict) {
  const { whole, fraction } = moneyParts(verdict.discount_minor, verdict.currency);
  return fitted("p", "amount", `−${whole}${fraction.slice(0, 2)}`, `−${whole}`, fraction && el("small", "", fraction));
}

function facts(verdict) {
  const rows = [];
  if (verdict.works_from) rows.push([t("works_from"), clock(verdict.works_from)]);
  if (verdict.first_use) {
    rows.push([t("first_use"), t("on_till", { t: clock(verdict.first_use.at), till: verdict.first_use.till })]);
  }
  if (Number.isInteger(verdict.left_minor)) rows.push([t("left"), money(verdict.left_minor, verdict.currency)]);
  if (!rows.length) return null;
  return el("dl", "facts", ...rows.map(([name, value]) => el("div", "", el("dt", "", name), el("dd", "", value))));
}

/** The daemon's sentence, unless the rest of the screen says all of it: a cashier reads a thing once. */
function headline(verdict) {
  const sentence = said(verdict);
  const accepted = verdict.outcome === "accepted" && toneOf(verdict) === "good";
  const benefitShown = hasAmount(verdict) || (verdict.discount_minor === null && said(verdict.campaign, "benefit"));
  const shownElsewhere = (accepted && benefitShown) || verdict.first_use || sentence === bigWord(verdict);
  return shownElsewhere ? null : el("p", "headline", sentence);
}

function campaign(verdict) {
  const title = said(verdict.campaign, "title");
  const inNext = said(verdict, "next").includes(said(verdict.campaign, "benefit"));
  const benefit = inNext ? "" : said(verdict.campaign, "benefit");
  if (!title && !benefit) return null;
  return el("p", "campaign", title && el("b", "", title), benefit && el("span", "", benefit));
}

function support(verdict) {
  if (toneOf(verdict) === "good") return null;
  const coupon = verdict.coupon && `${verdict.coupon.issuer}/${verdict.coupon.campaign}/${verdict.coupon.index}`;
  const parts = [verdict.outcome, verdict.detail, coupon, String(verdict.scan_id).slice(0, 8)];
  return el("p", "support", `${t("support")} `, el("code", "", parts.filter(Boolean).join(" · ")));
}

function tags(verdict) {
  const names = [verdict.offline && t("decided_offline"), verdict.replayed && t("replayed")].filter(Boolean);
  return el("p", "stamp", ...names.map((name) => el("span", "tag", name)), el("time", "", clock(verdict.at, { seconds: true })));
}

function idle() {
  return [el("div", "idle", icon("idle"), el("p", "word", t("idle")), el("p", "headline", t("idle_sub")))];
}

function shown(verdict) {
  const tone = toneOf(verdict);
  const next = said(verdict, "next");
  return [
    tags(verdict),
    el("div", "mark", icon(tone), fitted("p", "word", bigWord(verdict))),
    hasAmount(verdict) ? amount(verdict) : null,
    headline(verdict),
    facts(verdict),
    next && el("p", "next", icon("arrow"), el("span", "", next)),
    campaign(verdict),
    support(verdict),
    el("p", "again", t("next_scan")),
  ];
}

/** Put a verdict (or null: nothing scanned yet) on the stage. One replacement, so a screen reader says it once. */
export function renderStage(stage, verdict) {
  stage.dataset.tone = verdict ? toneOf(verdict) : "idle";
  delete stage.dataset.checkout;
  stage.dataset.scan = verdict ? String(verdict.scan_id) : "";
  stage.classList.toggle("has-amount", Boolean(verdict) && hasAmount(verdict));
  const parts = (verdict ? shown(verdict) : idle()).filter(Boolean);
  stage.replaceChildren(el("div", "verdict", ...parts));
}

/** A flash and a small jump, so that a second equal verdict is seen to be a new one. Never less than fully readable. */
export function pop(stage) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  stage.firstElementChild.animate([{ transform: "scale(0.95)" }, { transform: "none" }], { duration: 160, easing: "ease-out" });
  stage.animate([{ filter: "brightness(1.45)" }, { filter: "none" }], { duration: 320, easing: "ease-out" });
}

function chip(verdict) {
  const tone = toneOf(verdict);
  const value = hasAmount(verdict) ? `−${shortMoney(verdict.discount_minor, verdict.currency)}` : bigWord(verdict);
  const item = el("li", `chip ${tone}`, icon(tone), el("div", "", el("b", "", value), el("time", "", clock(verdict.at))));
  item.setAttribute("aria-label", `${clock(verdict.at)} ${bigWord(verdict)} ${hasAmount(verdict) ? value : ""}`);
  item.title = said(verdict);
  return item;
}

export const renderStrip = (list, verdicts) => list.replaceChildren(...verdicts.map(chip));

/** What the window's title says, for a second monitor's task bar. */
export function titleOf(verdict) {
  const mark = { good: "✓", warn: "!", bad: "✗" }[toneOf(verdict)];
  return `${mark} ${hasAmount(verdict) ? `−${money(verdict.discount_minor, verdict.currency)}` : bigWord(verdict)}`;
}
