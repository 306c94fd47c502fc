// What lies over the page: dialogs and menus, complete with the keyboard.
import { html, useLayoutEffect, useId, useRef, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Button, Icon } from "./basics.js";
import { FormError, Submit, useSend } from "./forms.js";

/** `bare`: the children bring their own `Body`. */
export function Dialog({ title, onClose, children, footer, onSubmit, large, bare }) {
  const ref = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog.showModal();
    (firstOf(dialog) ?? dialog.querySelector("h2"))?.focus();
    return () => {
      const at = document.activeElement;
      if (dialog.open) dialog.close();
      const back = at === document.body || dialog.contains(at) ? before : at;
      if (back?.isConnected) back.focus();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  // Chromium closes a frame after Escape, and gives the page the keys that are pressed meanwhile.
  const keys = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
    event.stopPropagation();
    cancel(event);
  };
  return html`<dialog ref=${ref} class=${large ? "large" : ""} aria-labelledby=${id} onCancel=${cancel} onKeyDown=${keys}>
    <header><h2 id=${id} tabindex="-1">${title}</h2>
      <button type="button" class="button plain square" aria-label=${t("Close")} onClick=${onClose}><${Icon} name="close" /></button></header>
    ${bare ? children : html`<${Body} label=${title} footer=${footer} onSubmit=${onSubmit}>${children}<//>`}</dialog>`;
}

/** The field that is written first, unless one has to scroll to it: then what stands above is read first. */
function firstOf(dialog) {
  const named = dialog.querySelector("[data-first]");
  const first = dialog.querySelector(".body input:not([disabled]), .body textarea");
  const field = (first?.type === "radio" && dialog.querySelector(`.body input[name="${first.name}"]:checked`)) || first;
  const seen = field && field.getBoundingClientRect().top < field.closest(".body").getBoundingClientRect().bottom;
  return named ?? (seen ? field : null);
}

/** What scrolls in a dialog, and the buttons below it: a form where there is something to send. */
export function Body({ label, children, footer, onSubmit }) {
  const submit = (event) => {
    event.preventDefault();
    onSubmit(event);
  };
  const inside = html`<div class="body stack" tabindex="0" role="group" aria-label=${label}>${children}</div>${footer ? html`<footer>${footer}</footer>` : null}`;
  return onSubmit ? html`<form novalidate onSubmit=${submit}>${inside}</form>` : html`<div class="form">${inside}</div>`;
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
  const opened = useRef(null);
  const id = useId();
  const close = (focus) => {
    setAt(null);
    if (focus) holder.current.querySelector("button").focus();
  };
  const open = () => {
    const box = holder.current.querySelector("button").getBoundingClientRect();
    const below = innerHeight - box.bottom;
    const place = up || (below < 280 && box.top > below) ? { bottom: `${innerHeight - box.top + 4}px` } : { top: `${box.bottom + 4}px` };
    opened.current = box;
    setAt({ ...place, ...(box.left > innerWidth / 2 ? { right: `${document.documentElement.clientWidth - box.right}px` } : { left: `${Math.max(8, box.left)}px` }) });
  };
  useLayoutEffect(() => {
    if (!at) return undefined;
    holder.current.querySelector("[role=menuitem]")?.focus();
    const away = (event) => holder.current?.contains(event.target) || close(false);
    const moved = () => {
      const now = holder.current.querySelector("button").getBoundingClientRect();
      if (now.top !== opened.current.top || now.left !== opened.current.left) close(false);
    };
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
