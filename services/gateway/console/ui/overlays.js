// What lies over the page: dialogs and menus, complete with the keyboard.
import { html, useEffect, useId, useRef, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Button, Icon } from "./basics.js";
import { FormError, Submit, useSend } from "./forms.js";

export function Dialog({ title, onClose, children, footer, onSubmit, large }) {
  const ref = useRef(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog.showModal();
    (dialog.querySelector("[data-first], .body input:not([disabled]), .body textarea") ?? dialog.querySelector("h2"))?.focus();
    return () => {
      if (dialog.open) dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const inside = html`<header><h2 id=${id} tabindex="-1">${title}</h2>
      <button type="button" class="button plain square" aria-label=${t("Close")} onClick=${onClose}><${Icon} name="close" /></button></header>
    <div class="body stack" tabindex="0" role="group" aria-labelledby=${id}>${children}</div>${footer ? html`<footer>${footer}</footer>` : null}`;
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  const submit = (event) => {
    event.preventDefault();
    onSubmit(event);
  };
  return html`<dialog ref=${ref} class=${large ? "large" : ""} aria-labelledby=${id} onCancel=${cancel}>
    ${onSubmit ? html`<form novalidate onSubmit=${submit}>${inside}</form>` : html`<div class="form">${inside}</div>`}</dialog>`;
}

/** A dialog for what has consequences: says them, and has the verb on its button. */
export function Confirm({ title, verb, danger, act, onClose, children, why }) {
  const sending = useSend(async ({ key }) => {
    await act({ key });
    onClose(true);
  });
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)} onSubmit=${() => sending.run()}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind="primary ${danger ? "danger" : ""}" why=${why}>${verb}<//>`}>
    ${children}<${FormError} sending=${sending} /><//>`;
}

/** A menu button by the ARIA pattern. Items: `{label, note, act, why, danger, href}` or null for a line. */
export function Menu({ label, button, kind = "plain square", items, up }) {
  const [at, setAt] = useState(null);
  const holder = useRef(null);
  const id = useId();
  const close = (focus) => {
    setAt(null);
    if (focus) holder.current.querySelector("button").focus();
  };
  const open = () => {
    const box = holder.current.querySelector("button").getBoundingClientRect();
    const below = innerHeight - box.bottom;
    const place = up || (below < 280 && box.top > below) ? { bottom: `${innerHeight - box.top + 4}px` } : { top: `${box.bottom + 4}px` };
    setAt({ ...place, ...(box.left > innerWidth / 2 ? { right: `${document.documentElement.clientWidth - box.right}px` } : { left: `${Math.max(8, box.left)}px` }) });
  };
  useEffect(() => {
    if (!at) return undefined;
    holder.current.querySelector("[role=menuitem]")?.focus();
    const away = (event) => holder.current?.contains(event.target) || close(false);
    const moved = () => close(false);
    addEventListener("pointerdown", away);
    addEventListener("resize", moved);
    addEventListener("scroll", moved, true);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("resize", moved);
      removeEventListener("scroll", moved, true);
    };
  }, [at]);
  const keys = (event) => {
    const all = [...holder.current.querySelectorAll("[role=menuitem]")];
    const now = all.indexOf(document.activeElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) all[to % all.length]?.focus();
    else if (event.key === "Escape") close(true);
    else if (event.key === "Tab") return close(false);
    else if (event.key.length === 1 && event.key !== " ") all.find((one) => one.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    else return undefined;
    event.preventDefault();
    return event.stopPropagation();
  };
  const choose = (item) => (event) => {
    if (item.why) return event.preventDefault();
    close(true);
    return item.act?.();
  };
  return html`<div class="menu" ref=${holder}>
    <button type="button" class="button ${kind}" aria-haspopup="menu" aria-expanded=${String(Boolean(at))} aria-controls=${at ? id : undefined} aria-label=${label} onClick=${() => (at ? close(true) : open())}>${button ?? html`<${Icon} name="more" />`}</button>
    ${at ? html`<ul role="menu" id=${id} aria-label=${label} style=${at} onKeyDown=${keys}>${items.map((item) => item === null ? html`<li role="separator"><hr /></li>` : html`<li role="none">
      ${item.href ? html`<a role="menuitem" tabindex="-1" href=${item.href} onClick=${() => close(false)}>${item.label}</a>`
        : html`<button type="button" role="menuitem" tabindex="-1" class=${item.danger ? "danger" : ""} aria-disabled=${item.why ? "true" : undefined} onClick=${choose(item)}>${item.label}${item.why || item.note ? html`<small>${item.why ?? item.note}</small>` : null}</button>`}</li>`)}</ul>` : null}</div>`;
}
