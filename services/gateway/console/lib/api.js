// The only file that asks the gateway. It adds what each request needs and turns every refusal into one kind of error.
import { signal } from "./dom.js";
import { frames } from "./stream.js";
import { problemTold } from "./told.js";
import { traceparent } from "./trace.js";

const READ_AFTER_MS = 20_000;
const RETRIES = 3;
const PASSING = ["not_yet_consistent", "unavailable", "auth_unavailable"];

export const offline = signal(false);
addEventListener("offline", () => { offline.value = true; });
/** A request that waits for the person to prove themselves: `{kind: "proof" | "session", done(ok)}`. */
export const asked = signal(null);
let csrf = null;
let change = null;
let changedAt = 0;
let signedIn = false;

export class Refusal extends Error {
  constructor(status, problem, requestId) {
    super(problem.title ?? "The request failed.");
    this.status = status;
    this.problem = problem;
    this.code = problem.code ?? "unknown";
    this.errors = problem.errors ?? [];
    this.meta = problem.meta ?? {};
    this.requestId = problem.instance ?? requestId;
  }

  get title() {
    return problemTold(this.problem).title || problemTold({}).title || this.message;
  }

  /** Empty when it says no more than the title. */
  get detail() {
    return problemTold(this.problem).detail;
  }

  get remedy() {
    return problemTold(this.problem).remedy;
  }

  /** What is wrong with one field, by its name. */
  at(name) {
    return problemTold(this.problem).at(name);
  }
}

export function trust(token) {
  csrf = token;
  signedIn = token !== null;
}

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body, options) => call("POST", path, body, options);
export const put = (path, body, options) => call("PUT", path, body, options);
export const patch = (path, body, options) => call("PATCH", path, body, options);
export const remove = (path, options) => call("DELETE", path, undefined, options);

/** Answers `{data, etag}`; throws a Refusal. */
export async function call(method, path, body, { etag, key = crypto.randomUUID(), quietly = false } = {}) {
  for (let tried = 1; ; tried += 1) {
    const answer = await send(method, path, body, etag, key);
    if (answer.ok) return answer;
    const { refusal, wait } = answer;
    if (PASSING.includes(refusal.code) && tried < RETRIES) {
      await new Promise((go) => setTimeout(go, wait * 1000));
      continue;
    }
    if (quietly) throw refusal;
    const proof = refusal.code === "insufficient_user_authentication" ? "proof" : null;
    const ended = signedIn && ["session_ended", "unauthenticated"].includes(refusal.code) ? "session" : null;
    const kind = proof ?? ended;
    if (!kind || !(await prove(kind))) throw refusal;
  }
}

function prove(kind) {
  const waiting = asked.value;
  return new Promise((done) => {
    asked.value = { kind, done: (ok) => { waiting?.done(ok); done(ok); } };
  });
}

async function send(method, path, body, etag, key) {
  const headers = { Accept: "application/json", traceparent: traceparent() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") {
    headers["Idempotency-Key"] = key;
    if (csrf) headers["X-CSRF-Token"] = csrf;
  }
  if (etag) headers["If-Match"] = etag;
  if (change && Date.now() - changedAt < READ_AFTER_MS) headers["Tenantry-After"] = change;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    offline.value = true;
    return { refusal: new Refusal(0, { code: "offline", title: "Tenantry can't be reached.", detail: "Your connection or the server is away. Nothing was changed by this attempt that you can't repeat." }), wait: 1 };
  }
  offline.value = false;
  if (answer.headers.has("Tenantry-Change")) {
    change = answer.headers.get("Tenantry-Change");
    changedAt = Date.now();
  }
  const json = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : null;
  if (answer.ok) return { ok: true, data: json, etag: answer.headers.get("ETag"), change: answer.headers.get("Tenantry-Change") };
  return { refusal: new Refusal(answer.status, json ?? {}, answer.headers.get("Request-Id")), wait: Number(answer.headers.get("Retry-After") ?? 1) };
}

/** Follows long work by its stream, or by asking where streams don't pass; answers what stops it. */
export function watch(id, tell, fail) {
  let over = false;
  let timer = null;
  const path = `/v1/operations/${id}`;
  const heard = (operation) => {
    if (over) return;
    tell(operation);
    if (operation.finished_at) stop();
  };
  const ask = () => get(path).then(({ data }) => heard(data), fail).then(() => { if (!over) timer = setTimeout(ask, 1500); });
  const stream = new EventSource(path);
  stream.addEventListener("progress", (event) => heard(JSON.parse(event.data)));
  stream.onerror = () => {
    stream.close();
    if (!over) ask();
  };
  function stop() {
    over = true;
    clearTimeout(timer);
    stream.close();
  }
  return stop;
}

/** Hears the events of the organization as they happen, of `types` or of all, from `after` on or from now; goes on after a break, until it is stopped. `turn` hears whether it is connected: who follows on purpose is asked to sign in again when the session has ended. */
export function follow(types, after, tell, turn) {
  const stopping = new AbortController();
  const { signal: stopped } = stopping;
  const hear = async () => {
    const query = new URLSearchParams({ ...(types ? { types } : {}), ...(after ? { after } : {}) });
    const answer = await fetch(`/v1/event-stream?${query}`, { headers: { Accept: "text/event-stream" }, signal: stopped });
    if (answer.status === 401 && turn) await get("/v1/me");
    else if (answer.status < 500 && answer.status !== 429 && !answer.ok) stopping.abort();
    if (!answer.ok) return false;
    turn?.(true);
    for await (const one of frames(answer.body)) {
      after = one.id || after;
      tell(after, one.data ? JSON.parse(one.data) : null);
    }
    return true;
  };
  const on = async () => {
    for (let pause = 1; !stopped.aborted; pause = Math.min(pause * 2, 30)) {
      if (await hear().catch(() => false)) pause = 1;
      turn?.(false);
      if (!stopped.aborted) await new Promise((go) => setTimeout(go, pause * 1000));
    }
  };
  on();
  return () => stopping.abort();
}
