// Single keys: to pages, through the rows of a list, and the list of them all. They rest while somebody types, and can be turned off (WCAG 2.1.4).
import { html, useEffect, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { can, go } from "../lib/state.js";
import { Button } from "./basics.js";
import { Dialog } from "./overlays.js";

const KEPT = "tenantry.keys";
const PLACES = { o: "/", u: "/users", g: "/groups", s: "/sharing", w: "/access", b: "/billing", a: "/audit", d: "/developers", e: "/embed-secret", m: "/me" };
const NAMES = () => ({ o: t("Overview"), u: t("Users"), g: t("User groups"), s: t("Sharing"), w: t("Who can see what"), b: t("Billing"), a: t("Audit log"), d: t("Developers"), e: t("Embed secret"), m: t("Profile & preferences") });
const NEEDS = { o: "organization.read", u: "users.read", g: "groups.read", s: "dashboards.read", w: "users.read", b: "billing.manage", a: "audit.read", d: "api_keys.read", e: "embed_secrets.read" };
const WAIT_MS = 1500;

export const keysAreOn = () => localStorage.getItem(KEPT) !== "off";
export const turnKeys = (on) => (on ? localStorage.removeItem(KEPT) : localStorage.setItem(KEPT, "off"));

const rows = () => [...document.querySelectorAll("main tbody tr")];
const rowAt = () => document.activeElement?.closest?.("main tbody tr");

function toRow(step) {
  const all = rows();
  if (!all.length) return;
  const now = all.indexOf(rowAt());
  const row = all[Math.min(all.length - 1, Math.max(0, now < 0 ? 0 : now + step))];
  (row.querySelector("a[href], td > button:not([aria-haspopup])") ?? row.querySelector("button, input"))?.focus();
}

const ACTS = {
  j: () => toRow(1),
  k: () => toRow(-1),
  ".": () => rowAt()?.querySelector("[aria-haspopup=menu]")?.click(),
  x: () => rowAt()?.querySelector(".pick input")?.click(),
  i: () => document.querySelector("main [data-key=i]")?.click(),
};

export function Keys() {
  const [shown, show] = useState(false);
  useEffect(() => {
    let waiting = null;
    const keys = (event) => {
      const typing = event.target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, dialog, [role=menu], [role=listbox]");
      if (event.metaKey || event.ctrlKey || event.altKey || typing || !keysAreOn()) return;
      const place = waiting && PLACES[event.key];
      clearTimeout(waiting);
      waiting = null;
      if (place !== undefined && place !== null) {
        event.preventDefault();
        if (!NEEDS[event.key] || can(NEEDS[event.key]).allowed) go(place);
      } else if (event.key === "g") {
        waiting = setTimeout(() => { waiting = null; }, WAIT_MS);
      } else if (event.key === "?") {
        event.preventDefault();
        show(true);
      } else if (Object.hasOwn(ACTS, event.key)) {
        event.preventDefault();
        ACTS[event.key]();
      }
    };
    addEventListener("keydown", keys);
    return () => {
      clearTimeout(waiting);
      removeEventListener("keydown", keys);
    };
  }, []);
  return shown ? html`<${KeyList} onClose=${() => show(false)} />` : null;
}

function KeyList({ onClose }) {
  const groups = [
    [t("Everywhere"), [["⌘ K / Ctrl K", t("Go to a page by its name")], ["/", t("Search this page")], ["?", t("Show these keys")], ["Esc", t("Close what lies on top")]]],
    [t("In lists"), [["j / k", t("Next row, row before")], ["Enter", t("Open it")], [".", t("Its menu")], ["x", t("Choose it")], ["i", t("Invite users")]]],
    [t("Go to"), Object.entries(NAMES()).map(([key, name]) => [`g ${key}`, name])],
  ];
  return html`<${Dialog} title=${t("Keys")} large onClose=${onClose} footer=${html`<span class="note">${t("Single keys can be turned off in your profile.")}</span><${Button} onClick=${onClose}>${t("Close")}<//>`}>
    <div class="columns">${groups.map(([title, keys]) => html`<section class="stack tight"><h3>${title}</h3><dl class="keys">${keys.map(([key, what]) => html`<div><dt>${key.split(" ").map((one) => (one === "/" && key !== "/" ? " / " : html`<kbd>${one}</kbd>`))}</dt><dd>${what}</dd></div>`)}</dl></section>`)}</div><//>`;
}
