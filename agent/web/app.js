// The cashier page: holds what the daemon last said, and redraws the part that changed. It decides nothing.

import { isAnswer, noteOf, renderCheckout, toneOf as toneOfSale, watchPad } from "./checkout.js";
import { byId, el, icon, memory } from "./dom.js";
import { watchKeys } from "./keys.js";
import { ApiError, call, follow } from "./link.js";
import { renderHealth, renderIssues, renderPlace, renderReceipt, renderToday } from "./panels.js";
import * as sound from "./sound.js";
import { pop, renderStage, renderStrip, titleOf, toneOf } from "./verdict.js";
import { clock, getLanguage, money, parseAmount, plainAmount, said, setLanguage, setZone, symbol, t } from "./words.js";

const CALM_MS = 20000; // after this long a verdict is history and the screen rests
const SAME_MS = 1500; // an answer to our own scan and its event are one verdict, not two
const STRIP = 8;

const page = { status: null, verdicts: [], current: null, shownAt: -Infinity, calmTimer: 0, receipt: null, receiptNote: "", loading: null, drawn: "", saleShown: false };
const sale = { form: byId("sale"), field: byId("sale-total"), note: byId("sale-note"), pending: false, wrong: null };
const manual = { form: byId("manual"), field: byId("manual-text"), note: byId("manual-note") };

// ---- words -------------------------------------------------------------------------------------------------------

function drawWords() {
  const language = getLanguage();
  document.documentElement.lang = language === "en" ? "en" : "zh-CN";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
  byId("language").textContent = language === "en" ? "中文" : "EN";
  byId("language").lang = language === "en" ? "zh-CN" : "en";
}

function drawAll() {
  drawWords();
  drawSound();
  page.drawn = "";
  if (page.status) drawStatus();
  drawStage();
  renderStrip(byId("strip"), page.verdicts);
  drawReceipt();
}

/** What was said last: a verdict, or in a shop without a POS the sale. */
function drawStage() {
  const checkout = page.status?.checkout;
  if (checkout && (page.current === null || page.saleShown)) renderCheckout(byId("stage"), checkout, page.status.sale);
  else renderStage(byId("stage"), page.current);
}

// An operator reads the same sentence whether the daemon refused with words, without words, or did not answer.
function complaint(error) {
  if (!(error instanceof ApiError)) return t("no_answer");
  return said(error.body) || t("server_said", { c: error.message });
}

// ---- verdicts ----------------------------------------------------------------------------------------------------

function calmDown() {
  if (page.status?.checkout && !isAnswer(page.status.checkout)) {
    page.saleShown = true; // a refusal was looked at: the sale that waits comes back
    drawStage();
  }
  byId("stage").classList.add("calm");
  document.title = "redeemd";
}

/** At once: what stands on the stage is no answer to what comes next. */
function rest() {
  clearTimeout(page.calmTimer);
  calmDown();
}

/** Show a verdict. ageMs: how old it is; past CALM_MS it is shown at rest, and only a live one sounds. */
function showVerdict(verdict, { ageMs = 0, live = true } = {}) {
  if (live && page.current?.scan_id === verdict.scan_id && performance.now() - page.shownAt < SAME_MS) return;
  page.verdicts = [verdict, ...page.verdicts.filter((other) => other.scan_id !== verdict.scan_id)].slice(0, STRIP);
  renderStrip(byId("strip"), page.verdicts);
  present(verdict, ageMs, live);
  if (live && verdict.print_job && verdict.print_job !== page.receipt?.job) void loadReceipt(verdict.print_job);
}

/** What a device read was no whole scan: it is shown like a verdict, for the one before is no answer to it. */
function showFault(fault) {
  const nothing = { fault: true, coupon: null, campaign: null, discount_minor: null, detail: `${fault.code} · ${fault.source}` };
  present({ ...fault, ...nothing, outcome: "truncated", tone: "warn", scan_id: `fault ${fault.at}` }, 0, true);
}

function present(verdict, ageMs, live) {
  page.current = verdict;
  page.saleShown = false;
  page.shownAt = live ? performance.now() : -Infinity;
  renderStage(byId("stage"), verdict);
  clearTimeout(page.calmTimer);
  if (ageMs >= CALM_MS) {
    calmDown();
  } else {
    byId("stage").classList.remove("calm");
    document.title = titleOf(verdict);
    page.calmTimer = setTimeout(calmDown, CALM_MS - Math.max(ageMs, 0));
  }
  if (live) {
    pop(byId("stage"));
    sound.play(toneOf(verdict));
  }
}

