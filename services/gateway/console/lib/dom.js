// What every component starts from.
import { Fragment, h, render } from "../vendor/preact.js";
import { useEffect, useId, useMemo, useRef, useState } from "../vendor/hooks.js";
import { effect, signal } from "../vendor/signals.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, render, signal, useEffect, useId, useMemo, useRef, useState };

/** The value of a signal; the component is drawn again when it changes. */
export function useSignal(source) {
  const [, again] = useState(0);
  useEffect(() => {
    let first = true;
    return effect(() => {
      source.value;
      if (!first) again((n) => n + 1);
      first = false;
    });
  }, [source]);
  return source.value;
}

export const base = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
