// The line to the daemon: JSON calls and the event stream, each with a bounded wait.

const ANSWER_MS = 5000; // the daemon answers in milliseconds; after this long it is not going to
const RETRY_MS = [500, 1000, 2000, 3000]; // on loopback a quick return matters more than politeness
const CHECK_MS = 20000; // the stream's heartbeats are invisible to a page, so a hung daemon is found by asking

/** An answer that is not what was asked for. `body` is the daemon's problem (RFC 9457) with code, zh and en, or null if it gave none. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.code ?? `http_${status}`);
    this.status = status;
    this.body = body;
  }
}

/** One call. Gives the JSON answer (null for 204); throws ApiError, or TypeError/TimeoutError when nobody answers. */
export async function call(method, path, body) {
  const request = { method, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) };
  if (method === "POST" || method === "PUT") {
    request.headers = { "Content-Type": "application/json" };
    request.body = JSON.stringify(body ?? {});
  }
  const response = await fetch(path, request);
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer?.code ? answer : null);
  return answer;
}

/**
 * Hold the event stream open for ever. `handlers` maps event names to functions of the parsed data; `up` is awaited each
 * time the stream opens (reload the state there), `down` is called each time it is lost. An EventSource gives up for good
 * on an HTTP error, so a lost one is thrown away and made anew.
 */
export function follow(path, { handlers, up, down, check }) {
  let failures = 0;
  let source = null;
  let timer = null;
  let turn = Promise.resolve(); // one event at a time: an old list still loading must not overwrite a newer verdict

  function lose() {
    if (source === null) return;
    source.close();
    source = null;
    down();
    timer = setTimeout(open, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  }

  function open() {
    clearTimeout(timer);
    const mine = new EventSource(path);
    source = mine;
    const guarded = (action) => (event) => {
      turn = turn.then(async () => {
        if (source !== mine) return; // a late event of a stream already given up
        try { await action(event); } catch (error) { console.warn("redeemd:", error.message); lose(); }
      });
    };
    mine.addEventListener("open", guarded(async () => { await up(); failures = 0; }));
    mine.addEventListener("error", lose);
    for (const [name, handle] of Object.entries(handlers)) {
      mine.addEventListener(name, guarded((event) => handle(JSON.parse(event.data))));
    }
  }

  setInterval(() => { if (source !== null && failures === 0) check().catch(lose); }, CHECK_MS);
  open();
}
