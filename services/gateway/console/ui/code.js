// Code to take away: as it is, with a button that copies it.
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Copy } from "./basics.js";
import { Tabs } from "./tabs.js";

export function Code({ text, label, copy }) {
  return html`<div class="stack tight"><pre class="code" tabindex="0" role="region" aria-label=${label} data-name><code>${text}</code></pre><div class="row"><${Copy} text=${text} label=${copy ?? t("Copy the code")} /></div></div>`;
}

/** One program per language: `samples` are `{language, file, code}`. */
export function CodeTabs({ samples, label }) {
  const [at, show] = useState(samples[0].file);
  const chosen = samples.find((one) => one.file === at);
  return html`<${Tabs} label=${label} tabs=${samples.map((one) => [one.file, html`<span data-name>${one.language}</span>`])} at=${at} onChange=${show}><${Code} text=${chosen.code} label=${chosen.file} /><//>`;
}
