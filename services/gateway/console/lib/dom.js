// What every component starts from.
import { Fragment, h, render } from "../vendor/preact.js";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
import { effect, signal } from "../vendor/signals.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, render, signal, useEffect, useId, useLayoutEffect, useMemo, useRef, useState };

/** The value of a signal; the component is drawn again when it changes. */
export function useSignal(source) {
  const [, again] = useState(0);
  const shown = source.value;
  useEffect(() => {
    let seen = shown; // it may have changed since it was drawn
    return effect(() => {
      if (source.value === seen) return;
      seen = source.value;
      again((n) => n + 1);
    });
  }, [source]);
  return shown;
}

export const base = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