async function submitScan(text) {
  manual.note.textContent = "";
  try {
    const verdict = await call("POST", "/v1/scan", { text });
    if (!page.status?.checkout) showVerdict(verdict); // else the events tell it, in their order
    return true;
  } catch (error) {
    manual.note.textContent = complaint(error);
    return false;
  }
}

// ---- status and sale ---------------------------------------------------------------------------------------------

function drawStatus() {
  const { time, ...lasting } = page.status;
  const drawing = JSON.stringify(lasting);
  if (drawing === page.drawn) return; // redrawing would take the focus from a bubble somebody reads
  page.drawn = drawing;
  renderPlace(page.status);
  renderHealth(page.status);
  renderIssues(page.status);
  renderToday(page.status);
  drawSale();
  drawReceipt();
}

function takeStatus(status) {
  const shown = page.status?.checkout;
  page.status = status;
  document.body.classList.toggle("without-pos", Boolean(status.checkout));
  byId("keypad").hidden = !status.checkout;
  sale.field.inputMode = status.checkout ? "none" : "decimal"; // our keys, not the tablet's own
  if (shown && status.checkout && shown.at > status.checkout.at) status.checkout = shown; // an event was faster
  setZone(status.zone);
  if (memory.get("language") === null && getLanguage() !== status.language) {
    setLanguage(status.language);
    drawAll();
  }
  drawStatus();
}

function drawSale() {
  const current = page.status?.sale ?? null;
  const currency = current?.currency ?? page.status?.currency;
  byId("sale-symbol").textContent = symbol(currency);
  sale.form.classList.toggle("on", current !== null && !sale.pending);
  sale.form.classList.toggle("pending", sale.pending);
  if (!sale.pending) {
    const total = current ? plainAmount(current.total_minor, currency) : "";
    if (sale.field.value !== total) sale.wrong = null;
    sale.field.value = total;
    sale.field.placeholder = plainAmount(0, currency);
  }
  const member = page.status?.member ?? null;
  byId("sale-member").hidden = member === null;
  byId("sale-member").textContent = member ? t(member.as_of ? "member_points" : "member_level", { ...member, t: clock(member.as_of) }) : "";
  const undoable = Boolean(page.status?.checkout?.undoable) && !sale.pending;
  byId("undo").hidden = !undoable;
  byId("sale-clear").hidden = undoable; // there is nothing to clear then
  drawJoin();
  sale.form.classList.toggle("wrong", sale.wrong !== null);
  const waits = page.status?.checkout ? noteOf(page.status.checkout) : "";
  sale.note.textContent = sale.wrong?.() ?? (!sale.pending && waits ? waits : t(sale.pending ? "sale_pending" : current ? "sale_on" : "sale_none"));
}

/** The sale of a shop without a POS, as an event or an answer tells it: each state is shown and sounds once. */
function takeCheckout(checkout) {
  const before = page.status.checkout;
  const known = checkout.at === before.at && checkout.state === before.state;
  if (checkout.at < before.at || (known && page.saleShown)) return;
  page.status.checkout = checkout;
  if (!["total", "refused"].includes(checkout.state)) page.status.sale = null;
  if (checkout.state !== "noted") sale.pending = false; // a total that is being typed is for what was just scanned
  page.saleShown = true;
  drawSale();
  drawStage();
  clearTimeout(page.calmTimer);
  byId("stage").classList.remove("calm");
  if (checkout.state === "closed") document.title = `✓ ${money(checkout.priced.due_minor, checkout.priced.currency)}`;
  else document.title = "redeemd";
  if (isAnswer(checkout) && checkout.state !== "refused") page.calmTimer = setTimeout(calmDown, CALM_MS);
  const heard = performance.now() - page.shownAt < SAME_MS; // by the verdict on its coupon
  if (isAnswer(checkout) && !heard) sound.play(toneOfSale(checkout));
  if (checkout.state !== "idle" && checkout.state !== "total") pop(byId("stage"));
}

/** A number key beside the field, as if typed: the first one takes the place of what stood there. */
function pressKey(key) {
  const typed = sale.pending ? sale.field.value : "";
  sale.field.value = key === "back" ? typed.slice(0, -1) : (typed + key).slice(0, sale.field.maxLength);
  sale.field.dispatchEvent(new Event("input"));
}

