// Keys without focus, and telling a person from a scanner.
//
// The daemon grabs its scanner, so the page normally never sees a scan. A scanner that is not grabbed types like a very
// fast keyboard: at least BURST_CHARS keys, none more than BURST_GAP_MS after the last, then Enter or Tab. No person does
// that. Such a burst is handed over whole as a scan, and whatever it typed into our fields on the way is taken back.

const BURST_GAP_MS = 50;
const BURST_CHARS = 6;
const SCAN_CHARS_MAX = 4096;

const isField = (node) => node instanceof HTMLInputElement;

function restore(burst, fields) {
  for (const [index, field] of fields.entries()) {
    field.value = burst.values[index];
    field.dispatchEvent(new Event("input"));
    if (field === document.activeElement && field !== burst.active) field.blur();
  }
}

/** onScan(text): a whole fast burst. onClear(): Esc outside the manual field. sale, manual: the two input elements. */
export function watchKeys({ sale, manual, onScan, onClear }) {
  const fields = [sale, manual];
  let burst = null;

  function endsScan(event) {
    const isEnd = event.key === "Enter" || event.key === "Tab";
    return isEnd && burst !== null && burst.text.length >= BURST_CHARS && event.timeStamp - burst.last <= BURST_GAP_MS;
  }

  function collect(event) {
    if (burst === null || event.timeStamp - burst.last > BURST_GAP_MS) {
      burst = { text: "", last: 0, values: fields.map((field) => field.value), active: document.activeElement };
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
    if (event.key.length === 1 && !event.repeat) collect(event); // a key held down is a person's
    else if (event.key !== "Shift") burst = null;
    shortcut(event);
  }, true);
}
