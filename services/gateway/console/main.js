// The beginning: the words, who is signed in, and the screen that the address names.
import { html, render, useEffect, useSignal, useState } from "./lib/dom.js";
import { language, preferred, speak, t } from "./lib/i18n.js";
import { can, go, here, may, me, recognize, ROOT, route } from "./lib/state.js";
import { AddressChange, Forgot, Invitation, ResetPassword, SignIn, SignUp, Verify } from "./screens/door.js";
import { Card, Empty, Forbidden, Page, Refused } from "./ui/basics.js";
import { SECTIONS } from "./screens/map.js";
import { lazy } from "./ui/lazy.js";
import { Shell } from "./ui/shell.js";
import { paint, painted } from "./ui/theme.js";

const fromProvider = (name) => lazy(() => import("./screens/sso-door.js"), name);
const OUTSIDE = [
  [/^\/sign-in$/, SignIn],
  [/^\/sign-up$/, SignUp],
  [/^\/verify\/(.+)$/, Verify],
  [/^\/invite\/(.+)$/, Invitation],
  [/^\/(confirm-email\/.+)$/, AddressChange],
  [/^\/(undo-email\/.+)$/, AddressChange],
  [/^\/forgot$/, Forgot],
  [/^\/reset\/(.+)$/, ResetPassword],
  [/^\/sign-in\/sso$/, fromProvider("SsoSignIn")],
  [/^\/sign-in\/proof$/, fromProvider("SsoProof")],
  [/^\/signed-out$/, fromProvider("SignedOut")],
  [/^\/sign-in\/link\/(.+)$/, lazy(() => import("./screens/account-proof.js"), "ConfirmLink")],
  [/^\/break-glass$/, fromProvider("AskForBreakGlass")],
  [/^\/break-glass\/(.+)$/, fromProvider("BreakGlass")],
];
const sharing = lazy(() => import("./screens/sharing.js"), "Sharing");
const INSIDE = [
  [/^\/$/, lazy(() => import("./screens/overview.js"), "Overview")],
  [/^\/organization$/, lazy(() => import("./screens/organization.js"), "Organization")],
  [/^\/organization\/closing$/, lazy(() => import("./screens/closing.js"), "Closing")],
  [/^\/domains$/, lazy(() => import("./screens/domains.js"), "Domains")],
  [/^\/domains\/(dom_\w+)$/, lazy(() => import("./screens/domains.js"), "DomainPage")],
  [/^\/legal$/, lazy(() => import("./screens/legal.js"), "Legal")],
  [/^\/sso$/, lazy(() => import("./screens/sso.js"), "SingleSignOn")],
  [/^\/sso\/(sso_\w+)$/, lazy(() => import("./screens/sso.js"), "ConnectionPage")],
  [/^\/provisioning$/, lazy(() => import("./screens/provisioning.js"), "Provisioning")],
  [/^\/sharing$/, sharing],
  [/^\/sharing\/([^/]+)$/, sharing],
  [/^\/links$/, lazy(() => import("./screens/links.js"), "Links")],
  [/^\/dashboards$/, sharing],
  [/^\/access$/, lazy(() => import("./screens/access.js"), "Access")],
  [/^\/embed-secret$/, lazy(() => import("./screens/embed-secret.js"), "EmbedSecret")],
  [/^\/developers$/, lazy(() => import("./screens/developers.js"), "Developers")],
  [/^\/developers\/events$/, lazy(() => import("./screens/event-log.js"), "EventLog")],
  [/^\/billing$/, lazy(() => import("./screens/billing.js"), "Billing")],
  [/^\/billing\/invoices\/(ivc_\w+)$/, lazy(() => import("./screens/invoices.js"), "InvoicePage")],
  [/^\/audit$/, lazy(() => import("./screens/audit.js"), "Audit")],
  [/^\/audit\/(aud_\w+)$/, lazy(() => import("./screens/audit.js"), "EntryPage")],
  [/^\/users$/, lazy(() => import("./screens/users.js"), "Users")],
  [/^\/users\/(usr_\w+)$/, lazy(() => import("./screens/user-page.js"), "UserPage")],
  [/^\/two-factor$/, lazy(() => import("./screens/two-factor-policy.js"), "TwoFactorPolicy")],
  [/^\/groups$/, lazy(() => import("./screens/groups.js"), "Groups")],
  [/^\/groups\/(grp_\w+)$/, lazy(() => import("./screens/groups.js"), "GroupPage")],
  [/^\/me$/, lazy(() => import("./screens/profile.js"), "Profile")],
  [/^\/me\/security$/, lazy(() => import("./screens/security.js"), "Security")],
];