async function undoSale() {
  try {
    await call("POST", "/v1/sale/undo");
  } catch (error) {
    saleWrong(() => complaint(error));
  }
}

function drawJoin() {
  const join = page.status?.join ?? null;
  const drawn = JSON.stringify([join, getLanguage()]);
  if (drawn === page.joinDrawn) return; // the picture is fetched once
  page.joinDrawn = drawn;
  byId("join").hidden = join === null;
  byId("join").replaceChildren(...(join === null ? [] : [qrOf(join), el("figcaption", "", said(join))]));
}

function qrOf(join) {
  const image = el("img", "");
  image.alt = said(join);
  image.src = `/v1/join?${new URLSearchParams({ u: join.url })}`; // another address, another picture
  return image;
}

async function setSale() {
  const total = parseAmount(sale.field.value, page.status?.currency);
  if (total === null || total === 0) {
    saleWrong(() => t("sale_wrong"));
    return;
  }
  await changeSale(() => call("PUT", "/v1/sale", { total_minor: total }));
}

// What is wrong stays said until the field changes. say: a function, for the language may change meanwhile.
function saleWrong(say) {
  sale.wrong = say;
  drawSale();
}

async function changeSale(request) {
  try {
    const answer = await request();
    page.status.sale = answer?.sale ?? null;
    if (answer?.checkout) takeCheckout(answer.checkout);
    page.status.member = answer?.member ?? null;
    if (answer?.sale) rest(); // the next customer's sale: the last one's green is not theirs
    sale.pending = false;
    sale.wrong = null;
    sale.field.blur();
    drawSale();
  } catch (error) {
    saleWrong(() => complaint(error));
  }
}

function clearSale() {
  sale.pending = false;
  sale.wrong = null;
  drawSale();
  if (page.status) void changeSale(() => call("DELETE", "/v1/sale"));
}

// ---- receipt -----------------------------------------------------------------------------------------------------

function drawReceipt() {
  renderReceipt(page.receipt, page.status?.prints, page.receiptNote);
}

const printPath = (job, action = "") => `/v1/prints/${encodeURIComponent(job)}${action}`;

/** Show this receipt. Only the last one asked for is shown; what an event says of it meanwhile is newer than the answer. */
async function loadReceipt(job, change = null) {
  const loading = { job, change };
  page.loading = loading;
  try {
    const receipt = await call("GET", printPath(job));
    if (page.loading !== loading) return;
    if (page.receipt?.job !== job) page.receiptNote = "";
    page.receipt = { ...receipt, ...loading.change };
  } catch (error) {
    if (page.loading !== loading) return;
    page.receiptNote = complaint(error);
  }
  page.loading = null;
  drawReceipt();
}

/** The next unconfirmed receipt after the one that is shown, newest first, round and round. */
async function showDoubt() {
  try {
    const { prints } = await call("GET", "/v1/prints?state=unconfirmed&limit=50");
    const next = prints[prints.findIndex((print) => print.job === page.receipt?.job) + 1] ?? prints[0];
    if (next) await loadReceipt(next.job);
  } catch (error) {
    page.receiptNote = complaint(error);
    drawReceipt();
  }
}

async function confirmReceipt() {
  byId("doubt-confirm").disabled = true;
  try {
    takePrint(await call("POST", printPath(page.receipt.job, "/confirm")));
  } catch (error) {
    page.receiptNote = complaint(error);
  }
  byId("doubt-confirm").disabled = false;
  drawReceipt();
}

async function giveUp() {
  try {
    takePrint(await call("POST", printPath(page.receipt.job, "/give-up")));
  } catch (error) {
    page.receiptNote = complaint(error);
    drawReceipt();
  }
}

async function reprint() {
  byId("reprint").disabled = true;
  try {
    const { copy } = await call("POST", printPath(page.receipt.job, "/reprint"));
    page.receiptNote = copy ? t("reprinted", { n: copy }) : ""; // 0: the receipt itself still waits for the printer
  } catch (error) {
    page.receiptNote = complaint(error);
  }
  drawReceipt();
}

const onPaper = (receipt) => ["printed", "unconfirmed"].includes(receipt.state);

function takePrint(change) {
  const loads = change.job === page.loading?.job, shown = change.job === page.receipt?.job;
  // Its promotion code is told once it is on paper.
  const more = onPaper(change) && (loads || (shown && !onPaper(page.receipt)));
  if (loads) page.loading.change = change;
  if (shown) {
    page.receipt = { ...page.receipt, ...change };
    page.receiptNote = "";
    drawReceipt();
  }
  if (more) void loadReceipt(change.job, change);
}

