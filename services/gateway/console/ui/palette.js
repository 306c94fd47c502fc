// ⌘K or Ctrl K: to any page by name, without the mouse.
import { html, useEffect, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { can, go } from "../lib/state.js";
import { SECTIONS } from "../screens/map.js";
import { Icon } from "./basics.js";
import { Search } from "./forms.js";
import { Dialog } from "./overlays.js";

export function Palette() {
  const [shown, show] = useState(false);
  useEffect(() => {
    const keys = (event) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (!document.querySelector("dialog[open]")) show(true);
      } else if (event.key === "/" && !event.target.closest?.("input, textarea, select, dialog")) {
        const field = document.querySelector("main [data-search]");
        if (field) event.preventDefault();
        field?.focus();
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  return shown ? html`<${Jump} onClose=${() => show(false)} />` : null;
}

function Jump({ onClose }) {
  const [text, setText] = useState("");
  const pages = SECTIONS.flatMap((one) => one.pages).filter((page) => !page.action || can(page.action).allowed);
  const found = pages.filter((page) => t(page.title).toLowerCase().includes(text.trim().toLowerCase()));
  const to = (page) => {
    onClose();
    go(page.path);
  };
  return html`<${Dialog} title=${t("Go to")} onClose=${onClose} onSubmit=${() => found.length && to(found[0])}>
    <${Search} label=${t("Search pages")} value=${text} onInput=${setText} data-first />
    <ul class="nav" aria-label=${t("Pages")}>${found.map((page) => html`<li key=${page.path}><button type="button" class="button plain wide jump" onClick=${() => to(page)}><${Icon} name=${page.icon} />${t(page.title)}</button></li>`)}</ul>
    <p class="small quiet" role="status">${found.length ? "" : t("Nothing matches")}</p><//>`;
}
