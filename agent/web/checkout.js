// The sale of a shop without a POS: what the customer pays, very large, and the number keys beside it.

import { byId, el, icon } from "./dom.js";
import { fitted } from "./verdict.js";
import { money, moneyParts, said, t } from "./words.js";

const SURE_MS = 5000; // the second tap that takes a sale back comes within this long of the first
const TONES = { closed: "good", refused: "warn", noted: "warn", undone: "warn", timed_out: "warn" };

export const toneOf = (checkout) => TONES[checkout.state] ?? "idle";

/** The states that are an answer to something; the others are the counter at rest, or waiting. */
export const isAnswer = (checkout) => ["closed", "refused", "undone", "timed_out"].includes(checkout.state);

function bigMoney(minor, currency) {
  const { whole, fraction } = moneyParts(minor, currency);
  return fitted("p", "amount", `${whole}${fraction.slice(0, 2)}`, whole, fraction && el("small", "", fraction));
}

const row = (name, value) => el("div", "", el("dt", "", name), el("dd", "", value));

/** What was taken off, and by what. */
function taken(priced) {
  if (!priced.discount_minor && !priced.paid_minor) return null;
  const { currency } = priced;
  return el("dl", "facts",
    row(t("checkout_total"), money(priced.total_minor, currency)),
    ...priced.applied.flatMap((one) => [
      row(said(one, "title"), `−${money(one.amount_minor, currency)}`),
      Number.isInteger(one.left_minor) && row(t("left"), money(one.left_minor, currency)),
    ]));
}

const note = (line) => el("p", "next", icon("arrow"), el("span", "", line));

/** What the cashier does with a coupon that counts; what more would give; why another does not count. */
function notes(priced) {
  const { currency } = priced;
  const lines = priced.applied.flatMap((one) => [
    said(one, "prompt"),
    one.if_tenders.length > 0 && t("checkout_tenders", { names: said(one, "if_tenders") }),
    one.hand_over && t("checkout_hand_over", { n: one.hand_over.pieces, skus: one.hand_over.skus.join(", ") }),
    one.hint?.missing_minor > 0 && one.hint.then_minor > 0
      && t("checkout_hint", { more: money(one.hint.missing_minor, currency), off: money(one.hint.then_minor, currency) }),
  ]);
  const refused = priced.refused.map((one) => {
    const why = [said(one), said(one, "next")].filter(Boolean).join(t("checkout_and"));
    return note([said(one, "title"), why].filter(Boolean).join(" · ")); // which of them it is, and why
  });
  return [...lines.filter(Boolean).map(note), ...refused];
}

function titles(checkout) {
  const named = checkout.coupons.map((coupon) => said(coupon, "title") || t("checkout_a_coupon"));
  return el("p", "headline", named.join(" + "));
}

function head(tone, word) {
  return el("div", "mark", icon(tone), fitted("p", "word", word));
}

function parts(checkout, sale) {
  const { priced, reversed } = checkout;
  switch (checkout.state) {
    case "noted":
      return [head("warn", t("checkout_key_in")), titles(checkout), el("p", "next", icon("arrow"), el("span", "", t("checkout_more")))];
    case "closed":
      return [head("good", t("checkout_pay")), bigMoney(priced.due_minor, priced.currency), taken(priced), ...notes(priced)];
    case "refused":
      return [head("warn", t("checkout_pay_full")), bigMoney(priced.due_minor, priced.currency), ...notes(priced),
        el("p", "campaign", t("checkout_again"))];
    case "undone": {
      const back = reversed.reversals.every((one) => one.coupon_returns);
      return [head("warn", t("checkout_undone")), el("p", "headline", t(back ? "checkout_coupon_back" : "checkout_coupon_gone"))];
    }
    case "timed_out":
      return [head("warn", t("checkout_timed_out")), el("p", "headline", t("checkout_nothing_used"))];
    default:
      return [el("div", "idle", icon("idle"), el("p", "word", t("idle")),
        el("p", "headline", sale ? t("checkout_total_is", { m: money(sale.total_minor, sale.currency) }) : t("checkout_idle")))];
  }
}

/** Put the sale on the stage. sale: the total that waits for a coupon, or null. */
export function renderCheckout(stage, checkout, sale) {
  stage.dataset.tone = toneOf(checkout);
  stage.dataset.scan = "";
  stage.dataset.checkout = checkout.state;
  stage.classList.toggle("has-amount", Boolean(checkout.priced) && checkout.state !== "undone");
  stage.replaceChildren(el("div", "verdict", ...parts(checkout, sale).filter(Boolean)));
  if (checkout.until && checkout.state !== "total") stage.append(el("div", "wait"));
  const left = checkout.until ? Date.parse(checkout.until) - Date.parse(checkout.at) : 0;
  stage.querySelector(".wait")?.animate([{ transform: "scaleX(1)" }, { transform: "scaleX(0)" }], { duration: left, fill: "forwards" });
}

/** What stands below the amount field; "" leaves the field's own note. */
export function noteOf(checkout) {
  if (checkout.state === "noted") return t("checkout_noted", { n: checkout.coupons.length });
  if (checkout.state === "refused") return t("checkout_again");
  return "";
}

/**
 * The number keys. press(key): a digit, "." or "back"; undo(): takes the last sale back, after two taps.
 * The keys keep the focus where it is: a tablet's own keyboard stays away.
 */
export function watchPad({ press, undo }) {
  byId("keypad").addEventListener("pointerdown", (event) => event.preventDefault());
  byId("keypad").addEventListener("click", (event) => {
    const key = event.target.closest("button")?.dataset.key;
    if (key) press(key);
  });
  let sure = 0;
  const button = byId("undo");
  const ask = (asking) => {
    clearTimeout(sure);
    sure = asking ? setTimeout(() => ask(false), SURE_MS) : 0;
    button.classList.toggle("sure", asking);
    button.textContent = t(asking ? "checkout_undo_sure" : "checkout_undo");
  };
  button.addEventListener("click", () => {
    const decided = sure !== 0;
    ask(!decided);
    if (decided) undo();
  });
}
