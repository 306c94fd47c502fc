// A secret that is shown this once: copied and stored before anything goes on.
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Button, Copy, Notice } from "./basics.js";
import { Check } from "./forms.js";
import { Dialog } from "./overlays.js";

/** `again` says how one gets another when this one is lost. */
export function ShownOnce({ title, secret, copy, lead, again, onClose, children }) {
  const [kept, keep] = useState(false);
  const [warned, warn] = useState(false);
  const close = () => (kept || warned ? onClose(true) : warn(true));
  return html`<${Dialog} title=${title} onClose=${close} footer=${html`<${Copy} text=${secret} label=${copy} /><${Button} kind="primary" why=${kept ? "" : t("Say first that you have stored it")} onClick=${() => onClose(true)}>${t("Done")}<//>`}>
    ${warned && !kept ? html`<${Notice} kind="warn" icon="warn" role="alert" title=${t("It is never shown again")}>${again}<//>` : null}
    <p class="quiet">${lead}</p><p><code class="secret" data-name>${secret}</code></p>${children}
    <${Check} label=${t("I have stored it")} checked=${kept} onChange=${keep} /><//>`;
}
