// Nobody answers: what is shown may be old, nothing can be changed, and it is tried again by itself.
import { get } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { offline } from "../lib/state.js";
import { Button, Notice } from "./basics.js";

const WAITS = [3, 5, 10, 20, 30];

export function Offline({ page }) {
  const away = useSignal(offline);
  return away ? html`<div class=${page ? "page away" : undefined}><${Waiting} /></div>` : null;
}

function Waiting() {
  const [tried, setTried] = useState(0);
  const [left, setLeft] = useState(WAITS[0]);
  const [busy, setBusy] = useState(false);
  const again = async () => {
    setBusy(true);
    await get("/v1/me", { quietly: true }).catch(() => {});
    setBusy(false);
    setLeft(WAITS[Math.min(tried + 1, WAITS.length - 1)]);
    setTried(tried + 1);
  };
  useEffect(() => {
    if (busy) return undefined;
    const timer = setTimeout(() => (left > 1 ? setLeft(left - 1) : again()), 1000);
    return () => clearTimeout(timer);
  }, [left, busy]);
  return html`<${Notice} kind="warn" icon="warn" title=${t("Tenantry can't be reached")} role="status"><p>${t("What you see may be old, and nothing can be changed until it answers.")}</p>
    <div class="row"><${Button} busy=${busy} onClick=${again}>${t("Try now")}<//><span class="small" aria-hidden="true">${t("Next try in {n} s", { n: left })}</span></div><//>`;
}
