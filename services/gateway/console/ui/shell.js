// The frame of every page: where you can go, who you are, what holds everything up.
import { post } from "../lib/api.js";
import { html, useLayoutEffect, useRef, useState } from "../lib/dom.js";
import { useSignal } from "../lib/dom.js";
import { choose, LANGUAGES, language, t } from "../lib/i18n.js";
import { asked, can, go, me, may, ROOT, route, say, signOut } from "../lib/state.js";
import { SECTIONS } from "../screens/map.js";
import { Icon, Notice, Person, Toasts } from "./basics.js";
import { Keys } from "./keys.js";
import { Offline } from "./offline.js";
import { Menu } from "./overlays.js";
import { Palette } from "./palette.js";
import { Proof } from "./proof.js";
import { paint, painted } from "./theme.js";

function Nav({ onGo }) {
  const { path } = useSignal(route);
  useSignal(may);
  return html`<nav class="nav" aria-label=${t("Console")}>${SECTIONS.map(({ title, pages }) => {
    const open = pages.filter((page) => !page.action || can(page.action).allowed || can(page.action).because?.kind === "plan");
    return open.length ? html`<div>${title ? html`<h2>${t(title)}</h2>` : null}${open.map((page) => {
      const locked = page.action && !can(page.action).allowed;
      const current = page.exact ? path === page.path : path === page.path || path.startsWith(`${page.path}/`);
      return html`<a href="${ROOT}${page.path === "/" ? "" : page.path}" aria-current=${current ? "page" : undefined} onClick=${onGo}>
        <${Icon} name=${page.icon} /><span>${t(page.title)}</span>${locked ? html`<svg class="icon tail" role="img" aria-label=${t("Not in your plan")}><use href="${iconBase()}#lock" /></svg>` : null}</a>`;
    })}</div>` : null;
  })}</nav>`;
}

const iconBase = () => new URL("../icons.svg", import.meta.url).pathname;

function Account({ up }) {
  const who = useSignal(me);
  useSignal(language);
  const themes = [["", t("System theme")], ["light", t("Light theme")], ["dark", t("Dark theme")]];
  const others = who.organizations.filter((one) => one.status === "active" && one.id !== who.organization?.id);
  const items = [
    ...others.map((one) => ({ label: t("Switch to {name}", { name: one.name }), act: () => change(one) })),
    others.length ? null : undefined,
    { label: t("Profile & preferences"), href: `${ROOT}/me` },
    { label: t("Security"), href: `${ROOT}/me/security` },
    null,
    ...themes.map(([key, label]) => ({ label, note: painted() === key ? t("chosen") : undefined, act: () => paint(key) })),
    null,
    ...Object.entries(LANGUAGES).map(([key, label]) => ({ label, note: language.value === key ? t("chosen") : undefined, act: () => choose(key) })),
    null,
    { label: t("Sign out"), act: signOut },
  ].filter((one) => one !== undefined);
  return html`<${Menu} label=${t("Your account")} up=${up} kind="plain" items=${items} button=${html`<${Person} name=${who.user.name} email=${who.user.email} />`} />`;
}

/** The session speaks for another organization from now on; nothing of this one stays on the page. */
async function change(organization) {
  try {
    await post("/v1/me/active-organization", { org_id: organization.id });
    location.assign(ROOT);
  } catch (refusal) {
    say(refusal.detail || refusal.title);
  }
}

export function Shell({ children }) {
  const who = useSignal(me);
  const waiting = useSignal(asked);
  const { path } = useSignal(route);
  useSignal(language);
  const [heard, hear] = useState("");
  const drawer = useRef(null);
  const before = useRef(path);
  useLayoutEffect(() => {
    if (before.current === path) return;
    before.current = path;
    if (drawer.current) drawer.current.open = false;
    scrollTo(0, 0);
    document.querySelector("main h1")?.focus();
    hear(document.querySelector("main h1")?.textContent ?? "");
  }, [path]);
  const org = html`<span class="mark" aria-hidden="true">${(who.organization?.name ?? "T")[0].toUpperCase()}</span><span>${who.organization?.name ?? "Tenantry"}</span>`;
  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.querySelector("main h1")?.focus(); }}>${t("Skip to the page")}</a>
    <div class="shell">
      <header class="side"><div class="org">${org}</div><${Nav} /><div class="foot"><${Account} up /></div></header>
      <header class="topbar"><details ref=${drawer}><summary>${org}<${Icon} name="menu" label=${t("Menu")} /></summary><div class="drawer"><${Nav} onGo=${() => { drawer.current.open = false; }} /><${Account} /></div></details></header>
      <main id="main">${who.organization?.closed && path !== "/organization/closing" ? html`<div class="page banner"><${Notice} kind="danger" icon="warn" title=${t("{name} is closed", { name: who.organization.name })}><p>${t("Only its admins see it, and nothing can be changed until one of them takes that back.")} <a href="${ROOT}/organization/closing">${t("When it is erased, and taking it back")}</a></p><//></div>` : null}<${Offline} page />${children}</main>
    </div>
    <p class="visually-hidden" role="status" aria-live="polite">${heard}</p>
    ${waiting ? html`<${Proof} waiting=${waiting} />` : null}<${Palette} /><${Keys} /><${Toasts} />`;
}

/** The frame of what is seen before signing in. */
export function Doorway({ title, lead, children, aside, roomy, wide }) {
  useSignal(language);
  useLayoutEffect(() => {
    document.title = `${title} · Console`;
    document.querySelector("main h1")?.focus();
  }, [title]);
  return html`<main class="door"><div class="box ${roomy ? "roomy" : ""}"><div class="brand"><span class="mark" aria-hidden="true">T</span>Tenantry</div><${Offline} />
    <div class="card stack wide"><div class="stack tight"><h1 tabindex="-1">${title}</h1>${lead ? html`<p class="quiet">${lead}</p>` : null}</div>${children}</div>
    ${aside ? html`<div class="aside">${aside}</div>` : null}</div><${Toasts} /></main>`;
}
