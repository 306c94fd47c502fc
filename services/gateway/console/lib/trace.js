// What a person's last click or key asked for is one trace, in the installations that record traces.
const LASTS_MS = 10_000;
const hex = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
let now = null;

function begin() {
  now = { began: Date.now(), said: `00-${hex(16)}-${hex(8)}-01` };
}

for (const act of ["pointerdown", "keydown", "popstate"]) addEventListener(act, begin, { capture: true, passive: true });

/** The `traceparent` of what is asked now; what a page asks by itself long after a click is no longer its doing. */
export function traceparent() {
  if (!now || Date.now() - now.began > LASTS_MS) begin();
  return now.said;
}
