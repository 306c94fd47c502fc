// What others change while a page is open: heard once for all its lists, and only while somebody looks.
import { follow } from "./api.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./dom.js";
import { can, me } from "./state.js";

const TYPES = "org,sharing,identity.api_key,identity.sso_connection,courier.webhook";
const SETTLING_MS = 400;
const hearers = new Set();
let stop = null;
let place = "";

function tell(at, event) {
  place = at;
  if (event?.type && event.actorid !== me.value?.user.id) for (const hear of hearers) hear(event.type);
}

function listen() {
  const wanted = hearers.size > 0 && !document.hidden && can("events.read").allowed;
  if (!hearers.size) place = "";
  if (wanted && !stop) stop = follow(TYPES, place, tell);
  if (!wanted && stop) {
    stop();
    stop = null;
  }
}

document.addEventListener("visibilitychange", listen);

/** What `useLoad` or `useList` answers, with `news`: how much others have changed since, of types that begin like one of `types`. `atOnce`: loads again by itself. */
export function useLive(list, types, { atOnce = false } = {}) {
  const [news, set] = useState(0);
  const asked = useRef(0);
  useEffect(() => {
    const kinds = types.split(",");
    const hear = (type) => kinds.some((one) => type.startsWith(`${one}.`)) && set((n) => n + 1);
    hearers.add(hear);
    listen();
    return () => {
      hearers.delete(hear);
      listen();
    };
  }, [types]);
  useLayoutEffect(() => {
    if (list.busy) asked.current = news;
  }, [list.busy]);
  useLayoutEffect(() => {
    // What happened while it was asked for may be missing in the answer.
    set((n) => Math.max(0, n - asked.current));
    asked.current = 0;
  }, [list.data]);
  useEffect(() => {
    if (!atOnce || !news) return undefined;
    const timer = setTimeout(list.reload, SETTLING_MS);
    return () => clearTimeout(timer);
  }, [news]);
  return { ...list, news: atOnce ? 0 : news };
}
