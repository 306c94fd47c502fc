// Screens that are fetched when somebody goes there, so that the first page is light.
import { html, useEffect, useLayoutEffect, useRef, useSignal, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { offline } from "../lib/state.js";
import { Button, Notice, Skeleton } from "./basics.js";

let arrived = false;

/** A component of another module: `load` imports it, `name` is what it exports. */
export function lazy(load, name) {
  let Screen = null;
  return function Lazy(given) {
    const [state, set] = useState(Screen ? "here" : "coming");
    const from = useRef(null);
    useLayoutEffect(() => {
      from.current = document.activeElement;
      if (Screen) arrived = true;
      else load().then((part) => { Screen = part[name]; set("late"); }, () => set("missing"));
    }, []);
    useLayoutEffect(() => {
      if (state !== "late") return;
      // Somebody may have gone on to something else in the frame meanwhile.
      if (arrived && [from.current, document.body].includes(document.activeElement)) document.querySelector("main h1")?.focus();
      arrived = true;
    }, [state]);
    if (state === "missing") return html`<${Missing} />`;
    return Screen ? html`<${Screen} ...${given} />` : html`<div class="page"><${Skeleton} lines=${8} /></div>`;
  };
}

/** A file of this version that is gone: the server was renewed meanwhile, or can't be reached. Once it answers again the page comes by itself. */
function Missing() {
  const away = useSignal(offline);
  const wasAway = useRef(false);
  useEffect(() => {
    if (wasAway.current && !away) location.reload();
    wasAway.current = away;
  }, [away]);
  return html`<div class="page"><h1 tabindex="-1" class="visually-hidden">${t("This page couldn't be loaded")}</h1>
    <${Notice} kind="warn" icon="warn" title=${t("This page couldn't be loaded")} role="alert"><p>${t("Tenantry was renewed meanwhile, or can't be reached.")}</p>
    <${Button} onClick=${() => location.reload()}>${t("Load it anew")}<//><//></div>`;
}
