// Where one is signed in, and signing out there.
import { remove } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { say, useList } from "../lib/state.js";
import { Badge, Button, Card, Icon, Loaded, When } from "../ui/basics.js";
import { Confirm } from "../ui/overlays.js";
import { More } from "../ui/table.js";

/** A browser and system from a User-Agent, as people would name them. */
export function deviceOf(agent) {
  if (!agent) return t("Unknown device");
  const browser = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([mark]) => agent.includes(mark))?.[1] ?? agent.split(/[\s/]/)[0];
  const system = [["Windows", "Windows"], ["iPhone", "iPhone"], ["Android", "Android"], ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark))?.[1];
  return system ? t("{browser} on {system}", { browser, system }) : browser;
}

const WAYS = () => [["break_glass", t("in an emergency, by mail")], ["sso", t("at a provider")], ["pwd", t("with a password")], ["otp", t("an app's code")], ["hwk", t("a passkey")], ["swk", t("a passkey")]];

/** How somebody signed in, out of the methods that the session names. */
function signedIn({ amr }) {
  return WAYS().filter(([key]) => amr.includes(key)).map(([, words]) => words).join(", ");
}

export function Sessions() {
  const [dialog, open] = useState(null);
  const list = useList("/v1/me/sessions");
  const close = (done) => {
    open(null);
    if (done) list.reload();
  };
  const end = (session) => async (options) => {
    await remove(session ? `/v1/me/sessions/${session.id}` : "/v1/me/sessions", options);
    say(t("Signed out there."));
  };
  const others = (list.rows ?? []).filter((one) => !one.current);
  const endAll = () => open(html`<${Confirm} title=${t("Sign out everywhere else?")} verb=${t("Sign out everywhere else")} danger act=${end(null)} onClose=${close}><p>${t("Every session but this one ends at once.")}</p><//>`);
  const endOne = (one) => () => open(html`<${Confirm} title=${t("Sign out {device}?", { device: deviceOf(one.user_agent) })} verb=${t("Sign out")} danger act=${end(one)} onClose=${close}><p>${t("The session ends at once.")}</p><//>`);
  return html`<${Card} plain title=${t("Sessions")} lead=${t("Where you are signed in.")} footer=${others.length > 0 ? html`<${Button} kind="danger" onClick=${endAll}>${t("Sign out everywhere else…")}<//>` : null}>
    <${Loaded} from=${list}>${() => html`<ul class="lines">${list.rows.map((one) => html`<li key=${one.id}><span class="person"><span class="avatar" aria-hidden="true"><${Icon} name="globe" /></span><span><span class="row"><b>${one.kind === "bearer" && !one.user_agent ? t("A program") : deviceOf(one.user_agent)}</b>${one.current ? html`<${Badge} kind="ok" icon="check">${t("This one")}<//>` : null}</span>
      <small>${one.source_ip ?? ""} · ${t("last used")} <${When} at=${one.last_used_at} /></small><small>${t("Signed in")} <${When} at=${one.started_at} />${signedIn(one) ? `: ${signedIn(one)}` : ""}</small></span></span>
      ${one.current ? null : html`<${Button} onClick=${endOne(one)} aria-label=${t("Sign out {device}", { device: deviceOf(one.user_agent) })}>${t("Sign out…")}<//>`}</li>`)}</ul>
      <${More} list=${{ ...list, total: null }} />`}<//>${dialog}<//>`;
}
