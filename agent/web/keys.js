// Keys without focus, and telling a person from a scanner.
//
// The daemon grabs its scanner, so the page normally never sees a scan. A scanner that is not grabbed types like a very
// fast keyboard: at least SCAN_CHARS_MIN keys, each within FAST_MS of the last, then Enter or Tab. No person does that.
// A wireless or busy one pauses now and then: once a burst runs, every fourth gap may be up to PAUSE_MS. The line end, not
// a pause, divides two scans. A burst is handed over whole, and what it typed into our fields on the way is taken back.

const FAST_MS = 50;
const PAUSE_MS = 250; // drivers/framing.py waits twice as long, but need not tell a scanner from a person
const GAPS_PER_PAUSE = 4;
const SCAN_CHARS_MIN = 6;
const SCAN_CHARS_MAX = 4096;

const isField = (node) => node instanceof HTMLInputElement;

function restore(burst, fields) {
  for (const [index, field] of fields.entries()) {
    field.value = burst.values[index];
    field.dispatchEvent(new Event("input"));
    if (field === document.activeElement && field !== burst.active) field.blur();
  }
}

// A number pad without NumLock sends arrows; nobody at a till moves a cursor with it.
function padKey(event) {
  if (event.key.length === 1) return "";
  return event.code === "NumpadDecimal" ? "." : /^Numpad([0-9])$/.exec(event.code)?.[1] ?? "";
}

/**
 * onScan(text): a whole fast burst. onClear(): Esc outside the manual field. onPad(key): a number pad without NumLock.
 * sale, manual: the two input elements.
 */
export function watchKeys({ sale, manual, onScan, onClear, onPad }) {
  const fields = [sale, manual];
  let burst = null;

  const gapBefore = (event) => (burst === null ? Infinity : event.timeStamp - burst.last);

  function endsScan(event) {
    const isEnd = event.key === "Enter" || event.key === "Tab";
    const gap = gapBefore(event);
    if (!isEnd || gap > PAUSE_MS || burst.text.length < SCAN_CHARS_MIN) return false;
    const pauses = burst.pauses + (gap > FAST_MS ? 1 : 0);
    return pauses * GAPS_PER_PAUSE <= burst.text.length; // as many gaps as characters, that before the line end included
  }

  function collect(event) {
    const gap = gapBefore(event);
    const runs = burst !== null && burst.text.length > 1; // a single key before a burst is a person's
    if (gap > (runs ? PAUSE_MS : FAST_MS)) {
      burst = { text: "", last: 0, pauses: 0, values: fields.map((field) => field.value), active: document.activeElement };
    } else if (gap > FAST_MS) {
      burst.pauses += 1;
    }
    burst.last = event.timeStamp;
    if (burst.text.length <= SCAN_CHARS_MAX) burst.text += event.key;
  }

  function shortcut(event) {
    const inField = isField(document.activeElement);
    if (event.key === "Escape") {
      const typing = document.activeElement === manual;
      if (typing) manual.value = "";
      else onClear();
      document.activeElement?.blur();
    } else if (event.key === "/" && document.activeElement !== manual) {
      event.preventDefault();
      manual.focus();
      manual.select();
    } else if (/^[0-9]$/.test(event.key) && !inField) {
      sale.focus(); // the key itself then lands in the field, in place of what stood there
      sale.select();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (endsScan(event)) {
      event.preventDefault();
      event.stopPropagation();
      const { text } = burst;
      restore(burst, fields);
      burst = null;
      onScan(text);
      return;
    }
    const key = document.activeElement === manual ? "" : padKey(event);
    if (key) {
      event.preventDefault();
      sale.focus();
      onPad(key);
      return;
    }
    if (event.key.length === 1 && !event.repeat) collect(event); // a key held down is a person's
    else if (event.key !== "Shift") burst = null;
    shortcut(event);
  }, true);
}
