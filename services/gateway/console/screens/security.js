// Your own security: name, password, and where you are signed in.
import { patch, put, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { me, recognize, say, useList } from "../lib/state.js";
import { Badge, Button, Card, Icon, Loaded, Page, When } from "../ui/basics.js";
import { Field, FormError, Password, Submit, useSend } from "../ui/forms.js";
import { Confirm } from "../ui/overlays.js";

export function Security() {
  const who = useSignal(me);
  return html`<${Page} title=${t("Security")} org=${who.organization?.name} lead=${t("Your name, your password, and where you are signed in.")}><${Profile} who=${who} /><${ChangePassword} /><${Sessions} /><//>`;
}

function Profile({ who }) {
  const [name, setName] = useState(who.user.name);
  const sending = useSend(async (body, options) => {
    await patch("/v1/me/profile", body, options);
    await recognize();
    say(t("Your name is saved."));
  });
  const why = name.trim() && name !== who.user.name ? "" : t("Nothing is changed yet");
  const send = (event) => {
    event.preventDefault();
    if (!why) sending.run({ name });
  };
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("Profile")} footer=${html`<${Submit} sending=${sending} kind="" why=${why}>${t("Save")}<//>`}><div class="stack columns">
    <${Field} label=${t("Your name")} name="name" autocomplete="name" maxlength="200" value=${name} onInput=${setName} wrong=${sending.wrong("name")} />
    <${Field} label=${t("E-mail")} type="email" value=${who.user.email} readonly onInput=${() => undefined} /></div><${FormError} sending=${sending} fields=${["name"]} /><//></form>`;
}

function ChangePassword() {
  const [given, set] = useState({ current_password: "", new_password: "" });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const sending = useSend(async (body, options) => {
    await put("/v1/me/password", body, options);
    set({ current_password: "", new_password: "" });
    say(t("Your password is changed. Your other sessions have ended."));
  });
  const why = given.current_password && given.new_password ? "" : t("Type both passwords first");
  const send = (event) => {
    event.preventDefault();
    if (!why) sending.run(given);
  };
  return html`<form novalidate onSubmit=${send}><${Card} title=${t("Password")} lead=${t("Changing it ends all your other sessions.")} footer=${html`<${Submit} sending=${sending} kind="" why=${why}>${t("Change password")}<//>`}>
    <div class="stack"><${FormError} sending=${sending} fields=${["current_password", "new_password"]} /><div class="columns">
    <${Password} label=${t("Current password")} name="current_password" autocomplete="current-password" value=${given.current_password} onInput=${change("current_password")} wrong=${sending.wrong("current_password")} />
    <${Password} label=${t("New password")} name="new_password" autocomplete="new-password" value=${given.new_password} onInput=${change("new_password")} wrong=${sending.wrong("new_password")} hint=${t("At least 12 characters. A few unrelated words make a good one.")} /></div></div><//></form>`;
}

/** A browser and system from a User-Agent, as people would name them. */
export function deviceOf(agent) {
  if (!agent) return t("Unknown device");
  const browser = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([mark]) => agent.includes(mark))?.[1] ?? agent.split(/[\s/]/)[0];
  const system = [["Windows", "Windows"], ["iPhone", "iPhone"], ["Android", "Android"], ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark))?.[1];
  return system ? t("{browser} on {system}", { browser, system }) : browser;
}

function Sessions() {
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
      <small>${one.source_ip ?? ""} · ${t("last used")} <${When} at=${one.last_used_at} /></small></span></span>
      ${one.current ? null : html`<${Button} onClick=${endOne(one)} aria-label=${t("Sign out {device}", { device: deviceOf(one.user_agent) })}>${t("Sign out…")}<//>`}</li>`)}</ul>
      ${list.more ? html`<div class="table-foot"><${Button} onClick=${list.more} busy=${list.loadingMore}>${t("Load more")}<//></div>` : null}`}<//>${dialog}<//>`;
}
