// Recovery codes, shown this once: copied, saved or printed before anything goes on.
import { html, useState } from "../lib/dom.js";
import { save } from "../lib/files.js";
import { t } from "../lib/i18n.js";
import { Button, Copy, Notice } from "./basics.js";
import { Check } from "./forms.js";
import { Dialog } from "./overlays.js";

export function CodeList({ codes }) {
  const text = codes.join("\n");
  return html`<div class="stack"><ol class="codes printed" aria-label=${t("Recovery codes")}>${codes.map((one) => html`<li><code>${one}</code></li>`)}</ol>
    <div class="row"><${Copy} text=${text} /><${Button} icon="file" onClick=${() => save("tenantry-recovery-codes.txt", `${text}\n`)}>${t("Save as a file")}<//><${Button} onClick=${() => print()}>${t("Print")}<//></div></div>`;
}

export function CodesDialog({ codes, onClose }) {
  const [stored, setStored] = useState(false);
  const [warned, warn] = useState(false);
  const close = () => (stored || warned ? onClose(true) : warn(true));
  return html`<${Dialog} title=${t("Keep your recovery codes")} onClose=${close} footer=${html`<${Button} kind="primary" why=${stored ? "" : t("Say first that you have stored them")} onClick=${() => onClose(true)}>${t("Done")}<//>`}>
    ${warned && !stored ? html`<${Notice} kind="warn" icon="warn" role="alert" title=${t("They are never shown again")}>${t("Close once more to go on without them. You can make new ones later.")}<//>` : null}
    <p class="quiet">${t("Each signs you in once when your phone or key is out of reach. Store them where only you can read them: they are shown only now.")}</p>
    <${CodeList} codes=${codes} /><${Check} label=${t("I have stored them")} checked=${stored} onChange=${setStored} /><//>`;
}
