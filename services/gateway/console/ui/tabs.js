// Tabs by the ARIA pattern: arrows move between them, and what is chosen is shown at once.
import { html, useId } from "../lib/dom.js";

/** `tabs` are `[key, label]`; the children show the one that is `at`. */
export function Tabs({ label, tabs, at, onChange, children, kind = "" }) {
  const id = useId();
  const keys = (event) => {
    const now = tabs.findIndex(([key]) => key === at);
    const to = { ArrowRight: now + 1, ArrowLeft: now - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const [key] = tabs[to % tabs.length];
    onChange(key);
    document.getElementById(`${id}-${key}`)?.focus();
  };
  return html`<div class="tabs ${kind}" role="tablist" aria-label=${label} onKeyDown=${keys}>${tabs.map(([key, text]) => html`<button type="button" role="tab" key=${key} id="${id}-${key}" aria-selected=${String(key === at)}
      aria-controls="${id}-panel" tabindex=${key === at ? 0 : -1} onClick=${() => onChange(key)}>${text}</button>`)}</div>
    <div role="tabpanel" id="${id}-panel" aria-labelledby="${id}-${at}" class="tab-panel ${kind}">${children}</div>`;
}
