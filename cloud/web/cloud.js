// What the page asks of the cloud. Everything stands below the page's own address, so a prefix of it does no harm.

const BASE = new URL("../v1/", document.baseURI);
const WAIT_MS = 60000;

/** The cloud said no, or said nothing: status 0. code and detail: of its problem (RFC 9457). */
export class Refusal extends Error {
  constructor(status, code, detail) {
    super(detail || code || String(status));
    Object.assign(this, { status, code, detail });
  }
}

/** {body, next}: JSON, and where the next page begins or null. Throws Refusal. */
export async function ask(path, query = {}, options = {}) {
  const url = address(path, query);
  let response;
  try {
    response = await fetch(url, {
      credentials: "same-origin", cache: "no-store", redirect: "error", signal: AbortSignal.timeout(WAIT_MS), ...options,
    });
  } catch {
    throw new Refusal(0, "unreachable", "");
  }
  let body = null;
  try { body = await response.json(); } catch { /* a proxy's page: the status says enough */ }
  if (!response.ok || body === null) throw new Refusal(response.ok ? 502 : response.status, body?.code ?? "", body?.detail ?? "");
  return { body, next: response.headers.get("Next-After") };
}

export function post(path, body) {
  return ask(path, {}, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
}

/** The address of a path below /v1/ with the parameters that have a value. */
export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}
