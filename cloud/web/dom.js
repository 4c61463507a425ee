// Building elements. Text goes in as text nodes only: what a till or a campaign calls itself never becomes markup.

/** el("p", "note", "text", child, ...): strings become text nodes; null, false and "" are left out. */
export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== "" && child !== false));
  return node;
}

/** An element with attributes: attributes(el("input"), {type: "search"}). */
export function attributes(node, given) {
  for (const [name, value] of Object.entries(given)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  return node;
}

export function button(className, text, onClick) {
  const node = attributes(el("button", className, text), { type: "button" });
  node.addEventListener("click", onClick);
  return node;
}

export function link(href, className, ...children) {
  return attributes(el("a", className, ...children), { href });
}

export const byId = (id) => document.getElementById(id);

// Storage may be switched off; then a choice lasts until the page is reloaded.
export const memory = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* kept for this page only */ } },
};