// ---- sound, connection, start ------------------------------------------------------------------------------------

function drawSound() {
  byId("sound-hint").hidden = !sound.isBlocked();
  byId("mute").replaceChildren(icon(sound.isMuted() ? "muted" : "sound"));
  byId("mute").setAttribute("aria-pressed", String(sound.isMuted()));
}

/** After every (re)connection: the whole state anew, for nothing tells us what was missed. */
async function reload() {
  const loading = page.loading, shown = page.receipt;
  const [status, { verdicts }, { prints }] = await Promise.all(
    ["/v1/status", "/v1/verdicts?limit=20", "/v1/prints?limit=1"].map((path) => call("GET", path))); // prints: from before a restart, too
  const before = page.verdicts[0]?.scan_id;
  page.verdicts = verdicts.slice(0, STRIP);
  takeStatus(status);
  byId("lost").hidden = true;
  document.body.classList.remove("is-lost");
  const faultStands = page.current?.fault && Date.parse(page.current.at) > Date.parse(verdicts[0]?.at ?? 0);
  if (faultStands) {
    calmDown(); // half a scan came after the last verdict: that one is not lit again
  } else if (status.checkout && status.checkout.state !== "idle") {
    page.current = verdicts[0] ?? null;
    page.saleShown = true;
    drawStage();
    if (isAnswer(status.checkout) && Date.parse(status.time) - Date.parse(status.checkout.at) >= CALM_MS) calmDown();
    else byId("stage").classList.remove("calm");
  } else if (verdicts.length) {
    const ageMs = Date.parse(status.time) - Date.parse(verdicts[0].at);
    const missed = before !== undefined && before !== verdicts[0].scan_id && ageMs < CALM_MS;
    showVerdict(verdicts[0], { ageMs, live: missed });
  } else {
    page.current = null;
    drawStage();
  }
  renderStrip(byId("strip"), page.verdicts);
  const overtaken = page.loading !== loading || page.receipt !== shown; // a scan since then has a newer receipt
  if (prints.length && !overtaken) void loadReceipt(prints[0].job); // events wait for this function, and none for a receipt
}

function lose() {
  byId("lost").hidden = false;
  document.body.classList.add("is-lost");
  rest(); // a green left standing would be read as an answer
}

function wire() {
  sale.form.addEventListener("submit", (event) => { event.preventDefault(); void setSale(); });
  sale.field.addEventListener("input", () => {
    const current = page.status?.sale;
    const typed = sale.field.value;
    sale.wrong = null;
    sale.pending = typed !== (current ? plainAmount(current.total_minor, current.currency) : "");
    drawSale();
  });
  byId("sale-clear").addEventListener("click", clearSale);
  manual.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = manual.field.value.trim();
    if (!text || !(await submitScan(text))) return;
    manual.field.value = "";
    manual.field.blur();
  });
  byId("reprint").addEventListener("click", () => void reprint());
  byId("give-up").addEventListener("click", () => void giveUp());
  byId("doubt-next").addEventListener("click", () => void showDoubt());
  byId("doubt-confirm").addEventListener("click", () => void confirmReceipt());
  byId("language").addEventListener("click", () => {
    setLanguage(getLanguage() === "en" ? "zh" : "en");
    memory.set("language", getLanguage());
    drawAll();
  });
  byId("mute").addEventListener("click", () => { sound.setMuted(!sound.isMuted()); drawSound(); });
  for (const gesture of ["pointerdown", "keydown"]) {
    document.addEventListener(gesture, () => { if (sound.isBlocked()) sound.wake(drawSound); });
  }
  watchPad({ press: pressKey, undo: () => void undoSale() });
  watchKeys({ sale: sale.field, manual: manual.field, onScan: (text) => void submitScan(text), onClear: clearSale, onPad: pressKey });
}

setLanguage(memory.get("language") ?? "zh");
wire();
sound.wake(drawSound);
drawAll();
follow("/v1/events", {
  handlers: { verdict: (verdict) => showVerdict(verdict), fault: showFault, sale: takeCheckout, status: takeStatus, print: takePrint },
  up: reload,
  down: lose,
  check: async () => takeStatus(await call("GET", "/v1/status")),
});