function screenOf(screens, path) {
  for (const [pattern, screen] of screens) {
    const found = pattern.exec(path);
    if (found) return { screen, id: found[1] && decodeURIComponent(found[1]), key: found[1] ?? String(pattern) };
  }
  return null;
}

function Lost() {
  return html`<${Page} title=${t("There is nothing here")}><${Empty} icon="search" title=${t("This page doesn't exist")}
    action=${html`<a class="button" href="${ROOT}">${t("To the start")}</a>`}>${t("The address may be old, or mistyped.")}<//><//>`;
}

const Nowhere = lazy(() => import("./screens/nowhere.js"), "Nowhere");
const ALWAYS = ["/me", "/me/security"];

function App() {
  const who = useSignal(me);
  const { path } = useSignal(route);
  useSignal(language);
  useSignal(may);
  const outside = screenOf(OUTSIDE, path);
  useEffect(() => {
    if (!who && !outside) go(`/sign-in${path === "/" ? "" : `?to=${encodeURIComponent(path + location.search)}`}`, { replace: true });
    else if (who?.organization && path === "/" && who.organization.effective_role !== "admin") go("/sharing", { replace: true });
  });
  if (outside) return html`<${outside.screen} id=${outside.id} key=${path} />`;
  if (!who) return null;
  const inside = screenOf(INSIDE, path);
  if (!who.organization && !ALWAYS.includes(path)) return html`<${Nowhere} who=${who} />`;
  const closed = refusedByRole(path);
  if (path === "/" && who.organization?.effective_role !== "admin") return null;
  if (closed) return html`<${Shell}><${Page} key=${closed.path} title=${t(closed.title)} org=${who.organization.name}><${Card} plain><${Forbidden} /><//><//><//>`;
  return html`<${Shell}>${inside ? html`<${inside.screen} id=${inside.id} key=${inside.key} />` : html`<${Lost} />`}<//>`;
}

/** The page of the map that this path belongs to, when the role alone keeps one out. */
function refusedByRole(path) {
  const pages = SECTIONS.flatMap((one) => one.pages);
  const page = pages.find((one) => path === one.path || (!one.exact && path.startsWith(`${one.path}/`)));
  return page?.action && can(page.action).because?.kind === "role" ? page : null;
}

function follow(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || (url.pathname !== ROOT && !url.pathname.startsWith(`${ROOT}/`))) return;
  event.preventDefault();
  go((url.pathname.slice(ROOT.length) || "/") + url.search);
}

function Broken({ error }) {
  const [busy, set] = useState(false);
  const again = async () => {
    set(true);
    await begin();
  };
  return html`<main class="door"><div class="box"><div class="card stack"><h1>${t("The console can't start")}</h1><${Refused} error=${error} retry=${busy ? null : again} /></div></div></main>`;
}

async function begin() {
  const root = document.getElementById("app");
  try {
    await speak(preferred());
    await recognize();
    render(null, root);
    root.textContent = "";
    render(html`<${App} />`, root);
  } catch (error) {
    root.textContent = "";
    render(html`<${Broken} error=${error} />`, root);
  }
}

paint(painted());
here();
addEventListener("popstate", here);
document.addEventListener("click", follow);
begin();
