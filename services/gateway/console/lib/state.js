// What the whole console shares: who is signed in, what they may do, where they are, what was just said.
import { asked, get, offline, post, trust } from "./api.js";
import { signal, useLayoutEffect, useRef, useSignal, useState } from "./dom.js";
import { habits } from "./i18n.js";
import { becauseTold } from "./told.js";

export { asked, offline };
export const me = signal(null);
export const may = signal({});
export const route = signal({ path: "/", query: new URLSearchParams() });
export const toasts = signal([]);
export const ROOT = "/console";
/** Where who has just signed out here still is signed in: `{name, url}`. */
export const elsewhere = signal(null);
let unsaved = null;
let left = 0;

/** Who is signed in; null for nobody. */
export async function recognize() {
  const before = left;
  try {
    const { data } = await get("/v1/me", { quietly: true });
    const known = data.organization ? await Promise.all([capabilities(), preferences()]) : [{}, null];
    if (before !== left) return me.value;
    trust(data.csrf_token);
    [may.value, habits.value] = known;
    me.value = data;
  } catch (refusal) {
    if (refusal.status !== 401) throw refusal;
    trust(null);
    me.value = null;
  }
  return me.value;
}

export async function refreshCapabilities() {
  may.value = await capabilities();
}

/** How the organization writes times, numbers and dates; where they can't be had, the browser decides. */
async function preferences() {
  try {
    return (await get("/v1/organization/preferences", { quietly: true })).data;
  } catch {
    return null;
  }
}

async function capabilities() {
  const { data } = await get("/v1/me/capabilities");
  return Object.fromEntries(data.capabilities.map((one) => [one.action, { allowed: one.allowed ?? true, because: becauseTold(one.because) }]));
}

/** Whether an action may be taken now, and why not. */
export function can(action) {
  return may.value[action] ?? { allowed: false, because: null };
}

export async function signOut() {
  const answer = await post("/v1/me/sign-out", undefined, { quietly: true }).catch((refusal) => {
    if (refusal.status !== 401) throw refusal;
  });
  left += 1;
  elsewhere.value = answer?.data.at_provider ?? null;
  trust(null);
  me.value = null;
  go("/sign-in");
}

export function here() {
  const path = location.pathname.slice(ROOT.length).replace(/\/+$/, "") || "/";
  route.value = { path, query: new URLSearchParams(location.search) };
}

export function go(to, { replace = false } = {}) {
  if (unsaved && !confirm(unsaved())) return;
  unsaved = null;
  history[replace ? "replaceState" : "pushState"](null, "", ROOT + (to === "/" ? "" : to));
  here();
}

/** The same page with other search parameters; empty ones disappear. */
export function refine(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name);
  const search = query.toString();
  history.replaceState(null, "", location.pathname + (search ? `?${search}` : ""));
  here();
}

/** While `dirty`, leaving asks first. */
export function useGuard(dirty, question) {
  useLayoutEffect(() => {
    if (!dirty) return undefined;
    const stay = (event) => event.preventDefault();
    unsaved = question;
    addEventListener("beforeunload", stay);
    return () => {
      unsaved = null;
      removeEventListener("beforeunload", stay);
    };
  }, [dirty]);
}

export function say(text) {
  const one = { id: crypto.randomUUID(), text };
  toasts.value = [...toasts.value, one];
  setTimeout(() => hush(one.id), 7000);
}

export function hush(id) {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

/** Loads when `key` changes, and again once somebody answers where nobody did; keeps showing what was there meanwhile: `{data, etag, error, busy, reload}`. */
export function useLoad(load, key) {
  const [state, set] = useState({ busy: true });
  const latest = useRef(0);
  const run = async () => {
    const mine = (latest.current += 1);
    set((was) => ({ ...was, busy: true, error: null }));
    try {
      const answer = await load();
      if (mine === latest.current) set({ ...answer, busy: false, error: null });
    } catch (error) {
      if (mine === latest.current) set((was) => ({ ...was, busy: false, error }));
    }
  };
  useLayoutEffect(() => {
    run();
    return () => { latest.current += 1; };
  }, [key]);
  const away = useSignal(offline);
  useLayoutEffect(() => {
    if (!away && state.error?.code === "offline") run();
  }, [away]);
  return { ...state, reload: run };
}

/** A list by pages: what `useLoad` answers, with `rows`, `total`, and `more` while there is more; `failed` is why that couldn't be had. */
export function useList(path, limit = 50) {
  const [extra, setExtra] = useState({ rows: [], next: undefined, path });
  const [loadingMore, setLoadingMore] = useState(false);
  const [failed, setFailed] = useState(null);
  const latest = useRef(0);
  const first = useLoad(async () => {
    latest.current += 1;
    setFailed(null);
    setExtra({ rows: [], next: undefined, path });
    return get(withLimit(path, limit));
  }, path);
  const page = first.data?.page ?? {};
  const next = extra.next === undefined ? page.next_cursor : extra.next;
  const more = async () => {
    const mine = latest.current;
    setLoadingMore(true);
    setFailed(null);
    try {
      const { data } = await get(`${withLimit(path, limit)}&cursor=${encodeURIComponent(next)}`);
      // A list that was asked for anew meanwhile begins again.
      if (mine === latest.current) setExtra((was) => ({ rows: [...was.rows, ...data.data], next: data.page?.next_cursor ?? null, path }));
    } catch (error) {
      if (mine === latest.current) setFailed(error);
    } finally {
      setLoadingMore(false);
    }
  };
  const rows = first.data ? [...first.data.data, ...(extra.path === path ? extra.rows : [])] : null;
  return { ...first, rows, total: page.total ?? null, capped: page.total_capped, more: next ? more : null, loadingMore, failed };
}

function withLimit(path, limit) {
  return `${path}${path.includes("?") ? "&" : "?"}limit=${limit}`;
}

/** Everything of a list that is known to be short. */
export async function whole(path) {
  const rows = [];
  let cursor = null;
  do {
    const { data } = await get(withLimit(path, 100) + (cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""));
    rows.push(...data.data);
    cursor = data.page?.next_cursor ?? null;
  } while (cursor);
  return { data: rows };
}
