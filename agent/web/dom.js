// Building elements. Text goes in as text nodes only: what a campaign calls itself can never become markup.

/** el("p", "note", "text", child, ...): strings become text nodes; null and "" are left out. */
export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null && child !== "" && child !== false));
  return node;
}

/** One of the drawings in index.html, hidden from screen readers because words stand beside it. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/** About how many em a line is wide in our fonts, for fitting one big line into its box. */
export function emWidth(text) {
  let width = 0;
  for (const char of text) width += char.codePointAt(0) > 0x2e7f ? 1 : /[A-Z]/.test(char) ? 0.68 : /[.,:]/.test(char) ? 0.29 : 0.57;
  return Math.max(width, 1);
}

// Storage may be switched off on a locked-down till; then a choice lasts until the page is reloaded.
export const memory = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* kept for this page only */ } },
};
