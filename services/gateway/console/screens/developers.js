// What programs work with: webhooks, and API keys, made for some areas, shown once, rotated and revoked.
import { post, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { ago, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { can, me, ROOT, say, useList } from "../lib/state.js";
import { Badge, Button, Card, Empty, Page, When } from "../ui/basics.js";
import { Check, Choices, Field, FormError, Select, Submit, useSend, Wrong } from "../ui/forms.js";
import { Confirm, Dialog, Menu } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { ShownOnce } from "../ui/shown-once.js";
import { Table } from "../ui/table.js";
import { Webhooks } from "./webhooks.js";

const DAY_MS = 86_400_000;
const AREAS = () => [
  ["users", t("Users"), t("People, invitations, sessions, who has a second factor.")],
  ["groups", t("User groups"), t("Groups and who is in them.")],
  ["dashboards", t("Dashboards"), t("All that are registered.")],
  ["webhooks", t("Webhooks"), t("Webhooks and what was sent.")],
  ["access", t("Who can see what"), t("Decisions, searches and why.")],
  ["organization", t("Organization"), t("Details, domains, the security policy.")],
  ["billing", t("Billing"), t("The plan, invoices, slots.")],
  ["audit", t("Audit log"), t("Entries and signed heads.")],
  ["events", t("Events"), t("Page by page, and as they happen.")],
];
const VIEW_ONLY = ["access", "audit", "billing", "events", "organization"];
const named = (area) => AREAS().find(([key]) => key === area)?.[1] ?? area;
const ACCESS = () => ({ view: t("View"), manage: t("Manage") });

function State({ apiKey }) {
  if (apiKey.state === "suspended") return html`<${Badge} kind="warn" icon="lock">${t("Suspended by the plan")}<//>`;
  if (apiKey.state === "expired") return html`<${Badge}>${t("Expired")}<//>`;
  return html`<${Badge} kind="ok" icon="check">${t("Active")}<//>`;
}

export function Developers() {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const [fresh, setFresh] = useState(null);
  const list = useList("/v1/api-keys");
  const close = (done) => {
    open(null);
    if (done) list.reload();
  };
  const shown = (apiKey) => {
    setFresh(apiKey.id);
    list.reload();
    open(html`<${Token} apiKey=${apiKey} onClose=${close} />`);
  };
  const creating = html`<${Button} kind="primary" icon="plus" why=${whyNot("api_keys.create")} onClick=${() => open(html`<${Create} shown=${shown} onClose=${close} />`)}>${t("Create an API key")}<//>`;
  const edit = whyNot("api_keys.edit");
  const columns = [
    { key: "name", label: t("Name"), cell: (one) => html`<span class="row"><b data-name>${one.name}</b><${Badge} kind=${one.access === "manage" ? "accent" : ""}>${ACCESS()[one.access]}<//></span><div class="small quiet">${one.areas.map(named).join(", ")}</div><div class="small quiet">${t("ends in {hint}", { hint: one.hint })}</div>` },
    { key: "state", label: t("State"), cell: (one) => html`<${State} apiKey=${one} />${one.previous_token_until ? html`<div class="small quiet">${t("The old token ends {when}", { when: ago(one.previous_token_until) })}</div>` : null}` },
    { key: "end", label: t("Ends"), secondary: true, cell: (one) => (one.expires_at ? html`<${When} at=${one.expires_at} />` : t("never")) },
    { key: "used", label: t("Last used"), secondary: true, cell: (one) => html`<${When} at=${one.last_used_at} />${one.last_used_ip ? html`<div class="small quiet">${one.last_used_ip}</div>` : null}` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Menu} label=${t("Actions for {name}", { name: one.name })} items=${[
      { label: t("Rotate the token…"), why: edit, act: () => open(html`<${Rotate} apiKey=${one} shown=${shown} onClose=${close} />`) },
      null,
      { label: t("Revoke…"), danger: true, why: edit, act: () => open(html`<${Revoke} apiKey=${one} onClose=${close} />`) },
    ]} />` },
  ];
  const locked = can("api_keys.create").because?.kind === "plan";
  return html`<${Page} title=${t("Developers")} org=${who.organization.name} lead=${t("What your programs act with. A key is the organization's, and stays when whoever made it leaves.")} actions=${html`<a class="button" href="${ROOT}/developers/events">${t("Event log")}</a>${creating}`}>
    <${PlanLock} action="api_keys.create" title=${t("API keys aren't in your plan")}><p>${list.rows?.length ? t("The keys below are refused until it includes them; they stay as they are.") : t("With one, a program invites people, keeps groups up to date or reads the audit log.")}</p><//>
    <${Card} plain title=${t("API keys")}><${Table} label=${t("API keys")} list=${list} columns=${columns} fresh=${fresh} empty=${html`<${Empty} icon="key" title=${t("No API keys yet")} action=${locked ? null : creating}>${t("A program that acts for your organization needs one.")}<//>`} /><//><${Webhooks} /><${Documents} />${dialog}<//>`;
}

/** What there is to read for who writes programs. */
function Documents() {
  const all = [["/docs", t("The API, endpoint by endpoint")], ["/openapi.json", "OpenAPI"], ["/docs/events", t("Events and their fields")], ["/asyncapi.json", "AsyncAPI"]];
  return html`<${Card} title=${t("To read")}><ul class="plain-list">${all.map(([path, label]) => html`<li><a href=${path}>${label}</a></li>`)}</ul><//>`;
}

function Create({ shown, onClose }) {
  const [given, set] = useState({ name: "", access: "view", areas: [], life: "90" });
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const flip = (area) => (on) => change("areas")(on ? [...given.areas, area] : given.areas.filter((one) => one !== area));
  const sending = useSend(async (body, options) => {
    const expires = body.life === "never" ? null : new Date(Date.now() + Number(body.life) * DAY_MS).toISOString();
    const { data } = await post("/v1/api-keys", { name: body.name, access: body.access, areas: body.areas, expires_at: expires }, options);
    shown(data);
  });
  const idle = given.access === "manage" && given.areas.length > 0 && given.areas.every((one) => VIEW_ONLY.includes(one));
  const why = !given.name.trim() ? t("Type a name first") : !given.areas.length ? t("Choose an area first") : idle ? t("These areas can only be looked at: choose View.") : "";
  const note = (area, text) => (given.access === "manage" && VIEW_ONLY.includes(area) ? t("{text} Only to look at.", { text }) : text);
  const lives = [["30", t("30 days")], ["90", t("90 days")], ["365", t("1 year")], ["never", t("Never")]];
  return html`<${Dialog} large title=${t("Create an API key")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ ...given, name: given.name.trim() })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Create and show the token")}<//>`}>
    <div class="columns"><${Field} label=${t("Name")} name="name" maxlength="80" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} hint=${t("What it is for, such as Nightly sync.")} />
      <${Select} label=${t("Ends after")} wrong=${sending.wrong("expires_at")} value=${given.life} onInput=${change("life")} options=${lives} hint=${given.life === "never" ? t("A key without end is forgotten easily.") : t("All admins get a mail a week before.")} /></div>
    <${Choices} legend=${t("What it may")} wrong=${sending.wrong("access")} value=${given.access} onInput=${change("access")} options=${[["view", t("View"), t("Looks, and changes nothing.")], ["manage", t("Manage"), t("Looks and changes.")]]} />
    <div class="stack tight"><p class="label small">${t("Where")}</p><div class="choices list" role="group" aria-label=${t("Where")}>${AREAS().map(([key, label, text]) => html`<${Check} key=${key} flat label=${label} note=${note(key, text)} checked=${given.areas.includes(key)} onChange=${flip(key)} />`)}</div><${Wrong}>${sending.wrong("areas")}<//></div>
    <p class="small quiet">${t("It can never be changed afterwards: for more, make another key.")}</p>
    <${FormError} sending=${sending} fields=${["name", "access", "areas", "expires_at"]} /><//>`;
}

function Token({ apiKey, onClose }) {
  return html`<${ShownOnce} title=${t("The token of {name}", { name: apiKey.name })} secret=${apiKey.token} copy=${t("Copy the token")} onClose=${onClose}
      lead=${t("Programs send it as a bearer token. It is shown only now: store it where only they read it.")} again=${t("Close once more to go on without it. You can rotate the key to get another token.")}>
    ${apiKey.previous_token_until ? html`<p class="small quiet">${t("The old token ends {when}", { when: ago(apiKey.previous_token_until) })}.</p>` : null}<//>`;
}

function Rotate({ apiKey, shown, onClose }) {
  const [overlap, setOverlap] = useState("24");
  const sending = useSend(async (body, options) => {
    const { data } = await post(`/v1/api-keys/${apiKey.id}/rotations`, body, options);
    shown(data);
  });
  const options = [
    ["24", t("24 hours"), t("Time for your programs to change over. The usual choice.")],
    ["0", t("Not at all"), t("When it has leaked. Programs that still use it are refused at once.")],
    ["72", t("3 days")],
    ["168", t("7 days"), t("The longest.")],
  ];
  return html`<${Dialog} title=${t("Rotate the token of {name}", { name: apiKey.name })} onClose=${() => onClose(false)} onSubmit=${() => sending.run({ overlap_hours: Number(overlap) })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind=${overlap === "0" ? "primary danger" : "primary"}>${t("Rotate and show the token")}<//>`}>
    <${LastUse} apiKey=${apiKey} /><${Choices} legend=${t("How long the present one still works")} wrong=${sending.wrong("overlap_hours")} value=${overlap} onInput=${setOverlap} options=${options} /><${FormError} sending=${sending} fields=${["overlap_hours"]} /><//>`;
}

function LastUse({ apiKey }) {
  if (!apiKey.last_used_at) return html`<p class="quiet">${t("This key was never used.")}</p>`;
  return html`<p>${apiKey.last_used_ip ? t("Last used {when} from {address}.", { when: ago(apiKey.last_used_at), address: apiKey.last_used_ip }) : t("Last used {when}.", { when: ago(apiKey.last_used_at) })}</p>`;
}

function Revoke({ apiKey, onClose }) {
  const act = async (options) => {
    await remove(`/v1/api-keys/${apiKey.id}`, options);
    say(t("The key {name} is revoked.", { name: apiKey.name }));
  };
  return html`<${Confirm} title=${t("Revoke the key {name}?", { name: apiKey.name })} verb=${t("Revoke the key")} danger act=${act} onClose=${onClose}>
    <${LastUse} apiKey=${apiKey} /><p>${t("Programs that use it are refused within a second, for good.")}</p><//>`;
}
