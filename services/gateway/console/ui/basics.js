// The small parts: icons, buttons, badges, persons, times, notices.
import { base, html, useEffect, useState } from "../lib/dom.js";
import { ago, exactly, t } from "../lib/i18n.js";
import { hush, say, toasts } from "../lib/state.js";
import { useSignal } from "../lib/dom.js";

export function Icon({ name, label }) {
  return html`<svg class="icon" aria-hidden=${label ? undefined : "true"} role=${label ? "img" : undefined} aria-label=${label}>
    <use href="${base}/icons.svg#${name}" />
  </svg>`;
}

/** A button that says when it is busy; `why` is the reason it can't be used, read and shown. */
export function Button({ kind = "", icon, busy, why, onClick, type = "button", children, ...rest }) {
  const act = (event) => {
    if (why || busy) return event.preventDefault();
    return onClick?.(event);
  };
  return html`<button type=${type} class="button ${kind}" aria-disabled=${why || busy ? "true" : undefined} title=${why || undefined}
    onClick=${act} ...${rest}>
    ${busy ? html`<span class="spinner" aria-hidden="true"></span>` : icon ? html`<${Icon} name=${icon} />` : null}${children}
    ${why ? html`<span class="visually-hidden">(${why})</span>` : null}
  </button>`;
}

export const Badge = ({ kind = "", icon, children }) =>
  html`<span class="badge ${kind}">${icon ? html`<${Icon} name=${icon} />` : null}${children}</span>`;

export function Person({ name, email, extra }) {
  const letters = (name || email || "?").split(/[\s@.]+/).filter(Boolean).slice(0, 2).map((one) => one[0]).join("").toUpperCase();
  return html`<span class="person"><span class="avatar" aria-hidden="true">${letters}</span>
    <span><span class="row"><b>${name || html`<${Email} of=${email} />`}</b>${extra}</span>${name && email ? html`<small><${Email} of=${email} /></small>` : null}</span></span>`;
}

/** Where it has to be broken, then before the domain. */
function Email({ of }) {
  const at = of.lastIndexOf("@") + 1;
  return html`${of.slice(0, at)}<wbr />${of.slice(at)}`;
}

export function When({ at }) {
  return at ? html`<time datetime=${at} title=${exactly(at)}>${ago(at)}</time>` : html`<span class="quiet">–</span>`;
}

export function Notice({ kind = "", icon = "info", title, children, role }) {
  return html`<div class="notice ${kind}" role=${role}><${Icon} name=${icon} /><div>${title ? html`<b>${title}</b>` : null}${children}</div></div>`;
}

/** A refusal where it happened: what, why, the way out. */
export function Refused({ error, retry }) {
  if (!error) return null;
  return html`<${Notice} kind="danger" icon="warn" title=${error.title ?? error.message} role="alert">
    ${error.detail ? html`<p>${error.detail}</p>` : null}
    ${(error.remedy ?? []).map((one) => html`<p class="quiet">${one}</p>`)}
    ${error.requestId ? html`<p class="small quiet">${t("Request")} <code>${error.requestId}</code></p>` : null}
    ${retry ? html`<${Button} onClick=${retry}>${t("Try again")}<//>` : null}
  <//>`;
}

export function Empty({ icon, title, children, action }) {
  return html`<div class="empty"><span class="picture"><${Icon} name=${icon} /></span>
    <h2>${title}</h2>${children ? html`<p>${children}</p>` : null}${action ? html`<div class="row">${action}</div>` : null}</div>`;
}

export function Skeleton({ lines = 6 }) {
  return html`<div class="skeleton" role="status" aria-busy="true"><span class="visually-hidden">${t("Loading…")}</span>
    ${Array.from({ length: lines }, () => html`<i></i>`)}</div>`;
}

/** What a loaded thing looks like in each of its states. */
export function Loaded({ from, lines, children }) {
  if (from.error && !from.data) return from.error.status === 403 ? html`<${Forbidden} error=${from.error} />`
    : html`<div class="skeleton"><${Refused} error=${from.error} retry=${from.reload} /></div>`;
  if (!from.data) return html`<${Skeleton} lines=${lines} />`;
  return html`<div class="stack" aria-busy=${from.busy ? "true" : undefined}>
    ${from.error ? html`<${Refused} error=${from.error} retry=${from.reload} />` : null}${children(from.data)}</div>`;
}

export function Forbidden({ error }) {
  return html`<${Empty} icon="lock" title=${t("You can't see this")}>${error?.detail || t("Your role doesn't reach here. An admin of your organization can change it.")}<//>`;
}

/** `full` names the look of a meter that can't hold more; where full is good it is `ok`. */
export function Meter({ label, used, limit, note, full = "full" }) {
  const kind = limit !== null && used > limit ? "over" : limit !== null && used >= limit ? full : "";
  const width = limit === null ? Math.min(100, used ? 12 : 0) : limit === 0 ? (used ? 100 : 0) : Math.min(100, (used / limit) * 100);
  const words = limit === null ? t("{used} used, no limit", { used }) : full === "ok" ? t("{used} of {limit}", { used, limit }) : t("{used} of {limit} used", { used, limit });
  return html`<div class="meter ${kind}"><div class="row"><span>${label}</span><span class="quiet number">${words}</span></div>
    <div class="track" role="img" aria-label="${label}: ${words}"><div class="fill" style=${{ width: `${width}%` }}></div></div>
    ${note ? html`<p class="small quiet">${note}</p>` : null}</div>`;
}

export function Toasts() {
  const all = useSignal(toasts);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${all.map((one) => html`<div class="toast" key=${one.id}><${Icon} name="check" /><span>${one.text}</span>
      <button type="button" class="button plain square" aria-label=${t("Dismiss")} onClick=${() => hush(one.id)}><${Icon} name="close" /></button></div>`)}
  </div>`;
}

/** `name` says in full what is copied, where the button alone doesn't. */
export function Copy({ text, label, name }) {
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    say(t("Copied."));
  };
  return html`<${Button} icon="copy" aria-label=${name} onClick=${copy}>${label ?? t("Copy")}<//>`;
}

/** Page skeleton: title, one sentence, actions; focus comes here after navigation. */
export function Page({ title, lead, actions, crumbs, children, org }) {
  useEffect(() => {
    document.title = [title, org, "Console"].filter(Boolean).join(" · ");
  }, [title, org]);
  return html`<div class="page">
    <header class="page-head"><div>${crumbs ? html`<p class="crumbs">${crumbs}</p>` : null}
      <h1 tabindex="-1">${title}</h1>${lead ? html`<p class="quiet">${lead}</p>` : null}</div>
      ${actions ? html`<div class="row">${actions}</div>` : null}</header>
    ${children}
  </div>`;
}

export function Card({ title, lead, children, footer, kind = "", plain }) {
  return html`<section class="card ${kind}">${title ? html`<header><h2>${title}</h2>${lead ? html`<p class="small quiet">${lead}</p>` : null}</header>` : null}
    ${plain ? children : html`<div class="body">${children}</div>`}${footer ? html`<footer>${footer}</footer>` : null}</section>`;
}

/** Text that is asked for once it rests. */
export function useResting(text, ms = 250) {
  const [resting, set] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => set(text), ms);
    return () => clearTimeout(timer);
  }, [text]);
  return resting;
}
